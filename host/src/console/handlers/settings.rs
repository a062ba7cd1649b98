//! A tenant's settings, and who may do what there and on the whole host.

use std::collections::HashMap;

use axum::extract::{Form, Path, State};
use axum::http::StatusCode;
use axum::response::Response;
use chrono::{DateTime, Duration, NaiveDate, Utc};
use secrecy::{ExposeSecret, SecretString};

use super::form::{Fields, filled, text, version};
use super::start::{JUMPCLOUD, form_of, secret_of, section_of};
use super::{Answer, Host};
use crate::console::page::{Shell, page, see_other};
use crate::console::pages::settings::{Access, GrantRow, SecretRow, Secrets, Settings, TokenRow, Tokens};
use crate::console::reader::{self, Reader, TenantPage, declared, role, tenant_href};
use crate::console::words::{Badge, Name, Tone, When};
use crate::service::{Declared, NewToken, Service, ServiceError, TenantChange};
use crate::store::service::{Role, TokenRecord};

/// How long before a secret's end it is to look at.
const SOON: i64 = 30;

/// `GET …/settings`.
pub async fn jumpcloud(State(service): Host, reader: Reader, Path(tenant): Path<String>) -> Answer {
    let (shell, view) = reader
        .of_tenant(&service, &tenant, "Settings", TenantPage::Settings)
        .await?;
    let stored = matches!(view.declared, Declared::InStore { .. });
    Ok(page(
        StatusCode::OK,
        &Settings {
            shell,
            href: format!("{}/settings", tenant_href(&tenant)),
            version: reader::version(view.declared),
            declared_in_file: declared(view.declared, "This tenant"),
            may_change: stored && reader.who.may(Some(&tenant), Role::Admin),
            enabled: view.enabled,
            form: form_of(&view),
        },
    ))
}

/// `POST …/settings/jumpcloud`.
pub async fn keep_jumpcloud(
    State(service): Host,
    reader: Reader,
    Path(tenant): Path<String>,
    Form(form): Fields,
) -> Answer {
    let href = format!("{}/settings", tenant_href(&tenant));
    if text(&form, "what") == "try" {
        service.try_jumpcloud(&reader.who, &tenant).await?;
        return Ok(see_other(&format!("{href}?done=reached")));
    }
    let change = TenantChange {
        title: filled(&form, "title"),
        jumpcloud: Some(section_of(&form)),
        ..TenantChange::default()
    };
    service
        .change_tenant(&reader.who, &tenant, version(&form), change)
        .await?;
    if let Some(secret) = secret_of(&form) {
        service
            .set_secret(&reader.who, &tenant, JUMPCLOUD, secret, None)
            .await?;
    }
    Ok(see_other(&format!("{href}?done=jumpcloud")))
}

/// `POST …/settings/enabled`.
pub async fn switch(
    State(service): Host,
    reader: Reader,
    Path(tenant): Path<String>,
    Form(form): Fields,
) -> Answer {
    let on = text(&form, "enabled") == "yes";
    let change = TenantChange {
        enabled: Some(on),
        ..TenantChange::default()
    };
    service
        .change_tenant(&reader.who, &tenant, version(&form), change)
        .await?;
    let done = if on { "on" } else { "off" };
    Ok(see_other(&format!(
        "{}/settings?done={done}",
        tenant_href(&tenant)
    )))
}

fn expiry(at: Option<DateTime<Utc>>) -> Badge {
    match at {
        None => Badge::new(Tone::Plain, "never"),
        Some(at) if at <= Utc::now() => Badge::new(Tone::Bad, format!("expired {}", When::new(at).words())),
        Some(at) => {
            let soon = at <= Utc::now() + Duration::days(SOON);
            Badge::new(if soon { Tone::Care } else { Tone::Plain }, When::new(at).words())
        }
    }
}

/// `GET …/secrets`.
pub async fn secrets(State(service): Host, reader: Reader, Path(tenant): Path<String>) -> Answer {
    let (shell, view) = reader
        .of_tenant(&service, &tenant, "Secrets", TenantPage::Secrets)
        .await?;
    let rows = service
        .secrets(&reader.who, &tenant)
        .await?
        .into_iter()
        .map(|one| SecretRow {
            name: Name::new(one.name),
            version: one.version,
            set_at: When::new(one.set_at),
            set_by: Name::new(one.set_by),
            expires: expiry(one.expires_at),
        })
        .collect();
    Ok(page(
        StatusCode::OK,
        &Secrets {
            shell,
            href: format!("{}/secrets", tenant_href(&tenant)),
            may_change: matches!(view.declared, Declared::InStore { .. }),
            rows,
        },
    ))
}

/// `POST …/secrets`.
pub async fn set_secret(
    State(service): Host,
    reader: Reader,
    Path(tenant): Path<String>,
    Form(mut form): Fields,
) -> Answer {
    let value = SecretString::from(form.remove("value").unwrap_or_default());
    if value.expose_secret().trim().is_empty() {
        return Err(ServiceError::invalid("value", "there is no value; paste the secret").into());
    }
    let expires = match filled(&form, "expires") {
        None => None,
        Some(day) => Some(
            NaiveDate::parse_from_str(&day, "%Y-%m-%d")
                .ok()
                .and_then(|day| day.and_hms_opt(0, 0, 0))
                .map(|at| at.and_utc())
                .ok_or_else(|| ServiceError::invalid("expires", "this is no day; write it as 2027-03-31"))?,
        ),
    };
    service
        .set_secret(&reader.who, &tenant, &text(&form, "name"), value, expires)
        .await?;
    Ok(see_other(&format!(
        "{}/secrets?done=secret",
        tenant_href(&tenant)
    )))
}

/// `POST …/secrets/remove`.
pub async fn remove_secret(
    State(service): Host,
    reader: Reader,
    Path(tenant): Path<String>,
    Form(form): Fields,
) -> Answer {
    service
        .remove_secret(&reader.who, &tenant, &text(&form, "name"))
        .await?;
    Ok(see_other(&format!(
        "{}/secrets?done=removed",
        tenant_href(&tenant)
    )))
}

/// Around a page that a tenant and the host both have; its path.
async fn around(
    service: &Service,
    reader: &Reader,
    tenant: Option<&str>,
    title: &str,
    rest: &str,
    which: TenantPage,
) -> Result<(Shell, String), ServiceError> {
    match tenant {
        Some(tenant) => {
            let (shell, _) = reader.of_tenant(service, tenant, title, which).await?;
            Ok((shell, format!("{}{rest}", tenant_href(tenant))))
        }
        None => Ok((reader.shell(title, rest), rest.to_owned())),
    }
}

fn token_row(token: TokenRecord) -> TokenRow {
    let usable = token.revoked_at.is_none() && token.expires_at.is_none_or(|at| at > Utc::now());
    TokenRow {
        expires: if token.revoked_at.is_some() {
            Badge::new(Tone::Plain, "revoked")
        } else {
            expiry(token.expires_at)
        },
        id: token.id,
        name: Name::new(token.name),
        role: role(token.role),
        made: When::new(token.created_at),
        used: token.last_used_at.map(When::new),
        usable,
    }
}

async fn token_page(
    service: &Service,
    reader: &Reader,
    tenant: Option<&str>,
    made: Option<String>,
) -> Result<Response, ServiceError> {
    let (shell, href) = around(
        service,
        reader,
        tenant,
        "API tokens",
        "/tokens",
        TenantPage::Tokens,
    )
    .await?;
    let tokens = service.tokens(&reader.who, tenant).await?;
    let rows = tokens
        .into_iter()
        .filter(|token| token.tenant.as_deref() == tenant)
        .map(token_row)
        .collect();
    Ok(page(
        StatusCode::OK,
        &Tokens {
            shell,
            href,
            may_change: reader.who.may(tenant, Role::Admin),
            made,
            rows,
        },
    ))
}

/// `GET …/tokens`.
pub async fn tokens(State(service): Host, reader: Reader, tenant: Option<Path<String>>) -> Answer {
    let tenant = tenant.as_ref().map(|Path(tenant)| tenant.as_str());
    Ok(token_page(&service, &reader, tenant, None).await?)
}

fn role_of(form: &HashMap<String, String>) -> Result<Role, ServiceError> {
    match text(form, "role").as_str() {
        "viewer" => Ok(Role::Viewer),
        "operator" => Ok(Role::Operator),
        "admin" => Ok(Role::Admin),
        _ => Err(ServiceError::invalid("role", "choose viewer, operator or admin")),
    }
}

/// `POST …/tokens`: the page shows the token this once.
pub async fn make_token(
    State(service): Host,
    reader: Reader,
    tenant: Option<Path<String>>,
    Form(form): Fields,
) -> Answer {
    let tenant = tenant.as_ref().map(|Path(tenant)| tenant.as_str());
    let expires_at = match filled(&form, "days") {
        None => None,
        Some(days) => {
            let days: u32 = days
                .parse()
                .map_err(|_| ServiceError::invalid("days", "this is no number of days"))?;
            Some(Utc::now() + Duration::days(i64::from(days)))
        }
    };
    let new = NewToken {
        name: text(&form, "name"),
        tenant: tenant.map(str::to_owned),
        role: role_of(&form)?,
        expires_at,
    };
    let (_, secret) = service.create_token(&reader.who, new).await?;
    let made = secret.expose_secret().to_owned();
    Ok(token_page(&service, &reader, tenant, Some(made)).await?)
}

/// `POST …/tokens/revoke`.
pub async fn revoke_token(
    State(service): Host,
    reader: Reader,
    tenant: Option<Path<String>>,
    Form(form): Fields,
) -> Answer {
    service.revoke_token(&reader.who, &text(&form, "id")).await?;
    let home = tenant.map_or_else(String::new, |Path(tenant)| tenant_href(&tenant));
    Ok(see_other(&format!("{home}/tokens?done=revoked")))
}

/// `GET …/access`.
pub async fn access(State(service): Host, reader: Reader, tenant: Option<Path<String>>) -> Answer {
    let tenant = tenant.as_ref().map(|Path(tenant)| tenant.as_str());
    let (shell, href) = around(&service, &reader, tenant, "Access", "/access", TenantPage::Access).await?;
    let rows = service
        .grants(&reader.who, tenant)
        .await?
        .into_iter()
        .filter(|grant| grant.tenant.as_deref() == tenant)
        .map(|grant| GrantRow {
            subject: Name::new(grant.subject),
            role: role(grant.role),
            since: When::new(grant.created_at),
        })
        .collect();
    Ok(page(
        StatusCode::OK,
        &Access {
            shell,
            href,
            may_change: reader.who.may(tenant, Role::Admin),
            rows,
        },
    ))
}

/// `POST …/access`.
pub async fn grant(
    State(service): Host,
    reader: Reader,
    tenant: Option<Path<String>>,
    Form(form): Fields,
) -> Answer {
    let tenant = tenant.as_ref().map(|Path(tenant)| tenant.as_str());
    let kind = if text(&form, "kind") == "group" {
        "group"
    } else {
        "email"
    };
    let subject = format!("{kind}:{}", text(&form, "subject"));
    service
        .put_grant(&reader.who, &subject, tenant, role_of(&form)?)
        .await?;
    let home = tenant.map_or_else(String::new, tenant_href);
    Ok(see_other(&format!("{home}/access?done=granted")))
}

/// `POST …/access/remove`.
pub async fn remove_grant(
    State(service): Host,
    reader: Reader,
    tenant: Option<Path<String>>,
    Form(form): Fields,
) -> Answer {
    let tenant = tenant.as_ref().map(|Path(tenant)| tenant.as_str());
    service
        .remove_grant(&reader.who, &text(&form, "subject"), tenant)
        .await?;
    let home = tenant.map_or_else(String::new, tenant_href);
    Ok(see_other(&format!("{home}/access?done=removed")))
}

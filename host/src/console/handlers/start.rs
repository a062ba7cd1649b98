//! Getting started: a tenant with its JumpCloud connection, tried at once; then a directory.

use std::collections::HashMap;

use axum::extract::{Form, Path, State};
use axum::http::StatusCode;
use axum::response::Response;
use secrecy::{ExposeSecret, SecretString};
use serde_json::{Map, Value, json};

use super::form::{Fields, Query, filled, text};
use super::{Answer, Host};
use crate::console::page::{page, see_other};
use crate::console::pages::start::{DirectoryForm, JumpCloudForm, NewDirectoryPage, NewTenantPage, steps};
use crate::console::reader::{Reader, TenantPage, directory_href, tenant_href};
use crate::console::refusal::refusal;
use crate::console::words::Name;
use crate::service::{NewDirectory, NewTenant, Service, ServiceError, TenantView};
use crate::store::ConnectionId;
use crate::store::service::DirectoryVendor;

/// What the secret of the JumpCloud connection is called.
pub const JUMPCLOUD: &str = "jumpcloud";

/// The `[jumpcloud]` section that a form describes.
pub fn section_of(form: &HashMap<String, String>) -> Value {
    let mut section = Map::new();
    let secret = json!({ "stored": JUMPCLOUD });
    if text(form, "credential") == "service-account" {
        let account = json!({ "client_id": text(form, "client_id"), "client_secret": secret });
        section.insert("service_account".to_owned(), account);
    } else {
        section.insert("api_key".to_owned(), secret);
    }
    for key in ["base_url", "token_url", "org_id"] {
        if let Some(value) = filled(form, key) {
            section.insert(key.to_owned(), value.into());
        }
    }
    Value::Object(section)
}

/// The secret that a form brings, where it brings one.
pub fn secret_of(form: &HashMap<String, String>) -> Option<SecretString> {
    filled(form, "secret").map(SecretString::from)
}

/// What stands in the form of a tenant that is there.
pub fn form_of(view: &TenantView) -> JumpCloudForm {
    let section = view.jumpcloud.as_ref();
    let of = |key: &str| {
        let value = section
            .and_then(|section| section.get(key))
            .and_then(Value::as_str);
        value.unwrap_or_default().to_owned()
    };
    let account = section.and_then(|section| section.get("service_account"));
    JumpCloudForm {
        title: view.title.clone(),
        name: view.name.clone(),
        credential: if account.is_some() {
            "service-account"
        } else {
            "api-key"
        }
        .to_owned(),
        client_id: account
            .and_then(|account| account.get("client_id"))
            .and_then(Value::as_str)
            .unwrap_or_default()
            .to_owned(),
        secret_is_kept: true,
        base_url: of("base_url"),
        token_url: of("token_url"),
        org_id: of("org_id"),
    }
}

/// `GET /tenants/new`.
pub async fn new_tenant(reader: Reader) -> Response {
    let form = JumpCloudForm {
        credential: "service-account".to_owned(),
        ..JumpCloudForm::default()
    };
    tenant_page(&reader, form, None)
}

fn tenant_page(reader: &Reader, form: JumpCloudForm, error: Option<&ServiceError>) -> Response {
    let mut shell = reader.shell("Add a tenant", "");
    let mut status = StatusCode::OK;
    if let Some(error) = error {
        let (refused, notice) = refusal(error);
        (status, shell.notice) = (refused, Some(notice));
    }
    page(
        status,
        &NewTenantPage {
            shell,
            steps: steps(None, None, [false; 4]),
            form,
        },
    )
}

/// `POST /tenants/new`: makes the tenant, keeps its key, and tries it. What cannot be reached is not kept.
pub async fn create_tenant(State(service): Host, reader: Reader, Form(form): Fields) -> Answer {
    match created(&service, &reader, &form).await {
        Ok(tenant) => Ok(see_other(&format!(
            "{}/directories/new?done=tenant",
            tenant_href(&tenant)
        ))),
        Err(error @ (ServiceError::Internal(_) | ServiceError::Forbidden { .. })) => Err(error.into()),
        Err(error) => {
            // The secret is not sent back: it is entered again.
            let entered = JumpCloudForm {
                title: text(&form, "title"),
                name: text(&form, "name"),
                credential: text(&form, "credential"),
                client_id: text(&form, "client_id"),
                secret_is_kept: false,
                base_url: text(&form, "base_url"),
                token_url: text(&form, "token_url"),
                org_id: text(&form, "org_id"),
            };
            Ok(tenant_page(&reader, entered, Some(&error)))
        }
    }
}

async fn created(
    service: &Service,
    reader: &Reader,
    form: &HashMap<String, String>,
) -> Result<String, ServiceError> {
    let secret = secret_of(form).ok_or_else(|| {
        ServiceError::invalid(
            "secret",
            "there is no key; paste the client secret or the API key",
        )
    })?;
    let new = NewTenant {
        name: text(form, "name"),
        title: text(form, "title"),
        jumpcloud: section_of(form),
    };
    let made = service.create_tenant(&reader.who, new).await?;
    let kept = async {
        service
            .set_secret(&reader.who, &made.name, JUMPCLOUD, secret, None)
            .await?;
        service.try_jumpcloud(&reader.who, &made.name).await
    };
    if let Err(error) = kept.await {
        // As if it had never been: the name is free again, and no secret stays behind.
        let version = crate::console::reader::version(made.declared);
        service.remove_tenant(&reader.who, &made.name, version).await?;
        return Err(error);
    }
    Ok(made.name)
}

/// `GET …/directories/new`.
pub async fn new_directory(
    State(service): Host,
    reader: Reader,
    Path(tenant): Path<String>,
    axum::extract::Query(query): Query,
) -> Answer {
    let form = DirectoryForm {
        vendor: match text(&query, "vendor").as_str() {
            "google" => "google",
            "entra" => "entra",
            _ => "",
        }
        .to_owned(),
        name: text(&query, "vendor"),
        ..DirectoryForm::default()
    };
    directory_page(&service, &reader, &tenant, form, None).await
}

async fn directory_page(
    service: &Service,
    reader: &Reader,
    tenant: &str,
    form: DirectoryForm,
    error: Option<&ServiceError>,
) -> Answer {
    let (mut shell, _) = reader
        .of_tenant(service, tenant, "Connect a directory", TenantPage::Other)
        .await?;
    let mut status = StatusCode::OK;
    if let Some(error) = error {
        let (refused, notice) = refusal(error);
        (status, shell.notice) = (refused, Some(notice));
    }
    let kind = if form.vendor == "google" {
        "g_suite"
    } else {
        "office_365"
    };
    let choices = if form.vendor.is_empty() {
        Vec::new()
    } else {
        // Where JumpCloud cannot be asked now, its ID is typed.
        service
            .try_jumpcloud(&reader.who, tenant)
            .await
            .unwrap_or_default()
            .into_iter()
            .filter(|one| one.kind == kind)
            .map(|one| {
                let label = if one.name.is_empty() {
                    one.id.clone()
                } else {
                    format!("{} ({})", one.name, one.id)
                };
                (one.id, Name::new(label))
            })
            .collect()
    };
    let home = tenant_href(tenant);
    let first = service.directories(&reader.who, tenant).await?.is_empty();
    Ok(page(
        status,
        &NewDirectoryPage {
            shell,
            href: format!("{home}/directories/new"),
            steps: if first {
                steps(Some(&home), None, [true, false, false, false])
            } else {
                Vec::new()
            },
            form,
            choices,
        },
    ))
}

/// `POST …/directories/new`.
pub async fn create_directory(
    State(service): Host,
    reader: Reader,
    Path(tenant): Path<String>,
    Form(form): Fields,
) -> Answer {
    let entered = DirectoryForm {
        vendor: text(&form, "vendor"),
        name: text(&form, "name"),
        directory: text(&form, "directory"),
        admin: text(&form, "admin"),
        customer_id: text(&form, "customer_id"),
        base_url: text(&form, "base_url"),
        token_url: text(&form, "token_url"),
        tenant_id: text(&form, "tenant_id"),
        client_id: text(&form, "client_id"),
        graph_url: text(&form, "graph_url"),
        login_url: text(&form, "login_url"),
    };
    match connected(&service, &reader, &tenant, &form, &entered).await {
        Ok(id) => Ok(see_other(&format!("{}?done=directory", directory_href(&id)))),
        Err(
            error @ (ServiceError::Internal(_)
            | ServiceError::Forbidden { .. }
            | ServiceError::Declared { .. }),
        ) => Err(error.into()),
        Err(error) => directory_page(&service, &reader, &tenant, entered, Some(&error)).await,
    }
}

async fn connected(
    service: &Service,
    reader: &Reader,
    tenant: &str,
    form: &HashMap<String, String>,
    entered: &DirectoryForm,
) -> Result<ConnectionId, ServiceError> {
    let id = ConnectionId::new(tenant, entered.name.clone());
    let secret =
        secret_of(form).ok_or_else(|| ServiceError::invalid("secret", "there is no credential; paste it"))?;
    let secret_name = format!("{}-credential", entered.name);
    let stored = json!({ "stored": secret_name });
    let mut section = Map::new();
    section.insert("directory".to_owned(), entered.directory.clone().into());
    let vendor = if entered.vendor == "google" {
        let key: Value = serde_json::from_str(secret.expose_secret()).unwrap_or_default();
        if key.get("private_key").is_none() {
            return Err(ServiceError::invalid(
                "service_account_key",
                "this is no key of a service account; paste the whole JSON file",
            ));
        }
        section.insert("service_account_key".to_owned(), stored);
        section.insert("admin".to_owned(), entered.admin.clone().into());
        DirectoryVendor::Google
    } else {
        section.insert("client_secret".to_owned(), stored);
        section.insert("tenant_id".to_owned(), entered.tenant_id.clone().into());
        section.insert("client_id".to_owned(), entered.client_id.clone().into());
        DirectoryVendor::Entra
    };
    let rare = if vendor == DirectoryVendor::Google {
        vec![
            ("customer_id", &entered.customer_id),
            ("base_url", &entered.base_url),
            ("token_url", &entered.token_url),
        ]
    } else {
        vec![
            ("graph_url", &entered.graph_url),
            ("login_url", &entered.login_url),
        ]
    };
    for (key, value) in rare.into_iter().filter(|(_, value)| !value.is_empty()) {
        section.insert(key.to_owned(), value.clone().into());
    }
    // Another directory of this name keeps its credential.
    if service.directory(&reader.who, &id).await.is_ok() {
        return Err(ServiceError::Conflict {
            message: format!("there is a directory {} already; choose another name", id.name),
            current: None,
        });
    }
    // The secret first: a directory is set up as soon as it is there. One that is refused leaves none behind.
    service
        .set_secret(&reader.who, tenant, &secret_name, secret, None)
        .await?;
    let new = NewDirectory {
        id: id.clone(),
        vendor,
        section: Value::Object(section),
    };
    if let Err(error) = service.create_directory(&reader.who, new).await {
        service.remove_secret(&reader.who, tenant, &secret_name).await?;
        return Err(error);
    }
    Ok(id)
}

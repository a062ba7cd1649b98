//! Plugins: which a tenant runs is chosen here, among what was granted; the host's administrators see all.

use axum::extract::{Form, Path, State};
use axum::http::StatusCode;

use super::form::{Fields, filled, version};
use super::{Answer, Host};
use crate::console::page::{page, see_other};
use crate::console::pages::plugins::{PluginRow, Plugins};
use crate::console::reader::{self, Reader, TenantPage, declared, tenant_href};
use crate::console::words::{Badge, Name, Tone, When, count, fitting, grouped};
use crate::service::{Declared, PluginGrant, TenantChange};
use crate::store::service::Role;

/// `GET /plugins`: of the whole host, and what was granted to single tenants.
pub async fn of_host(State(service): Host, reader: Reader) -> Answer {
    let rows = service.plugin_grants(&reader.who).await?;
    Ok(page(
        StatusCode::OK,
        &Plugins {
            shell: reader.shell("Plugins", "/plugins"),
            href: "/plugins".to_owned(),
            version: 0,
            declared_in_file: None,
            may_choose: false,
            missing: None,
            rows: rows.into_iter().map(row).collect(),
        },
    ))
}

/// `GET …/plugins` of a tenant.
pub async fn of_tenant(State(service): Host, reader: Reader, Path(tenant): Path<String>) -> Answer {
    let (shell, view) = reader
        .of_tenant(&service, &tenant, "Plugins", TenantPage::Plugins)
        .await?;
    let known = service.plugins_of(&reader.who, &tenant).await?;
    let stored = matches!(view.declared, Declared::InStore { .. });
    let used = || Some(Badge::new(Tone::Good, "Runs"));
    let mut rows = vec![PluginRow {
        name: "Built-in component".into(),
        digest: String::new(),
        whose: "every tenant".into(),
        origin: None,
        size: None,
        granted: "what a sync needs, and nothing else".to_owned(),
        rules: Vec::new(),
        added: None,
        used: view.plugin.is_none().then(used).flatten(),
    }];
    let missing = view
        .plugin
        .as_ref()
        .filter(|digest| known.iter().all(|one| one.digest != **digest));
    let missing = missing.map(|digest| Name::new(digest.clone()));
    rows.extend(known.into_iter().filter(|_| stored).map(|grant| {
        let runs = view.plugin.as_deref() == Some(&grant.digest);
        PluginRow {
            used: runs.then(used).flatten(),
            ..row(grant)
        }
    }));
    Ok(page(
        StatusCode::OK,
        &Plugins {
            shell,
            href: format!("{}/plugins", tenant_href(&tenant)),
            version: reader::version(view.declared),
            declared_in_file: declared(view.declared, "This tenant"),
            may_choose: stored && reader.who.may(Some(&tenant), Role::Admin),
            missing,
            rows,
        },
    ))
}

fn row(grant: PluginGrant) -> PluginRow {
    let granted = match &grant.rules {
        Some(rules) if rules.is_empty() => "nothing".to_owned(),
        Some(rules) => {
            let writes = rules.iter().filter(|rule| rule.writes).count() as u64;
            let told = count(rules.len() as u64, "kind of request", "kinds of requests");
            format!("{told}, {writes} of them {}", fitting(writes, "writes", "write"))
        }
        None => "what was granted does not read; grant it again".to_owned(),
    };
    let rules = grant.rules.unwrap_or_default().into_iter().map(|rule| {
        let writes = if rule.writes { " (writes)" } else { "" };
        Name::new(format!(
            "{} {} {}{writes}",
            rule.credential, rule.method, rule.path
        ))
    });
    PluginRow {
        name: Name::new(grant.name),
        whose: grant.tenant.map_or_else(
            || "every tenant".into(),
            |tenant| Name::new(format!("tenant {tenant}")),
        ),
        digest: grant.digest,
        origin: Some(Name::new(grant.origin)),
        size: Some(format!("{} bytes", grouped(grant.size))),
        granted,
        rules: rules.collect(),
        added: Some(When::new(grant.at)),
        used: None,
    }
}

/// `POST …/plugins` of a tenant: which one its runs use from now on.
pub async fn choose(
    State(service): Host,
    reader: Reader,
    Path(tenant): Path<String>,
    Form(form): Fields,
) -> Answer {
    let digest = filled(&form, "digest");
    let done = if digest.is_some() { "plugin" } else { "built-in" };
    let change = TenantChange {
        plugin: Some(digest),
        ..TenantChange::default()
    };
    service
        .change_tenant(&reader.who, &tenant, version(&form), change)
        .await?;
    Ok(see_other(&format!(
        "{}/plugins?done={done}",
        tenant_href(&tenant)
    )))
}

//! Many tenants beside the sample, for a look at lists as a provider has them. They are put into the store as they would
//! stand there after months, which no click could do; nothing of them runs, since none has a schedule.

use secrecy::SecretString;
use serde_json::json;

use groupcast_simulators::server::Addresses;

use crate::service::{Principal, Service, ServiceError};
use crate::store::service::{DirectoryRecord, DirectoryVendor, NewAuditEntry, TenantRecord};
use crate::store::{ConnectionId, NewRun, Result, RunEnd, RunKind, RunResult, Store};

/// The most that are made.
pub const MOST: u32 = 10_000;

const FIRST: [&str; 12] = [
    "Alder",
    "Birchfield",
    "Cormorant",
    "Dunlin",
    "Elmsworth",
    "Fennel",
    "Goldcrest",
    "Hawthorn",
    "Ivy Lane",
    "Juniper",
    "Kingfisher",
    "Linden",
];
const SECOND: [&str; 9] = [
    "Foods",
    "Instruments",
    "Logistics",
    "Media",
    "Partners",
    "Software",
    "Studios",
    "Textiles",
    "Works",
];

fn nth<'a>(words: &[&'a str], number: u32) -> &'a str {
    let place = usize::try_from(number).unwrap_or_default() % words.len().max(1);
    words.get(place).copied().unwrap_or_default()
}

/// Puts so many tenants into a service's store, each with these secrets, and takes them up.
///
/// # Errors
/// The store.
pub async fn fill(
    service: &Service,
    tenants: u32,
    at: &Addresses,
    secrets: &[(&str, SecretString)],
) -> std::result::Result<(), ServiceError> {
    let who = Principal::command_line("sandbox");
    for number in 1..=tenants.min(MOST) {
        let name = one(service.store().as_ref(), number, at).await?;
        for (secret, value) in secrets {
            service
                .set_secret(&who, &name, secret, value.clone(), None)
                .await?;
        }
    }
    service.load().await
}

async fn one(store: &dyn Store, number: u32, at: &Addresses) -> Result<String> {
    let name = format!("customer-{number:04}");
    let now = chrono::Utc::now();
    let entry = |action: &str, subject: &str| NewAuditEntry {
        actor: Principal::command_line("sandbox").actor,
        tenant: Some(name.clone()),
        action: action.to_owned(),
        subject: subject.to_owned(),
        before: None,
        after: None,
        request: None,
    };
    let tenant = TenantRecord {
        name: name.clone(),
        title: format!("{} {} {number}", nth(&FIRST, number), nth(&SECOND, number)),
        jumpcloud: json!({ "base_url": at.jumpcloud, "api_key": { "stored": "jumpcloud" } }),
        plugin: None,
        enabled: !number.is_multiple_of(40),
        version: 0,
        created_at: now,
        updated_at: now,
    };
    store
        .put_tenant(&tenant, None, &entry("tenant.made", &name))
        .await?;
    let managed = !number.is_multiple_of(5);
    let id = ConnectionId::new(name.clone(), "google");
    let google = DirectoryRecord {
        id: id.clone(),
        vendor: DirectoryVendor::Google,
        section: json!({
            "directory": format!("65f1c0de{number:016x}"), "base_url": at.google, "token_url": at.google_token,
            "service_account_key": { "stored": "google-credential" }, "admin": format!("admin@{name}.example"),
            "customer_id": format!("C{number:08}"), "managed": managed,
        }),
        version: 0,
        created_at: now,
        updated_at: now,
    };
    let made = entry("directory.made", &id.to_string());
    store.put_directory(&google, None, &made).await?;
    if !managed {
        return Ok(name);
    }
    let run = NewRun {
        id: format!("{name}-sync"),
        connection: id.clone(),
        kind: RunKind::Sync,
        plan: None,
    };
    store.start_run(&run).await?;
    let end = if number.is_multiple_of(7) {
        RunEnd::new(RunResult::ChangesPending, "3 removals wait for approval")
    } else {
        RunEnd::new(RunResult::Done, "nothing to do")
    };
    store.end_run(&run.id, &end, &json!({})).await?;
    store.see_managed(&id, true).await?;
    store.record_success(&id).await?;
    Ok(name)
}

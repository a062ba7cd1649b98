//! A stored tenant as a configuration: what is kept as JSON passes the very checks that a configuration file passes,
//! and says what is wrong in the same words. What may not enter: the store.

use std::path::Path;

use serde_json::{Map, Value};

use super::error::{Invalid, ServiceError};
use crate::config::{Config, ConfigError};
use crate::secrets::Owner;
use crate::store::service::{DirectoryRecord, DirectoryVendor, TenantRecord};

/// Places that only the host's own configuration may name: a tenant's administrator must not read the host's files or
/// variables by them.
const HOSTS_OWN: [&str; 2] = ["env", "file"];

/// The configuration of a tenant with directories, over the host's own sections.
///
/// # Errors
/// All that is wrong, each with its place.
pub(super) fn configuration(
    host: &Config,
    tenant: &TenantRecord,
    directories: &[DirectoryRecord],
) -> Result<Config, ServiceError> {
    let mut problems = Vec::new();
    look_for_hosts_own("jumpcloud", &tenant.jumpcloud, &mut problems);
    let mut sections = Map::new();
    sections.insert("jumpcloud".to_owned(), tenant.jumpcloud.clone());
    for (vendor, key) in [
        (DirectoryVendor::Google, "google"),
        (DirectoryVendor::Entra, "entra"),
    ] {
        let mut of_vendor = Vec::new();
        for directory in directories.iter().filter(|directory| directory.vendor == vendor) {
            look_for_hosts_own(&directory.id.name, &directory.section, &mut problems);
            let mut section = directory.section.clone();
            match section.as_object_mut() {
                Some(fields) => {
                    fields.insert("name".to_owned(), directory.id.name.clone().into());
                    of_vendor.push(section);
                }
                None => problems.push(problem(&directory.id.name, "this must be an object")),
            }
        }
        if !of_vendor.is_empty() {
            sections.insert(key.to_owned(), Value::Array(of_vendor));
        }
    }
    if !problems.is_empty() {
        return Err(ServiceError::Invalid { problems });
    }
    // Null has no place in TOML: an absent key says the same.
    let mut all = serde_json::json!({ "service": {}, "tenant": { tenant.name.as_str(): sections } });
    without_nulls(&mut all);
    let text = toml::to_string(&all)
        .map_err(|error| ServiceError::invalid("", format!("this cannot be a configuration: {error}")))?;
    let folder = host.path.parent().unwrap_or(Path::new(""));
    let path = folder.join(format!("tenant {}", tenant.name));
    let mut checked =
        Config::from_bytes(&path, text.as_bytes()).map_err(|error| told(error, &tenant.name, directories))?;
    for tenant in &mut checked.tenants {
        tenant.secrets_of = Owner::Tenant(tenant.name.clone());
    }
    Ok(Config {
        tenants: checked.tenants,
        ..host.clone()
    })
}

fn problem(place: &str, message: &str) -> Invalid {
    Invalid {
        place: place.to_owned(),
        message: message.to_owned(),
        help: None,
    }
}

/// A secret's place in a stored section is the tenant's own.
fn look_for_hosts_own(place: &str, value: &Value, problems: &mut Vec<Invalid>) {
    match value {
        Value::Object(fields) => {
            let only = fields.len() == 1;
            for (key, inner) in fields {
                if only && HOSTS_OWN.contains(&key.as_str()) && inner.is_string() {
                    problems.push(Invalid {
                        place: place.to_owned(),
                        message: format!("a tenant's secret is never in the host's {key}"),
                        help: Some("set the secret, then name it: { \"stored\": \"NAME\" }".to_owned()),
                    });
                } else {
                    look_for_hosts_own(&format!("{place}.{key}"), inner, problems);
                }
            }
        }
        Value::Array(items) => {
            for (number, inner) in items.iter().enumerate() {
                look_for_hosts_own(&format!("{place}[{number}]"), inner, problems);
            }
        }
        _ => {}
    }
}

fn without_nulls(value: &mut Value) {
    match value {
        Value::Object(fields) => {
            fields.retain(|_, inner| !inner.is_null());
            fields.values_mut().for_each(without_nulls);
        }
        Value::Array(items) => {
            items.retain(|inner| !inner.is_null());
            items.iter_mut().for_each(without_nulls);
        }
        _ => {}
    }
}

/// A configuration's error with places as the caller knows them: `tenant.acme.google[0].admin` is `google.admin` of the
/// directory of that name.
fn told(error: ConfigError, tenant: &str, directories: &[DirectoryRecord]) -> ServiceError {
    let ConfigError::Wrong(problems) = error else {
        return ServiceError::Internal(error.to_string());
    };
    let prefix = format!("tenant.{tenant}.");
    let names = |vendor| {
        directories
            .iter()
            .filter(move |directory| directory.vendor == vendor)
            .map(|directory| directory.id.name.clone())
            .collect::<Vec<_>>()
    };
    let (google, entra) = (names(DirectoryVendor::Google), names(DirectoryVendor::Entra));
    let problems = problems
        .into_iter()
        .map(|problem| {
            let key = problem
                .key
                .strip_prefix(&prefix)
                .unwrap_or(&problem.key)
                .to_owned();
            let place = [("google[", &google), ("entra[", &entra)]
                .into_iter()
                .find_map(|(start, names)| {
                    let (number, rest) = key.strip_prefix(start)?.split_once(']')?;
                    let name = names.get(number.parse::<usize>().ok()?)?;
                    Some(format!("{name}{rest}"))
                })
                .unwrap_or(key);
            Invalid {
                place,
                message: problem.message,
                help: problem.help,
            }
        })
        .collect();
    ServiceError::Invalid { problems }
}

//! A stored tenant as a configuration: what is kept as JSON passes the very checks that a configuration file passes,
//! and says what is wrong in the same words. What may not enter: the store.

use std::path::Path;

use serde_json::{Map, Value};

use super::error::{Invalid, ServiceError};
use crate::config::{Config, ConfigError, JumpCloudCredential, SecretSource, Target, Tenant};
use crate::secrets::Owner;
use crate::store::service::{DirectoryRecord, DirectoryVendor, TenantRecord};

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
    let mut sections = Map::new();
    sections.insert("jumpcloud".to_owned(), tenant.jumpcloud.clone());
    for (vendor, key) in [
        (DirectoryVendor::Google, "google"),
        (DirectoryVendor::Entra, "entra"),
    ] {
        let mut of_vendor = Vec::new();
        for directory in directories.iter().filter(|directory| directory.vendor == vendor) {
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
        problems.extend(
            places(tenant)
                .into_iter()
                .filter(|(_, source)| !tenant.secrets_of.may_name(source))
                .map(|(place, source)| not_yours(place, source)),
        );
    }
    if !problems.is_empty() {
        return Err(ServiceError::Invalid { problems });
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

/// A secret's place in a stored section is the tenant's own: an administrator of a tenant must not read the host's files
/// or variables by it.
fn not_yours(place: String, source: &SecretSource) -> Invalid {
    Invalid {
        place,
        message: format!("a tenant's secret is never in {source}, which is the host's"),
        help: Some("set the secret, then name it: { \"stored\": \"NAME\" }".to_owned()),
    }
}

/// Where a tenant's sections say that secrets are, each with its own place.
fn places(tenant: &Tenant) -> Vec<(String, &SecretSource)> {
    let mut all = vec![match &tenant.jumpcloud.credential {
        JumpCloudCredential::ApiKey(source) => ("jumpcloud.api_key".to_owned(), source),
        JumpCloudCredential::ServiceAccount(account) => (
            "jumpcloud.service_account.client_secret".to_owned(),
            &account.client_secret,
        ),
    }];
    for connection in &tenant.connections {
        let own: Vec<(&str, Option<&SecretSource>)> = match &connection.target {
            Target::Google(google) => {
                let identity = google.workload_identity.as_ref();
                let url = identity.and_then(|identity| identity.subject_token_url.as_ref());
                vec![
                    ("service_account_key", google.service_account_key.as_ref()),
                    (
                        "workload_identity.subject_token",
                        identity.and_then(|identity| identity.subject_token.as_ref()),
                    ),
                    (
                        "workload_identity.subject_token_url.bearer",
                        url.and_then(|url| url.bearer.as_ref()),
                    ),
                ]
            }
            Target::Entra(entra) => {
                let certificate = entra.certificate.as_ref();
                vec![
                    ("client_secret", entra.client_secret.as_ref()),
                    (
                        "certificate.certificate",
                        certificate.map(|both| &both.certificate),
                    ),
                    ("certificate.key", certificate.map(|both| &both.key)),
                    ("federated_token", entra.federated_token.as_ref()),
                ]
            }
        };
        let name = &connection.id.name;
        all.extend(
            own.into_iter()
                .filter_map(|(key, source)| Some((format!("{name}.{key}"), source?))),
        );
    }
    all
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

#[cfg(test)]
#[path = "declared_tests.rs"]
mod tests;

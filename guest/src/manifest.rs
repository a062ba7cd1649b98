//! What the component is and needs: the record `manifest` of the WIT world, put together from the vendors'
//! rooms. Each vendor names its own requests; nothing here knows a path.

use crate::settings::Settings;

/// One kind of request that the component makes (WIT `egress-rule`).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EgressRule {
    /// The credential that the host attaches; its base URL is the origin.
    pub credential: &'static str,
    /// HTTP method, upper case.
    pub method: &'static str,
    /// Path below the origin; `{name}` is one segment, `'{name}'` within a segment a quoted key.
    pub path: &'static str,
    /// Whether the request can change anything at the vendor.
    pub writes: bool,
    /// Whether the body is a batch whose parts each need a rule of their own.
    pub batch: bool,
}

impl EgressRule {
    /// A read.
    pub const fn read(credential: &'static str, method: &'static str, path: &'static str) -> Self {
        Self {
            credential,
            method,
            path,
            writes: false,
            batch: false,
        }
    }

    /// A write.
    pub const fn write(credential: &'static str, method: &'static str, path: &'static str) -> Self {
        Self {
            credential,
            method,
            path,
            writes: true,
            batch: false,
        }
    }

    /// A batch. It writes nothing itself: its parts are judged one by one.
    pub const fn batch(credential: &'static str, method: &'static str, path: &'static str) -> Self {
        Self {
            credential,
            method,
            path,
            writes: false,
            batch: true,
        }
    }
}

/// A credential that requests need (WIT `credential`).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Credential {
    /// `jumpcloud`, `google` or `entra`.
    pub name: &'static str,
    /// What it is for, for an administrator.
    pub purpose: &'static str,
    /// Scopes, permissions or roles, in the vendor's words.
    pub scopes: &'static [&'static str],
}

/// What the component is and needs (WIT `manifest`).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Manifest {
    /// Name.
    pub name: &'static str,
    /// Semantic version.
    pub version: &'static str,
    /// Vendors it can write to.
    pub vendors: &'static [&'static str],
    /// Credentials, one a vendor.
    pub credentials: Vec<Credential>,
    /// All requests.
    pub egress: Vec<EgressRule>,
    /// JSON Schema (2020-12) of the settings.
    pub settings_schema: String,
}

/// The manifest. Pure.
pub fn manifest() -> Manifest {
    // A vendor's room adds its credential and its rules here.
    let credentials = vec![
        crate::jumpcloud::CREDENTIAL,
        crate::google::CREDENTIAL,
        crate::entra::CREDENTIAL,
    ];
    let egress = [
        crate::jumpcloud::egress_rules(),
        crate::google::egress_rules(),
        crate::entra::egress_rules(),
    ]
    .concat();
    Manifest {
        name: "groupcast",
        version: env!("CARGO_PKG_VERSION"),
        vendors: &["google", "entra"],
        credentials,
        egress,
        settings_schema: schemars::schema_for!(Settings).to_value().to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn r08_no_rule_writes_to_the_source() {
        let manifest = manifest();
        let mut source = manifest
            .egress
            .iter()
            .filter(|rule| rule.credential == "jumpcloud");
        assert!(source.clone().count() > 5);
        assert!(source.all(|rule| {
            let reads = rule.method == "GET" || rule.path == "/insights/directory/v1/events";
            reads && !rule.writes && !rule.batch
        }));
    }

    #[test]
    fn r33_no_rule_and_no_scope_can_write_a_user() {
        for rule in manifest().egress {
            let of_user = rule.path.split('/').any(|segment| segment.starts_with("users"));
            assert!(!of_user || (rule.method == "GET" && !rule.writes), "{rule:?}");
        }
        for credential in manifest().credentials {
            for scope in credential.scopes {
                assert!(
                    !scope.contains("directory.user") || scope.ends_with(".readonly"),
                    "{scope}"
                );
                assert!(
                    !scope.starts_with("User.") || scope.starts_with("User.Read."),
                    "{scope}"
                );
            }
        }
    }

    #[test]
    fn every_rule_has_a_credential_and_the_schema_is_json() {
        let manifest = manifest();
        for rule in &manifest.egress {
            assert!(
                manifest
                    .credentials
                    .iter()
                    .any(|credential| credential.name == rule.credential)
            );
            assert!(rule.path.starts_with('/'));
        }
        let schema: serde_json::Value = serde_json::from_str(&manifest.settings_schema).unwrap();
        assert!(schema["properties"]["managed"].is_object());
    }
}

//! What the component is and needs (WIT `manifest`).

/// WIT `credential`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Credential {
    pub name: String,
    pub purpose: String,
    pub scopes: Vec<String>,
}
/// WIT `egress-rule`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EgressRule {
    pub credential: String,
    pub method: String,
    pub path: String,
    pub writes: bool,
    pub batch: bool,
}
/// WIT `manifest`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Manifest {
    pub name: String,
    pub version: String,
    pub vendors: Vec<String>,
    pub credentials: Vec<Credential>,
    pub egress: Vec<EgressRule>,
    pub settings_schema: String,
}
/// The manifest.
pub fn manifest() -> Manifest {
    Manifest {
        name: "groupcast".into(),
        version: env!("CARGO_PKG_VERSION").into(),
        vendors: vec!["google".into(), "entra".into()],
        credentials: vec![],
        egress: vec![],
        settings_schema: serde_json::to_string(&schemars::schema_for!(crate::settings::Settings))
            .unwrap_or_default(),
    }
}

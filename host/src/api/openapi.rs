//! The OpenAPI 3.1 document: from the handlers and their types, with what all operations share put in once.

#![allow(
    clippy::indexing_slicing,
    reason = "the keys of a JSON object: what is not there is made; the document is of this program alone, and a test makes it"
)]

use serde_json::{Map, Value, json};
use utoipa::OpenApi;
use utoipa::openapi::security::{ApiKey, ApiKeyValue, HttpAuthScheme, HttpBuilder, SecurityScheme};

use super::problem::{InvalidValue, ProblemDocument};
use super::routes::{BASE, router};
use crate::config::{EntraSection, GoogleSection, JumpCloudSection, ScheduleSection};

/// What the document says of itself.
#[derive(OpenApi)]
#[openapi(
    info(
        title = "Groupcast",
        description = "Exports JumpCloud user groups, one way, to Google Workspace groups and Entra ID security groups.\n\n\
            Errors are problem documents (RFC 9457). A change of an object needs its `ETag` as `If-Match`. A POST with an \
            `Idempotency-Key` is done once. Lists come in pages: `next` of one is `cursor` of the next.",
        license(name = "Apache-2.0", identifier = "Apache-2.0"),
    ),
    tags(
        (name = "access", description = "Who is asking, API tokens, and who may do what."),
        (name = "tenants", description = "Organisations that groups are exported for."),
        (name = "secrets", description = "Tenants' credentials: a value goes in and never comes out."),
        (name = "plugins", description = "Components of others: which there are, and who may run them with which requests."),
        (name = "directories", description = "Google Workspace and Entra ID directories that groups go to."),
        (name = "groups", description = "Groups, as a directory makes use of them."),
        (name = "work", description = "Jobs and runs."),
        (name = "plans", description = "What would change, to approve."),
        (name = "ledger", description = "What is ours."),
        (name = "history", description = "How it was, for charts."),
        (name = "audit", description = "Who did what."),
        (name = "events", description = "What happens, as it happens."),
    ),
    components(schemas(ProblemDocument, InvalidValue)),
)]
struct About;

/// The document.
pub fn document() -> Value {
    let (_, paths) = router().split_for_parts();
    let mut about = About::openapi();
    let components = about.components.get_or_insert_with(Default::default);
    components.add_security_scheme(
        "token",
        SecurityScheme::Http(
            HttpBuilder::new()
                .scheme(HttpAuthScheme::Bearer)
                .bearer_format("gc_")
                .description(Some("An API token: `groupcast token create`, or POST /tokens."))
                .build(),
        ),
    );
    components.add_security_scheme(
        "session",
        SecurityScheme::ApiKey(ApiKey::Cookie(ApiKeyValue::with_description(
            "__Host-groupcast",
            "The console's session; changes need the header x-csrf-token besides.",
        ))),
    );
    about.merge(paths);
    let mut document = serde_json::to_value(about).unwrap_or_default();
    document["info"]["version"] = env!("CARGO_PKG_VERSION").into();
    document["servers"] = json!([{ "url": BASE }]);
    document["security"] = json!([{ "token": [] }]);
    document["components"]["responses"] = json!({ "Problem": {
        "description": "Refused; the document says why, and what to do.",
        "content": { "application/problem+json": { "schema": { "$ref": "#/components/schemas/Problem" } } },
    } });
    add_sections(&mut document);
    if let Some(paths) = document["paths"].as_object_mut() {
        for (path, item) in paths {
            for (method, operation) in item.as_object_mut().into_iter().flatten() {
                share(path, method, operation);
            }
        }
    }
    document
}

/// What operations have in common.
fn share(path: &str, method: &str, operation: &mut Value) {
    operation["responses"]["default"] = json!({ "$ref": "#/components/responses/Problem" });
    operation["operationId"] = identifier(path, method).into();
    let mut parameters = operation["parameters"].as_array().cloned().unwrap_or_default();
    for parameter in &mut parameters {
        without_null(&mut parameter["schema"]);
    }
    let header = |name: &str, required: bool, description: &str, schema: Value| json!({ "name": name, "in": "header", "required": required, "description": description, "schema": schema });
    let versioned = matches!(method, "patch")
        || path.ends_with("/management")
        || method == "delete"
            && matches!(
                path,
                "/tenants/{tenant}" | "/tenants/{tenant}/directories/{directory}"
            );
    if versioned {
        let schema = json!({ "type": "string", "pattern": "^\"[0-9]{1,15}\"$" });
        parameters.push(header(
            "If-Match",
            true,
            "The ETag of the object as it was seen.",
            schema,
        ));
    }
    if method == "post" {
        let schema = json!({ "type": "string", "minLength": 1, "maxLength": 255, "pattern": "^[!-~]+$" });
        let told = "A new value for each request, such as a UUID: sent again, it is done once.";
        parameters.push(header("Idempotency-Key", false, told, schema));
    }
    if path.ends_with("/events") {
        let schema = json!({ "type": "integer", "minimum": 0, "maximum": 9_007_199_254_740_991_u64 });
        parameters.push(header(
            "Last-Event-ID",
            false,
            "The last event that was seen.",
            schema,
        ));
    }
    if !parameters.is_empty() {
        operation["parameters"] = parameters.into();
    }
}

/// A parameter is there or not; it is never null.
fn without_null(schema: &mut Value) {
    if let Some(kinds) = schema.get("type").and_then(Value::as_array) {
        let mut kinds: Vec<Value> = kinds.iter().filter(|kind| *kind != "null").cloned().collect();
        if kinds.len() == 1 {
            schema["type"] = kinds.remove(0);
        }
    }
    if let Some(choices) = schema.get("oneOf").and_then(Value::as_array) {
        let mut choices: Vec<Value> = choices
            .iter()
            .filter(|one| one["type"] != "null")
            .cloned()
            .collect();
        if choices.len() == 1 {
            *schema = choices.remove(0);
        }
    }
}

/// A name for generated clients: `get-tenants-tenant-directories`.
fn identifier(path: &str, method: &str) -> String {
    let words: Vec<&str> = path
        .split('/')
        .map(|word| word.trim_matches(['{', '}']))
        .filter(|word| !word.is_empty())
        .collect();
    format!("{method}-{}", words.join("-"))
}

/// The configuration format's sections and a plan's part, whose schemas are derived elsewhere.
fn add_sections(document: &mut Value) {
    let mut settings = schemars::generate::SchemaSettings::draft2020_12();
    settings.definitions_path = "/components/schemas".into();
    settings.meta_schema = None;
    let mut generator = settings.into_generator();
    generator.subschema_for::<groupcast_guest::plan::part::Part>();
    generator.subschema_for::<JumpCloudSection>();
    generator.subschema_for::<ScheduleSection>();
    generator.subschema_for::<GoogleSection>();
    generator.subschema_for::<EntraSection>();
    let definitions: Map<String, Value> = generator.take_definitions(true);
    if let Some(schemas) = document["components"]["schemas"].as_object_mut() {
        for (name, schema) in definitions {
            schemas.entry(name).or_insert(schema);
        }
        schemas.insert(
            "DirectorySection".to_owned(),
            json!({
                "description": "A `[google]` or an `[entra]` section of the configuration format.",
                "anyOf": [
                    { "$ref": "#/components/schemas/GoogleSection" },
                    { "$ref": "#/components/schemas/EntraSection" },
                ],
            }),
        );
    }
}

/// The document as it is published.
pub fn text() -> String {
    format!("{:#}\n", document())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Each reference leads somewhere, and no two operations have one name.
    #[test]
    fn the_document_is_whole() {
        let document = document();
        assert!(document["openapi"].as_str().unwrap().starts_with("3.1"));
        let mut references = Vec::new();
        collect(&document, &mut references);
        assert!(references.len() > 100);
        for reference in references {
            let pointer = reference.strip_prefix('#').unwrap();
            assert!(document.pointer(pointer).is_some(), "{reference}");
        }
        let mut names = std::collections::BTreeSet::new();
        for (path, item) in document["paths"].as_object().unwrap() {
            for (method, operation) in item.as_object().unwrap() {
                let name = operation["operationId"].as_str().unwrap();
                assert!(names.insert(name.to_owned()), "{method} {path}");
                assert!(operation["responses"]["default"].is_object());
            }
        }
        assert!(names.len() >= 45, "{}", names.len());
    }

    fn collect(value: &Value, references: &mut Vec<String>) {
        match value {
            Value::Object(fields) => {
                if let Some(Value::String(reference)) = fields.get("$ref") {
                    references.push(reference.clone());
                }
                fields.values().for_each(|inner| collect(inner, references));
            }
            Value::Array(items) => items.iter().for_each(|inner| collect(inner, references)),
            _ => {}
        }
    }

    /// `GROUPCAST_WRITE_SCHEMA=1` writes the published file anew.
    #[test]
    fn the_published_document_is_the_codes() {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/openapi.json");
        if std::env::var_os("GROUPCAST_WRITE_SCHEMA").is_some() {
            std::fs::write(path, text()).unwrap();
        }
        let published = std::fs::read_to_string(path).unwrap_or_default();
        assert!(
            published == text(),
            "host/openapi.json is not what the code says; write it with GROUPCAST_WRITE_SCHEMA=1"
        );
    }
}

//! The discovery document: the API described as Google describes it, for Google's own client libraries,
//! and the schemas against which bodies and field selections are checked.

use std::sync::LazyLock;

use serde_json::{Map, Value, json};

use super::operations::{COMMON, Kind, OPERATIONS, Operation};

/// The resources' schemas, in discovery's own form.
pub(super) static SCHEMAS: LazyLock<Value> = LazyLock::new(|| {
    json!({
        "Alias": schema("Alias", &[
            ("alias", "string"), ("etag", "string"), ("id", "string"), ("kind", "string"),
            ("primaryEmail", "string"),
        ]),
        "Aliases": schema("Aliases", &[("aliases", "[any]"), ("etag", "string"), ("kind", "string")]),
        "ExternalId": schema("ExternalId", &[("id", "string"), ("namespace", "string")]),
        "Group": schema("Group", &[
            ("adminCreated", "boolean"), ("aliases", "[string]"), ("description", "string"),
            ("directMembersCount", "int64"), ("email", "string"), ("etag", "string"),
            ("externalIds", "[ExternalId]"), ("id", "string"), ("kind", "string"), ("name", "string"),
            ("nonEditableAliases", "[string]"),
        ]),
        "Groups": schema("Groups", &[
            ("etag", "string"), ("groups", "[Group]"), ("kind", "string"), ("nextPageToken", "string"),
        ]),
        "Member": schema("Member", &[
            ("delivery_settings", "string"), ("email", "string"), ("etag", "string"), ("id", "string"),
            ("kind", "string"), ("role", "string"), ("status", "string"), ("type", "string"),
        ]),
        "Members": schema("Members", &[
            ("etag", "string"), ("kind", "string"), ("members", "[Member]"), ("nextPageToken", "string"),
        ]),
        "MembersHasMember": schema("MembersHasMember", &[("isMember", "boolean")]),
        "User": schema("User", &[
            ("addresses", "any"), ("agreedToTerms", "boolean"), ("aliases", "[string]"),
            ("archivalTime", "string"), ("archived", "boolean"), ("changePasswordAtNextLogin", "boolean"),
            ("creationTime", "string"), ("customSchemas", "any"), ("customerId", "string"),
            ("deletionTime", "string"), ("emails", "any"), ("etag", "string"), ("externalIds", "any"),
            ("gender", "any"), ("guestAccountInfo", "any"), ("hashFunction", "string"), ("id", "string"),
            ("ims", "any"), ("includeInGlobalAddressList", "boolean"), ("ipWhitelisted", "boolean"),
            ("isAdmin", "boolean"), ("isDelegatedAdmin", "boolean"), ("isEnforcedIn2Sv", "boolean"),
            ("isEnrolledIn2Sv", "boolean"), ("isGuestUser", "boolean"), ("isMailboxSetup", "boolean"),
            ("keywords", "any"), ("kind", "string"), ("languages", "any"), ("lastLoginTime", "string"),
            ("locations", "any"), ("name", "UserName"), ("nonEditableAliases", "[string]"),
            ("notes", "any"), ("orgUnitPath", "string"), ("organizations", "any"), ("password", "string"),
            ("phones", "any"), ("posixAccounts", "any"), ("primaryEmail", "string"),
            ("recoveryEmail", "string"), ("recoveryPhone", "string"), ("relations", "any"),
            ("sshPublicKeys", "any"), ("suspended", "boolean"), ("suspensionReason", "string"),
            ("suspensionTime", "string"), ("thumbnailPhotoEtag", "string"),
            ("thumbnailPhotoUrl", "string"), ("websites", "any"),
        ]),
        "UserName": schema("UserName", &[
            ("displayName", "string"), ("familyName", "string"), ("fullName", "string"),
            ("givenName", "string"),
        ]),
        "Users": schema("Users", &[
            ("etag", "string"), ("kind", "string"), ("nextPageToken", "string"),
            ("trigger_event", "string"), ("users", "[User]"),
        ]),
    })
});

fn schema(id: &str, properties: &[(&str, &str)]) -> Value {
    let properties: Map<String, Value> = properties
        .iter()
        .map(|(name, kind)| ((*name).to_owned(), property(kind)))
        .collect();
    json!({"id": id, "type": "object", "properties": properties})
}

fn property(kind: &str) -> Value {
    if let Some(inner) = kind.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')) {
        return json!({"type": "array", "items": property(inner)});
    }
    match kind {
        "string" | "boolean" | "any" => json!({"type": kind}),
        "int64" => json!({"type": "string", "format": "int64"}),
        reference => json!({"$ref": reference}),
    }
}

/// The whole document for a server that is reached at `root_url` (with a slash at its end).
pub(super) fn document(root_url: &str) -> Value {
    let methods = |prefix: &str| -> Map<String, Value> {
        OPERATIONS
            .iter()
            .filter_map(|operation| {
                let name = operation.id.strip_prefix(prefix)?;
                (!name.contains('.')).then(|| (name.to_owned(), method(operation)))
            })
            .collect()
    };
    let scopes: Map<String, Value> = OPERATIONS
        .iter()
        .flat_map(|operation| operation.scopes)
        .map(|scope| ((*scope).to_owned(), json!({"description": scope})))
        .collect();
    let parameters: Map<String, Value> = COMMON
        .iter()
        .map(|(name, kind)| ((*name).to_owned(), parameter(*kind, "query")))
        .collect();
    json!({
        "kind": "discovery#restDescription",
        "discoveryVersion": "v1",
        "id": "admin:directory_v1",
        "name": "admin",
        "version": "directory_v1",
        "revision": "20261104",
        "title": "Admin SDK API",
        "description": "Admin SDK lets administrators of enterprise domains to view and manage resources \
                        like user, groups etc. (simulated)",
        "protocol": "rest",
        "ownerName": "Google",
        "ownerDomain": "google.com",
        "canonicalName": "directory",
        "rootUrl": root_url,
        "servicePath": "",
        "baseUrl": root_url,
        "basePath": "",
        "batchPath": "batch",
        "auth": {"oauth2": {"scopes": scopes}},
        "parameters": parameters,
        "schemas": *SCHEMAS,
        "resources": {
            "groups": {
                "methods": methods("groups."),
                "resources": {"aliases": {"methods": methods("groups.aliases.")}},
            },
            "members": {"methods": methods("members.")},
            "users": {"methods": methods("users.")},
        },
    })
}

fn method(operation: &Operation) -> Value {
    let keys: Vec<&str> = operation
        .path
        .split('/')
        .filter_map(|segment| segment.strip_prefix('{')?.strip_suffix('}'))
        .collect();
    let mut parameters: Map<String, Value> = operation
        .query
        .iter()
        .map(|(name, kind)| ((*name).to_owned(), parameter(*kind, "query")))
        .collect();
    for key in &keys {
        parameters.insert(
            (*key).to_owned(),
            json!({"type": "string", "location": "path", "required": true}),
        );
    }
    let path = format!("admin/directory/v1/{}", operation.path);
    let mut method = json!({
        "id": format!("directory.{}", operation.id),
        "httpMethod": operation.method,
        "path": path,
        "flatPath": path,
        "parameters": parameters,
        "parameterOrder": keys,
        "scopes": operation.scopes,
    });
    if let Some(method) = method.as_object_mut() {
        for (name, schema) in [("request", operation.body), ("response", operation.answer)] {
            if let Some(schema) = schema {
                method.insert(name.to_owned(), json!({"$ref": schema}));
            }
        }
    }
    method
}

fn parameter(kind: Kind, location: &str) -> Value {
    match kind {
        Kind::Text => json!({"type": "string", "location": location}),
        Kind::Boolean => json!({"type": "boolean", "location": location}),
        Kind::Count(most) => json!({
            "type": "integer", "format": "int32", "minimum": "1", "maximum": most.to_string(),
            "location": location,
        }),
        Kind::OneOf(allowed) => json!({
            "type": "string", "enum": allowed,
            "enumDescriptions": vec![""; allowed.len()], "location": location,
        }),
    }
}

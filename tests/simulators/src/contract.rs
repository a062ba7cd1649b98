//! Checks JSON against a vendor's published contract: the subset of JSON Schema that Swagger 2 and
//! OpenAPI 3 documents use.
//!
//! The simulators are judged with it, and so may be a request body. What may not enter: any knowledge of
//! one vendor, and any repair of a document; a keyword this room does not know is ignored, but a `$ref`
//! that leads nowhere is a violation, so that a typing mistake in a contract cannot pass everything.
//!
//! Known keywords: `$ref` (`#/...` only), `type` (name or list of names, `nullable`, `x-nullable`),
//! `required`, `properties`, `additionalProperties` (false or a schema), `items`, `enum`, `const`,
//! `oneOf`, `anyOf`, `allOf`, `not`, `minimum`, `maximum` (with both spellings of their exclusive
//! forms), `minLength`, `maxLength`, `minItems`, `maxItems`, `uniqueItems`. Patterns and formats are not
//! checked.

use serde_json::{Map, Value};

/// References that follow one another without a step into the instance; more is a circle.
const MAXIMUM_REFERENCE_CHAIN: usize = 64;

/// Where and how a value breaks its schema. An empty list means that it keeps it.
///
/// `root` is the whole document, in which `$ref`s are looked up; `schema` is any schema within it. Each
/// violation begins with the place in `instance` as a JSON pointer after `$` (`$/members/0/id: ...`).
pub fn violations(root: &Value, schema: &Value, instance: &Value) -> Vec<String> {
    let mut found = Vec::new();
    check(root, schema, instance, "$", 0, &mut found);
    found
}

/// The value a local reference (`#/definitions/Group`) points at.
pub fn resolve<'a>(root: &'a Value, reference: &str) -> Option<&'a Value> {
    root.pointer(reference.strip_prefix('#')?)
}

fn check(root: &Value, schema: &Value, instance: &Value, at: &str, chain: usize, found: &mut Vec<String>) {
    let schema = match schema {
        Value::Object(schema) => schema,
        Value::Bool(true) => return,
        Value::Bool(false) => return found.push(format!("{at}: nothing is allowed here")),
        other => return found.push(format!("{at}: the contract holds {other} where a schema belongs")),
    };
    if let Some(reference) = schema.get("$ref").and_then(Value::as_str) {
        if chain >= MAXIMUM_REFERENCE_CHAIN {
            return found.push(format!("{at}: the reference {reference} leads in a circle"));
        }
        // In Swagger 2 and OpenAPI 3.0, what stands beside a `$ref` is ignored.
        return match resolve(root, reference) {
            Some(target) => check(root, target, instance, at, chain + 1, found),
            None => found.push(format!("{at}: the contract has nothing at {reference}")),
        };
    }
    let nullable = |keyword: &str| schema.get(keyword).and_then(Value::as_bool) == Some(true);
    if instance.is_null() && (nullable("nullable") || nullable("x-nullable")) {
        return;
    }
    check_type(schema, instance, at, found);
    check_listed(schema, instance, at, found);
    check_combined(root, schema, instance, at, chain, found);
    match instance {
        Value::Object(object) => check_object(root, schema, object, at, found),
        Value::Array(items) => check_array(root, schema, items, at, found),
        Value::String(text) => check_size(
            schema,
            ["minLength", "maxLength"],
            text.chars().count(),
            "characters",
            at,
            found,
        ),
        Value::Number(_) => check_number(schema, instance, at, found),
        Value::Null | Value::Bool(_) => {}
    }
}

fn check_type(schema: &Map<String, Value>, instance: &Value, at: &str, found: &mut Vec<String>) {
    let names: Vec<&str> = match schema.get("type") {
        Some(Value::String(name)) => vec![name.as_str()],
        Some(Value::Array(names)) => names.iter().filter_map(Value::as_str).collect(),
        _ => return,
    };
    if !names.iter().any(|name| is_of_type(name, instance)) {
        found.push(format!(
            "{at}: {} where {} belongs",
            kind(instance),
            names.join(" or ")
        ));
    }
}

fn is_of_type(name: &str, instance: &Value) -> bool {
    match name {
        "object" => instance.is_object(),
        "array" => instance.is_array(),
        "string" | "file" => instance.is_string(),
        "boolean" => instance.is_boolean(),
        "null" => instance.is_null(),
        "number" => instance.is_number(),
        "integer" => {
            instance.is_i64() || instance.is_u64() || instance.as_f64().is_some_and(|n| n.fract() == 0.0)
        }
        _ => false,
    }
}

fn kind(instance: &Value) -> &'static str {
    match instance {
        Value::Null => "null",
        Value::Bool(_) => "boolean",
        Value::Number(_) => "number",
        Value::String(_) => "string",
        Value::Array(_) => "array",
        Value::Object(_) => "object",
    }
}

fn check_listed(schema: &Map<String, Value>, instance: &Value, at: &str, found: &mut Vec<String>) {
    if let Some(allowed) = schema.get("enum").and_then(Value::as_array)
        && !allowed.contains(instance)
    {
        found.push(format!(
            "{at}: {instance} is not among {}",
            Value::from(allowed.clone())
        ));
    }
    if let Some(only) = schema.get("const")
        && only != instance
    {
        found.push(format!("{at}: {instance} where only {only} belongs"));
    }
}

fn check_combined(
    root: &Value,
    schema: &Map<String, Value>,
    instance: &Value,
    at: &str,
    chain: usize,
    found: &mut Vec<String>,
) {
    let list = |keyword: &str| schema.get(keyword).and_then(Value::as_array);
    for part in list("allOf").into_iter().flatten() {
        check(root, part, instance, at, chain + 1, found);
    }
    let outcome = |part: &Value| {
        let mut inner = Vec::new();
        check(root, part, instance, at, chain + 1, &mut inner);
        inner
    };
    if let Some(parts) = list("anyOf") {
        let outcomes: Vec<_> = parts.iter().map(outcome).collect();
        if !outcomes.iter().any(Vec::is_empty) {
            found.push(format!("{at}: no anyOf alternative fits: {}", nearest(&outcomes)));
        }
    }
    if let Some(parts) = list("oneOf") {
        let outcomes: Vec<_> = parts.iter().map(outcome).collect();
        match outcomes.iter().filter(|inner| inner.is_empty()).count() {
            1 => {}
            0 => found.push(format!("{at}: no oneOf alternative fits: {}", nearest(&outcomes))),
            many => found.push(format!("{at}: {many} oneOf alternatives fit where one must")),
        }
    }
    if let Some(part) = schema.get("not")
        && outcome(part).is_empty()
    {
        found.push(format!("{at}: fits what it must not be"));
    }
}

/// The alternative with the fewest violations is the one that was meant.
fn nearest(outcomes: &[Vec<String>]) -> String {
    outcomes
        .iter()
        .min_by_key(|inner| inner.len())
        .map_or_else(|| "there are none".to_owned(), |inner| inner.join("; "))
}

fn check_object(
    root: &Value,
    schema: &Map<String, Value>,
    object: &Map<String, Value>,
    at: &str,
    found: &mut Vec<String>,
) {
    // Swagger 1 wrote `required: true` on a property; only the list form speaks of an object's keys.
    for name in schema
        .get("required")
        .and_then(Value::as_array)
        .into_iter()
        .flatten()
        .filter_map(Value::as_str)
    {
        if !object.contains_key(name) {
            found.push(format!("{at}: the required property {name:?} is missing"));
        }
    }
    let properties = schema.get("properties").and_then(Value::as_object);
    let additional = schema.get("additionalProperties");
    for (name, value) in object {
        let place = format!("{at}/{}", name.replace('~', "~0").replace('/', "~1"));
        match (properties.and_then(|known| known.get(name)), additional) {
            (Some(property), _) => check(root, property, value, &place, 0, found),
            (None, Some(Value::Bool(false))) => {
                found.push(format!("{place}: the contract does not know this property"));
            }
            (None, Some(other @ Value::Object(_))) => check(root, other, value, &place, 0, found),
            (None, _) => {}
        }
    }
}

fn check_array(
    root: &Value,
    schema: &Map<String, Value>,
    items: &[Value],
    at: &str,
    found: &mut Vec<String>,
) {
    check_size(schema, ["minItems", "maxItems"], items.len(), "items", at, found);
    if schema.get("uniqueItems").and_then(Value::as_bool) == Some(true) {
        for (index, item) in items.iter().enumerate() {
            if items.iter().take(index).any(|earlier| earlier == item) {
                found.push(format!("{at}/{index}: occurs twice where items must be unique"));
            }
        }
    }
    if let Some(part) = schema.get("items") {
        for (index, item) in items.iter().enumerate() {
            check(root, part, item, &format!("{at}/{index}"), 0, found);
        }
    }
}

fn check_size(
    schema: &Map<String, Value>,
    [lower, upper]: [&str; 2],
    size: usize,
    of: &str,
    at: &str,
    found: &mut Vec<String>,
) {
    let bound = |keyword: &str| schema.get(keyword).and_then(Value::as_u64);
    let size = size as u64;
    if let Some(least) = bound(lower).filter(|least| size < *least) {
        found.push(format!("{at}: {size} {of}, at least {least} belong"));
    }
    if let Some(most) = bound(upper).filter(|most| size > *most) {
        found.push(format!("{at}: {size} {of}, at most {most} belong"));
    }
}

fn check_number(schema: &Map<String, Value>, instance: &Value, at: &str, found: &mut Vec<String>) {
    let Some(number) = instance.as_f64() else {
        return;
    };
    let bound = |keyword: &str| schema.get(keyword).and_then(Value::as_f64);
    // Until draft 4 the exclusive keywords were booleans beside the bound; later they are the bound.
    let strict = |keyword: &str| schema.get(keyword).and_then(Value::as_bool) == Some(true);
    if let Some(least) = bound("minimum")
        && (number < least || (strict("exclusiveMinimum") && number <= least))
    {
        found.push(format!("{at}: {number} is below the minimum {least}"));
    }
    if let Some(most) = bound("maximum")
        && (number > most || (strict("exclusiveMaximum") && number >= most))
    {
        found.push(format!("{at}: {number} is above the maximum {most}"));
    }
    if let Some(least) = bound("exclusiveMinimum").filter(|least| number <= *least) {
        found.push(format!("{at}: {number} is not above {least}"));
    }
    if let Some(most) = bound("exclusiveMaximum").filter(|most| number >= *most) {
        found.push(format!("{at}: {number} is not below {most}"));
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn document() -> Value {
        json!({"definitions": {
            "Group": {
                "type": "object",
                "required": ["id"],
                "additionalProperties": false,
                "properties": {
                    "id": {"type": "string", "minLength": 2},
                    "type": {"type": "string", "enum": ["user_group"]},
                    "email": {"type": "string", "x-nullable": true},
                    "size": {"type": "integer", "minimum": 0, "maximum": 5},
                    "within": {"$ref": "#/definitions/Group"},
                    "tags": {"type": "array", "items": {"type": ["string", "null"]}, "uniqueItems": true},
                    "choice": {"oneOf": [{"type": "string"}, {"type": "object", "required": ["a"]}]}
                }
            },
            "Circle": {"$ref": "#/definitions/Circle"}
        }})
    }

    fn group(instance: Value) -> Vec<String> {
        violations(&document(), &json!({"$ref": "#/definitions/Group"}), &instance)
    }

    #[test]
    fn a_value_that_keeps_its_schema_has_no_violations() {
        let kept = json!({"id": "g1", "type": "user_group", "email": null, "size": 5,
            "within": {"id": "g2"}, "tags": ["a", null], "choice": {"a": 1}});
        assert_eq!(group(kept), Vec::<String>::new());
    }

    #[test]
    fn each_broken_keyword_is_named_with_its_place() {
        for (instance, expected) in [
            (json!([]), "$: array where object belongs"),
            (json!({}), "$: the required property \"id\" is missing"),
            (json!({"id": "g"}), "$/id: 1 characters, at least 2 belong"),
            (
                json!({"id": "g1", "type": "x"}),
                "$/type: \"x\" is not among [\"user_group\"]",
            ),
            (json!({"id": "g1", "size": 6}), "$/size: 6 is above the maximum 5"),
            (
                json!({"id": "g1", "size": 1.5}),
                "$/size: number where integer belongs",
            ),
            (json!({"id": null}), "$/id: null where string belongs"),
            (
                json!({"id": "g1", "a/b": 1}),
                "$/a~1b: the contract does not know this property",
            ),
            (
                json!({"id": "g1", "within": {}}),
                "$/within: the required property \"id\" is missing",
            ),
            (
                json!({"id": "g1", "tags": [1]}),
                "$/tags/0: number where string or null belongs",
            ),
            (
                json!({"id": "g1", "tags": ["a", "a"]}),
                "$/tags/1: occurs twice where items must be unique",
            ),
        ] {
            assert_eq!(group(instance), vec![expected.to_owned()]);
        }
        assert_eq!(group(json!({"id": "g1", "choice": {}})).len(), 1);
    }

    #[test]
    fn a_reference_that_leads_nowhere_or_in_a_circle_is_a_violation() {
        for reference in ["#/definitions/Nothing", "#/definitions/Circle"] {
            let found = violations(&document(), &json!({"$ref": reference}), &json!({}));
            assert_eq!(found.len(), 1, "{reference}");
        }
    }

    #[test]
    fn combined_schemas_hold_all_any_or_one() {
        let root = json!({});
        let all = json!({"allOf": [{"required": ["a"]}, {"required": ["b"]}]});
        assert_eq!(violations(&root, &all, &json!({"a": 1})).len(), 1);
        let any = json!({"anyOf": [{"required": ["a"]}, {"required": ["b"]}]});
        assert!(violations(&root, &any, &json!({"a": 1, "b": 1})).is_empty());
        let one = json!({"oneOf": [{"required": ["a"]}, {"required": ["b"]}]});
        assert_eq!(violations(&root, &one, &json!({"a": 1, "b": 1})).len(), 1);
        let not = json!({"not": {"type": "null"}});
        assert_eq!(violations(&root, &not, &Value::Null).len(), 1);
    }
}

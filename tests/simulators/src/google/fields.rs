//! Partial answers: the `fields` parameter, as `a,b(c,d),e/f` with `*` as any field.
//!
//! A field that the resource does not have is refused, as Google does.

use serde_json::{Map, Value};

use super::discovery::SCHEMAS;
use super::error::ApiError;

/// A selection: nothing below a name means all of it.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct Selection(Vec<(String, Option<Selection>)>);

impl Selection {
    /// Reads a selection and checks it against the schema of the answer.
    pub(super) fn parse(text: &str, schema: &str) -> Result<Self, ApiError> {
        let refused = || ApiError::bad_parameter("fields", format!("Invalid field selection {text}"));
        if text.trim().is_empty() {
            return Ok(Self::default());
        }
        let mut rest = text;
        let selection = list(&mut rest, 0).ok_or_else(refused)?;
        if !rest.is_empty() {
            return Err(refused());
        }
        let schema = SCHEMAS.get(schema).unwrap_or(&Value::Null);
        match unknown(&selection, schema) {
            Some(name) => Err(ApiError::bad_parameter(
                "fields",
                format!("Invalid field selection {name}"),
            )),
            None => Ok(selection),
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// What of a value is selected. An object of which nothing is left stays as an empty object.
    pub(super) fn apply(&self, value: &Value) -> Value {
        match value {
            Value::Array(items) => Value::Array(items.iter().map(|item| self.apply(item)).collect()),
            Value::Object(object) => {
                let mut kept = Map::new();
                for (name, value) in object {
                    if let Some(value) = self.pick(name, value) {
                        kept.insert(name.clone(), value);
                    }
                }
                Value::Object(kept)
            }
            other => other.clone(),
        }
    }

    fn pick(&self, name: &str, value: &Value) -> Option<Value> {
        let mut wanted = self
            .0
            .iter()
            .filter(|(known, _)| known == name || known == "*")
            .peekable();
        wanted.peek()?;
        let mut below = Self::default();
        for (_, selection) in wanted {
            match selection {
                None => return Some(value.clone()),
                Some(selection) => below.0.extend(selection.0.iter().cloned()),
            }
        }
        Some(below.apply(value))
    }
}

/// `item (',' item)*`; nesting is bounded so that a hostile text cannot exhaust the stack.
fn list(rest: &mut &str, depth: usize) -> Option<Selection> {
    if depth > 16 {
        return None;
    }
    let mut items = Vec::new();
    loop {
        items.push(item(rest, depth)?);
        match rest.strip_prefix(',') {
            Some(after) => *rest = after,
            None => return Some(Selection(items)),
        }
    }
}

fn item(rest: &mut &str, depth: usize) -> Option<(String, Option<Selection>)> {
    if depth > 16 {
        return None;
    }
    let end = rest
        .find(|c: char| !(c.is_ascii_alphanumeric() || "_-*".contains(c)))
        .unwrap_or(rest.len());
    let (name, after) = rest.split_at_checked(end)?;
    if name.is_empty() {
        return None;
    }
    if let Some(after) = after.strip_prefix('/') {
        *rest = after;
        let below = item(rest, depth + 1)?;
        return Some((name.to_owned(), Some(Selection(vec![below]))));
    }
    if let Some(after) = after.strip_prefix('(') {
        *rest = after;
        let below = list(rest, depth + 1)?;
        *rest = rest.strip_prefix(')')?;
        return Some((name.to_owned(), Some(below)));
    }
    *rest = after;
    Some((name.to_owned(), None))
}

/// The first selected name that the schema does not have.
fn unknown(selection: &Selection, schema: &Value) -> Option<String> {
    let schema = resolve(schema);
    if schema.get("type").and_then(Value::as_str) == Some("any") {
        return None;
    }
    for (name, below) in &selection.0 {
        if name == "*" {
            continue;
        }
        let Some(property) = schema.get("properties").and_then(|all| all.get(name)) else {
            return Some(name.clone());
        };
        if let Some(found) = below.as_ref().and_then(|below| unknown(below, property)) {
            return Some(format!("{name}/{found}"));
        }
    }
    None
}

/// Follows references and looks through arrays to their items.
fn resolve(schema: &Value) -> &Value {
    let mut schema = schema;
    for _ in 0..8 {
        if let Some(name) = schema.get("$ref").and_then(Value::as_str) {
            schema = SCHEMAS.get(name).unwrap_or(&Value::Null);
        } else if let Some(items) = schema.get("items") {
            schema = items;
        } else {
            break;
        }
    }
    schema
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn select(text: &str, schema: &str, value: &Value) -> Value {
        Selection::parse(text, schema).unwrap().apply(value)
    }

    #[test]
    fn nested_and_slash_forms_select_the_same() {
        let page = json!({"kind": "k", "nextPageToken": "t", "members": [{"id": "1", "email": "a", "role": "MEMBER"}]});
        let wanted = json!({"nextPageToken": "t", "members": [{"id": "1", "email": "a"}]});
        assert_eq!(
            select("nextPageToken,members(id,email)", "Members", &page),
            wanted
        );
        assert_eq!(
            select("members/id,nextPageToken,members/email", "Members", &page),
            wanted
        );
        assert_eq!(select("*", "Members", &page), page);
    }

    #[test]
    fn a_selected_list_that_is_absent_stays_absent() {
        let page = json!({"kind": "k", "etag": "e"});
        assert_eq!(select("members(id),nextPageToken", "Members", &page), json!({}));
    }

    #[test]
    fn unknown_fields_and_broken_forms_are_refused() {
        for text in [
            "foo",
            "members(foo)",
            "members(id",
            "members)",
            ",",
            "members//id",
            "name/x",
        ] {
            assert!(Selection::parse(text, "Members").is_err(), "{text}");
        }
        assert!(Selection::parse("users(emails/address,name(givenName))", "Users").is_ok());
    }
}

//! Answers that are not as the documentation shows them: fields more, fields fewer, other spellings, other orders,
//! items doubled or null. Each is a change to the JSON of a successful answer, whichever vendor gave it. What is no
//! JSON stays as it is.

use bytes::Bytes;
use http::{HeaderValue, Response};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};
use unicode_normalization::UnicodeNormalization;

/// A way in which the JSON of an answer is altered.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Edit {
    /// Every object has fields that no documentation names.
    UnknownFields,
    /// Fields that need not be there are not.
    OptionalMissing,
    /// Fields that need not be there are null.
    OptionalNull,
    /// Counts are text, or numbers where they were text.
    ChangedTypes,
    /// A list's last item stands in it twice.
    DoubledItem,
    /// A list comes in the opposite order.
    ReversedItems,
    /// A list's last item is null, as where a record was removed.
    NullItem,
    /// Addresses are in capitals.
    Capitals,
    /// Names and descriptions are written with combining accents (Unicode's NFD).
    Decomposed,
    /// An object answers under another address than its own, as an alias leads to it.
    OtherAddress,
    /// A list counts one more than it has.
    WrongCount,
}

/// Fields that vendors leave out where they have nothing to say.
const OPTIONAL: &[&str] = &[
    "adminCreated",
    "aliases",
    "alternateEmail",
    "compiledAttributes",
    "delivery_settings",
    "description",
    "directMembersCount",
    "email",
    "etag",
    "externalIds",
    "isAssignableToRole",
    "isManagementRestricted",
    "kind",
    "mail",
    "nonEditableAliases",
    "onPremisesSyncEnabled",
    "otherMails",
    "paths",
    "proxyAddresses",
    "status",
    "suspended",
    "totalCount",
    "uniqueName",
    "visibility",
];

const ADDRESSES: &[&str] = &["email", "mail", "primaryEmail", "userPrincipalName"];
const NAMES: &[&str] = &["name", "displayName", "description"];
const LISTS: &[&str] = &["results", "value", "groups", "users", "members"];
const COUNTS: &[&str] = &["totalCount", "directMembersCount", "@odata.count"];

impl Edit {
    /// Alters an answer, and says whether that made a difference.
    pub(super) fn apply(self, response: Response<Bytes>) -> (Response<Bytes>, bool) {
        let readable = response.status().is_success() && !response.body().is_empty();
        let Some(mut body) = readable
            .then(|| serde_json::from_slice::<Value>(response.body()).ok())
            .flatten()
        else {
            return (response, false);
        };
        // A token is no object of a directory: what can be wrong with it is told by other faults.
        if body.get("access_token").is_some() {
            return (response, false);
        }
        let before = body.clone();
        self.alter(&mut body);
        let (mut head, bytes) = response.into_parts();
        let mut changed = body != before;
        if self == Self::WrongCount
            && let Some(count) = head.headers.get_mut("x-total-count")
            && let Some(number) = count.to_str().ok().and_then(|text| text.parse::<u64>().ok())
            && let Ok(wrong) = HeaderValue::from_str(&(number + 1).to_string())
        {
            *count = wrong;
            changed = true;
        }
        let bytes = if changed {
            Bytes::from(body.to_string())
        } else {
            bytes
        };
        (Response::from_parts(head, bytes), changed)
    }

    fn alter(self, body: &mut Value) {
        match self {
            Self::DoubledItem => {
                if let Some(items) = items(body)
                    && let Some(last) = items.last().cloned()
                {
                    items.push(last);
                }
            }
            Self::ReversedItems => {
                if let Some(items) = items(body) {
                    items.reverse();
                }
            }
            Self::NullItem => {
                if let Some(last) = items(body).and_then(|items| items.last_mut()) {
                    *last = Value::Null;
                }
            }
            Self::OtherAddress => {
                if let Some(object) = body.as_object_mut()
                    && let Some(Value::String(address)) = object.get_mut("email")
                {
                    address.insert_str(0, "other-");
                }
            }
            _ => self.alter_objects(body),
        }
    }

    fn alter_objects(self, value: &mut Value) {
        match value {
            Value::Array(items) => items.iter_mut().for_each(|item| self.alter_objects(item)),
            Value::Object(object) => {
                object.values_mut().for_each(|value| self.alter_objects(value));
                self.alter_object(object);
            }
            _ => {}
        }
    }

    fn alter_object(self, object: &mut Map<String, Value>) {
        match self {
            Self::UnknownFields => {
                object.insert(
                    "introducedLater".to_owned(),
                    json!({"deep": [1, null, "\u{1f600}"]}),
                );
                object.insert("@vendor.hint".to_owned(), Value::Null);
            }
            Self::OptionalMissing => OPTIONAL.iter().for_each(|name| {
                object.remove(*name);
            }),
            Self::OptionalNull => each(object, OPTIONAL, |value| *value = Value::Null),
            Self::ChangedTypes => each(object, COUNTS, |value| {
                let other = match &*value {
                    Value::Number(number) => Value::String(number.to_string()),
                    Value::String(text) => text.parse::<u64>().map_or(Value::Null, Value::from),
                    other => other.clone(),
                };
                *value = other;
            }),
            Self::Capitals => each(object, ADDRESSES, |value| text(value, |text| text.to_uppercase())),
            Self::Decomposed => each(object, NAMES, |value| text(value, |text| text.nfd().collect())),
            Self::WrongCount => each(object, COUNTS, |value| {
                if let Some(number) = value.as_u64() {
                    *value = Value::from(number + 1);
                }
            }),
            _ => {}
        }
    }
}

fn each(object: &mut Map<String, Value>, names: &[&str], change: impl Fn(&mut Value)) {
    for name in names {
        if let Some(value) = object.get_mut(*name) {
            change(value);
        }
    }
}

fn text(value: &mut Value, change: impl Fn(&str) -> String) {
    if let Value::String(text) = value {
        *text = change(text);
    }
}

/// The items of a list, in whichever form the vendor gives it.
fn items(body: &mut Value) -> Option<&mut Vec<Value>> {
    match body {
        Value::Array(items) => Some(items),
        Value::Object(object) => {
            let name = LISTS
                .iter()
                .find(|name| object.get(**name).is_some_and(Value::is_array))?;
            object.get_mut(*name)?.as_array_mut()
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn edited(edit: Edit, body: &Value) -> (Value, bool) {
        let (response, changed) = edit.apply(Response::new(Bytes::from(body.to_string())));
        (serde_json::from_slice(response.body()).unwrap(), changed)
    }

    #[test]
    fn a_list_is_altered_in_each_vendors_form() {
        let lists = [
            json!(["a", "b"]),
            json!({"results": ["a", "b"]}),
            json!({"value": ["a", "b"]}),
        ];
        for list in lists {
            let (doubled, changed) = edited(Edit::DoubledItem, &list);
            assert!(
                changed && doubled.to_string().contains(r#"["a","b","b"]"#),
                "{doubled}"
            );
            let (holed, changed) = edited(Edit::NullItem, &list);
            assert!(changed && holed.to_string().contains(r#"["a",null]"#), "{holed}");
        }
        assert_eq!(
            edited(Edit::DoubledItem, &json!({"id": "x"})),
            (json!({"id": "x"}), false)
        );
    }

    #[test]
    fn spellings_change_where_they_can() {
        let group = json!({"email": "a@b.example", "name": "Z\u{fc}rich"});
        let (capitals, _) = edited(Edit::Capitals, &group);
        assert_eq!(capitals["email"], "A@B.EXAMPLE");
        let (decomposed, changed) = edited(Edit::Decomposed, &group);
        assert_eq!(
            (decomposed["name"].as_str(), changed),
            (Some("Zu\u{308}rich"), true)
        );
        assert!(!edited(Edit::Decomposed, &json!({"name": "Sales"})).1);
    }
}

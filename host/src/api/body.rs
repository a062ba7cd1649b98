//! What a request carries, read strictly: a doubled key, an unknown field, a number that JavaScript would round or a
//! control character is refused and named, never repaired.

use std::fmt;

use axum::extract::{FromRequest, FromRequestParts, Request};
use http::header;
use http::request::Parts;
use serde::de::{DeserializeOwned, DeserializeSeed, Error as _, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Number, Value};

use super::guard::whole;
use super::problem::{InvalidValue, Kind, Problem};

/// The largest integer that every JSON reader keeps exactly.
const LARGEST: u64 = 1 << 53;
/// Bytes of a text that can be repeated whatever it is: no vendor's secret is so short.
const SHORTEST_SECRET: usize = 8;
/// Bytes of a plain word, which can be repeated; secrets are longer, or have other letters.
const LONGEST_WORD: usize = 24;
/// What stands for a text that is not repeated.
const WITHHELD: &str = "(not repeated)";

/// A JSON body.
#[derive(Debug, Clone)]
pub struct Strict<T>(pub T);

impl<S: Send + Sync, T: DeserializeOwned> FromRequest<S> for Strict<T> {
    type Rejection = Problem;

    async fn from_request(request: Request, _: &S) -> Result<Self, Problem> {
        let kind = request
            .headers()
            .get(header::CONTENT_TYPE)
            .and_then(|value| value.to_str().ok())
            .map(|value| {
                value
                    .split(';')
                    .next()
                    .unwrap_or_default()
                    .trim()
                    .to_ascii_lowercase()
            });
        if !matches!(
            kind.as_deref(),
            Some("application/json" | "application/merge-patch+json")
        ) {
            return Err(Problem::new(
                Kind::MEDIA_TYPE,
                "only JSON is taken; send `Content-Type: application/json`",
            ));
        }
        let bytes = whole(request.into_body()).await?;
        let value = read(&bytes)?;
        // A list would be taken for the fields of an object, one after the other.
        if !value.is_object() {
            return Err(Problem::invalid_value("", "the body must be a JSON object"));
        }
        typed(&value).map(Self)
    }
}

/// A body's JSON.
fn read(bytes: &[u8]) -> Result<Value, Problem> {
    let mut reader = serde_json::Deserializer::from_slice(bytes);
    let value = StrictValue
        .deserialize(&mut reader)
        .and_then(|value| reader.end().map(|()| value));
    value.map_err(|error| {
        // JSON by its grammar, but with a value in it that is not taken.
        if error.is_data() {
            return Problem::invalid_value("", error.to_string());
        }
        Problem::new(Kind::MALFORMED, format!("the body is no JSON: {error}"))
    })
}

/// A value of a type; all that is wrong is told with its place, but not what could be a secret in the wrong one.
fn typed<T: DeserializeOwned>(value: &Value) -> Result<T, Problem> {
    serde_path_to_error::deserialize(value).map_err(|error| {
        let place = match error.path().to_string() {
            root if root == "." => String::new(),
            place => place,
        };
        Problem::invalid(vec![InvalidValue {
            place: withheld(place, value),
            message: withheld(error.into_inner().to_string(), value),
            help: None,
        }])
    })
}

/// What is said of a value, without those of its names and texts that are no plain words: a key that is entered a line too
/// high is one of them.
fn withheld(said: String, value: &Value) -> String {
    let without = |said: String, text: &str| {
        let is_word =
            |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"-_./".contains(&byte);
        let is_plain =
            text.len() < SHORTEST_SECRET || text.len() <= LONGEST_WORD && text.bytes().all(is_word);
        // What stands for others is no secret, and replaced by itself would grow with each that is given.
        if is_plain || WITHHELD.contains(text) {
            return said;
        }
        let quoted = format!("{text:?}");
        said.replace(quoted.trim_matches('"'), WITHHELD)
            .replace(text, WITHHELD)
    };
    match value {
        Value::String(text) => without(said, text),
        Value::Array(all) => all.iter().fold(said, withheld),
        Value::Object(fields) => fields
            .iter()
            .fold(said, |said, (name, one)| withheld(without(said, name), one)),
        Value::Null | Value::Bool(_) | Value::Number(_) => said,
    }
}

/// Reads any JSON, strictly.
struct StrictValue;

impl<'de> DeserializeSeed<'de> for StrictValue {
    type Value = Value;

    fn deserialize<D: serde::Deserializer<'de>>(self, deserializer: D) -> Result<Value, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for StrictValue {
    type Value = Value;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("JSON")
    }

    fn visit_bool<E>(self, value: bool) -> Result<Value, E> {
        Ok(Value::Bool(value))
    }

    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_u64<E: serde::de::Error>(self, value: u64) -> Result<Value, E> {
        if value > LARGEST {
            return Err(E::custom(format!("the number {value} is over 2^53")));
        }
        Ok(Value::Number(value.into()))
    }

    fn visit_i64<E: serde::de::Error>(self, value: i64) -> Result<Value, E> {
        if value.unsigned_abs() > LARGEST {
            return Err(E::custom(format!("the number {value} is under -2^53")));
        }
        Ok(Value::Number(value.into()))
    }

    fn visit_f64<E: serde::de::Error>(self, value: f64) -> Result<Value, E> {
        // An integer in a float's clothes is an integer to JSON Schema.
        if value.fract() == 0.0 && value.abs() <= LARGEST as f64 {
            return Ok(Value::Number((value as i64).into()));
        }
        if value.abs() > LARGEST as f64 {
            return Err(E::custom("a number is over 2^53"));
        }
        Number::from_f64(value)
            .map(Value::Number)
            .ok_or_else(|| E::custom("a number cannot be kept"))
    }

    fn visit_str<E: serde::de::Error>(self, value: &str) -> Result<Value, E> {
        self.visit_string(value.to_owned())
    }

    fn visit_string<E: serde::de::Error>(self, value: String) -> Result<Value, E> {
        if value.contains('\0') {
            return Err(E::custom(
                "a text has the character U+0000, which no directory takes",
            ));
        }
        Ok(Value::String(value))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Value, A::Error> {
        let mut all = Vec::new();
        while let Some(item) = items.next_element_seed(Self)? {
            all.push(item);
        }
        Ok(Value::Array(all))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut fields: A) -> Result<Value, A::Error> {
        let mut all = Map::new();
        while let Some(key) = fields.next_key::<String>()? {
            if key.contains('\0') {
                return Err(A::Error::custom("a key has the character U+0000"));
            }
            if all.contains_key(&key) {
                return Err(A::Error::custom(format!("the key `{key}` is there twice")));
            }
            let value = fields.next_value_seed(Self)?;
            all.insert(key, value);
        }
        Ok(Value::Object(all))
    }
}

/// A query, read strictly.
#[derive(Debug, Clone)]
pub struct Params<T>(pub T);

impl<S: Send + Sync, T: DeserializeOwned> FromRequestParts<S> for Params<T> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        axum::extract::Query::<T>::from_request_parts(parts, state)
            .await
            .map(|axum::extract::Query(query)| Self(query))
            .map_err(|rejection| {
                let told = rejection.body_text();
                let told = told
                    .strip_prefix("Failed to deserialize query string: ")
                    .unwrap_or(&told);
                match told.split_once(": ") {
                    Some((place, message)) if !place.contains(' ') => Problem::invalid_value(place, message),
                    _ => Problem::invalid_value("", told),
                }
            })
    }
}

/// The names in a path.
#[derive(Debug, Clone)]
pub struct Place<T>(pub T);

impl<S: Send + Sync, T: DeserializeOwned + Send> FromRequestParts<S> for Place<T> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        axum::extract::Path::<T>::from_request_parts(parts, state)
            .await
            .map(|axum::extract::Path(path)| Self(path))
            .map_err(|rejection| {
                let detail = format!("there is nothing at this path: {}", rejection.body_text());
                Problem::new(Kind::NOT_FOUND, detail)
            })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bodies_are_read_strictly() {
        for (body, why) in [
            (r#"{"a":1,"a":2}"#, "twice"),
            (r#"{"a":{"b":1,"b":1}}"#, "twice"),
            (r#"{"a":9007199254740993}"#, "2^53"),
            (r#"{"a":-9007199254740993}"#, "2^53"),
            (r#"{"a":1e300}"#, "2^53"),
            (r#"{"a":"\u0000"}"#, "U+0000"),
            (r#"{"a":1} {"#, "trailing"),
            (r#"{"a":NaN}"#, "expected"),
            ("", "EOF"),
            (r#"{"a":"#, "EOF"),
        ] {
            let problem = read(body.as_bytes()).unwrap_err();
            assert!(problem.detail().contains(why), "{body}: {}", problem.detail());
        }
        let deep = "[".repeat(100_000);
        assert!(read(deep.as_bytes()).unwrap_err().detail().contains("recursion"));
        assert_eq!(read(b"{\"a\":1.0}").unwrap(), serde_json::json!({"a": 1}));
    }

    #[test]
    fn what_is_wrong_is_told_with_its_place() {
        #[derive(Debug, serde::Deserialize)]
        #[serde(deny_unknown_fields)]
        struct Inner {
            #[allow(dead_code, reason = "only its place matters")]
            number: u32,
        }
        #[derive(Debug, serde::Deserialize)]
        struct Outer {
            #[allow(dead_code, reason = "only its place matters")]
            list: Vec<Inner>,
        }
        let wrong =
            typed::<Outer>(&serde_json::json!({"list": [{"number": 1}, {"number": "x"}]})).unwrap_err();
        assert!(
            wrong.detail().starts_with("list[1].number: "),
            "{}",
            wrong.detail()
        );
        let unknown = typed::<Outer>(&serde_json::json!({"list": [{"number": 1, "other": 2}]})).unwrap_err();
        assert!(unknown.detail().contains("other"), "{}", unknown.detail());

        let many = vec!["not repeated"; 1_000];
        let told =
            typed::<Outer>(&serde_json::json!({ "list": "0123456789 abc", "more": many })).unwrap_err();
        assert_eq!(told.detail().matches(WITHHELD).count(), 1, "{}", told.detail());

        // Not what may be a secret: pasted whole, or as a name.
        for secret in [
            "jca_\"first\"\\key+/0123456789",
            "0123456789abcdef0123456789abcdef01234567",
        ] {
            for body in [
                serde_json::json!({ "list": [{ "number": secret }] }),
                serde_json::json!({ "list": [{ "number": 1, secret: 2 }] }),
                serde_json::json!({ "list": secret }),
            ] {
                let told = typed::<Outer>(&body).unwrap_err().detail().to_owned();
                assert!(!told.contains("0123456789") && told.contains(WITHHELD), "{told}");
            }
        }
    }
}

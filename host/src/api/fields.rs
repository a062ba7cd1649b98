//! What names and texts may look like in paths and queries, as the document says it.

use serde::de::Error as _;
use serde::{Deserialize, Deserializer};

/// A tenant's or directory's name.
pub(super) fn name<'de, D: Deserializer<'de>>(deserializer: D) -> Result<String, D::Error> {
    let given = String::deserialize(deserializer)?;
    let fits = (1..=64).contains(&given.len())
        && given
            .bytes()
            .all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-');
    if fits {
        Ok(given)
    } else {
        Err(D::Error::custom(
            "a name has lower-case letters, digits and `-`, 64 at most",
        ))
    }
}

/// The same where it may be left out.
pub(super) fn optional_name<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<String>, D::Error> {
    name(deserializer).map(Some)
}

/// A plan's hash, or its beginning.
pub(super) fn hash<'de, D: Deserializer<'de>>(deserializer: D) -> Result<String, D::Error> {
    let given = String::deserialize(deserializer)?;
    let digit = |byte: u8| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte);
    if (8..=64).contains(&given.len()) && given.bytes().all(digit) {
        Ok(given)
    } else {
        Err(D::Error::custom(
            "a plan is named by its hash, or by the first 8 or more of its hexadecimal digits",
        ))
    }
}

/// A component's digest, whole.
pub(super) fn digest<'de, D: Deserializer<'de>>(deserializer: D) -> Result<String, D::Error> {
    let given = String::deserialize(deserializer)?;
    if crate::plugin::is_digest(&given) {
        Ok(given)
    } else {
        Err(D::Error::custom(
            "a component is named by its SHA-256: 64 hexadecimal digits in lower case",
        ))
    }
}

/// A token's ID. What is given is not repeated: it may be the token itself.
pub(super) fn identifier<'de, D: Deserializer<'de>>(deserializer: D) -> Result<String, D::Error> {
    let given = String::deserialize(deserializer)?;
    let digit = |byte: u8| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte);
    if given.len() == 16 && given.bytes().all(digit) {
        Ok(given)
    } else {
        Err(D::Error::custom("a token's ID has 16 hexadecimal digits"))
    }
}

/// A stored secret's name. What is given is not repeated: it may be the secret itself.
pub(super) fn secret_name<'de, D: Deserializer<'de>>(deserializer: D) -> Result<String, D::Error> {
    let given = String::deserialize(deserializer)?;
    if crate::secrets::is_name(&given) {
        Ok(given)
    } else {
        Err(D::Error::custom(
            "a secret's name has lower-case letters, digits, `.`, `_` and `-`, 64 at most",
        ))
    }
}

/// A text of bounded length, in characters.
pub(super) fn text<'de, D: Deserializer<'de>, const LEAST: usize, const MOST: usize>(
    deserializer: D,
) -> Result<String, D::Error> {
    let given = String::deserialize(deserializer)?;
    let length = given.chars().count();
    if (LEAST..=MOST).contains(&length) {
        Ok(given)
    } else {
        Err(D::Error::custom(format!(
            "this has {LEAST} to {MOST} characters; it has {length}"
        )))
    }
}

/// The same where it may be left out.
pub(super) fn optional_text<'de, D: Deserializer<'de>, const LEAST: usize, const MOST: usize>(
    deserializer: D,
) -> Result<Option<String>, D::Error> {
    text::<D, LEAST, MOST>(deserializer).map(Some)
}

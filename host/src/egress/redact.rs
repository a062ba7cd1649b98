//! No secret comes back: an answer that echoes one is blanked before anybody sees it.

use std::sync::{Mutex, PoisonError};

use base64::Engine;
use bytes::Bytes;
use http::{HeaderMap, HeaderValue};
use zeroize::Zeroizing;

/// Shorter texts are too likely to stand in an answer by chance; no vendor's credential is so short.
const SHORTEST: usize = 8;

/// The secrets that were sent, in the spellings in which they could come back.
#[derive(Default)]
pub struct Secrets {
    spellings: Mutex<Vec<Zeroizing<Vec<u8>>>>,
}

impl Secrets {
    /// Remembers a secret that is about to be sent.
    pub fn remember(&self, secret: &str) {
        if secret.len() < SHORTEST {
            return;
        }
        let standard = base64::engine::general_purpose::STANDARD_NO_PAD.encode(secret);
        let url_safe = base64::engine::general_purpose::URL_SAFE_NO_PAD.encode(secret);
        let percent =
            percent_encoding::utf8_percent_encode(secret, percent_encoding::NON_ALPHANUMERIC).to_string();
        let form: String = form_urlencoded::byte_serialize(secret.as_bytes()).collect();
        let slashes = secret.replace('/', "\\/");
        let escaped = json_text(secret);
        // A vendor that quotes the JSON that it was sent, inside the JSON that it answers.
        let twice = json_text(&escaped);
        let hex = hex::encode(secret);
        let mut spellings = self.spellings.lock().unwrap_or_else(PoisonError::into_inner);
        for spelling in [
            secret.to_owned(),
            slashes,
            escaped,
            twice,
            standard,
            url_safe,
            percent,
            form,
            hex,
        ] {
            let spelling = Zeroizing::new(spelling.into_bytes());
            if spelling.len() >= SHORTEST && !spellings.contains(&spelling) {
                spellings.push(spelling);
            }
        }
    }

    /// Blanks every secret in some bytes, keeping their length; tells whether there was one.
    fn blank(&self, bytes: &mut [u8]) -> bool {
        let spellings = self.spellings.lock().unwrap_or_else(PoisonError::into_inner);
        let mut found = false;
        for spelling in spellings.iter() {
            let mut from = 0;
            while let Some(position) = bytes.get(from..).and_then(|rest| {
                rest.windows(spelling.len())
                    .position(|window| window == spelling.as_slice())
            }) {
                let (start, end) = (from + position, from + position + spelling.len());
                if let Some(secret) = bytes.get_mut(start..end) {
                    secret.fill(b'*');
                }
                found = true;
                from = end;
            }
        }
        found
    }

    /// A body without secrets, and whether there was one.
    pub fn body(&self, body: Bytes) -> (Bytes, bool) {
        let mut bytes = body.to_vec();
        if self.blank(&mut bytes) {
            (bytes.into(), true)
        } else {
            (body, false)
        }
    }

    /// Text without secrets.
    pub fn text(&self, text: &str) -> String {
        let mut bytes = text.as_bytes().to_vec();
        self.blank(&mut bytes);
        String::from_utf8_lossy(&bytes).into_owned()
    }

    /// Headers without secrets, and whether there was one.
    pub fn headers(&self, headers: HeaderMap) -> (HeaderMap, bool) {
        let mut clean = HeaderMap::new();
        let mut found = false;
        for (name, value) in &headers {
            let mut bytes = value.as_bytes().to_vec();
            if self.blank(&mut bytes) {
                found = true;
                if let Ok(value) = HeaderValue::from_bytes(&bytes) {
                    clean.append(name.clone(), value);
                }
            } else {
                clean.append(name.clone(), value.clone());
            }
        }
        (clean, found)
    }
}

/// A text as it stands between the quotes of a JSON string.
fn json_text(text: &str) -> String {
    let quoted = serde_json::Value::from(text).to_string();
    let open = quoted.strip_prefix('"').unwrap_or(&quoted);
    open.strip_suffix('"').unwrap_or(open).to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn r7_a_secret_that_comes_back_is_blanked_in_every_usual_spelling() {
        let secrets = Secrets::default();
        let secret = "abc/def+ghi==jkl";
        secrets.remember(secret);
        for echo in [
            secret.to_owned(),
            secret.replace('/', "\\/"),
            base64::engine::general_purpose::STANDARD.encode(secret),
            percent_encoding::utf8_percent_encode(secret, percent_encoding::NON_ALPHANUMERIC).to_string(),
        ] {
            let (body, found) = secrets.body(format!("x{echo}y{echo}").into());
            assert!(found, "{echo}");
            assert!(
                !String::from_utf8_lossy(&body).contains(echo.trim_end_matches('=')),
                "{echo}"
            );
        }
        assert_eq!(secrets.body("nothing".into()), ("nothing".into(), false));
        assert_eq!(secrets.text("a abc/def+ghi==jkl b"), "a **************** b");
    }

    #[test]
    fn r7_a_secret_in_json_that_a_vendor_quotes_within_json_is_blanked() {
        let secrets = Secrets::default();
        let secret = "a\"quoted\"\\key+with/signs";
        secrets.remember(secret);
        let sent = serde_json::json!({ "key": secret }).to_string();
        for echo in [sent.clone(), serde_json::json!({ "you sent": sent }).to_string()] {
            let (body, found) = secrets.body(echo.into());
            let body = String::from_utf8_lossy(&body).into_owned();
            assert!(
                found && !body.contains("quoted") && !body.contains("signs"),
                "{body}"
            );
        }
    }

    #[test]
    fn r7_a_secret_in_a_header_is_blanked() {
        let secrets = Secrets::default();
        secrets.remember("0123456789");
        let mut headers = HeaderMap::new();
        headers.insert("etag", HeaderValue::from_static("w0123456789"));
        headers.insert("date", HeaderValue::from_static("today"));
        let (clean, found) = secrets.headers(headers);
        assert!(found);
        assert_eq!(clean["etag"], "w**********");
        assert_eq!(clean["date"], "today");
    }
}

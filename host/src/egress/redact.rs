//! No secret comes back: an answer that echoes one is blanked before anybody sees it.

use std::collections::BTreeSet;
use std::sync::{Mutex, PoisonError};

use aho_corasick::AhoCorasick;
use base64::Engine;
use bytes::Bytes;
use http::{HeaderMap, HeaderValue};
use memchr::memmem;
use zeroize::Zeroizing;

/// Shorter texts are too likely to stand in an answer by chance; no vendor's credential is so short.
const SHORTEST: usize = 8;

/// The secrets that were sent.
#[derive(Default)]
pub struct Secrets {
    sent: Mutex<Sent>,
}

#[derive(Default)]
struct Sent {
    secrets: Vec<Zeroizing<String>>,
    /// Finds how any spelling of any of them begins, in one pass; nearly every answer has none. The spellings themselves
    /// are many and long, so they are made only where one may be.
    beginnings: Option<AhoCorasick>,
}

impl Secrets {
    /// Remembers a secret that is about to be sent.
    pub fn remember(&self, secret: &str) {
        if secret.len() < SHORTEST {
            return;
        }
        let mut sent = self.sent.lock().unwrap_or_else(PoisonError::into_inner);
        if sent.secrets.iter().any(|known| known.as_str() == secret) {
            return;
        }
        sent.secrets.push(Zeroizing::new(secret.to_owned()));
        let beginnings: BTreeSet<Vec<u8>> = sent
            .spellings()
            .filter_map(|spelling| spelling.as_bytes().get(..SHORTEST).map(<[u8]>::to_vec))
            .collect();
        // None where they are too many to build it for: then each spelling is looked for.
        sent.beginnings = AhoCorasick::new(beginnings).ok();
    }

    /// Some bytes in which every secret is blanked, of the same length; none where there was no secret.
    fn blanked(&self, bytes: &[u8]) -> Option<Vec<u8>> {
        let sent = self.sent.lock().unwrap_or_else(PoisonError::into_inner);
        if sent
            .beginnings
            .as_ref()
            .is_some_and(|beginnings| !beginnings.is_match(bytes))
        {
            return None;
        }
        let mut blanked: Option<Vec<u8>> = None;
        for spelling in sent.spellings() {
            let mut from = 0;
            while let Some(position) = blanked
                .as_deref()
                .unwrap_or(bytes)
                .get(from..)
                .and_then(|rest| memmem::find(rest, spelling.as_bytes()))
            {
                let (start, end) = (from + position, from + position + spelling.len());
                let blanked = blanked.get_or_insert_with(|| bytes.to_vec());
                if let Some(secret) = blanked.get_mut(start..end) {
                    secret.fill(b'*');
                }
                from = end;
            }
        }
        blanked
    }

    /// A body without secrets, and whether there was one.
    pub fn body(&self, body: Bytes) -> (Bytes, bool) {
        match self.blanked(&body) {
            Some(blanked) => (blanked.into(), true),
            None => (body, false),
        }
    }

    /// Text without secrets.
    pub fn text(&self, text: &str) -> String {
        match self.blanked(text.as_bytes()) {
            Some(blanked) => String::from_utf8_lossy(&blanked).into_owned(),
            None => text.to_owned(),
        }
    }

    /// Headers without secrets, and whether there was one.
    pub fn headers(&self, headers: HeaderMap) -> (HeaderMap, bool) {
        let mut clean = HeaderMap::new();
        let mut found = false;
        for (name, value) in &headers {
            match self.blanked(value.as_bytes()) {
                None => {
                    clean.append(name.clone(), value.clone());
                }
                Some(blanked) => {
                    found = true;
                    if let Ok(value) = HeaderValue::from_bytes(&blanked) {
                        clean.append(name.clone(), value);
                    }
                }
            }
        }
        (clean, found)
    }
}

impl Sent {
    /// Every spelling of every secret, and each also as a text of the JSON that is answered. The longest first, so that
    /// no shorter one breaks it up.
    fn spellings(&self) -> impl Iterator<Item = Zeroizing<String>> {
        let mut all: Vec<Zeroizing<String>> = self
            .secrets
            .iter()
            .flat_map(|secret| spelled(secret))
            .flat_map(|spelling| [Zeroizing::new(json_text(&spelling)), Zeroizing::new(spelling)])
            .filter(|spelling| spelling.len() >= SHORTEST)
            .collect();
        all.sort_by(|one, other| other.len().cmp(&one.len()).then_with(|| one.as_str().cmp(other)));
        all.dedup();
        all.into_iter()
    }
}

/// A secret in every spelling in which it could come back.
fn spelled(secret: &str) -> Vec<String> {
    let form: String = form_urlencoded::byte_serialize(secret.as_bytes()).collect();
    let percent = escaped(secret, |byte| format!("%{byte:02X}"));
    let json = json_text(secret);
    // A vendor that quotes the JSON that it was sent, inside the JSON that it answers.
    let twice = json_text(&json);
    let mut all = vec![
        secret.replace('/', "\\/"),
        escaped(secret, |byte| format!("\\u{byte:04x}")),
        escaped(secret, |byte| format!("\\u{byte:04X}")),
        json_text(&twice),
        twice,
        percent.replace('%', "%25"),
        escaped(secret, |byte| format!("%{byte:02x}")),
        page_text(secret, ["&amp;", "&lt;", "&gt;", "&quot;", "&#x27;"]),
        page_text(secret, ["&#38;", "&#60;", "&#62;", "&#34;", "&#39;"]),
        page_text(&json, ["&#38;", "&#60;", "&#62;", "&#34;", "&#39;"]),
    ];
    // A credential is often escaped before it is packed.
    for text in [secret, &form, &percent, &json] {
        let bytes = text.as_bytes();
        let hex = hex::encode(bytes);
        all.extend([hex.to_uppercase(), hex, bytes.escape_ascii().to_string()]);
        all.push(format!("{bytes:?}").trim_matches(['[', ']']).to_owned());
        all.push(base64::engine::general_purpose::STANDARD_NO_PAD.encode(bytes));
        all.push(base64::engine::general_purpose::URL_SAFE_NO_PAD.encode(bytes));
        // Between other bytes, as in `Basic`: it may begin at any of three places of a group, and its last group depends
        // on what follows.
        for skipped in 0..3 {
            let rest = bytes.get(skipped..).unwrap_or_default();
            let whole = rest.get(..rest.len() / 3 * 3).unwrap_or_default();
            let standard = base64::engine::general_purpose::STANDARD.encode(whole);
            all.push(standard.replace('+', "%2B").replace('/', "%2F"));
            all.push(standard.replace('/', "\\/"));
            all.push(standard);
            all.push(base64::engine::general_purpose::URL_SAFE_NO_PAD.encode(whole));
        }
        all.push(text.to_owned());
    }
    all
}

fn escaped(text: &str, escape: impl Fn(u8) -> String) -> String {
    text.bytes()
        .map(|byte| {
            if byte.is_ascii_alphanumeric() {
                char::from(byte).to_string()
            } else {
                escape(byte)
            }
        })
        .collect()
}

/// A text as it stands in a page.
fn page_text(text: &str, [and, less, greater, quote, apostrophe]: [&str; 5]) -> String {
    text.replace('&', and)
        .replace('<', less)
        .replace('>', greater)
        .replace('"', quote)
        .replace('\'', apostrophe)
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
            "abc%2fdef%2bghi%3d%3djkl".to_owned(),
            hex::encode_upper(secret),
            // With escaped slashes, quoted in the JSON of an answer.
            "abc\\\\/def+ghi==jkl".to_owned(),
            "abc\\u002fdef\\u002bghi\\u003d\\u003djkl".to_owned(),
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
        // Wherever it stands, and however large the answer is.
        let large = format!("{secret}{}{secret}{secret}", "abc/def+ghi==jk-".repeat(100_000));
        let (body, found) = secrets.body(large.clone().into());
        assert!(found && body.len() == large.len());
        let blanked = large.replace(secret, "****************");
        assert!(body == blanked.as_bytes());
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
    fn r7_what_only_begins_as_a_secret_stays_and_each_of_several_secrets_is_blanked() {
        let secrets = Secrets::default();
        for secret in ["abcdefgh-first", "abcdefgh-second", "abcdefgh-first"] {
            secrets.remember(secret);
        }
        assert_eq!(secrets.sent.lock().unwrap().secrets.len(), 2);
        let (body, found) = secrets.body("abcdefgh-third abcdefgh".into());
        assert_eq!((&body[..], found), (&b"abcdefgh-third abcdefgh"[..], false));
        let told = secrets.text("abcdefgh-third abcdefgh-second abcdefgh-first");
        assert_eq!(told, "abcdefgh-third *************** **************");
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

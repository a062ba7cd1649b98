//! Looking for secrets in bytes: each of them in every spelling in which it could stand there. All tests of secrecy look
//! with this, so that a spelling that is added here is looked for everywhere.

use std::collections::{BTreeMap, HashSet};
use std::io::Read as _;
use std::path::Path;

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};

/// What is shorter stands somewhere by chance.
const SHORTEST: usize = 8;

/// Secrets, to be looked for.
#[derive(Default)]
pub struct Secrets {
    /// Spelling, and whose it is. In order, so that a search begins at what has the same first bytes.
    spellings: BTreeMap<Vec<u8>, String>,
    /// The first bytes of all spellings: nearly every place is passed by at the first look.
    beginnings: HashSet<[u8; 4]>,
}

impl Secrets {
    /// Adds a secret, and what is to be said where it is found.
    pub fn add(&mut self, name: &str, secret: &str) {
        for spelling in spellings(secret) {
            self.spelled(name, spelling.into_bytes());
        }
    }

    /// Adds a key that is no text.
    pub fn add_bytes(&mut self, name: &str, secret: &[u8]) {
        self.spelled(name, secret.to_vec());
        for spelling in of_bytes(secret) {
            self.spelled(name, spelling.into_bytes());
        }
    }

    /// Adds what no text here may hold, as it stands.
    pub fn add_mark(&mut self, mark: &str) {
        self.take(mark, mark.as_bytes().to_vec());
    }

    /// A private key in PEM: each of its lines, and its bytes, of which each part would be a part of the key.
    pub fn add_pem(&mut self, name: &str, pem: &str) {
        for line in lines_of(pem) {
            if line.len() > 20 {
                self.add(name, line);
            }
            if let Ok(bytes) = STANDARD.decode(line)
                && bytes.len() >= 24
            {
                self.add_bytes(name, &bytes);
            }
        }
    }

    /// The key of the host that keeps its files in this folder, as text and as the bytes that seal.
    pub fn add_host_key(&mut self, folder: &Path) {
        let key = std::fs::read_to_string(folder.join("groupcast.key")).unwrap();
        self.add("the host's key", key.trim());
        self.add_bytes("the host's key", &STANDARD.decode(key.trim()).unwrap());
    }

    /// What the simulators' access tokens look like, and the assertions that buy them.
    pub fn add_tokens(&mut self) {
        for mark in ["Bearer ey", "Bearer ya29", "eyJhbGciOi", "ya29."] {
            self.add_mark(mark);
        }
    }

    fn spelled(&mut self, name: &str, spelling: Vec<u8>) {
        assert!(spelling.len() >= SHORTEST, "{name}: too short to look for");
        self.take(name, spelling);
    }

    fn take(&mut self, name: &str, spelling: Vec<u8>) {
        self.beginnings.insert(spelling[..4].try_into().unwrap());
        self.spellings.insert(spelling, name.to_owned());
    }

    /// Adds all of another search.
    pub fn join(&mut self, other: Self) {
        self.beginnings.extend(other.beginnings);
        self.spellings.extend(other.spellings);
    }

    /// No longer looks for a secret.
    pub fn forget(&mut self, secret: &str) {
        for spelling in spellings(secret) {
            self.spellings.remove(spelling.as_bytes());
        }
    }

    /// The first secret that is in these bytes, and where.
    pub fn find(&self, bytes: &[u8]) -> Option<(&str, usize)> {
        let mut known = vec![false; 1 << 16];
        for beginning in &self.beginnings {
            known[usize::from(beginning[0]) << 8 | usize::from(beginning[1])] = true;
        }
        for at in 0..bytes.len().saturating_sub(3) {
            if !known[usize::from(bytes[at]) << 8 | usize::from(bytes[at + 1])] {
                continue;
            }
            let beginning: [u8; 4] = bytes[at..at + 4].try_into().unwrap();
            if !self.beginnings.contains(&beginning) {
                continue;
            }
            let alike = self
                .spellings
                .range(beginning.to_vec()..)
                .take_while(|(spelling, _)| spelling.starts_with(&beginning));
            for (spelling, name) in alike {
                if bytes[at..].starts_with(spelling) {
                    return Some((name, at));
                }
            }
        }
        None
    }

    /// What is to be said of these bytes, where one of them is there.
    pub fn told(&self, place: &str, bytes: &[u8]) -> Option<String> {
        let (name, at) = self.find(bytes)?;
        let around = &bytes[at.saturating_sub(300)..(at + 60).min(bytes.len())];
        Some(format!(
            "{name} is in {place}: …{}…",
            String::from_utf8_lossy(around)
        ))
    }

    /// Requires that none of them is in these bytes.
    #[track_caller]
    pub fn absent(&self, place: &str, bytes: &[u8]) {
        if let Some(told) = self.told(place, bytes) {
            panic!("{told}");
        }
    }
}

/// The lines of a key in PEM; what stands before it is no part of it.
fn lines_of(pem: &str) -> impl Iterator<Item = &str> {
    pem.lines()
        .skip_while(|line| !line.starts_with("-----BEGIN"))
        .skip(1)
        .take_while(|line| !line.starts_with("-----END"))
}

/// Everything that a secret can look like.
pub fn spellings(secret: &str) -> Vec<String> {
    let form: String = form_urlencoded::byte_serialize(secret.as_bytes()).collect();
    let percent = escaped(secret, |byte| format!("%{byte:02X}"));
    let json = json(secret);
    let mut all = vec![
        // As others escape JSON, who may write any character by its number.
        secret.replace('/', "\\/"),
        escaped(secret, |byte| format!("\\u{byte:04x}")),
        escaped(secret, |byte| format!("\\u{byte:04X}")),
        // JSON in a text of JSON, once more in a line of a log of JSON.
        self::json(&json),
        self::json(&self::json(&json)),
        percent.replace('%', "%25"),
        escaped(secret, |byte| format!("%{byte:02x}")),
        // In pages.
        html(secret, ["&amp;", "&lt;", "&gt;", "&quot;", "&#x27;"]),
        html(secret, ["&#38;", "&#60;", "&#62;", "&#34;", "&#39;"]),
        html(&json, ["&#38;", "&#60;", "&#62;", "&#34;", "&#39;"]),
    ];
    // A credential is often escaped before it is packed.
    for text in [secret, &form, &percent, &json] {
        all.extend(of_bytes(text.as_bytes()));
        all.push(text.to_owned());
    }
    all
}

/// What bytes look like in a text.
fn of_bytes(bytes: &[u8]) -> Vec<String> {
    let hex = hex::encode(bytes);
    let list = format!("{bytes:?}");
    let mut all = vec![
        hex.to_uppercase(),
        hex,
        list.trim_matches(['[', ']']).to_owned(),
        bytes.escape_ascii().to_string(),
    ];
    // It may begin at any of three places of a group, and its last group depends on what follows.
    for skipped in 0..3 {
        let rest = &bytes[skipped..];
        let whole = &rest[..rest.len() / 3 * 3];
        let standard = STANDARD.encode(whole);
        all.push(standard.replace('+', "%2B").replace('/', "%2F"));
        all.push(standard.replace('/', "\\/"));
        all.push(standard);
        all.push(URL_SAFE_NO_PAD.encode(whole));
    }
    all
}

/// A text as it stands between the quotes of a JSON string.
fn json(text: &str) -> String {
    let quoted = serde_json::Value::from(text).to_string();
    quoted[1..quoted.len() - 1].to_owned()
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

fn html(text: &str, [and, less, greater, quote, apostrophe]: [&str; 5]) -> String {
    text.replace('&', and)
        .replace('<', less)
        .replace('>', greater)
        .replace('"', quote)
        .replace('\'', apostrophe)
}

/// All files below a folder, as they are and unpacked, without those of these names: where the secrets were put by their
/// owner.
pub fn kept(folder: &Path, but: &[&str]) -> Vec<(String, Vec<u8>)> {
    let mut kept = Vec::new();
    let mut folders = vec![folder.to_path_buf()];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            let name = path.file_name().unwrap().to_string_lossy().into_owned();
            if path.is_dir() {
                folders.push(path);
            } else if !but.contains(&name.as_str()) {
                // Gone meanwhile, where a host is at work.
                let Ok(bytes) = std::fs::read(&path) else {
                    continue;
                };
                let mut unpacked = Vec::new();
                if flate2::read::MultiGzDecoder::new(&bytes[..])
                    .read_to_end(&mut unpacked)
                    .is_ok()
                {
                    kept.push((format!("{name}, unpacked"), unpacked));
                }
                kept.push((name, bytes));
            }
        }
    }
    kept
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECRET: &str = "pla\"nted<\\sec'ret+with/signs=&>%0123456789";

    /// Written out here once more, by other means than the search's own.
    #[test]
    fn a_secret_is_found_however_it_is_spelled() {
        let mut secrets = Secrets::default();
        secrets.add("the secret", SECRET);
        let once = serde_json::json!({ "a": SECRET }).to_string();
        let twice = serde_json::json!({ "b": once }).to_string();
        let thrice = serde_json::json!({ "c": twice }).to_string();
        let form = form_urlencoded::Serializer::new(String::new())
            .append_pair("secret", SECRET)
            .finish();
        let percent: String = SECRET.bytes().map(|byte| format!("%{byte:02x}")).collect();
        let upper = "pla%22nted%3C%5Csec%27ret%2Bwith%2Fsigns%3D%26%3E%250123456789";
        let page = "pla&quot;nted&lt;\\sec&#x27;ret+with/signs=&amp;&gt;%0123456789";
        let askama = "pla&#34;nted&#60;\\sec&#39;ret+with/signs=&#38;&#62;%0123456789";
        let numbers =
            r#"pla\u0022nted\u003c\u005csec\u0027ret\u002bwith\u002fsigns\u003d\u0026\u003e\u00250123456789"#;
        let mut carriers = vec![
            SECRET.to_owned(),
            once,
            twice,
            thrice,
            form.clone(),
            upper.to_owned(),
            upper.to_lowercase(),
            upper.replace('%', "%25"),
            page.to_owned(),
            askama.to_owned(),
            numbers.to_owned(),
            SECRET.replace('/', "\\/"),
            format!("{SECRET:?}"),
            format!("{:?}", SECRET.as_bytes()),
            format!("{:?}", bytes::Bytes::from_static(SECRET.as_bytes())),
            hex::encode(SECRET),
            hex::encode_upper(SECRET),
        ];
        for before in ["", "x", "xy", "xyz", "client:"] {
            for after in ["", "z", "zz"] {
                let whole = format!("{before}{SECRET}{after}");
                carriers.push(STANDARD.encode(&whole));
                carriers.push(URL_SAFE_NO_PAD.encode(&whole));
                carriers.push(form_urlencoded::byte_serialize(STANDARD.encode(&whole).as_bytes()).collect());
                carriers.push(serde_json::json!(STANDARD.encode(&whole)).to_string());
                let sent = form.trim_start_matches("secret=");
                carriers.push(STANDARD.encode(format!("{before}{sent}{after}")));
            }
        }
        for carrier in carriers {
            let text = format!("before it {carrier} after it");
            assert_eq!(
                secrets.find(text.as_bytes()).map(|(name, _)| name),
                Some("the secret"),
                "{text}"
            );
        }
        // Every letter by its number is nobody's spelling.
        assert_eq!(secrets.find(percent.as_bytes()), None);
        for other in [
            SECRET.replace("nted", "nded"),
            STANDARD.encode("something else"),
            String::new(),
        ] {
            assert_eq!(secrets.find(other.as_bytes()), None, "{other}");
        }
    }

    #[test]
    fn a_private_key_is_found_by_each_of_its_lines_and_by_its_bytes() {
        let mut secrets = Secrets::default();
        secrets.add_pem("the key", groupcast_tests::PRIVATE_KEY);
        let lines: Vec<&str> = lines_of(groupcast_tests::PRIVATE_KEY).collect();
        let body = lines.concat();
        let bytes = STANDARD.decode(&body).unwrap();
        let file = serde_json::json!({ "private_key": groupcast_tests::PRIVATE_KEY }).to_string();
        for carrier in [
            lines[7].as_bytes(),
            file.as_bytes(),
            body.as_bytes(),
            hex::encode(&bytes[400..600]).as_bytes(),
            &bytes[400..600],
        ] {
            assert!(
                secrets.find(carrier).is_some(),
                "{}",
                String::from_utf8_lossy(carrier)
            );
        }
        assert_eq!(secrets.find(groupcast_tests::PUBLIC_KEY.as_bytes()), None);
    }

    #[test]
    fn what_is_packed_is_looked_into() {
        use std::io::Write as _;
        let folder = tempfile::tempdir().unwrap();
        let mut packer = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
        packer.write_all(SECRET.repeat(50).as_bytes()).unwrap();
        std::fs::create_dir(folder.path().join("below")).unwrap();
        std::fs::write(folder.path().join("below/packed"), packer.finish().unwrap()).unwrap();
        std::fs::write(folder.path().join("its-own-place"), SECRET).unwrap();
        let mut secrets = Secrets::default();
        secrets.add("the secret", SECRET);
        let found: Vec<String> = kept(folder.path(), &["its-own-place"])
            .into_iter()
            .filter(|(_, bytes)| secrets.find(bytes).is_some())
            .map(|(name, _)| name)
            .collect();
        assert_eq!(found, ["packed, unpacked"]);
    }
}

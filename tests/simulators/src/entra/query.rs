//! OData query options: which are allowed where, how they are read, and the page marks that carry them
//! on. Strict: an option that the contract does not list for a route is refused.

use std::collections::BTreeMap;

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use sha2::{Digest, Sha256};

use super::reply::Refusal;

/// Items on a page where `$top` is absent.
pub(super) const DEFAULT_PAGE: usize = 100;
/// The largest `$top`.
pub(super) const LARGEST_PAGE: usize = 999;

/// The options of one request, decoded.
#[derive(Debug, Clone, Default)]
pub(super) struct Query {
    options: BTreeMap<String, String>,
    raw: String,
}

impl Query {
    /// Reads a query, refusing doubled options and those not in `allowed`.
    pub fn parse(raw: &str, allowed: &[&str]) -> Result<Self, Refusal> {
        let mut options = BTreeMap::new();
        for (name, value) in form_urlencoded::parse(raw.as_bytes()) {
            if !allowed.contains(&name.as_ref()) {
                return Err(if name == "$skip" {
                    Refusal::query("'$skip' is not supported by the service.")
                } else {
                    Refusal::new(
                        400,
                        "BadRequest",
                        format!("The query parameter '{name}' is not supported."),
                    )
                });
            }
            if options.insert(name.to_string(), value.to_string()).is_some() {
                return Err(Refusal::new(
                    400,
                    "BadRequest",
                    format!(
                        "Query option '{name}' was specified more than once, but it must be specified at most once."
                    ),
                ));
            }
        }
        Ok(Self {
            options,
            raw: raw.to_owned(),
        })
    }

    pub fn get(&self, name: &str) -> Option<&str> {
        self.options.get(name).map(String::as_str)
    }

    /// The page size asked for.
    pub fn top(&self) -> Result<Option<usize>, Refusal> {
        let Some(text) = self.get("$top") else {
            return Ok(None);
        };
        match text.parse::<usize>() {
            Ok(top) if (1..=LARGEST_PAGE).contains(&top) => Ok(Some(top)),
            Ok(_) => Err(Refusal::bad(format!(
                "Invalid page size specified: '{text}'. Must be between 1 and {LARGEST_PAGE} inclusive."
            ))),
            Err(_) => Err(Refusal::new(
                400,
                "BadRequest",
                format!("Invalid value '{text}' for $top query option found."),
            )),
        }
    }

    /// The properties selected, checked against those that the type has.
    pub fn select(&self, known: &[&[&str]], type_name: &str) -> Result<Option<Vec<String>>, Refusal> {
        let Some(text) = self.get("$select") else {
            return Ok(None);
        };
        let mut names = Vec::new();
        for name in text.split(',').map(str::trim) {
            let Some(name) = known
                .iter()
                .flat_map(|list| list.iter())
                .find(|known| known.eq_ignore_ascii_case(name))
            else {
                return Err(Refusal::new(
                    400,
                    "BadRequest",
                    format!(
                        "Parsing OData Select and Expand failed: Could not find a property named '{name}' on type '{type_name}'."
                    ),
                ));
            };
            names.push((*name).to_owned());
        }
        Ok(Some(names))
    }

    /// Whether `$count=true` was asked for.
    pub fn count(&self) -> Result<bool, Refusal> {
        match self.get("$count") {
            None => Ok(false),
            Some(text) if text.eq_ignore_ascii_case("true") => Ok(true),
            Some(text) if text.eq_ignore_ascii_case("false") => Ok(false),
            Some(text) => Err(Refusal::new(
                400,
                "BadRequest",
                format!("Invalid value '{text}' for $count query option found."),
            )),
        }
    }

    /// The page mark's payload, where there is one and it belongs to this path and query.
    pub fn cursor(&self, path: &str, mark: &str) -> Result<Option<String>, Refusal> {
        let Some(token) = self.get(mark) else {
            return Ok(None);
        };
        let broken = || {
            Refusal::new(
                400,
                "Directory_ExpiredPageToken",
                "The specified page token value has expired or is not valid for this query and can no longer be included in your request.",
            )
        };
        let bytes = URL_SAFE_NO_PAD.decode(token).map_err(|_| broken())?;
        let text = String::from_utf8(bytes).map_err(|_| broken())?;
        let (seal, payload) = text.split_once('|').ok_or_else(broken)?;
        if seal != self.seal(path, payload) {
            return Err(broken());
        }
        Ok(Some(payload.to_owned()))
    }

    /// The address of the next page: this query with the mark put in.
    pub fn link(&self, origin: &str, path: &str, mark: &str, payload: &str) -> String {
        let token = URL_SAFE_NO_PAD.encode(format!("{}|{payload}", self.seal(path, payload)));
        let mut query: String = self
            .raw
            .split('&')
            .filter(|pair| !pair.is_empty() && !is_mark(pair))
            .collect::<Vec<_>>()
            .join("&");
        if !query.is_empty() {
            query.push('&');
        }
        format!("{origin}{path}?{query}{mark}={token}")
    }

    /// Binds a mark to its path, its query and its payload.
    fn seal(&self, path: &str, payload: &str) -> String {
        let mut digest = Sha256::new();
        digest.update(path.as_bytes());
        for (name, value) in &self.options {
            if !matches!(name.as_str(), "$skiptoken" | "$deltatoken") {
                digest.update(format!("\n{name}={value}").as_bytes());
            }
        }
        digest.update(b"\n\n");
        digest.update(payload.as_bytes());
        hex::encode(digest.finalize()).chars().take(24).collect()
    }
}

fn is_mark(pair: &str) -> bool {
    let name = pair.split('=').next().unwrap_or_default();
    let name = name
        .strip_prefix("%24")
        .or_else(|| name.strip_prefix('$'))
        .unwrap_or(name);
    matches!(name, "skiptoken" | "deltatoken")
}

#[cfg(test)]
mod tests {
    use super::*;

    const ALLOWED: &[&str] = &["$top", "$filter", "$skiptoken"];

    #[test]
    fn a_page_mark_is_bound_to_its_query() {
        let query = Query::parse("$top=5&$filter=displayName%20eq%20'a'", ALLOWED).unwrap();
        let link = query.link("https://h:1", "/v1.0/groups", "$skiptoken", "id-9");
        let next = link.split_once('?').unwrap().1;
        let follow = Query::parse(next, ALLOWED).unwrap();
        assert_eq!(
            follow.cursor("/v1.0/groups", "$skiptoken").unwrap().as_deref(),
            Some("id-9")
        );
        assert!(follow.cursor("/v1.0/users", "$skiptoken").is_err());
        let other = Query::parse(&next.replace("top=5", "top=6"), ALLOWED).unwrap();
        assert!(other.cursor("/v1.0/groups", "$skiptoken").is_err());
    }

    #[test]
    fn a_plus_is_a_blank_as_with_the_real_service() {
        let query = Query::parse("$filter=a+b", ALLOWED).unwrap();
        assert_eq!(query.get("$filter"), Some("a b"));
    }

    #[test]
    fn skip_is_refused() {
        assert!(Query::parse("$skip=10", ALLOWED).is_err());
    }
}

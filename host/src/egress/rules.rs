//! The rules that say which requests a component makes: they mirror the WIT record `egress-rule`.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::path::CanonicalPath;

/// One kind of request. A component's manifest asks for it; the tenant's configuration grants it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Rule {
    /// The credential to attach; its configured base URL is the origin.
    pub credential: String,
    /// HTTP method, upper case.
    pub method: String,
    /// Path below the origin. `{name}` stands for one segment, `'{name}'` within a segment for a quoted key.
    pub path: String,
    /// Whether the request can change anything at the vendor.
    #[serde(default)]
    pub writes: bool,
    /// Whether the body is a batch, whose parts must each satisfy a rule of their own.
    #[serde(default)]
    pub batch: bool,
}

impl Rule {
    /// Whether a request is of this kind, whatever it writes.
    pub fn matches(&self, credential: &str, method: &str, path: &CanonicalPath) -> bool {
        if self.credential != credential || self.method != method {
            return false;
        }
        let Some(template) = self.path.strip_prefix('/') else {
            return false;
        };
        let template: Vec<&str> = template.split('/').collect();
        let segments = path.segments();
        template.len() == segments.len()
            && template
                .iter()
                .zip(&segments)
                .all(|(template, segment)| segment_matches(template, segment))
    }
}

fn segment_matches(template: &str, segment: &str) -> bool {
    let Some((before, rest)) = template.split_once('{') else {
        return template == segment;
    };
    let Some((_, after)) = rest.split_once('}') else {
        return false;
    };
    if before.is_empty() && after.is_empty() {
        // `$ref`, `$count` and `$value` are verbs of OData and never the name of a thing.
        return !segment.starts_with('$');
    }
    if !before.ends_with('\'') || !after.starts_with('\'') {
        return false;
    }
    segment
        .strip_prefix(before)
        .and_then(|rest| rest.strip_suffix(after))
        .is_some_and(|key| quoted_key(key).is_some())
}

/// The key within quotes: a quote in it is doubled.
pub fn quoted_key(text: &str) -> Option<String> {
    if text.is_empty() || text.replace("''", "").contains('\'') {
        return None;
    }
    Some(text.replace("''", "'"))
}

/// As lines of the configuration.
impl fmt::Display for Rule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let quoted = |text: &str| toml::Value::String(text.to_owned()).to_string();
        writeln!(f, "[[egress]]")?;
        writeln!(f, "credential = {}", quoted(&self.credential))?;
        writeln!(f, "method = {}", quoted(&self.method))?;
        writeln!(f, "path = {}", quoted(&self.path))?;
        write!(f, "writes = {}\nbatch = {}", self.writes, self.batch)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn matches(template: &str, path: &str) -> bool {
        let rule = Rule {
            credential: "entra".into(),
            method: "GET".into(),
            path: template.into(),
            writes: false,
            batch: false,
        };
        rule.matches("entra", "GET", &CanonicalPath::parse(path).unwrap())
    }

    #[test]
    fn a_placeholder_is_exactly_one_segment() {
        assert!(matches("/v1.0/groups/{id}", "/v1.0/groups/1"));
        assert!(!matches("/v1.0/groups/{id}", "/v1.0/groups"));
        assert!(!matches("/v1.0/groups/{id}", "/v1.0/groups/1/members"));
        assert!(!matches("/v1.0/groups/{id}", "/v1.0/Groups/1"));
        assert!(!matches("/v1.0/groups/{id}", "/v1.0/groups/$count"));
    }

    #[test]
    fn a_quoted_key_ends_at_its_quote() {
        let template = "/v1.0/groups(uniqueName='{name}')";
        assert!(matches(template, "/v1.0/groups(uniqueName='gc-1')"));
        assert!(matches(template, "/v1.0/groups(uniqueName='o''brien')"));
        assert!(!matches(template, "/v1.0/groups(uniqueName='a'b')"));
        assert!(!matches(template, "/v1.0/groups(uniqueName='')"));
        assert!(!matches(template, "/v1.0/groups(uniqueName='a')/members"));
        assert!(!matches("/v1.0/groups(x{name})", "/v1.0/groups(xy)"));
    }

    #[test]
    fn a_rule_prints_as_configuration_that_reads_back() {
        let rule = Rule {
            credential: "google".into(),
            method: "POST".into(),
            path: "/batch".into(),
            writes: true,
            batch: true,
        };
        #[derive(Deserialize)]
        struct File {
            egress: Vec<Rule>,
        }
        let file: File = toml::from_str(&rule.to_string()).unwrap();
        assert_eq!(file.egress, [rule]);
    }
}

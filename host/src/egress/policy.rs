//! May this run speak to that place at all, and with which credential? Pure: no socket, no clock.

use http::{Method, Uri};

use super::decode::{Decoded, Effect};
use super::origin::{Base, Origin, OriginError, Vendor};
use super::rules::Rule;

/// What the guest is doing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Phase {
    /// `describe`, `check`, `plan`, `explain`: reads only, whatever the component's manifest says.
    Reads,
    /// `apply`: writes too, each under a permit.
    Writes,
}

/// Why a request may not leave.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PolicyRefusal {
    /// The URL names no place.
    #[error("{0}")]
    Origin(#[from] OriginError),
    /// The place is not configured.
    #[error(
        "{origin} is none of the places that this tenant's configuration names ({known}); if it should be, set the \
         vendor's base URL"
    )]
    UnknownOrigin {
        /// Where the request was for.
        origin: Origin,
        /// Where requests may go.
        known: String,
    },
    /// A method that no rule can name.
    #[error("the method {0} never leaves this host")]
    Method(String),
    /// No rule grants it.
    #[error(
        "{} {path} at {} is not granted to this component; if it should be, add to the configuration:\n\n\
         {rule}",
        rule.method,
        rule.credential
    )]
    NoRule {
        /// Path.
        path: String,
        /// What to add.
        rule: Box<Rule>,
    },
    /// A write where only reads may pass.
    #[error(
        "{0} would change something, and only reads may pass while a run describes, checks, plans or explains"
    )]
    WriteWhileReading(String),
}

/// What one run may ask of the network.
#[derive(Debug, Clone)]
pub struct Policy {
    phase: Phase,
    bases: Vec<Base>,
    rules: Vec<Rule>,
}

impl Policy {
    /// From the places of the configuration and the rules that it grants.
    pub fn new(phase: Phase, bases: Vec<Base>, rules: Vec<Rule>) -> Self {
        Self { phase, bases, rules }
    }

    /// What the guest is doing.
    pub fn phase(&self) -> Phase {
        self.phase
    }

    /// The configured place that a request is for, and whose credential belongs there.
    ///
    /// # Errors
    /// If the URL names no place, or none of the configuration's.
    pub fn place(&self, uri: &Uri) -> Result<&Base, PolicyRefusal> {
        let origin = Origin::of(uri)?;
        if let Some(base) = self.bases.iter().find(|base| base.origin == origin) {
            return Ok(base);
        }
        let known: Vec<String> = self.bases.iter().map(|base| base.origin.to_string()).collect();
        Err(PolicyRefusal::UnknownOrigin {
            origin,
            known: known.join(", "),
        })
    }

    /// Whether a method can be allowed at all.
    ///
    /// # Errors
    /// If it is none of GET, POST, PATCH and DELETE.
    pub fn method(&self, method: &Method) -> Result<(), PolicyRefusal> {
        match method.as_str() {
            "GET" | "POST" | "PATCH" | "DELETE" => Ok(()),
            other => Err(PolicyRefusal::Method(other.to_owned())),
        }
    }

    /// Whether everything that a request does is granted, part by part.
    ///
    /// # Errors
    /// The first part that is not, with the rule that is missing.
    pub fn allow(&self, vendor: Vendor, decoded: &Decoded) -> Result<(), PolicyRefusal> {
        if decoded.batch {
            // A batch is as harmless or as harmful as its parts: those are judged below.
            self.rule(vendor, &decoded.method, &decoded.path, None, true)?;
        }
        for part in &decoded.parts {
            let writes = matches!(part.effect, Effect::Write(_));
            if writes && self.phase == Phase::Reads {
                return Err(PolicyRefusal::WriteWhileReading(format!(
                    "{} {}",
                    part.method,
                    part.path.as_str()
                )));
            }
            self.rule(vendor, &part.method, &part.path, Some(writes), false)?;
        }
        Ok(())
    }

    fn rule(
        &self,
        vendor: Vendor,
        method: &str,
        path: &super::path::CanonicalPath,
        writes: Option<bool>,
        batch: bool,
    ) -> Result<(), PolicyRefusal> {
        let credential = vendor.credential();
        let granted = self.rules.iter().any(|rule| {
            rule.matches(credential, method, path)
                && rule.batch == batch
                // A rule that grants a write grants the same request as a read too; never the other way round.
                && (writes != Some(true) || rule.writes)
        });
        if granted {
            return Ok(());
        }
        Err(PolicyRefusal::NoRule {
            path: path.as_str().to_owned(),
            rule: Box::new(Rule {
                credential: credential.to_owned(),
                method: method.to_owned(),
                path: path.as_str().to_owned(),
                writes: writes.unwrap_or(self.phase == Phase::Writes),
                batch,
            }),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::super::decode::{WireRequest, decode};
    use super::*;

    fn rule(method: &str, path: &str, writes: bool, batch: bool) -> Rule {
        Rule {
            credential: "google".into(),
            method: method.into(),
            path: path.into(),
            writes,
            batch,
        }
    }

    fn policy(phase: Phase, rules: Vec<Rule>) -> Policy {
        let origin = Origin::base("https://admin.googleapis.com").unwrap();
        let base = Base {
            vendor: Vendor::Google,
            origin,
        };
        Policy::new(phase, vec![base], rules)
    }

    fn decoded(method: &str, path: &str) -> Decoded {
        let origin = Origin::base("https://admin.googleapis.com").unwrap();
        let headers = Vec::new();
        let request = WireRequest {
            origin: &origin,
            method,
            path,
            query: None,
            headers: &headers,
            body: &[],
        };
        decode(Vendor::Google, &request).unwrap()
    }

    const MEMBER: &str = "/admin/directory/v1/groups/{group}/members/{member}";

    #[test]
    fn r44_while_a_run_plans_no_write_passes_even_where_a_rule_grants_it() {
        let write = decoded("DELETE", "/admin/directory/v1/groups/1/members/2");
        for rules in [
            vec![rule("DELETE", MEMBER, true, false)],
            vec![rule("DELETE", MEMBER, false, false)],
        ] {
            let refusal = policy(Phase::Reads, rules)
                .allow(Vendor::Google, &write)
                .unwrap_err();
            assert!(
                matches!(refusal, PolicyRefusal::WriteWhileReading(_)),
                "{refusal}"
            );
        }
    }

    #[test]
    fn r44_a_rule_that_calls_itself_a_read_grants_no_write() {
        let write = decoded("DELETE", "/admin/directory/v1/groups/1/members/2");
        let lying = policy(Phase::Writes, vec![rule("DELETE", MEMBER, false, false)]);
        assert!(lying.allow(Vendor::Google, &write).is_err());
        let honest = policy(Phase::Writes, vec![rule("DELETE", MEMBER, true, false)]);
        assert_eq!(honest.allow(Vendor::Google, &write), Ok(()));
    }

    #[test]
    fn r52_a_request_without_a_rule_is_refused_with_the_lines_to_paste() {
        let read = decoded("GET", "/admin/directory/v1/groups/1");
        let refusal = policy(Phase::Reads, Vec::new())
            .allow(Vendor::Google, &read)
            .unwrap_err();
        let message = refusal.to_string();
        for line in [
            "[[egress]]",
            "credential = \"google\"",
            "method = \"GET\"",
            "writes = false",
        ] {
            assert!(message.contains(line), "{message}");
        }
    }

    #[test]
    fn r44_the_parts_of_a_batch_need_rules_of_their_own() {
        let mut batch = decoded("GET", "/admin/directory/v1/groups/1");
        batch.batch = true;
        batch.method = "POST".into();
        batch.path = super::super::path::CanonicalPath::parse("/batch").unwrap();
        let alone = policy(Phase::Reads, vec![rule("POST", "/batch", false, true)]);
        assert!(alone.allow(Vendor::Google, &batch).is_err());
        let both = vec![
            rule("POST", "/batch", true, true),
            rule("GET", "/admin/directory/v1/groups/{group}", false, false),
        ];
        assert_eq!(
            policy(Phase::Reads, both.clone()).allow(Vendor::Google, &batch),
            Ok(())
        );
        assert!(
            policy(Phase::Reads, both[1..].to_vec())
                .allow(Vendor::Google, &batch)
                .is_err()
        );
    }

    #[test]
    fn r52_only_configured_places_are_spoken_to() {
        let policy = policy(Phase::Reads, Vec::new());
        assert!(
            policy
                .place(&"https://ADMIN.googleapis.com/x".parse().unwrap())
                .is_ok()
        );
        for other in [
            "https://evil.example/",
            "http://admin.googleapis.com/",
            "https://admin.googleapis.com:8443/",
            "https://admin.googleapis.com.evil.example/",
            "https://admin.googleapis.com@evil.example/",
            "https://127.0.0.1/",
            "https://[::1]/",
        ] {
            assert!(policy.place(&other.parse().unwrap()).is_err(), "{other}");
        }
    }

    #[test]
    fn r33_methods_without_a_use_never_leave() {
        let policy = policy(Phase::Writes, Vec::new());
        for method in ["PUT", "HEAD", "OPTIONS", "TRACE", "CONNECT", "MERGE", "get"] {
            assert!(
                policy
                    .method(&Method::from_bytes(method.as_bytes()).unwrap())
                    .is_err(),
                "{method}"
            );
        }
    }
}

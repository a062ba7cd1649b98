//! JumpCloud's error table. Version 2 answers `{code, message, status}`, version 1 mostly `{message}`; neither has
//! a stable reason, so the message stands for it and the status alone decides.

use serde::Deserialize;

use crate::failure::{Failure, FailureKind};
use crate::http::{Answer, Ruling, Verdict};

/// Characters of a vendor's message that are kept.
const KEPT: usize = 200;

#[derive(Deserialize)]
struct Body {
    #[serde(default)]
    message: Option<String>,
}

/// The ruling on an answer of JumpCloud's. A 404 is for the reader to understand.
pub fn classify(answer: &Answer) -> Verdict {
    if answer.is_success() {
        return Verdict::accept();
    }
    let said = serde_json::from_slice::<Body>(&answer.body)
        .ok()
        .and_then(|body| body.message)
        .unwrap_or_else(|| {
            String::from_utf8_lossy(answer.body.get(..KEPT).unwrap_or(&answer.body)).into_owned()
        });
    let said: String = said
        .chars()
        .filter(|letter| !letter.is_control())
        .take(KEPT)
        .collect();
    // "Gone" is believed of JumpCloud's own words alone: a proxy's or a wrong server's page proves nothing (R49).
    let own =
        serde_json::from_slice::<Body>(&answer.body).is_ok() || said.trim().eq_ignore_ascii_case("not found");
    let of_organisation = speaks_of_the_organisation(&said);
    if answer.status == 404 && own && !of_organisation {
        return Verdict::accept();
    }
    let (ruling, message) = match answer.status {
        // Not "this record is gone": nothing was looked for.
        400 | 403 | 404 if of_organisation => (
            Ruling::Refused(FailureKind::Unauthorized),
            "JumpCloud does not take the organisation ID that goes with the credential `jumpcloud`. Set `org_id` to the ID of \
             the organisation whose groups are exported (Admin Portal, Settings, Organization Profile, or GET \
             /api/organizations), or leave it out where the administrator has one organisation alone.",
        ),
        401 if of_organisation => (
            Ruling::Refused(FailureKind::Unauthorized),
            "The credential `jumpcloud` belongs to an administrator of several organisations, and JumpCloud wants to be told \
             which (`x-org-id`). Set `org_id` to the ID of the organisation whose groups are exported (Admin Portal, \
             Settings, Organization Profile). Store a working one.",
        ),
        401 => (
            Ruling::Refused(FailureKind::Unauthorized),
            "JumpCloud refused the credential `jumpcloud`: its key or service account is wrong, expired or revoked, or \
             the organisation ID (`x-org-id`) that a multi-tenant administrator needs is missing. Store a working one: sign in \
             to the Admin Portal as the administrator with the role Read Only, menu of the account, My API Key.",
        ),
        // Sending on would only lengthen the block, so this ends the run.
        403 if said.to_ascii_lowercase().contains("blocked") => (
            Ruling::Refused(FailureKind::Unauthorized),
            "JumpCloud has blocked this machine's address for suspected abuse. Ask its support to lift the block, and run \
             less often.",
        ),
        403 => (
            Ruling::Refused(FailureKind::Unauthorized),
            "The credential `jumpcloud` may not read this. Give it at least the role Read Only for this organisation (Admin \
             Portal, Settings, Administrators or Service Accounts).",
        ),
        404 => (
            Ruling::Refused(FailureKind::Vendor),
            "Something answered 404 that is not JumpCloud's API. Check the base URL and what stands between this machine \
             and JumpCloud.",
        ),
        408 => (Ruling::Transient, "JumpCloud gave up waiting for the request."),
        429 => (
            Ruling::Throttled,
            "JumpCloud asks for fewer requests; run again later.",
        ),
        500.. => (
            Ruling::Transient,
            "JumpCloud has a fault of its own that outlasted the retries; run again later.",
        ),
        _ => (
            Ruling::Refused(FailureKind::Vendor),
            "JumpCloud refused the request in a way that this version does not know.",
        ),
    };
    Verdict::new(ruling, said, message)
}

/// Whether JumpCloud's words are about the organisation that a request names (`x-org-id`).
fn speaks_of_the_organisation(said: &str) -> bool {
    let said = said.to_ascii_lowercase();
    ["x-org-id", "organization", "organisation"]
        .iter()
        .any(|word| said.contains(word))
}

/// What exactly is wrong, by status and JumpCloud's words.
pub fn diagnose(failure: &Failure) -> Option<&'static str> {
    let answer = failure.vendor.as_ref()?;
    let of_organisation = speaks_of_the_organisation(&answer.reason);
    Some(match answer.status {
        401 if of_organisation => "organisation-missing",
        400 | 403 | 404 if of_organisation => "wrong-organisation",
        401 => "wrong-key",
        403 if answer.reason.to_ascii_lowercase().contains("blocked") => "address-blocked",
        403 => "role-missing",
        404 => "not-the-vendor",
        429 => "throttled",
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ruling(status: u16, body: &str) -> Ruling {
        classify(&Answer {
            status,
            headers: http::HeaderMap::new(),
            body: bytes::Bytes::copy_from_slice(body.as_bytes()),
            place: "GET /api/v2/usergroups".to_owned(),
        })
        .ruling
    }

    #[test]
    fn every_row_of_the_table() {
        use FailureKind::{Unauthorized, Vendor};
        for (status, body, expected) in [
            (200, "[]", Ruling::Accept),
            (404, "Not Found", Ruling::Accept),
            (404, "<html>Not Found</html>", Ruling::Refused(Vendor)),
            (404, "", Ruling::Refused(Vendor)),
            (404, "{\"message\":\"Not Found\"}", Ruling::Accept),
            (
                400,
                "{\"code\":400,\"message\":\"x-org-id is malformed\"}",
                Ruling::Refused(Unauthorized),
            ),
            // A wrong organisation is no proof that what was asked for is gone.
            (
                404,
                "{\"code\":404,\"message\":\"organization not found\"}",
                Ruling::Refused(Unauthorized),
            ),
            (
                401,
                "{\"message\":\"Unauthorized\"}",
                Ruling::Refused(Unauthorized),
            ),
            (403, "{\"message\":\"Forbidden\"}", Ruling::Refused(Unauthorized)),
            (
                403,
                "Forbidden: your IP has been blocked due to suspected abuse",
                Ruling::Refused(Unauthorized),
            ),
            (429, "", Ruling::Throttled),
            (500, "{}", Ruling::Transient),
            (502, "<html>", Ruling::Transient),
            (503, "", Ruling::Transient),
            (302, "", Ruling::Refused(Vendor)),
        ] {
            assert_eq!(ruling(status, body), expected, "{status} {body}");
        }
    }

    #[test]
    fn r07_a_refused_credential_is_named_with_the_fix() {
        let answer = Answer {
            status: 401,
            headers: http::HeaderMap::new(),
            body: bytes::Bytes::new(),
            place: String::new(),
        };
        let message = classify(&answer).message;
        assert!(message.contains("`jumpcloud`") && message.contains("x-org-id"));
    }

    #[test]
    fn r7_each_fault_of_a_credential_has_a_name_of_its_own() {
        use crate::failure::VendorAnswer;
        for (status, said, name) in [
            (401, "Unauthorized", Some("wrong-key")),
            (401, "x-org-id header is required", Some("organisation-missing")),
            (400, "x-org-id header is malformed", Some("wrong-organisation")),
            (404, "organization not found", Some("wrong-organisation")),
            (
                403,
                "Forbidden: your IP has been blocked due to suspected abuse",
                Some("address-blocked"),
            ),
            (403, "Forbidden", Some("role-missing")),
            (500, "", None),
        ] {
            let failure = Failure::new(FailureKind::Vendor, "", "").answered(VendorAnswer {
                status,
                reason: said.to_owned(),
                request_id: None,
            });
            assert_eq!(diagnose(&failure), name, "{status} {said}");
        }
        assert_eq!(diagnose(&Failure::new(FailureKind::Transient, "", "")), None);
    }
}

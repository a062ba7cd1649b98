//! The check of a federated credential: another identity provider's token, which the application trusts by issuer, subject
//! and audience, letter by letter.
//!
//! Entra ID fetches an issuer's keys from the issuer; here the credential brings the key with it.

use jsonwebtoken::{Algorithm, DecodingKey, Validation};
use serde_json::Value;

use super::format::Application;

/// Why an assertion is refused: the AADSTS number and its message.
type Refused = (u64, String);

/// The issuer that an assertion names, unproven.
pub(super) fn issuer(assertion: &str) -> Option<String> {
    let claims: Value = jsonwebtoken::dangerous::insecure_decode_claims(assertion).ok()?;
    claims.get("iss")?.as_str().map(str::to_owned)
}

/// Checks issuer, signature, audience, subject and time.
pub(super) fn check(assertion: &str, application: &Application, now_ms: u64) -> Result<(), Refused> {
    let malformed = || (50_027, "JWT token is invalid or malformed.".to_owned());
    let unproven: Value =
        jsonwebtoken::dangerous::insecure_decode_claims(assertion).map_err(|_| malformed())?;
    let claim = |name: &str| unproven.get(name).and_then(Value::as_str).unwrap_or_default();
    let no_match = |code, what: &str, value: &str| {
        (
            code,
            format!(
                "No matching federated identity record found for presented assertion {what} '{value}'. Check your federated \
                 identity credential Subject, Audience and Issuer against the presented assertion. \
                 https://learn.microsoft.com/entra/workload-id/workload-identity-federation"
            ),
        )
    };
    let of_issuer: Vec<_> = application
        .federated_credentials
        .iter()
        .filter(|credential| credential.issuer == claim("iss"))
        .collect();
    if of_issuer.is_empty() {
        return Err(no_match(700_211, "issuer", claim("iss")));
    }
    let of_subject: Vec<_> = of_issuer
        .into_iter()
        .filter(|credential| credential.subject == claim("sub"))
        .collect();
    if of_subject.is_empty() {
        return Err(no_match(700_213, "subject", claim("sub")));
    }
    let credential = of_subject
        .into_iter()
        .find(|credential| credential.audience == claim("aud"))
        .ok_or_else(|| no_match(700_212, "audience", claim("aud")))?;
    let mut validation = Validation::new(Algorithm::RS256);
    // Times are judged below: the library would ask the machine's clock.
    validation.validate_exp = false;
    validation.validate_aud = false;
    validation.required_spec_claims.clear();
    let key = DecodingKey::from_rsa_pem(credential.public_key_pem.as_bytes()).map_err(|_| malformed())?;
    jsonwebtoken::decode::<Value>(assertion, &key, &validation).map_err(|_| {
        (
            50_013,
            "Assertion failed signature validation. [Reason - The provided signature value did not match the expected \
             signature value.]"
                .to_owned(),
        )
    })?;
    let now = std::time::Duration::from_millis(now_ms).as_secs_f64();
    let second = |name: &str| unproven.get(name).and_then(Value::as_f64);
    // Five minutes of clock skew are tolerated, as for certificates.
    let valid = second("exp").is_some_and(|end| end + 300.0 > now)
        && unproven
            .get("nbf")
            .is_none_or(|start| start.as_f64().is_some_and(|start| start <= now + 300.0));
    if !valid {
        return Err((
            700_024,
            "Client assertion is not within its valid time range.".to_owned(),
        ));
    }
    Ok(())
}

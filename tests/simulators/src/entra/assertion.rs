//! The check of a client assertion: a JWT signed with the key of a registered certificate.

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use jsonwebtoken::{Algorithm, DecodingKey, Validation};
use serde_json::Value;
use sha2::{Digest, Sha256};

use super::format::Application;

/// Why an assertion is refused: the AADSTS number and its message.
type Refused = (u64, String);

/// Checks signature, thumbprint, issuer, subject, audience and time.
pub(super) fn check(
    assertion: &str,
    application: &Application,
    audiences: &[String],
    now_ms: u64,
) -> Result<(), Refused> {
    let unregistered = || {
        (
            700_027,
            "The certificate with identifier used to sign the client assertion is not registered on application. [Reason - The key was not found.]".to_owned(),
        )
    };
    let pem = application.certificate_pem.as_deref().ok_or_else(unregistered)?;
    let (_, pem) = x509_parser::pem::parse_x509_pem(pem.as_bytes())
        .map_err(|_| (50_012, "The registered certificate cannot be read.".to_owned()))?;
    let certificate = pem
        .parse_x509()
        .map_err(|_| (50_012, "The registered certificate cannot be read.".to_owned()))?;
    let x509_parser::public_key::PublicKey::RSA(public) =
        certificate.public_key().parsed().map_err(|_| {
            (
                50_012,
                "The registered certificate's key cannot be read.".to_owned(),
            )
        })?
    else {
        return Err((
            50_012,
            "The registered certificate's key is no RSA key.".to_owned(),
        ));
    };
    let header =
        header(assertion).ok_or_else(|| (50_027, "JWT token is invalid or malformed.".to_owned()))?;
    let algorithm = match header.get("alg").and_then(Value::as_str) {
        Some("RS256") => Algorithm::RS256,
        Some("PS256") => Algorithm::PS256,
        _ => {
            return Err((
                5_002_738,
                "Invalid JWT token. The token's algorithm is not supported.".to_owned(),
            ));
        }
    };
    let thumbprint = URL_SAFE_NO_PAD.encode(sha1(&pem.contents));
    let thumbprint_256 = URL_SAFE_NO_PAD.encode(Sha256::digest(&pem.contents));
    let text = |name: &str| {
        header
            .get(name)
            .and_then(Value::as_str)
            .map(|text| text.trim_end_matches('='))
    };
    let named = match (text("x5t#S256"), text("x5t")) {
        (Some(given), _) => given == thumbprint_256,
        (None, Some(given)) => given == thumbprint,
        (None, None) => false,
    };
    if !named {
        return Err(unregistered());
    }
    let mut validation = Validation::new(algorithm);
    // Times and audiences are judged below: the library would ask the machine's clock.
    validation.validate_exp = false;
    validation.validate_aud = false;
    validation.required_spec_claims.clear();
    let key = DecodingKey::from_rsa_raw_components(public.modulus, public.exponent);
    let claims = jsonwebtoken::decode::<Value>(assertion, &key, &validation)
        .map_err(|_| {
            (
                700_027,
                "Client assertion failed signature validation. [Reason - The key was found, but use of the key to verify the signature failed.]".to_owned(),
            )
        })?
        .claims;
    let claim = |name: &str| claims.get(name).and_then(Value::as_str);
    if claim("iss") != Some(application.client_id.as_str())
        || claim("sub") != Some(application.client_id.as_str())
    {
        return Err((
            700_021,
            "Client assertion application identifier doesn't match 'client_id' parameter.".to_owned(),
        ));
    }
    if !claim("aud").is_some_and(|audience| audiences.iter().any(|known| known == audience)) {
        return Err((
            700_023,
            "Client assertion audience claim does not match Realm issuer.".to_owned(),
        ));
    }
    // Times may have fractions: Microsoft's own library for Python writes them so.
    let now = std::time::Duration::from_millis(now_ms).as_secs_f64();
    // Five minutes of clock skew are tolerated, as the service documents for its tokens.
    let valid = claims
        .get("exp")
        .and_then(Value::as_f64)
        .is_some_and(|expiry| expiry + 300.0 > now)
        && claims
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

fn header(assertion: &str) -> Option<Value> {
    let part = assertion.split('.').next()?;
    serde_json::from_slice(&URL_SAFE_NO_PAD.decode(part).ok()?).ok()
}

/// SHA-1, for `x5t` alone: it names a certificate here and protects nothing.
fn sha1(data: &[u8]) -> [u8; 20] {
    let mut state: [u32; 5] = [0x6745_2301, 0xefcd_ab89, 0x98ba_dcfe, 0x1032_5476, 0xc3d2_e1f0];
    let mut message = data.to_vec();
    message.push(0x80);
    while message.len() % 64 != 56 {
        message.push(0);
    }
    message.extend_from_slice(&(data.len() as u64).wrapping_mul(8).to_be_bytes());
    for block in message.chunks_exact(64) {
        let mut words: Vec<u32> = block
            .chunks_exact(4)
            .map(|four| four.iter().fold(0, |word, byte| word << 8 | u32::from(*byte)))
            .collect();
        let back = |words: &[u32], steps: usize| {
            words
                .len()
                .checked_sub(steps)
                .and_then(|at| words.get(at))
                .copied()
                .unwrap_or_default()
        };
        while words.len() < 80 {
            let mixed = back(&words, 3) ^ back(&words, 8) ^ back(&words, 14) ^ back(&words, 16);
            words.push(mixed.rotate_left(1));
        }
        let [mut a, mut b, mut c, mut d, mut e] = state;
        for (round, word) in words.iter().enumerate() {
            let (mixed, constant) = match round {
                0..20 => (b & c | !b & d, 0x5a82_7999),
                20..40 => (b ^ c ^ d, 0x6ed9_eba1),
                40..60 => (b & c | b & d | c & d, 0x8f1b_bcdc),
                _ => (b ^ c ^ d, 0xca62_c1d6_u32),
            };
            let next = a
                .rotate_left(5)
                .wrapping_add(mixed)
                .wrapping_add(e)
                .wrapping_add(constant)
                .wrapping_add(*word);
            (e, d, c, b, a) = (d, c, b.rotate_left(30), a, next);
        }
        for (kept, added) in state.iter_mut().zip([a, b, c, d, e]) {
            *kept = kept.wrapping_add(added);
        }
    }
    let mut digest = [0; 20];
    for (four, word) in digest.chunks_exact_mut(4).zip(state) {
        four.copy_from_slice(&word.to_be_bytes());
    }
    digest
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sha1_gives_the_published_digests() {
        assert_eq!(
            hex::encode(sha1(b"abc")),
            "a9993e364706816aba3e25717850c26c9cd0d89d"
        );
        assert_eq!(hex::encode(sha1(b"")), "da39a3ee5e6b4b0d3255bfef95601890afd80709");
        assert_eq!(
            hex::encode(sha1(&[b'a'; 119])),
            "ee971065aaa017e0632a8ca6c77bb3bf8b1dfc56"
        );
    }
}

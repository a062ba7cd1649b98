//! What an API token looks like: `gc_`, 256 random bits as 43 letters and digits, and 6 more by which a mistyped or
//! cut-off token is known without asking the store. The prefix is for scanners that look for leaked secrets.
//!
//! Only the SHA-256 of a token is kept. A token is looked up by that hash: what an attacker could time is where two
//! hashes differ, which says nothing about a token.

use rand::RngCore;
use secrecy::{ExposeSecret as _, SecretString};
use sha2::{Digest, Sha256};
use zeroize::Zeroizing;

/// What each token begins with.
pub const PREFIX: &str = "gc_";
const ALPHABET: &[u8; 62] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
/// 62^43 is greater than 2^256.
const BODY: usize = 43;
const CHECK: usize = 6;

/// A new token.
pub fn token() -> SecretString {
    let mut bits = Zeroizing::new([0_u8; 32]);
    rand::rng().fill_bytes(bits.as_mut_slice());
    let body = base62(bits.as_slice(), BODY);
    SecretString::from(format!("{PREFIX}{}{}", *body, check(&body)))
}

/// 256 random bits for a cookie, a state, a CSRF token.
pub fn random() -> SecretString {
    let mut bits = Zeroizing::new([0_u8; 32]);
    rand::rng().fill_bytes(bits.as_mut_slice());
    SecretString::from(base62(bits.as_slice(), BODY).to_string())
}

/// An identifier that is no secret: 16 hexadecimal digits.
pub fn identifier() -> String {
    hex::encode(rand::random::<[u8; 8]>())
}

/// SHA-256 in lower-case hexadecimal: what is kept of a token or cookie.
pub fn hash(secret: &str) -> String {
    hex::encode(Sha256::digest(secret.as_bytes()))
}

/// The same for a secret in its wrapper.
pub fn hash_of(secret: &SecretString) -> String {
    hash(secret.expose_secret())
}

/// Whether a text can be a token at all.
pub fn is_token(text: &str) -> bool {
    let Some(rest) = text.strip_prefix(PREFIX) else {
        return false;
    };
    if rest.len() != BODY + CHECK || !rest.bytes().all(|byte| byte.is_ascii_alphanumeric()) {
        return false;
    }
    rest.split_at_checked(BODY)
        .is_some_and(|(body, given)| check(body) == given)
}

fn check(body: &str) -> String {
    let digest = Sha256::digest(body.as_bytes());
    base62(digest.get(..4).unwrap_or_default(), CHECK).to_string()
}

/// A number of many bytes in base 62, with leading zeros.
fn base62(bytes: &[u8], digits: usize) -> Zeroizing<String> {
    let mut number = Zeroizing::new(bytes.to_vec());
    let mut text = Zeroizing::new(vec![b'0'; digits]);
    for digit in text.iter_mut().rev() {
        let mut rest = 0_u32;
        for byte in number.iter_mut() {
            let value = rest << 8 | u32::from(*byte);
            *byte = u8::try_from(value / 62).unwrap_or_default();
            rest = value % 62;
        }
        *digit = ALPHABET.get(rest as usize).copied().unwrap_or(b'0');
    }
    Zeroizing::new(String::from_utf8_lossy(&text).into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tokens_are_long_different_and_known_by_their_check() {
        let one = token();
        let one = one.expose_secret();
        assert_eq!(one.len(), 3 + 43 + 6);
        assert!(is_token(one), "{one}");
        assert_ne!(one, token().expose_secret());
        let mut mistyped = one.to_owned();
        let last = if mistyped.pop() == Some('0') { '1' } else { '0' };
        mistyped.push(last);
        for wrong in [
            &mistyped,
            &one[..40],
            "",
            "gc_",
            &one.replacen("gc_", "gd_", 1),
            &format!("{one} "),
        ] {
            assert!(!is_token(wrong), "{wrong}");
        }
    }

    #[test]
    fn base_62_holds_all_bits() {
        assert_eq!(base62(&[0; 32], BODY).as_str(), "0".repeat(43));
        let all = base62(&[255; 32], BODY);
        let mut back = [0_u8; 33];
        for digit in all.bytes() {
            let mut carry = ALPHABET.iter().position(|letter| *letter == digit).unwrap() as u32;
            for byte in back.iter_mut().rev() {
                let value = u32::from(*byte) * 62 + carry;
                *byte = (value & 255) as u8;
                carry = value >> 8;
            }
        }
        assert_eq!((back[0], &back[1..]), (0, &[255_u8; 32][..]));
        assert_eq!(base62(&[61], 2).as_str(), "0z");
        assert_eq!(base62(&[62], 2).as_str(), "10");
    }
}

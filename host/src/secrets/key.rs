//! Keys of 32 bytes, and what they seal: a nonce and an XChaCha20-Poly1305 box, bound to what it is for.

use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use chacha20poly1305::aead::{Aead, Payload};
use chacha20poly1305::{KeyInit, XChaCha20Poly1305, XNonce};
use rand::RngCore;
use sha2::{Digest, Sha256};
use zeroize::Zeroizing;

use super::SecretError;

/// Bytes of a nonce.
const NONCE: usize = 24;

/// 32 bytes that are wiped when dropped.
pub(super) struct Key(Zeroizing<[u8; 32]>);

impl Key {
    /// A new key.
    pub(super) fn generate() -> Self {
        let mut bytes = Zeroizing::new([0u8; 32]);
        rand::rng().fill_bytes(bytes.as_mut_slice());
        Self(bytes)
    }

    /// From its bytes; none where there are not 32.
    pub(super) fn of_bytes(bytes: &[u8]) -> Option<Self> {
        <[u8; 32]>::try_from(bytes)
            .ok()
            .map(|bytes| Self(Zeroizing::new(bytes)))
    }

    /// Its bytes, for wrapping.
    pub(super) fn bytes(&self) -> &[u8] {
        self.0.as_slice()
    }

    /// As it is written: base64.
    pub(super) fn text(&self) -> Zeroizing<String> {
        Zeroizing::new(STANDARD.encode(self.0.as_slice()))
    }

    /// Tells keys apart without telling the key, so that a wrong key and a changed box are different errors.
    pub(super) fn fingerprint(&self) -> String {
        let digest = Sha256::new()
            .chain_update(b"groupcast-secrets-key/1\n")
            .chain_update(self.0.as_slice())
            .finalize();
        hex::encode(digest).chars().take(16).collect()
    }

    /// Seals, bound to `bound`: a nonce and the box. None only where the text is longer than any memory.
    pub(super) fn seal(&self, plain: &[u8], bound: &str) -> Option<Vec<u8>> {
        let mut nonce = [0u8; NONCE];
        rand::rng().fill_bytes(&mut nonce);
        let payload = Payload {
            msg: plain,
            aad: bound.as_bytes(),
        };
        let sealed = XChaCha20Poly1305::new(self.0.as_slice().into())
            .encrypt(XNonce::from_slice(&nonce), payload)
            .ok()?;
        Some([nonce.as_slice(), &sealed].concat())
    }

    /// Opens what was sealed with this key and bound to `bound`; none where it was not, or was changed.
    pub(super) fn open(&self, sealed: &[u8], bound: &str) -> Option<Zeroizing<Vec<u8>>> {
        let (nonce, sealed) = sealed.split_at_checked(NONCE)?;
        let payload = Payload {
            msg: sealed,
            aad: bound.as_bytes(),
        };
        XChaCha20Poly1305::new(self.0.as_slice().into())
            .decrypt(XNonce::from_slice(nonce), payload)
            .ok()
            .map(Zeroizing::new)
    }
}

/// The host's keys: the first seals, all of them open. More than one there is while a key is being rotated.
#[derive(Clone)]
pub(super) struct KeyRing {
    first: Arc<Key>,
    others: Vec<Arc<Key>>,
}

impl KeyRing {
    /// One key.
    pub(super) fn of(key: Key) -> Self {
        Self {
            first: Arc::new(key),
            others: Vec::new(),
        }
    }

    /// From a text with a key a line, the first first. `place` is named in errors; the text never is.
    pub(super) fn parse(text: &str, place: &str) -> Result<Self, SecretError> {
        let bad = || SecretError::BadKey(place.to_owned());
        let mut keys = Vec::new();
        for line in text.lines().map(str::trim).filter(|line| !line.is_empty()) {
            let bytes = Zeroizing::new(STANDARD.decode(line).map_err(|_| bad())?);
            keys.push(Arc::new(Key::of_bytes(&bytes).ok_or_else(bad)?));
        }
        let mut keys = keys.into_iter();
        Ok(Self {
            first: keys.next().ok_or_else(bad)?,
            others: keys.collect(),
        })
    }

    /// The key that seals.
    pub(super) fn first(&self) -> &Arc<Key> {
        &self.first
    }

    /// All of them, the first first.
    pub(super) fn all(&self) -> impl Iterator<Item = &Arc<Key>> {
        std::iter::once(&self.first).chain(&self.others)
    }

    /// The key of this fingerprint.
    pub(super) fn named(&self, fingerprint: &str) -> Option<&Arc<Key>> {
        self.all().find(|key| key.fingerprint() == fingerprint)
    }

    /// The same, with a new key before all others.
    pub(super) fn before(&self, key: Key) -> Self {
        Self {
            first: Arc::new(key),
            others: self.all().cloned().collect(),
        }
    }

    /// The same, with more keys that only open.
    pub(super) fn and(mut self, more: &Self) -> Self {
        for key in more.all() {
            if self.named(&key.fingerprint()).is_none() {
                self.others.push(Arc::clone(key));
            }
        }
        self
    }

    /// Whether there is one key alone.
    pub(super) fn is_single(&self) -> bool {
        self.others.is_empty()
    }

    /// As it is written: a key a line.
    pub(super) fn text(&self) -> Zeroizing<String> {
        let mut text = Zeroizing::new(String::with_capacity(64 * (1 + self.others.len())));
        for key in self.all() {
            text.push_str(&key.text());
            text.push('\n');
        }
        text
    }
}

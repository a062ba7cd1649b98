//! A new key for the host, while others serve: what the old one sealed is sealed again by the new one, and the old one
//! opens until that is done.

use super::key::Key;
use super::{Rewrapped, SecretError, Secrets, blocking, sealed};
use crate::config::KeySource;

/// What a rotation did.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rotated {
    /// Where the key is.
    pub place: KeySource,
    /// Whether a new key was made; else the first of the keys that were there is the new one.
    pub is_made: bool,
    /// Data keys of tenants.
    pub tenants: Rewrapped,
    /// Whether the encrypted file was sealed again.
    pub file: bool,
    /// Whether an older key is still in its place, where only its owner can take it out.
    pub is_older_left: bool,
}

impl Secrets {
    /// Rotates the host's key. In a file or the keyring: makes a new key, puts it before the old one, seals everything
    /// again, and takes the old one out. In a variable or a systemd credential, and after a move from `previous_key`: seals
    /// everything again by the first key. In Vault: wraps again by the latest version of Vault's key.
    ///
    /// Whoever serves meanwhile goes on: a process reads its keys again as soon as it meets something that was sealed by one
    /// that it does not know. Run again after a crash it ends what was begun.
    ///
    /// # Errors
    /// A key cannot be read or written, or something does not open; nothing is lost then, since no old key is taken out
    /// before everything is sealed again.
    pub async fn rotate_key(&self) -> Result<Rotated, SecretError> {
        let places = self.keys.places().clone();
        let place = places.place();
        if let KeySource::VaultTransit(_) = place {
            return Ok(Rotated {
                place,
                is_made: false,
                tenants: self.rewrapped().await?,
                file: false,
                is_older_left: false,
            });
        }
        let ring = self.keys.read(false).await?;
        let is_ours = matches!(place, KeySource::File(_) | KeySource::Keyring(_));
        // Several keys already: a rotation that its owner began, or that a crash ended.
        let is_made = is_ours && ring.is_single();
        if !is_ours && ring.is_single() {
            return Err(SecretError::KeyNotOurs(place));
        }
        if is_made {
            let (places, longer) = (places.clone(), ring.before(Key::generate()));
            blocking(move || places.write(&longer)).await?;
        }
        let tenants = self.rewrapped().await?;
        let this = self.clone();
        let file = blocking(move || this.reseal_file()).await?;
        // What others sealed by the old key in these moments.
        let late = self.rewrapped().await?;
        let ring = self.keys.read(false).await?;
        if is_ours && !ring.is_single() {
            let first = super::key::KeyRing::of(
                Key::of_bytes(ring.first().bytes()).ok_or(SecretError::BadKey(place.to_string()))?,
            );
            blocking(move || places.write(&first)).await?;
        }
        Ok(Rotated {
            place,
            is_made,
            tenants: Rewrapped {
                done: tenants.done + late.done,
                already: tenants.already,
            },
            file,
            is_older_left: !is_ours || self.keys.places().previous.is_some(),
        })
    }

    async fn rewrapped(&self) -> Result<Rewrapped, SecretError> {
        match &self.envelope {
            Some(envelope) => envelope.rewrap().await,
            None => Ok(Rewrapped::default()),
        }
    }

    fn reseal_file(&self) -> Result<bool, SecretError> {
        if !sealed::exists(&self.file) {
            return Ok(false);
        }
        let _lock = sealed::lock(&self.file)?;
        let ring = self.keys.places().read()?;
        if sealed::is_of_first(&self.file, &ring)? {
            return Ok(false);
        }
        let contents = sealed::open(&self.file, &ring)?;
        sealed::write(&self.file, &ring, &contents)?;
        Ok(true)
    }
}

//! HashiCorp Vault and OpenBao: secrets of the key-value engine (version 2), and keys of the transit engine.
//!
//! The client is `vaultrs`; here is who signs in, and when again. A sign-in is renewed at two thirds of its life, and made
//! anew where Vault refuses it (a token that Vault Agent replaced, a role whose tokens were revoked). Redirects are not
//! followed: the token would go along to wherever they lead.

use std::sync::{Arc, Weak};
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use chrono::{DateTime, Utc};
use secrecy::{ExposeSecret, SecretString};
use serde_json::Value;
use tokio::sync::Mutex;
use vaultrs::api::kv2::requests::ReadSecretRequest;
use vaultrs::api::transit::requests::{DecryptDataRequest, EncryptDataRequest};
use vaultrs::client::{Client as _, VaultClient, VaultClientSettingsBuilder};
use vaultrs::error::ClientError;
use zeroize::Zeroizing;

use super::host_key::Plain;
use super::{Environment, Found, SecretError, web};
use crate::config::{SecretSource, TransitSection, VaultPlace, VaultSection};

/// The custom metadata of a secret that says when what it opens expires (RFC 3339).
const EXPIRES: &str = "expires_at";
/// A sign-in is never renewed more often than this.
const SHORTEST_PAUSE: Duration = Duration::from_secs(1);
/// A sign-in that Vault renews for no longer than this is at its end: the next use signs in again.
const SHORTEST_LIFE: Duration = Duration::from_secs(5);

/// A Vault, and whoever is signed in there.
pub(super) struct Vault {
    section: VaultSection,
    environment: Environment,
    session: Mutex<Option<Session>>,
}

#[derive(Clone)]
struct Session {
    client: Arc<VaultClient>,
    number: u64,
}

/// A sign-in, fresh from Vault.
struct SignIn {
    token: SecretString,
    life: Duration,
    renewable: bool,
}

impl std::fmt::Debug for Vault {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter
            .debug_struct("Vault")
            .field("address", &self.section.address)
            .finish_non_exhaustive()
    }
}

impl Vault {
    /// The Vault of a section: the same for all of a process that name it alike, so that looking again for connections that
    /// could not be set up is no new sign-in each time.
    pub(super) fn new(section: VaultSection, environment: Environment) -> Arc<Self> {
        static KNOWN: std::sync::Mutex<Vec<Weak<Vault>>> = std::sync::Mutex::new(Vec::new());
        let mut known = KNOWN.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        known.retain(|vault| vault.strong_count() > 0);
        let same = known.iter().filter_map(Weak::upgrade).find(|vault| {
            vault.section == section && std::ptr::fn_addr_eq(vault.environment.0, environment.0)
        });
        same.unwrap_or_else(|| {
            let vault = Arc::new(Self {
                section,
                environment,
                session: Mutex::default(),
            });
            known.push(Arc::downgrade(&vault));
            vault
        })
    }

    pub(super) fn section(&self) -> &VaultSection {
        &self.section
    }

    /// A field of a secret, as it is now.
    pub(super) async fn read(self: &Arc<Self>, place: &VaultPlace) -> Result<Found, SecretError> {
        let what = SecretSource::Vault(place.clone()).to_string();
        let mount = place.mount.as_deref().unwrap_or(&self.section.mount);
        let mut refused = None;
        loop {
            let session = self.session(refused).await?;
            let request = ReadSecretRequest::builder()
                .mount(mount)
                .path(place.path.as_str())
                .build()
                .map_err(|_| self.trouble(&what, "the path cannot be asked for", false))?;
            match vaultrs::api::exec_with_result(&*session.client, request).await {
                Ok(answer) => {
                    let value = match answer.data.get(&place.field) {
                        Some(Value::String(text)) => SecretString::from(text.as_str()),
                        // A service account's key may be kept as the JSON that it is.
                        Some(other @ (Value::Object(_) | Value::Number(_))) => {
                            SecretString::from(other.to_string())
                        }
                        _ => {
                            let why = format!("the secret has no field {} that holds text", place.field);
                            return Err(self.trouble(&what, &why, false));
                        }
                    };
                    let metadata = answer.metadata;
                    let told = metadata
                        .custom_metadata
                        .and_then(|custom| custom.get(EXPIRES).cloned());
                    let deleted = Some(metadata.deletion_time).filter(|time| !time.is_empty());
                    return Ok(Found {
                        value,
                        version: Some(metadata.version),
                        expires_at: told.or(deleted).as_deref().and_then(time),
                    });
                }
                Err(error) if is_refusal(&error) && refused.is_none() => refused = Some(session.number),
                Err(error) => return Err(self.told(&what, &error)),
            }
        }
    }

    /// Wraps by a key of the transit engine, bound to `bound`.
    pub(super) async fn wrap(
        self: &Arc<Self>,
        key: &TransitSection,
        plain: &[u8],
        bound: &str,
    ) -> Result<String, SecretError> {
        let what = format!("the transit key {}/{}", key.mount, key.key);
        let plain = Zeroizing::new(STANDARD.encode(plain));
        let mut refused = None;
        loop {
            let session = self.session(refused).await?;
            let mut options = EncryptDataRequest::builder();
            options.associated_data(STANDARD.encode(bound));
            let client = &*session.client;
            match vaultrs::transit::data::encrypt(client, &key.mount, &key.key, &plain, Some(&mut options))
                .await
            {
                Ok(answer) => return Ok(answer.ciphertext),
                Err(error) if is_refusal(&error) && refused.is_none() => refused = Some(session.number),
                Err(error) => return Err(self.told(&what, &error)),
            }
        }
    }

    /// Unwraps what [`Self::wrap`] wrapped.
    pub(super) async fn unwrap(
        self: &Arc<Self>,
        key: &TransitSection,
        wrapped: &str,
        bound: &str,
    ) -> Result<Plain, SecretError> {
        let what = format!("the transit key {}/{}", key.mount, key.key);
        let mut refused = None;
        loop {
            let session = self.session(refused).await?;
            let mut options = DecryptDataRequest::builder();
            options.associated_data(STANDARD.encode(bound));
            let client = &*session.client;
            match vaultrs::transit::data::decrypt(client, &key.mount, &key.key, wrapped, Some(&mut options))
                .await
            {
                Ok(answer) => {
                    let text = Zeroizing::new(answer.plaintext);
                    return STANDARD
                        .decode(text.as_bytes())
                        .map(Zeroizing::new)
                        .map_err(|_| self.trouble(&what, "Vault answered with what is not base64", false));
                }
                Err(error) if is_refusal(&error) && refused.is_none() => refused = Some(session.number),
                Err(error) => return Err(self.told(&what, &error)),
            }
        }
    }

    /// Whoever is signed in; signs in where nobody is, or where Vault refused the session of this number.
    async fn session(self: &Arc<Self>, refused: Option<u64>) -> Result<Session, SecretError> {
        let mut held = self.session.lock().await;
        let number = match held.as_ref() {
            Some(session) if refused != Some(session.number) => return Ok(session.clone()),
            Some(session) => session.number + 1,
            None => refused.map_or(1, |number| number + 1),
        };
        *held = None;
        let signed = self.sign_in().await?;
        let session = Session {
            client: Arc::new(self.client(&signed.token)?),
            number,
        };
        *held = Some(session.clone());
        if !signed.life.is_zero() {
            tokio::spawn(keep(
                Arc::downgrade(self),
                session.clone(),
                signed.life,
                signed.renewable,
            ));
        }
        Ok(session)
    }

    async fn sign_in(&self) -> Result<SignIn, SecretError> {
        let what = format!("a sign-in at Vault ({})", self.section.address);
        let told = |error: &ClientError| self.told(&what, error);
        if let Some(source) = &self.section.token {
            let token = self.own(source).await?;
            let client = self.client(&token)?;
            let known = client.lookup().await.map_err(|error| told(&error))?;
            return Ok(SignIn {
                token,
                life: Duration::from_secs(known.ttl),
                renewable: known.renewable.unwrap_or(false),
            });
        }
        let client = self.client(&SecretString::default())?;
        let granted = match (&self.section.app_role, &self.section.kubernetes) {
            (Some(role), _) => {
                let secret = self.own(&role.secret_id).await?;
                let secret = secret.expose_secret();
                vaultrs::auth::approle::login(&client, &role.mount, &role.role_id, secret).await
            }
            (None, Some(role)) => {
                let token = self.own(&SecretSource::File(role.jwt_file.clone())).await?;
                let token = token.expose_secret();
                vaultrs::auth::kubernetes::login(&client, &role.mount, &role.role, token).await
            }
            (None, None) => {
                let why = "the section says not who asks; give one of `token`, `app_role` and `kubernetes`";
                return Err(self.trouble(&what, why, false));
            }
        }
        .map_err(|error| told(&error))?;
        Ok(SignIn {
            token: SecretString::from(granted.client_token),
            life: Duration::from_secs(granted.lease_duration),
            renewable: granted.renewable,
        })
    }

    /// What opens Vault: in a variable or a file.
    async fn own(&self, source: &SecretSource) -> Result<SecretString, SecretError> {
        let found = super::read_near(self.environment, source).await?;
        // The client would panic at what no header can hold.
        if found
            .expose_secret()
            .chars()
            .any(|character| !character.is_ascii_graphic())
        {
            let what = source.to_string();
            return Err(self.trouble(
                &what,
                "it has blanks or line breaks within, as no token has",
                false,
            ));
        }
        Ok(found)
    }

    fn client(&self, token: &SecretString) -> Result<VaultClient, SecretError> {
        let what = format!("a client for Vault ({})", self.section.address);
        let timeout = Duration::from_secs(self.section.timeout_seconds.into());
        let http = web::client(self.section.ca_file.as_deref(), timeout, &self.section.address)?;
        if token
            .expose_secret()
            .chars()
            .any(|character| !character.is_ascii_graphic())
        {
            return Err(self.trouble(&what, "Vault gave a token that no header can hold", false));
        }
        let settings = VaultClientSettingsBuilder::default()
            .address(&self.section.address)
            .ca_certs(Vec::new())
            .identity(None)
            .verify(true)
            .timeout(Some(timeout))
            .namespace(self.section.namespace.clone())
            .token(token.expose_secret())
            .build()
            .map_err(|_| self.trouble(&what, "the address cannot be used", false))?;
        let mut client =
            VaultClient::new(settings).map_err(|_| self.trouble(&what, "it cannot be made", false))?;
        client.http.http = http;
        Ok(client)
    }

    fn trouble(&self, what: &str, why: &str, passing: bool) -> SecretError {
        SecretError::Vault {
            what: what.to_owned(),
            why: why.to_owned(),
            passing,
        }
    }

    /// In words, without anything that Vault may have echoed.
    fn told(&self, what: &str, error: &ClientError) -> SecretError {
        let address = &self.section.address;
        let (why, passing) = match status(error) {
            Some(400) => (
                format!(
                    "{address} refused the request (400): the role, the secret ID or the token is not valid there, or the key does not fit; check [secrets.vault]"
                ),
                false,
            ),
            Some(403) => (
                format!(
                    "{address} refused the sign-in or its policy (403); give its policy `read` on the path, and check that the token or role is still valid"
                ),
                false,
            ),
            Some(404) => (
                format!(
                    "{address} has nothing there (404): check mount, path and namespace, and that the latest version was not deleted"
                ),
                false,
            ),
            Some(code @ (301 | 302 | 307 | 308)) => (
                format!(
                    "{address} answered {code}, a redirect, which is not followed; name the active node, or let the standby nodes forward requests"
                ),
                false,
            ),
            Some(code @ (412 | 429 | 472 | 473 | 500..)) => (
                format!(
                    "{address} answered {code}: it is sealed, on standby or overloaded; it is asked again"
                ),
                true,
            ),
            Some(code) => (
                format!("{address} answered {code}; check its address and version"),
                false,
            ),
            None if is_unreachable(error) => (
                format!(
                    "{address} cannot be reached; check the address, the network and secrets.vault.ca_file"
                ),
                true,
            ),
            None => (
                format!(
                    "{address} answered with what no Vault answers; check its address and that the key-value engine is of version 2"
                ),
                false,
            ),
        };
        SecretError::Vault {
            what: what.to_owned(),
            why,
            passing,
        }
    }
}

/// Renews a session as long as somebody needs it, or ends it where that cannot be: then the next use signs in again.
async fn keep(vault: Weak<Vault>, session: Session, mut life: Duration, mut renewable: bool) {
    loop {
        tokio::time::sleep((life * 2 / 3).max(SHORTEST_PAUSE)).await;
        let Some(vault) = vault.upgrade() else { return };
        if vault.session.lock().await.as_ref().map(|held| held.number) != Some(session.number) {
            return;
        }
        let renewed = if renewable {
            session.client.renew(None).await.ok()
        } else {
            None
        };
        match renewed {
            Some(granted) if granted.lease_duration > 0 => {
                let longer = Duration::from_secs(granted.lease_duration);
                // At the end of the longest life that the role allows, renewals get shorter and shorter.
                renewable = granted.renewable && longer > SHORTEST_LIFE;
                life = longer;
            }
            _ => {
                let mut held = vault.session.lock().await;
                if held.as_ref().map(|held| held.number) == Some(session.number) {
                    *held = None;
                }
                return;
            }
        }
    }
}

fn time(text: &str) -> Option<DateTime<Utc>> {
    DateTime::parse_from_rfc3339(text).ok().map(|time| time.to_utc())
}

/// Vault's status; its body is not looked at.
fn status(error: &ClientError) -> Option<u16> {
    match error {
        ClientError::APIError { code, .. } => Some(*code),
        ClientError::RestClientError { source } => {
            // The crate that has this error's type is no dependency of ours; its words are stable enough for a number.
            let text = format!("{source:?}");
            let rest = text.strip_prefix("ServerResponseError { code: ")?;
            let digits: String = rest.chars().take_while(char::is_ascii_digit).collect();
            digits.parse().ok()
        }
        _ => None,
    }
}

fn is_refusal(error: &ClientError) -> bool {
    status(error) == Some(403)
}

fn is_unreachable(error: &ClientError) -> bool {
    matches!(error, ClientError::RestClientError { source } if source.to_string() == "Error sending HTTP request")
}

//! Entra ID: an application with a client secret, a certificate, or a federated credential.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, PoisonError};

use async_trait::async_trait;
use base64::Engine;
use chrono::{DateTime, Utc};
use http::StatusCode;
use jsonwebtoken::{Algorithm, EncodingKey, Header};
use rustls_pki_types::CertificateDer;
use rustls_pki_types::pem::PemObject;
use secrecy::{ExposeSecret, SecretString};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::token::{FreshToken, TokenEndpoint, TokenRefusal, TokenRequest, quoted, unix_seconds};
use super::{CredentialError, CredentialErrorKind, Diagnosis, unreadable};
use crate::secrets::{SecretHandle, expiry};

const ASSERTION_TYPE: &str = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer";

/// How the application proves itself.
pub enum Proof {
    /// A client secret: its value, not its ID.
    Secret(SecretHandle),
    /// A certificate.
    Certificate(CertificateProof),
    /// Another identity provider's token, which the application trusts (a federated credential); read anew for every
    /// exchange, since such tokens live for minutes.
    Federated(SecretHandle),
}

/// A certificate as it was read, and of which versions of its two secrets.
type Parsed = ((u64, u64), Arc<Certificate>);

/// A certificate and its key, by their places.
pub struct CertificateProof {
    certificate: SecretHandle,
    key: SecretHandle,
    algorithm: Algorithm,
    /// As they were last read.
    parsed: Mutex<Option<Parsed>>,
}

impl CertificateProof {
    /// From a private RSA key and the certificate that was uploaded for the application. `algorithm` is PS256 or RS256.
    pub fn new(
        key: impl Into<SecretHandle>,
        certificate: impl Into<SecretHandle>,
        algorithm: Algorithm,
    ) -> Self {
        Self {
            certificate: certificate.into(),
            key: key.into(),
            algorithm,
            parsed: Mutex::default(),
        }
    }

    async fn current(&self) -> Result<Arc<Certificate>, CredentialError> {
        let unreadable = |error| unreadable("entra", &error);
        let certificate = self.certificate.latest().await.map_err(unreadable)?;
        let key = self.key.latest().await.map_err(unreadable)?;
        let changes = (certificate.changes, key.changes);
        let mut parsed = self.parsed.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((known, parsed)) = parsed.as_ref()
            && *known == changes
        {
            return Ok(Arc::clone(parsed));
        }
        let fresh = Certificate::new(&key.value, certificate.value.expose_secret(), self.algorithm)?;
        let fresh = Arc::new(fresh);
        *parsed = Some((changes, Arc::clone(&fresh)));
        Ok(fresh)
    }
}

/// A certificate's private key and thumbprint.
pub struct Certificate {
    key: EncodingKey,
    algorithm: Algorithm,
    thumbprint: String,
    expires_at: Option<DateTime<Utc>>,
}

impl Certificate {
    /// From a private RSA key and the certificate that was uploaded for the application, both PEM (one text may hold
    /// both). `algorithm` is PS256 or RS256.
    ///
    /// # Errors
    /// If one of them cannot be read. Neither is quoted.
    pub fn new(key: &SecretString, certificate: &str, algorithm: Algorithm) -> Result<Self, CredentialError> {
        let unusable = |message: &str| CredentialError::new("entra", CredentialErrorKind::Unusable, message);
        if !matches!(algorithm, Algorithm::PS256 | Algorithm::RS256) {
            return Err(unusable(
                "an assertion for Entra ID is signed with PS256 or RS256",
            ));
        }
        let expires_at = expiry::of_certificate(certificate);
        let certificate = CertificateDer::from_pem_slice(certificate.as_bytes()).map_err(|_| {
            unusable("the certificate cannot be read; give the one uploaded for the application, as PEM")
        })?;
        let key = EncodingKey::from_rsa_pem(key.expose_secret().as_bytes()).map_err(|_| {
            unusable(
                "the certificate's private key cannot be read; give an RSA key without a passphrase, as PEM",
            )
        })?;
        Ok(Self {
            key,
            algorithm,
            thumbprint: base64::engine::general_purpose::URL_SAFE_NO_PAD.encode(Sha256::digest(&certificate)),
            expires_at,
        })
    }
}

/// An application registration.
pub struct Application {
    /// Where tokens are asked for: `LOGIN/TENANT/oauth2/v2.0/token`.
    pub endpoint: TokenEndpoint,
    /// Application (client) ID.
    pub client_id: String,
    /// `GRAPH/.default`.
    pub scope: String,
    /// How it proves itself.
    pub proof: Proof,
}

#[derive(Serialize)]
struct Claims<'a> {
    aud: &'a str,
    iss: &'a str,
    sub: &'a str,
    jti: String,
    nbf: u64,
    iat: u64,
    exp: u64,
}

impl Application {
    /// Whether what it proves itself by is there and can be used. Asks nobody.
    ///
    /// # Errors
    /// Why not. No secret is quoted.
    pub async fn look(&self) -> Result<(), CredentialError> {
        match &self.proof {
            Proof::Secret(secret) => secret.latest().await.map(|_| ()),
            // A token of another provider is fetched when it is needed: the file may not be there yet.
            Proof::Federated(_) => Ok(()),
            Proof::Certificate(certificate) => return certificate.current().await.map(|_| ()),
        }
        .map_err(|error| unreadable("entra", &error))
    }

    fn assertion(&self, certificate: &Certificate, now: u64) -> Result<String, CredentialError> {
        let header = Header {
            x5t_s256: Some(certificate.thumbprint.clone()),
            ..Header::new(certificate.algorithm)
        };
        let claims = Claims {
            aud: &self.endpoint.url,
            iss: &self.client_id,
            sub: &self.client_id,
            jti: hex::encode(rand::random::<[u8; 16]>()),
            nbf: now,
            iat: now,
            exp: now + 300,
        };
        jsonwebtoken::encode(&header, &claims, &certificate.key).map_err(|_| {
            CredentialError::new(
                "entra",
                CredentialErrorKind::Unusable,
                "the certificate's key cannot sign; make a new certificate and upload it for the application",
            )
        })
    }
}

#[async_trait]
impl TokenRequest for Application {
    async fn fetch(&self) -> Result<FreshToken, CredentialError> {
        let mut form = vec![
            ("grant_type", "client_credentials"),
            ("client_id", self.client_id.as_str()),
            ("scope", self.scope.as_str()),
        ];
        let latest = async |secret: &SecretHandle| {
            let current = secret
                .latest()
                .await
                .map_err(|error| unreadable("entra", &error))?;
            let text = zeroize::Zeroizing::new(current.value.expose_secret().trim().to_owned());
            Ok::<_, CredentialError>((text, current.expires_at))
        };
        let (proof, expires_at) = match &self.proof {
            Proof::Secret(secret) | Proof::Federated(secret) => latest(secret).await?,
            Proof::Certificate(certificate) => {
                let certificate = certificate.current().await?;
                let assertion = self.assertion(&certificate, unix_seconds())?;
                (zeroize::Zeroizing::new(assertion), certificate.expires_at)
            }
        };
        let is_federated = matches!(self.proof, Proof::Federated(_));
        match &self.proof {
            Proof::Secret(_) => form.push(("client_secret", proof.as_str())),
            Proof::Certificate(_) | Proof::Federated(_) => {
                form.push(("client_assertion_type", ASSERTION_TYPE));
                form.push(("client_assertion", proof.as_str()));
            }
        }
        let mut fresh = self
            .endpoint
            .ask(&form, None, |status, refusal| {
                explain(status, refusal, &self.client_id, &proof, is_federated)
            })
            .await?;
        fresh.facts.granted = roles(&fresh.token);
        // A federated token's own end is no end of the credential.
        fresh.facts.expires_at = expires_at.filter(|_| !is_federated);
        Ok(fresh)
    }
}

/// The application permissions that the token carries: its claim `roles` (Microsoft identity platform, access token
/// claims). The token is not ours to verify and is not verified: this is only shown. None where it cannot be read, which
/// Microsoft reserves the right to.
fn roles(token: &SecretString) -> Option<BTreeSet<String>> {
    #[derive(Deserialize)]
    struct Payload {
        #[serde(default)]
        roles: BTreeSet<String>,
    }
    let mut parts = token.expose_secret().split('.');
    let (_, payload, _) = (parts.next()?, parts.next()?, parts.next()?);
    let payload = zeroize::Zeroizing::new(
        base64::engine::general_purpose::URL_SAFE_NO_PAD
            .decode(payload)
            .ok()?,
    );
    serde_json::from_slice::<Payload>(&payload)
        .ok()
        .map(|payload| payload.roles)
}

/// Microsoft's own error number in a description.
fn number(description: &str) -> Option<&str> {
    let start = description.find("AADSTS")?;
    let rest = description.get(start..)?;
    let digits = rest.bytes().skip(6).take_while(u8::is_ascii_digit).count();
    rest.get(..6 + digits).filter(|_| digits > 0)
}

/// The errors that an administrator meets, each with its fix.
fn explain(
    status: StatusCode,
    refusal: &TokenRefusal,
    client_id: &str,
    proof: &str,
    is_federated: bool,
) -> CredentialError {
    let said = quoted(&refusal.error_description, &[proof]);
    let code = number(&said).unwrap_or(&refusal.error);
    let (diagnosis, fix) = match code {
        "AADSTS700024" if is_federated => (
            Diagnosis::FederatedTokenExpired,
            "the federated token has expired or is not valid yet: whoever writes it no longer renews it, or this machine's \
             clock is off; look at what renews the file of entra.federated_token",
        ),
        "AADSTS70021" | "AADSTS700211" | "AADSTS700212" | "AADSTS700213" | "AADSTS7002137"
        | "AADSTS7002138" => (
            Diagnosis::FederationMismatch,
            "no federated credential of the application fits the federated token; issuer, subject and audience must be the \
             token's own, letter by letter (App registrations, this application, Certificates & secrets, Federated \
             credentials), and the audience is most often api://AzureADTokenExchange",
        ),
        "AADSTS50013" | "AADSTS5001" | "AADSTS500137" if is_federated => (
            Diagnosis::FederationMismatch,
            "the federated token's signature does not fit its issuer's published keys; check that Entra ID can read the \
             issuer's /.well-known/openid-configuration, and which issuer wrote the token",
        ),
        "AADSTS7000215" => (
            Diagnosis::WrongSecret,
            "the client secret is wrong (often its ID was stored and not its value); in the Entra admin centre, App \
             registrations, this application, Certificates & secrets, make a new secret and store its value",
        ),
        "AADSTS7000222" => (
            Diagnosis::SecretExpired,
            "the client secret has expired; in the Entra admin centre, App registrations, this application, Certificates & \
             secrets, make a new secret and store its value",
        ),
        "AADSTS700027" => (
            Diagnosis::CertificateNotRegistered,
            "the certificate is unknown, expired or does not fit the key; upload it for the application again (App \
             registrations, this application, Certificates & secrets, Certificates)",
        ),
        "AADSTS700024" => (
            Diagnosis::ClockSkew,
            "the assertion's times are not valid; this machine's clock is off: set it (NTP) and try again",
        ),
        "AADSTS700016" | "AADSTS70001" => (
            Diagnosis::WrongClient,
            "the application is not in this tenant; check the client ID and the tenant ID against App registrations, this \
             application, Overview",
        ),
        "AADSTS90002" | "AADSTS900023" => (
            Diagnosis::WrongTenant,
            "there is no such tenant; check entra.tenant_id against the Entra admin centre, Overview, Tenant ID and, for a \
             national cloud, entra.login_url",
        ),
        "AADSTS7000112" => (
            Diagnosis::ClientDisabled,
            "the application is disabled; an administrator can enable it under Enterprise applications, this application, \
             Properties, Enabled for users to sign-in",
        ),
        "AADSTS1002012" | "AADSTS70011" | "AADSTS500011" => (
            Diagnosis::ScopeRefused,
            "the scope is not accepted; it must be the Graph base URL followed by /.default (check entra.graph_url)",
        ),
        "AADSTS53003" => (
            Diagnosis::BlockedByPolicy,
            "a Conditional Access policy blocks the application; allow it from this machine's address (Protection, \
             Conditional Access, the policy for workload identities)",
        ),
        _ => (
            Diagnosis::Refused,
            "Entra ID gave no token; check the application, its credential and that an administrator has consented to \
             GroupMember.ReadWrite.All, Group.ReadWrite.All and User.Read.All",
        ),
    };
    let kind = match diagnosis {
        Diagnosis::ClockSkew => CredentialErrorKind::ClockSkew,
        Diagnosis::ScopeRefused => CredentialErrorKind::Scope,
        _ => CredentialErrorKind::Rejected,
    };
    CredentialError::of_vendor(
        "entra",
        kind,
        code,
        format!("the application {client_id}: {fix} ({status} {said})"),
    )
    .diagnosed(diagnosis)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn explained(description: &str) -> CredentialError {
        let refusal = TokenRefusal {
            error: "invalid_client".into(),
            error_description: description.into(),
        };
        explain(
            StatusCode::UNAUTHORIZED,
            &refusal,
            "app-1",
            "the-secret-value",
            false,
        )
    }

    #[test]
    fn r7_each_known_refusal_names_the_credential_and_the_fix() {
        for (description, kind, fix) in [
            (
                "AADSTS7000215: Invalid client secret provided.",
                CredentialErrorKind::Rejected,
                "store its value",
            ),
            (
                "AADSTS7000222: The provided client secret keys are expired.",
                CredentialErrorKind::Rejected,
                "expired",
            ),
            (
                "AADSTS700027: Client assertion contains an invalid signature.",
                CredentialErrorKind::Rejected,
                "certificate",
            ),
            (
                "AADSTS700024: Client assertion is not within its valid time range.",
                CredentialErrorKind::ClockSkew,
                "clock",
            ),
            (
                "AADSTS700016: Application was not found in the directory.",
                CredentialErrorKind::Rejected,
                "tenant ID",
            ),
            (
                "AADSTS90002: Tenant not found.",
                CredentialErrorKind::Rejected,
                "login_url",
            ),
            (
                "AADSTS70011: The provided value for scope is not valid.",
                CredentialErrorKind::Scope,
                "/.default",
            ),
            (
                "something else",
                CredentialErrorKind::Rejected,
                "GroupMember.ReadWrite.All",
            ),
        ] {
            let error = explained(description);
            assert_eq!(error.kind, kind, "{description}");
            let message = error.to_string();
            assert!(message.contains(fix) && message.contains("entra"), "{message}");
        }
        assert_eq!(
            explained("AADSTS7000215: x").vendor_code.as_deref(),
            Some("AADSTS7000215")
        );
        assert!(
            !explained("bad the-secret-value")
                .to_string()
                .contains("the-secret-value")
        );
    }

    #[test]
    fn the_permissions_of_a_token_are_read_from_its_roles_and_nothing_is_guessed() {
        let token = |payload: &str| {
            let payload = base64::engine::general_purpose::URL_SAFE_NO_PAD.encode(payload);
            SecretString::from(format!("e30.{payload}.c2ln"))
        };
        let held = roles(&token(
            r#"{"aud": "x", "roles": ["User.Read.All", "Group.ReadWrite.All"]}"#,
        ));
        assert_eq!(
            held.unwrap().into_iter().collect::<Vec<_>>(),
            ["Group.ReadWrite.All", "User.Read.All"]
        );
        // A token without the claim carries no application permission at all.
        assert_eq!(roles(&token(r#"{"aud": "x"}"#)), Some(BTreeSet::new()));
        for unreadable in ["opaque", "a.b", "a.!.c", "e30.bm9uc2Vuc2U.c2ln"] {
            assert_eq!(roles(&unreadable.into()), None, "{unreadable}");
        }
    }

    #[test]
    fn r7_keys_and_certificates_that_cannot_be_read_are_refused_without_quoting_them() {
        let error = Certificate::new(&"hidden key".into(), "hidden certificate", Algorithm::PS256)
            .map(|_| ())
            .unwrap_err();
        assert_eq!(error.kind, CredentialErrorKind::Unusable);
        assert!(!error.to_string().contains("hidden"));
    }
}

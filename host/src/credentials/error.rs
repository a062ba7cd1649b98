//! Why there is no credential, in words that name the fix (R7).

use super::diagnosis::Diagnosis;

/// What kind of trouble it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CredentialErrorKind {
    /// None is configured.
    Missing,
    /// It cannot be used as it is: not the file, key or text that is needed.
    Unusable,
    /// The vendor refused it.
    Rejected,
    /// The vendor accepted it and refuses the scope or the subject.
    Scope,
    /// This machine's clock is wrong.
    ClockSkew,
    /// The vendor could not be asked; trying again may help.
    Unreachable,
}

/// Why there is no credential. Never holds one.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the credential {credential:?} gives no access: {message}")]
pub struct CredentialError {
    /// Which.
    pub credential: String,
    /// What kind of trouble.
    pub kind: CredentialErrorKind,
    /// What exactly, by its stable name.
    pub diagnosis: Diagnosis,
    /// What happened and what to do.
    pub message: String,
    /// The vendor's own code, such as `invalid_grant` or `AADSTS7000215`.
    pub vendor_code: Option<String>,
}

impl CredentialError {
    /// An error without a vendor's code.
    pub fn new(credential: &str, kind: CredentialErrorKind, message: impl Into<String>) -> Self {
        Self {
            credential: credential.to_owned(),
            kind,
            diagnosis: match kind {
                CredentialErrorKind::Missing => Diagnosis::Missing,
                CredentialErrorKind::Unusable => Diagnosis::Unusable,
                CredentialErrorKind::Rejected => Diagnosis::Refused,
                CredentialErrorKind::Scope => Diagnosis::ScopeRefused,
                CredentialErrorKind::ClockSkew => Diagnosis::ClockSkew,
                CredentialErrorKind::Unreachable => Diagnosis::VendorUnavailable,
            },
            message: message.into(),
            vendor_code: None,
        }
    }

    /// An error that the vendor named.
    pub fn of_vendor(
        credential: &str,
        kind: CredentialErrorKind,
        code: &str,
        message: impl Into<String>,
    ) -> Self {
        Self {
            vendor_code: Some(code.to_owned()),
            ..Self::new(credential, kind, message)
        }
    }

    /// The same with what exactly is wrong.
    #[must_use]
    pub fn diagnosed(self, diagnosis: Diagnosis) -> Self {
        Self { diagnosis, ..self }
    }

    /// Whether trying again later may help with nobody doing anything.
    pub fn is_passing(&self) -> bool {
        self.kind == CredentialErrorKind::Unreachable
    }
}

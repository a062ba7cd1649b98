//! What exactly is wrong with a credential, under a name that programs can rely on. `check` shows the name beside the
//! words; the words, with the fix, are made where the vendor's answer is read.

/// What is wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Diagnosis {
    /// None is configured.
    Missing,
    /// What is configured is no such credential.
    Unusable,
    /// The vendor refuses it, for a reason that is not told apart.
    Refused,
    /// A client secret that the vendor does not know.
    WrongSecret,
    /// A client secret past its end.
    SecretExpired,
    /// A certificate that is not registered for the application.
    CertificateNotRegistered,
    /// A signing key that the vendor no longer accepts.
    KeyRevoked,
    /// The account that the credential belongs to is gone or disabled.
    AccountGone,
    /// The administrator to act as does not exist.
    WrongSubject,
    /// The account may not act for the domain, or not with these scopes.
    DelegationMissing,
    /// The scope itself is not accepted.
    ScopeRefused,
    /// No such application in the tenant.
    WrongClient,
    /// The application is switched off.
    ClientDisabled,
    /// No such tenant.
    WrongTenant,
    /// A policy of the tenant blocks the application.
    BlockedByPolicy,
    /// What another identity provider says of this host does not fit what the vendor trusts.
    FederationMismatch,
    /// Another identity provider's token is past its end.
    FederatedTokenExpired,
    /// The workload may not sign as the service account.
    SigningRefused,
    /// This machine's clock is off.
    ClockSkew,
    /// Something answered that is not the vendor: a proxy, a sign-in page, a wrong URL.
    NotTheVendor,
    /// A proxy asks for a sign-in of its own (407).
    ProxySignIn,
    /// The vendor has a fault of its own.
    VendorUnavailable,
    /// No answer came: the network's own name for it.
    Network(&'static str),
}

impl Diagnosis {
    /// The stable name.
    pub fn name(self) -> &'static str {
        match self {
            Self::Missing => "credential-missing",
            Self::Unusable => "credential-unusable",
            Self::Refused => "credential-refused",
            Self::WrongSecret => "wrong-secret",
            Self::SecretExpired => "secret-expired",
            Self::CertificateNotRegistered => "certificate-not-registered",
            Self::KeyRevoked => "key-revoked",
            Self::AccountGone => "account-gone",
            Self::WrongSubject => "wrong-subject",
            Self::DelegationMissing => "delegation-missing",
            Self::ScopeRefused => "scope-refused",
            Self::WrongClient => "wrong-client",
            Self::ClientDisabled => "client-disabled",
            Self::WrongTenant => "wrong-tenant",
            Self::BlockedByPolicy => "blocked-by-policy",
            Self::FederationMismatch => "federation-mismatch",
            Self::FederatedTokenExpired => "federated-token-expired",
            Self::SigningRefused => "signing-refused",
            Self::ClockSkew => "clock-skew",
            Self::NotTheVendor => "not-the-vendor",
            Self::ProxySignIn => "proxy-sign-in",
            Self::VendorUnavailable => "vendor-unavailable",
            Self::Network(name) => name,
        }
    }
}

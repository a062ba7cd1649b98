//! Where a request goes: scheme, host and port, nothing else.

use std::fmt;
use std::net::IpAddr;

use http::Uri;

/// Whose API a place speaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Vendor {
    /// Only ever read from (R8).
    Jumpcloud,
    /// Google Workspace.
    Google,
    /// Entra ID, by Microsoft Graph.
    Entra,
}

impl Vendor {
    /// The name of the vendor's credential in manifests and configuration.
    pub fn credential(self) -> &'static str {
        match self {
            Self::Jumpcloud => "jumpcloud",
            Self::Google => "google",
            Self::Entra => "entra",
        }
    }

    /// The vendor whose credential has this name.
    pub fn of_credential(name: &str) -> Option<Self> {
        [Self::Jumpcloud, Self::Google, Self::Entra]
            .into_iter()
            .find(|vendor| vendor.credential() == name)
    }
}

impl fmt::Display for Vendor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.credential())
    }
}

/// A place that the configuration names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Base {
    /// Whose API it is, and so which credential belongs there.
    pub vendor: Vendor,
    /// Where.
    pub origin: Origin,
}

/// Scheme, host and port.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Origin {
    secure: bool,
    /// Lower case; an IPv6 literal without its brackets.
    host: String,
    port: u16,
}

/// Why a URL names no place that may be spoken to.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum OriginError {
    /// Not a URL with scheme and host.
    #[error("{0:?} is no absolute URL; write it like https://host.example")]
    NotAbsolute(String),
    /// A scheme other than https and http.
    #[error("{0:?} has a scheme that is not https; write it like https://host.example")]
    Scheme(String),
    /// `user@host`.
    #[error("{0:?} carries a user name; credentials belong into the secrets, never into a URL")]
    UserInfo(String),
    /// A base URL with more than a place.
    #[error("{0:?} has a path or a query; a base URL is scheme, host and port alone")]
    Path(String),
    /// Plain http to somewhere else than this machine.
    #[error(
        "{0:?} is plain http; only a server on this machine (localhost, 127.0.0.1, [::1]) may be spoken to so"
    )]
    Plain(String),
}

impl Origin {
    /// The place that a request's URL names.
    ///
    /// # Errors
    /// If it is not absolute, has another scheme than http and https, or carries a user name.
    pub fn of(uri: &Uri) -> Result<Self, OriginError> {
        let (Some(scheme), Some(authority)) = (uri.scheme_str(), uri.authority()) else {
            return Err(OriginError::NotAbsolute(uri.to_string()));
        };
        let secure = match scheme {
            "https" => true,
            "http" => false,
            _ => return Err(OriginError::Scheme(uri.to_string())),
        };
        if authority.as_str().contains('@') {
            return Err(OriginError::UserInfo(authority.host().to_owned()));
        }
        let host = authority
            .host()
            .trim_start_matches('[')
            .trim_end_matches(']')
            .to_ascii_lowercase();
        let host_is_plain = !host.is_empty()
            && !host.ends_with('.')
            && host
                .bytes()
                .all(|byte| byte.is_ascii_alphanumeric() || b"-.:_".contains(&byte));
        if !host_is_plain {
            return Err(OriginError::NotAbsolute(uri.to_string()));
        }
        // A port that is there and cannot be read must not quietly become the default one.
        let port = match authority.port() {
            Some(port) => port.as_u16(),
            None if authority.as_str().ends_with(':') => {
                return Err(OriginError::NotAbsolute(uri.to_string()));
            }
            None if secure => 443,
            None => 80,
        };
        Ok(Self { secure, host, port })
    }

    /// A base URL from the configuration.
    ///
    /// # Errors
    /// As [`Origin::of`]; also if it has a path, or is plain http to somewhere else than this machine.
    pub fn base(text: &str) -> Result<Self, OriginError> {
        let uri: Uri = text
            .parse()
            .map_err(|_| OriginError::NotAbsolute(text.to_owned()))?;
        if !matches!(uri.path(), "" | "/") || uri.query().is_some() || text.contains('#') {
            return Err(OriginError::Path(text.to_owned()));
        }
        let origin = Self::of(&uri)?;
        if !origin.secure && !origin.is_this_machine() {
            return Err(OriginError::Plain(text.to_owned()));
        }
        Ok(origin)
    }

    /// The place of a whole URL from the configuration, such as a token URL.
    ///
    /// # Errors
    /// As [`Origin::of`]; also if it is plain http to somewhere else than this machine.
    pub fn of_url(text: &str) -> Result<Self, OriginError> {
        let uri: Uri = text
            .parse()
            .map_err(|_| OriginError::NotAbsolute(text.to_owned()))?;
        let origin = Self::of(&uri)?;
        if !origin.secure && !origin.is_this_machine() {
            return Err(OriginError::Plain(text.to_owned()));
        }
        Ok(origin)
    }

    /// Whether TLS is spoken.
    pub fn is_secure(&self) -> bool {
        self.secure
    }

    /// Host name or address.
    pub fn host(&self) -> &str {
        &self.host
    }

    /// Port.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// The address, where the host is one.
    pub fn address(&self) -> Option<IpAddr> {
        self.host.parse().ok()
    }

    /// Whether the host can only be this machine, by its very name.
    pub fn is_this_machine(&self) -> bool {
        self.host == "localhost" || self.address().is_some_and(|address| address.is_loopback())
    }

    /// `host[:port]`, as a Host header has it.
    pub fn authority(&self) -> String {
        let host = if self.host.contains(':') {
            format!("[{}]", self.host)
        } else {
            self.host.clone()
        };
        let default = if self.secure { 443 } else { 80 };
        if self.port == default {
            host
        } else {
            format!("{host}:{}", self.port)
        }
    }
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let scheme = if self.secure { "https" } else { "http" };
        write!(f, "{scheme}://{}", self.authority())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(text: &str) -> Result<Origin, OriginError> {
        Origin::of(&text.parse().unwrap())
    }

    #[test]
    fn spelling_does_not_make_another_origin() {
        assert_eq!(
            of("https://API.example/x").unwrap(),
            of("https://api.example:443/y").unwrap()
        );
        assert_ne!(
            of("https://api.example/").unwrap(),
            of("http://api.example/").unwrap()
        );
        assert_ne!(
            of("https://api.example/").unwrap(),
            of("https://api.example:444/").unwrap()
        );
    }

    #[test]
    fn a_user_name_in_a_url_is_refused() {
        assert!(matches!(
            of("https://graph.microsoft.com@evil.example/"),
            Err(OriginError::UserInfo(_))
        ));
        assert!(matches!(
            of("https://a:b@evil.example/"),
            Err(OriginError::UserInfo(_))
        ));
    }

    #[test]
    fn relative_urls_and_other_schemes_are_refused() {
        assert!(matches!(of("/v1.0/groups"), Err(OriginError::NotAbsolute(_))));
        assert!(matches!(of("ftp://host/"), Err(OriginError::Scheme(_))));
    }

    #[test]
    fn a_base_url_is_a_place_alone_and_plain_http_stays_on_this_machine() {
        assert!(matches!(
            Origin::base("https://host.example/api"),
            Err(OriginError::Path(_))
        ));
        assert!(matches!(
            Origin::base("http://host.example"),
            Err(OriginError::Plain(_))
        ));
        assert!(Origin::base("http://127.0.0.1:8080").is_ok());
        assert!(Origin::base("http://[::1]:8080").is_ok());
        assert_eq!(
            Origin::base("https://host.example/").unwrap().to_string(),
            "https://host.example"
        );
    }
}

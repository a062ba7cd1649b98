//! Where the server is, and what is wrong when it does not let us in: in words for people, without user or password.

use std::str::FromStr;

use sqlx::postgres::{PgConnectOptions, PgSslMode};

use crate::store::{Result, StoreError};

/// The options of a URL. A server on another machine must show a certificate that is trusted and its own, unless the URL
/// says otherwise: the driver by itself would take any, or none.
pub(super) fn options(url: &str) -> Result<PgConnectOptions> {
    let unfit = |what: &str| StoreError::Unfit {
        place: "named by `store.url`".to_owned(),
        what: what.to_owned(),
    };
    if !url.starts_with("postgres://") && !url.starts_with("postgresql://") {
        return Err(unfit(
            "its URL does not begin with `postgresql://`; it looks like \
             `postgresql://user:password@host:5432/database?sslmode=verify-full`",
        ));
    }
    // The parser's own message may repeat a part of the URL.
    let options = PgConnectOptions::from_str(url).map_err(|_| {
        unfit(
            "its URL cannot be read; it looks like `postgresql://user:password@host:5432/database?sslmode=verify-full`, \
             with special characters of user and password written as `%` and two digits",
        )
    })?;
    let says_how = url
        .split_once('?')
        .is_some_and(|(_, query)| query.contains("sslmode=") || query.contains("ssl-mode="));
    let here = options.get_socket().is_some()
        || options.get_host().starts_with('/')
        || matches!(options.get_host(), "localhost" | "127.0.0.1" | "::1" | "[::1]");
    let options = options.application_name("groupcast");
    Ok(if says_how || here {
        options
    } else {
        options.ssl_mode(PgSslMode::VerifyFull)
    })
}

/// What people know the store by.
pub(super) fn place(options: &PgConnectOptions) -> String {
    let server = match options.get_socket() {
        Some(socket) => socket.display().to_string(),
        None => format!("{}:{}", options.get_host(), options.get_port()),
    };
    let database = options.get_database().unwrap_or_else(|| options.get_username());
    format!("{database} on {server}")
}

/// What an error while connecting means, and what to do.
pub(super) fn refused(options: &PgConnectOptions, place: &str, error: sqlx::Error) -> StoreError {
    let database = options.get_database().unwrap_or_else(|| options.get_username());
    let code = error
        .as_database_error()
        .and_then(|cause| cause.code())
        .map(|code| code.into_owned());
    let what = match (&error, code.as_deref()) {
        (sqlx::Error::Io(_), _) => {
            "the server cannot be reached; check that it runs, and host and port in the URL".to_owned()
        }
        (sqlx::Error::Tls(_), _) => {
            "no encrypted connection can be made; check the server's certificate, or set `sslmode` and `sslrootcert` in \
             the URL"
                .to_owned()
        }
        (_, Some("28P01")) => {
            "the server refuses user or password; check both in the URL (special characters are written as `%` and two \
             digits)"
                .to_owned()
        }
        (_, Some("28000")) => {
            "the server lets this user not in from here; check the user in the URL, and the server's pg_hba.conf"
                .to_owned()
        }
        (_, Some("3D000")) => {
            format!("the server has no such database; make it with `createdb --encoding=UTF8 {database}`")
        }
        (_, Some("42501")) => format!(
            "the user may not make tables in it; give it the database (`ALTER DATABASE {database} OWNER TO …`) or run \
             `groupcast store migrate` once with a user that may"
        ),
        (_, Some("53300")) => {
            "the server has no connection left; lower `store.connections`, or raise its `max_connections`".to_owned()
        }
        (_, Some("57P03")) => "the server is starting or stopping; try again in a moment".to_owned(),
        _ => "the server refused".to_owned(),
    };
    StoreError::Server {
        place: place.to_owned(),
        what,
        source: error.into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_server_elsewhere_must_show_its_certificate_unless_the_url_says_otherwise() {
        let mode = |url: &str| options(url).unwrap().get_ssl_mode();
        assert!(matches!(
            mode("postgresql://u:p@db.example.com/groupcast"),
            PgSslMode::VerifyFull
        ));
        assert!(matches!(
            mode("postgres://u:p@10.0.0.1:5433/groupcast?application_name=x"),
            PgSslMode::VerifyFull
        ));
        assert!(matches!(
            mode("postgresql://u:p@db.example.com/g?sslmode=require"),
            PgSslMode::Require
        ));
        for local in [
            "postgresql://localhost/g",
            "postgresql://127.0.0.1/g",
            "postgresql:///g?host=/run/postgresql",
        ] {
            assert!(matches!(mode(local), PgSslMode::Prefer), "{local}");
        }
    }

    #[test]
    fn what_people_see_has_no_user_and_no_password() {
        let options = options("postgresql://alice:s3cret%21@db.example.com:6432/groupcast").unwrap();
        assert_eq!(place(&options), "groupcast on db.example.com:6432");
        for bad in [
            "mysql://alice:s3cret@db/x",
            "postgresql://alice:s3cret@db:port/x",
            "alice:s3cret@db",
            "postgresql://alice:s3cret@db/x?sslmode=s3cret",
        ] {
            let error = super::options(bad).unwrap_err();
            let shown = format!("{error} {error:?}");
            assert!(shown.contains("postgresql://user:password@"), "{shown}");
            assert!(!shown.contains("s3cret") && !shown.contains("alice"), "{shown}");
        }
    }
}

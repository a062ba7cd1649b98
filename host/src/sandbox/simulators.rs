//! `groupcast simulators`: the simulated vendors alone, for tests of one's own and for other clients.

use std::io::Write;
use std::net::IpAddr;
use std::path::{Path, PathBuf};

use groupcast_simulators::faults::Rule;
use groupcast_simulators::organisation::{self, Organisation};
use groupcast_simulators::server::{Options, Ports, Simulators};
use serde_json::json;
use tokio_util::sync::CancellationToken;

use super::{Folder, SandboxError};

/// How to start the simulators.
#[derive(Debug, Clone)]
pub struct SimulatorsOptions {
    /// The organisation file; the sample without one.
    pub organisation: Option<PathBuf>,
    /// The faults file.
    pub faults: Option<PathBuf>,
    /// Where to listen.
    pub listen: IpAddr,
    /// Ports for JumpCloud, Google and Entra ID; 0 or none for any free one.
    pub ports: Option<[u16; 3]>,
    /// Whether to serve TLS.
    pub tls: bool,
    /// Print one JSON document instead of text.
    pub json: bool,
}

/// Serves until `stop`, having told `out` where.
///
/// # Errors
/// A file that is wrong, a port that is taken, no room for the certificates.
pub async fn simulators(
    options: SimulatorsOptions,
    out: &mut (dyn Write + Send),
    stop: &CancellationToken,
) -> Result<(), SandboxError> {
    let organisation = match &options.organisation {
        Some(path) => Organisation::from_json(&read(path)?)?,
        None => organisation::sample()?,
    };
    let sampled = options.organisation.is_none();
    let faults = options.faults.as_deref().map(read_faults).transpose()?;
    let ports = options.ports.map(|[jumpcloud, google, entra]| Ports {
        jumpcloud,
        google,
        entra,
    });
    let start = Options {
        listen: options.listen,
        ports,
        tls: options.tls,
        faults: faults.unwrap_or_default(),
        clock_ahead: 0,
    };
    let running = Simulators::start(organisation.clone(), start).await?;
    let folder = Folder::new("simulators")?;
    folder.write_certificates(running.addresses())?;
    if sampled && options.tls {
        folder.write_configuration(&organisation, running.addresses())?;
    }
    let told = if options.json {
        describe_json(&running, &folder)
    } else {
        describe(&running, &folder, sampled && options.tls)
    };
    out.write_all(told.as_bytes())?;
    out.flush()?;
    stop.cancelled().await;
    running.stop().await;
    Ok(())
}

fn describe(running: &Simulators, folder: &Folder, configured: bool) -> String {
    let at = running.addresses();
    let path = folder.path().display();
    let mut text = format!(
        "The simulators are up:\n  \
         JumpCloud      {}\n  \
         Google         {}\n  \
         Google tokens  {}\n  \
         Graph          {}\n  \
         Entra login    {}\n",
        at.jumpcloud, at.google, at.google_token, at.graph, at.login
    );
    let trust = if at.ca_pem.is_empty() {
        ""
    } else {
        text.push_str(&format!(
            "\nCertificates\n  \
             {path}/ca.pem          the authority that clients must trust\n  \
             {path}/server.pem      what the simulators show\n  \
             {path}/server-key.pem  its key\n"
        ));
        " --cacert CA"
    };
    let trust = trust.replace("CA", &format!("{path}/ca.pem"));
    if configured {
        text.push_str(&format!(
            "\nGroupcast against them\n  groupcast --config {path}/groupcast.toml plan\n"
        ));
    }
    text.push_str(&format!(
        "\nLooking inside (any of the addresses will do)\n  \
         curl{trust} {google}/_simulator/state\n  \
         curl{trust} {google}/_simulator/requests\n  \
         curl{trust} -X PUT --data @faults.json {google}/_simulator/faults\n\n\
         Ctrl-C ends them; the certificates go with them.\n",
        google = at.google
    ));
    text
}

fn describe_json(running: &Simulators, folder: &Folder) -> String {
    let at = running.addresses();
    let file = |name: &str| (!at.ca_pem.is_empty()).then(|| folder.path().join(name));
    let document = json!({
        "format": "groupcast/simulators/1",
        "jumpcloud": at.jumpcloud,
        "google": at.google,
        "google_token": at.google_token,
        "graph": at.graph,
        "login": at.login,
        "ca_file": file("ca.pem"),
        "certificate_file": file("server.pem"),
        "key_file": file("server-key.pem"),
    });
    format!("{document}\n")
}

fn read(path: &Path) -> Result<String, SandboxError> {
    std::fs::read_to_string(path).map_err(|source| SandboxError::Read {
        path: path.to_path_buf(),
        source,
    })
}

/// Reads the rules of a faults file: a JSON array of [`Rule`].
fn read_faults(path: &Path) -> Result<Vec<Rule>, SandboxError> {
    let text = read(path)?;
    let wrong = |place: String, reason: String| SandboxError::Faults {
        path: path.to_path_buf(),
        place,
        reason,
    };
    let values: Vec<serde_json::Value> =
        serde_json::from_str(&text).map_err(|error| wrong("the top level".to_owned(), error.to_string()))?;
    values
        .into_iter()
        .enumerate()
        .map(|(number, value)| {
            serde_json::from_value(value)
                .map_err(|error| wrong(format!("rule {}", number + 1), error.to_string()))
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;

    use super::*;

    fn options() -> SimulatorsOptions {
        SimulatorsOptions {
            organisation: None,
            faults: None,
            listen: IpAddr::V4(Ipv4Addr::LOCALHOST),
            ports: None,
            tls: true,
            json: false,
        }
    }

    #[tokio::test]
    async fn they_say_where_they_are_and_stop_when_told() {
        let (stop, mut out) = (CancellationToken::new(), Vec::new());
        stop.cancel();
        simulators(options(), &mut out, &stop).await.unwrap();
        let text = String::from_utf8(out).unwrap();
        assert!(text.contains("https://127.0.0.1:"), "{text}");
        assert!(text.contains("groupcast.toml plan"), "{text}");
    }

    #[tokio::test]
    async fn json_is_one_document_with_files_that_programs_can_open() {
        let (stop, mut out) = (CancellationToken::new(), Vec::new());
        stop.cancel();
        let json = SimulatorsOptions {
            json: true,
            ..options()
        };
        simulators(json, &mut out, &stop).await.unwrap();
        let document: serde_json::Value = serde_json::from_slice(&out).unwrap();
        assert!(document["google_token"].as_str().unwrap().ends_with("/token"));
        assert!(document["ca_file"].as_str().unwrap().ends_with("ca.pem"));
    }

    #[tokio::test]
    async fn a_wrong_faults_file_is_refused_with_its_place() {
        let folder = Folder::new("test").unwrap();
        let rule = r#"[{"vendor": "google", "fault": "reset-before"}, {"vendor": "gogle", "fault": "reset-before"}]"#;
        let faults = folder.write("faults.json", rule).unwrap();
        let wrong = SimulatorsOptions {
            faults: Some(faults),
            ..options()
        };
        let error = simulators(wrong, &mut Vec::new(), &CancellationToken::new())
            .await
            .unwrap_err();
        assert!(error.to_string().contains("rule 2"), "{error}");
    }

    #[tokio::test]
    async fn a_file_that_is_not_there_is_named() {
        let missing = SimulatorsOptions {
            organisation: Some("no-such-file.json".into()),
            ..options()
        };
        let error = simulators(missing, &mut Vec::new(), &CancellationToken::new())
            .await
            .unwrap_err();
        assert!(error.to_string().contains("no-such-file.json"), "{error}");
    }
}

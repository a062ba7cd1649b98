//! The sandbox's folder: an ordinary configuration with its secrets in files, as an operator would write it, and the
//! certificates that the simulators made. It is readable for its owner alone and goes when the sandbox ends.

use std::fs;
use std::io::Write as _;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use groupcast_simulators::organisation::{Organisation, SAMPLE_GOOGLE_PRIVATE_KEY};
use groupcast_simulators::server::Addresses;
use serde_json::json;

use super::SandboxError;

/// A folder of its own, removed when dropped.
#[derive(Debug)]
pub struct Folder {
    path: PathBuf,
}

impl Folder {
    /// Makes a new folder under the system's folder for temporary files.
    ///
    /// # Errors
    /// [`SandboxError::Write`].
    pub fn new(name: &str) -> Result<Self, SandboxError> {
        let path = std::env::temp_dir().join(format!("groupcast-{name}-{:016x}", rand::random::<u64>()));
        // Fails where it exists: nobody can have put something there beforehand.
        fs::DirBuilder::new()
            .mode(0o700)
            .create(&path)
            .map_err(|source| SandboxError::Write {
                path: path.clone(),
                source,
            })?;
        Ok(Self { path })
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Writes a new file that only its owner reads.
    ///
    /// # Errors
    /// [`SandboxError::Write`].
    pub fn write(&self, name: &str, content: &str) -> Result<PathBuf, SandboxError> {
        let path = self.path.join(name);
        fs::OpenOptions::new()
            .write(true)
            .create_new(true)
            .mode(0o600)
            .open(&path)
            .and_then(|mut file| file.write_all(content.as_bytes()))
            .map_err(|source| SandboxError::Write {
                path: path.clone(),
                source,
            })?;
        Ok(path)
    }

    /// Writes the certificates: `ca.pem` for clients to trust, `server.pem` and `server-key.pem` as the listeners use
    /// them. Nothing without TLS.
    ///
    /// # Errors
    /// [`SandboxError::Write`].
    pub fn write_certificates(&self, addresses: &Addresses) -> Result<(), SandboxError> {
        for (name, content) in [
            ("ca.pem", &addresses.ca_pem),
            ("server.pem", &addresses.certificate_pem),
            ("server-key.pem", &addresses.key_pem),
        ] {
            if !content.is_empty() {
                self.write(name, content)?;
            }
        }
        Ok(())
    }

    /// The key of the organisation's Google service account, as Google gives one. It must have the sample's key.
    pub fn google_key(organisation: &Organisation, addresses: &Addresses) -> serde_json::Value {
        let account = organisation.google.service_accounts.first();
        // What stands before the key is a remark for those who look at the file.
        let begin = SAMPLE_GOOGLE_PRIVATE_KEY.find("-----BEGIN").unwrap_or_default();
        json!({
            "type": "service_account",
            "client_email": account.map(|account| account.client_email.as_str()),
            "private_key_id": account.and_then(|account| account.private_key_id.as_deref()).unwrap_or("sample-key"),
            "private_key": SAMPLE_GOOGLE_PRIVATE_KEY.get(begin..).unwrap_or_default(),
            "token_uri": addresses.google_token,
        })
    }

    /// Writes a `groupcast.toml` for a host that serves on a free port of this machine, with no tenant in it.
    ///
    /// # Errors
    /// [`SandboxError::Write`].
    pub fn write_service_configuration(&self) -> Result<PathBuf, SandboxError> {
        self.write("groupcast.toml", SERVICE)
    }

    /// Writes `groupcast.toml` and the secrets that it names, for simulators with this organisation at these
    /// addresses; gives its path. The organisation's Google service account must have the sample's key.
    ///
    /// # Errors
    /// [`SandboxError::Write`].
    pub fn write_configuration(
        &self,
        organisation: &Organisation,
        addresses: &Addresses,
    ) -> Result<PathBuf, SandboxError> {
        let application = organisation.entra.applications.first();
        let key = Self::google_key(organisation, addresses);
        self.write("google-service-account.json", &format!("{key:#}\n"))?;
        self.write("jumpcloud-api-key", &organisation.jumpcloud.api_key)?;
        let secret = application.and_then(|application| application.client_secret.as_deref());
        self.write("entra-client-secret", secret.unwrap_or_default())?;
        self.write("groupcast.toml", &configuration(organisation, addresses))
    }
}

/// Of a host that serves, with tenants in the store alone.
const SERVICE: &str = r#"# Written by `groupcast sandbox`; the vendors are simulated and stop with it.

[network]
ca_file = "ca.pem"                 # the simulators' certificate authority; real vendors need none
allow_networks = ["127.0.0.0/8"]   # otherwise refused: no real vendor is on this machine

[store]
path = "groupcast.db"

[service]
listen = "127.0.0.1:0"
requests_per_minute = 6000
"#;

impl Drop for Folder {
    fn drop(&mut self) {
        // What is left of a temporary folder is an annoyance, not an error.
        let _ = fs::remove_dir_all(&self.path);
    }
}

fn configuration(organisation: &Organisation, addresses: &Addresses) -> String {
    use groupcast_simulators::jumpcloud::DirectoryKind;
    let text = |value: &str| toml::Value::from(value).to_string();
    let directory = |kind: DirectoryKind| {
        let mut directories = organisation.jumpcloud.directories.iter();
        let found = directories.find(|directory| directory.kind == kind);
        text(found.map_or("", |directory| directory.id.as_str()))
    };
    let admin = organisation.google.admins.first().map_or("", String::as_str);
    let application = organisation.entra.applications.first();
    format!(
        r#"# Written by `groupcast sandbox`; the vendors in it are simulated and stop with it.

[network]
ca_file = "ca.pem"                 # the simulators' certificate authority; real vendors need none
allow_networks = ["127.0.0.0/8"]   # otherwise refused: no real vendor is on this machine

[store]
path = "groupcast.db"

[jumpcloud]
base_url = {jumpcloud}
api_key = {{ file = "jumpcloud-api-key" }}

[google]
directory = {google_directory}     # JumpCloud's ID of the connected Google Workspace
base_url = {google}
token_url = {google_token}
service_account_key = {{ file = "google-service-account.json" }}
admin = {admin}
customer_id = {customer}
managed = true
acknowledge = true                 # one bound group has no email, on purpose: `check` says what that means

[entra]
directory = {entra_directory}      # JumpCloud's ID of the connected Microsoft 365
graph_url = {graph}
login_url = {login}
tenant_id = {tenant}
client_id = {client}
client_secret = {{ file = "entra-client-secret" }}
selected = ["*"]                   # every bound group
managed = true
acknowledge = true

[service]                          # the console
listen = "127.0.0.1:0"
"#,
        jumpcloud = text(&addresses.jumpcloud),
        google_directory = directory(DirectoryKind::GoogleWorkspace),
        google = text(&addresses.google),
        google_token = text(&addresses.google_token),
        admin = text(admin),
        customer = text(&organisation.google.customer_id),
        entra_directory = directory(DirectoryKind::Office365),
        graph = text(&addresses.graph),
        login = text(&addresses.login),
        tenant = text(&organisation.entra.tenant_id),
        client = text(application.map_or("", |application| application.client_id.as_str())),
    )
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use groupcast_simulators::organisation;

    use super::*;

    fn addresses() -> Addresses {
        let at = |port: u16| format!("https://127.0.0.1:{port}");
        Addresses {
            jumpcloud: at(1),
            google: at(2),
            google_token: format!("{}/token", at(2)),
            graph: at(3),
            login: at(3),
            ca_pem: "authority".to_owned(),
            ca_key_pem: String::new(),
            certificate_pem: "certificate".to_owned(),
            key_pem: "key".to_owned(),
        }
    }

    #[test]
    fn the_configuration_is_toml_and_names_only_files_that_are_there() {
        let folder = Folder::new("test").unwrap();
        folder.write_certificates(&addresses()).unwrap();
        let file = folder
            .write_configuration(&organisation::sample().unwrap(), &addresses())
            .unwrap();
        let parsed: toml::Value = toml::from_str(&fs::read_to_string(file).unwrap()).unwrap();
        for (section, key) in [
            ("jumpcloud", "api_key"),
            ("google", "service_account_key"),
            ("entra", "client_secret"),
        ] {
            let secret = folder.path().join(parsed[section][key]["file"].as_str().unwrap());
            assert!(!fs::read_to_string(&secret).unwrap().is_empty());
            assert_eq!(fs::metadata(secret).unwrap().permissions().mode() & 0o777, 0o600);
        }
        assert!(
            folder
                .path()
                .join(parsed["network"]["ca_file"].as_str().unwrap())
                .is_file()
        );
        assert_eq!(parsed["google"]["directory"].as_str().unwrap().len(), 24);
    }

    #[test]
    fn the_configuration_is_accepted_as_an_operators_would_be() {
        let folder = Folder::new("test").unwrap();
        folder.write_certificates(&addresses()).unwrap();
        let file = folder
            .write_configuration(&organisation::sample().unwrap(), &addresses())
            .unwrap();
        let config = crate::config::Config::load(&file).unwrap_or_else(|error| panic!("{error}"));
        let names: Vec<String> = config.tenants[0]
            .connections
            .iter()
            .map(|one| one.id.to_string())
            .collect();
        assert_eq!(names.len(), 2, "{names:?}");
    }

    #[test]
    fn the_folder_is_its_owners_alone_and_goes_when_dropped() {
        let folder = Folder::new("test").unwrap();
        let path = folder.path().to_path_buf();
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o700);
        drop(folder);
        assert!(!path.exists());
    }
}

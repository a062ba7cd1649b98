//! The console beside the simulators: a host that serves, with the sample organisation in its store, or with nothing.
//!
//! What is put into the store goes through the service, as an operator's own clicks do.

use std::future::Future;
use std::io::Write;
use std::path::PathBuf;
use std::pin::Pin;

use chrono::{Duration, Utc};
use groupcast_simulators::jumpcloud::DirectoryKind;
use groupcast_simulators::organisation::{self, Organisation, SAMPLE_GOOGLE_PUBLIC_KEY, Size};
use groupcast_simulators::server::{Addresses, Options, Simulators};
use secrecy::{ExposeSecret, SecretString};
use serde_json::json;
use tokio_util::sync::CancellationToken;

use super::{Folder, SandboxError, many};
use crate::cli::serving::Serving;
use crate::service::{NewDirectory, NewTenant, NewToken, Principal, Service, ServiceError};
use crate::store::ConnectionId;
use crate::store::service::{DirectoryVendor, Role};

/// The sample's tenant.
const TENANT: &str = "larkspur";

/// How to show the console.
#[derive(Debug, Clone, Copy, Default)]
pub struct ConsoleOptions {
    /// With nothing in the store: the first visit.
    pub empty: bool,
    /// A generated organisation of this size; the sample without it.
    pub size: Option<Size>,
    /// So many tenants more, of which nothing runs.
    pub tenants: u32,
    /// Tell where it is as one JSON document.
    pub json: bool,
}

/// Opens a host that serves on a configuration file; the error is for a person.
pub type OpenService = Box<
    dyn FnOnce(PathBuf, CancellationToken) -> Pin<Box<dyn Future<Output = Result<Serving, String>> + Send>>
        + Send,
>;

/// Serves simulators and console until `stop`, having told `out` where.
///
/// # Errors
/// What kept them from standing.
pub async fn console(
    options: ConsoleOptions,
    open: OpenService,
    out: &mut (dyn Write + Send),
    stop: &CancellationToken,
) -> Result<(), SandboxError> {
    let organisation = match options.size {
        Some(size) => organisation::generated(size, 1, SAMPLE_GOOGLE_PUBLIC_KEY),
        None => organisation::sample()?,
    };
    let simulators = Simulators::start(organisation.clone(), Options::default()).await?;
    let folder = Folder::new("sandbox")?;
    folder.write_certificates(simulators.addresses())?;
    let file = folder.write_service_configuration()?;
    let serving = open(file, stop.clone()).await.map_err(SandboxError::Open)?;
    let addresses = simulators.addresses().clone();
    if !options.empty {
        fill(&serving.service, &organisation, &addresses).await?;
    }
    if options.tenants > 0 {
        let key = Folder::google_key(&organisation, &addresses).to_string();
        let secrets = [
            (
                "jumpcloud",
                SecretString::from(organisation.jumpcloud.api_key.clone()),
            ),
            ("google-credential", SecretString::from(key)),
        ];
        many::fill(&serving.service, options.tenants, &addresses, &secrets)
            .await
            .map_err(refused)?;
    }
    let token = sign_in_token(&serving.service).await?;
    let told = if options.json {
        document(&serving, &token, &organisation, &addresses, &folder)
    } else {
        words(
            &serving,
            &token,
            &organisation,
            &addresses,
            &folder,
            options.empty,
        )
    };
    out.write_all(told.as_bytes())?;
    out.flush()?;
    serving.run(stop).await;
    simulators.stop().await;
    Ok(())
}

/// Serves the console on a configuration that is there, as after the story.
///
/// # Errors
/// What kept it from standing.
pub async fn beside(
    configuration: PathBuf,
    open: OpenService,
    out: &mut (dyn Write + Send),
    stop: &CancellationToken,
) -> Result<(), SandboxError> {
    let serving = open(configuration, stop.clone())
        .await
        .map_err(SandboxError::Open)?;
    let token = sign_in_token(&serving.service).await?;
    writeln!(
        out,
        "\nThe console:\n\n  {}\n  sign in with this token, which is good for a day and made for you alone:\n  {}\n\n\
         There the sample is set in a file, so it is shown and run, and not changed. `groupcast sandbox --console` lets\n\
         you bind groups, enter addresses and switch management on.",
        serving.url(),
        token.expose_secret()
    )?;
    out.flush()?;
    serving.run(stop).await;
    Ok(())
}

/// A token for whoever started the sandbox.
async fn sign_in_token(service: &Service) -> Result<SecretString, SandboxError> {
    let new = NewToken {
        name: "Sandbox".to_owned(),
        tenant: None,
        role: Role::Admin,
        expires_at: Some(Utc::now() + Duration::days(1)),
    };
    let (_, token) = service.create_token(&nobody(), new).await.map_err(refused)?;
    Ok(token)
}

fn nobody() -> Principal {
    Principal::command_line("sandbox")
}

fn refused(error: ServiceError) -> SandboxError {
    SandboxError::Open(error.to_string())
}

fn directory_id(organisation: &Organisation, kind: DirectoryKind) -> String {
    let mut directories = organisation.jumpcloud.directories.iter();
    let found = directories.find(|directory| directory.kind == kind);
    found.map_or_else(String::new, |directory| directory.id.clone())
}

fn entra_secret(organisation: &Organisation) -> String {
    let application = organisation.entra.applications.first();
    application
        .and_then(|application| application.client_secret.clone())
        .unwrap_or_default()
}

/// Puts the sample's tenant and directories into the store: unmanaged, nothing selected, as after connecting them.
async fn fill(
    service: &Service,
    organisation: &Organisation,
    addresses: &Addresses,
) -> Result<(), SandboxError> {
    let who = nobody();
    let tenant = NewTenant {
        name: TENANT.to_owned(),
        title: organisation.jumpcloud.name.clone(),
        jumpcloud: json!({ "base_url": addresses.jumpcloud, "api_key": { "stored": "jumpcloud" } }),
    };
    service.create_tenant(&who, tenant).await.map_err(refused)?;
    let application = organisation.entra.applications.first();
    let google = json!({
        "directory": directory_id(organisation, DirectoryKind::GoogleWorkspace),
        "base_url": addresses.google,
        "token_url": addresses.google_token,
        "service_account_key": { "stored": "google-credential" },
        "admin": organisation.google.admins.first(),
        "customer_id": organisation.google.customer_id,
    });
    let entra = json!({
        "directory": directory_id(organisation, DirectoryKind::Office365),
        "graph_url": addresses.graph,
        "login_url": addresses.login,
        "tenant_id": organisation.entra.tenant_id,
        "client_id": application.map(|application| application.client_id.clone()),
        "client_secret": { "stored": "entra-credential" },
    });
    for (name, value) in [
        ("jumpcloud", organisation.jumpcloud.api_key.clone()),
        (
            "google-credential",
            Folder::google_key(organisation, addresses).to_string(),
        ),
        ("entra-credential", entra_secret(organisation)),
    ] {
        service
            .set_secret(&who, TENANT, name, SecretString::from(value), None)
            .await
            .map_err(refused)?;
    }
    for (name, vendor, section) in [
        ("google", DirectoryVendor::Google, google),
        ("entra", DirectoryVendor::Entra, entra),
    ] {
        let new = NewDirectory {
            id: ConnectionId::new(TENANT, name),
            vendor,
            section,
        };
        service.create_directory(&who, new).await.map_err(refused)?;
    }
    Ok(())
}

/// For programs: where everything is, and what a first visit is asked for. All of it is invented.
fn document(
    serving: &Serving,
    token: &SecretString,
    organisation: &Organisation,
    at: &Addresses,
    folder: &Folder,
) -> String {
    let application = organisation.entra.applications.first();
    let document = json!({
        "format": "groupcast/sandbox/1",
        "url": serving.url(),
        "token": token.expose_secret(),
        "tenant": TENANT,
        "ca_file": folder.path().join("ca.pem"),
        "jumpcloud": at.jumpcloud,
        "jumpcloud_api_key": organisation.jumpcloud.api_key,
        "google": at.google,
        "google_token": at.google_token,
        "google_admin": organisation.google.admins.first(),
        "google_service_account_key": Folder::google_key(organisation, at).to_string(),
        "graph": at.graph,
        "login": at.login,
        "entra_tenant": organisation.entra.tenant_id,
        "entra_client": application.map(|application| application.client_id.clone()),
        "entra_client_secret": entra_secret(organisation),
    });
    format!("{document}\n")
}

fn words(
    serving: &Serving,
    token: &SecretString,
    organisation: &Organisation,
    at: &Addresses,
    folder: &Folder,
    empty: bool,
) -> String {
    let mut text = format!(
        "The console, with simulated vendors and an invented company behind it:\n\n  {}\n\n\
         Sign in with this token, which is good for a day:\n\n  {}\n",
        serving.url(),
        token.expose_secret()
    );
    if empty {
        text.push_str(&format!(
            "\nThe store is empty. The pages ask for:\n  \
             JumpCloud          console address {}, API key {}\n  \
             Google Workspace   Admin SDK {}, tokens {}, administrator {}\n                     \
             key: {}\n  \
             Entra ID           Graph {}, sign-in {}, tenant {}, client secret {}\n",
            at.jumpcloud,
            organisation.jumpcloud.api_key,
            at.google,
            at.google_token,
            organisation.google.admins.first().map_or("", String::as_str),
            folder.path().join("google-service-account.json").display(),
            at.graph,
            at.login,
            organisation.entra.tenant_id,
            entra_secret(organisation),
        ));
    } else {
        text.push_str(
            "\nBoth directories are connected and off. Look at User Groups, enter an address, switch on, make a plan.\n",
        );
    }
    text.push_str(&format!(
        "\nWhat the simulated vendors hold:\n  curl --cacert {}/ca.pem {}/_simulator/state\n\nCtrl-C ends everything and \
         forgets it.\n",
        folder.path().display(),
        at.google
    ));
    text
}

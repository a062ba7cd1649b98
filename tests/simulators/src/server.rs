//! The three simulators behind real sockets: one listener each, HTTP/1.1 and HTTP/2, TLS by an authority
//! made at the start. What an engine is tested against, and what the sandbox shows to newcomers.
//!
//! No vendor's behaviour enters here: a request goes to the vendor's state machine with the time and the
//! faults in force, is logged, and the answer goes out, or breaks, as the fault says.
//!
//! Each listener also serves `/_simulator/state`, `/_simulator/requests` and `/_simulator/faults` as JSON
//! (see the `control` module), for whoever drives the simulators from another process.

mod certificates;
mod connection;
mod control;

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use bytes::Bytes;
use http::{HeaderValue, Request, Response};
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::entra::EntraSimulator;
use crate::faults::{Faults, Rule};
use crate::google::GoogleSimulator;
use crate::jumpcloud::JumpcloudSimulator;
use crate::log::{self, LoggedRequest};
use crate::organisation::Organisation;
use crate::{Context, Vendor, VendorSimulator};

/// How to start.
#[derive(Debug, Clone)]
pub struct Options {
    /// Where to listen; 127.0.0.1 by default. The control endpoints are open to whoever can connect.
    pub listen: IpAddr,
    /// Fixed ports; free ones where absent.
    pub ports: Option<Ports>,
    /// TLS with a certificate of the start's own authority; true by default.
    pub tls: bool,
    /// Faults in force from the start.
    pub faults: Vec<Rule>,
    /// How many seconds the vendors' clocks are ahead of this machine's: what a client with a wrong clock meets.
    pub clock_ahead: i64,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            listen: IpAddr::V4(Ipv4Addr::LOCALHOST),
            ports: None,
            tls: true,
            faults: Vec::new(),
            clock_ahead: 0,
        }
    }
}

/// The port of each vendor's listener; 0 stands for any free one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Ports {
    /// JumpCloud.
    pub jumpcloud: u16,
    /// Google.
    pub google: u16,
    /// Entra ID: Graph and login.
    pub entra: u16,
}

/// Where the simulators answer. No address ends in a slash.
#[derive(Clone)]
pub struct Addresses {
    /// JumpCloud's console and APIs (`/api`, `/api/v2`, `/insights`, `/oauth2/token`): one root for all.
    pub jumpcloud: String,
    /// The Directory API's root.
    pub google: String,
    /// Google's token endpoint, whole.
    pub google_token: String,
    /// Graph's root: paths begin with `/v1.0`.
    pub graph: String,
    /// The login endpoint's root: paths begin with the tenant.
    pub login: String,
    /// The authority that clients must trust, in PEM; empty without TLS.
    pub ca_pem: String,
    /// The authority's private key, in PEM, for whoever needs further certificates; empty without TLS.
    pub ca_key_pem: String,
    /// The certificate that the listeners show, in PEM; empty without TLS.
    pub certificate_pem: String,
    /// Its private key, in PEM; empty without TLS.
    pub key_pem: String,
}

impl std::fmt::Debug for Addresses {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter
            .debug_struct("Addresses")
            .field("jumpcloud", &self.jumpcloud)
            .field("google", &self.google)
            .field("google_token", &self.google_token)
            .field("graph", &self.graph)
            .field("login", &self.login)
            .finish_non_exhaustive()
    }
}

/// Why the simulators could not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The listener could not be opened.
    #[error("the {vendor:?} simulator cannot listen on {address}: {source}; free the port or name another")]
    Listen {
        /// Whose listener.
        vendor: Vendor,
        /// The address asked for.
        address: SocketAddr,
        /// What the system said.
        source: std::io::Error,
    },
    /// No certificate could be made.
    #[error("the simulators' certificate could not be made: {0}")]
    Certificate(#[from] rcgen::Error),
    /// TLS refused the certificate.
    #[error("the simulators' TLS could not be set up: {0}")]
    Tls(#[from] rustls::Error),
}

/// What all listeners share. Locks are taken in the order of the fields.
struct Shared {
    jumpcloud: Mutex<JumpcloudSimulator>,
    google: Mutex<GoogleSimulator>,
    entra: Mutex<EntraSimulator>,
    faults: Mutex<Faults>,
    requests: Mutex<Vec<LoggedRequest>>,
    latest_ms: AtomicU64,
    clock_ahead_ms: i64,
}

/// A poisoned lock is a test that failed elsewhere: what it guards is still fit to be looked at.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Shared {
    /// Milliseconds since the epoch, never going back.
    fn now_ms(&self) -> u64 {
        let now = SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .unwrap_or(Duration::ZERO)
            .as_millis();
        let now = u64::try_from(now)
            .unwrap_or(u64::MAX)
            .saturating_add_signed(self.clock_ahead_ms);
        self.latest_ms.fetch_max(now, Ordering::SeqCst).max(now)
    }

    fn answer<S: VendorSimulator>(&self, simulator: &Mutex<S>, request: &Request<Bytes>) -> Response<Bytes> {
        if let Some(response) = control::answer(self, request) {
            return response;
        }
        // Held until the entry is made, so that the log has the order in which effects took place.
        let mut simulator = lock(simulator);
        let now_ms = self.now_ms();
        let mut response = {
            let mut faults = lock(&self.faults);
            let mut none = Faults::none();
            // What was put off is struck once.
            let is_put_off = request.extensions().get::<connection::PutOff>().is_some();
            let mut context = Context {
                now_ms,
                faults: if is_put_off { &mut none } else { &mut faults },
            };
            simulator.handle(request, &mut context)
        };
        if self.clock_ahead_ms != 0 {
            // The HTTP library would put this machine's time there.
            let date = HeaderValue::from_str(&crate::google::http_date(now_ms));
            if let Ok(date) = date {
                response.headers_mut().insert(http::header::DATE, date);
            }
        }
        lock(&self.requests).extend(log::entries(simulator.vendor(), now_ms, request, &response));
        response
    }

    fn state(&self) -> Value {
        json!({
            "jumpcloud": lock(&self.jumpcloud).state(),
            "google": lock(&self.google).state(),
            "entra": lock(&self.entra).state(),
        })
    }
}

/// The running simulators. Dropping it stops them without waiting; [`Simulators::stop`] waits.
pub struct Simulators {
    shared: Arc<Shared>,
    addresses: Addresses,
    stop: CancellationToken,
    tracker: TaskTracker,
}

impl Simulators {
    /// Opens the listeners and serves until stopped, on the runtime that calls this.
    ///
    /// # Errors
    /// Where a port is taken, or no certificate can be made.
    pub async fn start(organisation: Organisation, options: Options) -> Result<Self, StartError> {
        let ports = options.ports.unwrap_or(Ports {
            jumpcloud: 0,
            google: 0,
            entra: 0,
        });
        let certificates = if options.tls {
            Some(certificates::make(options.listen)?)
        } else {
            None
        };
        let scheme = if options.tls { "https" } else { "http" };
        let (jumpcloud_listener, jumpcloud) =
            listen(Vendor::Jumpcloud, options.listen, ports.jumpcloud, scheme).await?;
        let (google_listener, google) = listen(Vendor::Google, options.listen, ports.google, scheme).await?;
        let (entra_listener, entra) = listen(Vendor::Entra, options.listen, ports.entra, scheme).await?;

        let mut google_simulator = GoogleSimulator::new(organisation.google);
        google_simulator.token_audiences.push(format!("{google}/token"));
        google_simulator.api_audiences.push(format!("{google}/"));
        google_simulator.root_url = Some(format!("{google}/"));
        let mut entra_simulator = EntraSimulator::new(organisation.entra);
        entra_simulator.plain_http = !options.tls;
        let mut faults = Faults::none();
        for rule in options.faults {
            faults.add(rule);
        }
        let shared = Arc::new(Shared {
            jumpcloud: Mutex::new(JumpcloudSimulator::new(organisation.jumpcloud)),
            google: Mutex::new(google_simulator),
            entra: Mutex::new(entra_simulator),
            faults: Mutex::new(faults),
            requests: Mutex::new(Vec::new()),
            latest_ms: AtomicU64::new(0),
            clock_ahead_ms: options.clock_ahead.saturating_mul(1_000),
        });
        let (stop, tracker) = (CancellationToken::new(), TaskTracker::new());
        let acceptor = certificates
            .as_ref()
            .map(|certificates| TlsAcceptor::from(Arc::clone(&certificates.server)));
        for (vendor, listener) in [
            (Vendor::Jumpcloud, jumpcloud_listener),
            (Vendor::Google, google_listener),
            (Vendor::Entra, entra_listener),
        ] {
            let shared = Arc::clone(&shared);
            let handler: connection::Handler = Arc::new(move |request| match vendor {
                Vendor::Jumpcloud => shared.answer(&shared.jumpcloud, request),
                Vendor::Google => shared.answer(&shared.google, request),
                Vendor::Entra => shared.answer(&shared.entra, request),
            });
            let accepting =
                connection::accept(listener, acceptor.clone(), handler, stop.clone(), tracker.clone());
            tracker.spawn(accepting);
        }
        let pem = |which: fn(&certificates::Certificates) -> &String| {
            certificates.as_ref().map(which).cloned().unwrap_or_default()
        };
        Ok(Self {
            shared,
            addresses: Addresses {
                jumpcloud,
                google_token: format!("{google}/token"),
                google,
                graph: entra.clone(),
                login: entra,
                ca_pem: pem(|made| &made.authority_pem),
                ca_key_pem: pem(|made| &made.authority_key_pem),
                certificate_pem: pem(|made| &made.certificate_pem),
                key_pem: pem(|made| &made.key_pem),
            },
            stop,
            tracker,
        })
    }

    /// Where the simulators answer.
    pub fn addresses(&self) -> &Addresses {
        &self.addresses
    }

    /// Looks at or changes JumpCloud, as an administrator at its console. No request is answered
    /// meanwhile, so be quick, and do not send one from within.
    pub fn with_jumpcloud<R>(&self, click: impl FnOnce(&mut JumpcloudSimulator) -> R) -> R {
        click(&mut lock(&self.shared.jumpcloud))
    }

    /// Looks at or changes Google Workspace; see [`Simulators::with_jumpcloud`].
    pub fn with_google<R>(&self, click: impl FnOnce(&mut GoogleSimulator) -> R) -> R {
        click(&mut lock(&self.shared.google))
    }

    /// Looks at or changes Entra ID; see [`Simulators::with_jumpcloud`].
    pub fn with_entra<R>(&self, click: impl FnOnce(&mut EntraSimulator) -> R) -> R {
        click(&mut lock(&self.shared.entra))
    }

    /// Looks at or changes the faults in force.
    pub fn faults<R>(&self, change: impl FnOnce(&mut Faults) -> R) -> R {
        change(&mut lock(&self.shared.faults))
    }

    /// Every request so far, in the order in which they took effect; parts follow their batch.
    pub fn requests(&self) -> Vec<LoggedRequest> {
        lock(&self.shared.requests).clone()
    }

    /// Forgets the requests so far.
    pub fn clear_requests(&self) {
        lock(&self.shared.requests).clear();
    }

    /// The state of all three vendors, by name.
    pub fn state(&self) -> Value {
        self.shared.state()
    }

    /// Stops listening, lets requests under way finish for two seconds, and closes the rest.
    pub async fn stop(self) {
        self.stop.cancel();
        self.tracker.close();
        self.tracker.wait().await;
    }
}

impl Drop for Simulators {
    fn drop(&mut self) {
        self.stop.cancel();
    }
}

async fn listen(
    vendor: Vendor,
    address: IpAddr,
    port: u16,
    scheme: &str,
) -> Result<(TcpListener, String), StartError> {
    let address = SocketAddr::new(address, port);
    let refused = |source| StartError::Listen {
        vendor,
        address,
        source,
    };
    let listener = TcpListener::bind(address).await.map_err(refused)?;
    let bound = listener.local_addr().map_err(refused)?;
    Ok((listener, format!("{scheme}://{bound}")))
}

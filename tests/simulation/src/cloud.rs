//! The three simulated vendors on virtual time, with the faults in force and the credentials that the host would add.
//! Each effect is judged by [`crate::truth`] in the moment in which it happens.

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;

use bytes::Bytes;
use groupcast_guest::environment::TransportError;
use groupcast_simulators::entra::EntraSimulator;
use groupcast_simulators::faults::{Disruption, Faults};
use groupcast_simulators::google::GoogleSimulator;
use groupcast_simulators::jumpcloud::JumpcloudSimulator;
use groupcast_simulators::log::{self, LoggedRequest};
use groupcast_simulators::organisation::Organisation;
use groupcast_simulators::{Context, Vendor, VendorSimulator};
use http::{HeaderValue, Request, Response, StatusCode, header};
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use serde_json::{Value, json};

use crate::time::VirtualTime;

/// Where each vendor answers; nothing listens there.
pub const JUMPCLOUD: &str = "https://jumpcloud.test";
/// As above.
pub const GOOGLE: &str = "https://google.test";
/// As above.
pub const GRAPH: &str = "https://graph.test";

const PRIVATE_KEY: &str = include_str!("../../end-to-end/keys/google-throwaway-private.pem");
/// The half of the key that the simulated Google knows.
pub const PUBLIC_KEY: &str = include_str!("../../end-to-end/keys/google-throwaway-public.pem");
/// After this long the host gives an answer up.
const REQUEST_TIMEOUT_MS: u64 = 60_000;
/// A token lives for an hour.
const TOKEN_USED_MS: u64 = 50 * 60 * 1_000;
const TOKEN_TRIES: u32 = 4;

/// What somebody does while a run is under way.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Interruption {
    /// A user joins a JumpCloud group.
    Join {
        /// The group.
        group: String,
        /// The user.
        user: String,
    },
    /// A user leaves a JumpCloud group.
    Leave {
        /// The group.
        group: String,
        /// The user.
        user: String,
    },
    /// Somebody takes a member out of a target group by hand.
    Drift {
        /// The target group.
        group: String,
        /// The member.
        person: String,
    },
}

/// The vendors.
pub struct Cloud {
    /// The clock.
    pub time: VirtualTime,
    /// JumpCloud.
    pub jumpcloud: RefCell<JumpcloudSimulator>,
    /// Google Workspace.
    pub google: RefCell<GoogleSimulator>,
    /// Entra ID.
    pub entra: RefCell<EntraSimulator>,
    /// The faults in force.
    pub faults: RefCell<Faults>,
    /// Every request since it was last cleared.
    pub requests: RefCell<Vec<LoggedRequest>>,
    /// Requests that take effect only later: when, whose, and what.
    put_off: RefCell<Vec<(u64, Vendor, Request<Bytes>)>>,
    /// What is done from outside before so many requests more have been served.
    pub interruptions: RefCell<Vec<(u32, Interruption)>>,
    /// How often somebody has interrupted.
    pub interrupted: Cell<u64>,
    random: RefCell<StdRng>,
    /// Each with the moment until which it is used.
    tokens: RefCell<[Option<(String, u64)>; 2]>,
    tokens_fetched: Cell<u32>,
}

impl Cloud {
    /// The vendors with an organisation, at a fixed moment.
    pub fn new(organisation: Organisation, seed: u64) -> Self {
        let mut google = GoogleSimulator::new(organisation.google);
        google.token_audiences.push(format!("{GOOGLE}/token"));
        Self {
            time: VirtualTime::at(1_790_000_000_000),
            jumpcloud: RefCell::new(JumpcloudSimulator::new(organisation.jumpcloud)),
            google: RefCell::new(google),
            entra: RefCell::new(EntraSimulator::new(organisation.entra)),
            faults: RefCell::default(),
            requests: RefCell::default(),
            put_off: RefCell::default(),
            interruptions: RefCell::default(),
            interrupted: Cell::new(0),
            random: RefCell::new(StdRng::seed_from_u64(seed)),
            tokens: RefCell::default(),
            tokens_fetched: Cell::new(0),
        }
    }

    /// Sends a request as the host's gate would: with the credential, once again after a 401, and without an answer
    /// where none came whole. `on_effect` is told what the vendor logged, before the engine hears of it.
    ///
    /// # Errors
    /// No whole answer, or no credential.
    pub async fn send(
        &self,
        request: Request<Bytes>,
        on_effect: impl Fn(&[LoggedRequest]),
    ) -> Result<Response<Bytes>, TransportError> {
        let vendor = vendor_of(&request);
        for attempt in 0..2 {
            let mut authorised = copy(&request);
            self.authorise(vendor, &mut authorised, attempt > 0).await?;
            let answer = self.exchange(vendor, authorised, &on_effect).await?;
            if answer.status() != StatusCode::UNAUTHORIZED || attempt > 0 || vendor == Vendor::Jumpcloud {
                return Ok(answer);
            }
        }
        Err(TransportError::Denied("unreachable".to_owned()))
    }

    async fn exchange(
        &self,
        vendor: Vendor,
        request: Request<Bytes>,
        on_effect: &impl Fn(&[LoggedRequest]),
    ) -> Result<Response<Bytes>, TransportError> {
        let (there, back) = {
            let mut random = self.random.borrow_mut();
            (random.random_range(1..40), random.random_range(1..40))
        };
        self.time.sleep(there).await;
        self.catch_up();
        self.interrupt();
        let response = self.serve(vendor, &request, &mut self.faults.borrow_mut());
        let entries = log::entries(vendor, self.time.now_ms(), &request, &response);
        on_effect(&entries);
        self.requests.borrow_mut().extend(entries);
        self.time.sleep(back).await;
        let lost = |why: &str| Err(TransportError::AnswerLost(why.to_owned()));
        match response.extensions().get::<Disruption>().copied() {
            Some(Disruption::Reset) => lost("connection reset"),
            Some(Disruption::Truncate(after)) if after < response.body().len() => {
                lost("the body was cut short")
            }
            Some(Disruption::Delay(ms)) => {
                self.time.sleep(ms.min(REQUEST_TIMEOUT_MS)).await;
                if ms >= REQUEST_TIMEOUT_MS {
                    lost("no answer in time")
                } else {
                    Ok(response)
                }
            }
            Some(Disruption::Later(ms)) => {
                let due = self.time.now_ms().saturating_sub(back).saturating_add(ms);
                self.put_off.borrow_mut().push((due, vendor, request));
                self.time.sleep(REQUEST_TIMEOUT_MS).await;
                lost("no answer in time")
            }
            _ => Ok(response),
        }
    }

    fn serve(&self, vendor: Vendor, request: &Request<Bytes>, faults: &mut Faults) -> Response<Bytes> {
        let mut context = Context {
            now_ms: self.time.now_ms(),
            faults,
        };
        match vendor {
            Vendor::Jumpcloud => self.jumpcloud.borrow_mut().handle(request, &mut context),
            Vendor::Google => self.google.borrow_mut().handle(request, &mut context),
            Vendor::Entra => self.entra.borrow_mut().handle(request, &mut context),
        }
    }

    /// Lets what was put off until now take effect. Nobody is blamed for it: it was judged when it was sent, if at all.
    pub fn catch_up(&self) {
        let now_ms = self.time.now_ms();
        let due: Vec<_> = {
            let mut put_off = self.put_off.borrow_mut();
            let (due, later) = std::mem::take(&mut *put_off)
                .into_iter()
                .partition(|(due, ..)| *due <= now_ms);
            *put_off = later;
            due
        };
        for (_, vendor, request) in due {
            let response = self.serve(vendor, &request, &mut Faults::none());
            let entries = log::entries(vendor, now_ms, &request, &response);
            self.requests.borrow_mut().extend(entries);
        }
    }

    fn interrupt(&self) {
        let due: Vec<Interruption> = {
            let mut all = self.interruptions.borrow_mut();
            for (left, _) in all.iter_mut() {
                *left = left.saturating_sub(1);
            }
            let (due, later) = std::mem::take(&mut *all)
                .into_iter()
                .partition(|(left, _)| *left == 0);
            *all = later;
            due.into_iter().map(|(_, what)| what).collect()
        };
        for what in due {
            self.interrupted.set(self.interrupted.get() + 1);
            let mut jumpcloud = self.jumpcloud.borrow_mut();
            jumpcloud.advance_to(self.vendors_time(Vendor::Jumpcloud));
            // What is not possible any more does not happen.
            match what {
                Interruption::Join { group, user } => drop(jumpcloud.add_user_to_group(&group, &user)),
                Interruption::Leave { group, user } => drop(jumpcloud.remove_user_from_group(&group, &user)),
                Interruption::Drift { group, person } => {
                    self.google.borrow_mut().remove_member(&group, &person);
                    self.entra.borrow_mut().remove_member(&group, &person);
                }
            }
        }
    }

    /// What time a vendor takes it to be.
    pub fn vendors_time(&self, vendor: Vendor) -> u64 {
        self.faults.borrow().clock(vendor, self.time.now_ms())
    }

    async fn authorise(
        &self,
        vendor: Vendor,
        request: &mut Request<Bytes>,
        renew: bool,
    ) -> Result<(), TransportError> {
        let (name, value) = match vendor {
            Vendor::Jumpcloud => ("x-api-key", "generated-jumpcloud-key".to_owned()),
            Vendor::Google => ("authorization", self.token(0, renew).await?),
            Vendor::Entra => ("authorization", self.token(1, renew).await?),
        };
        let value = HeaderValue::from_str(&value).expect("a header");
        request.headers_mut().insert(name, value);
        Ok(())
    }

    async fn token(&self, which: usize, renew: bool) -> Result<String, TransportError> {
        // As the host does: a token is renewed before it runs out.
        let known = self.tokens.borrow()[which].clone();
        if let Some((token, _)) = known.filter(|(_, until)| !renew && self.time.now_ms() < *until) {
            return Ok(token);
        }
        for _ in 0..TOKEN_TRIES {
            self.tokens_fetched.set(self.tokens_fetched.get() + 1);
            let (vendor, request) = if which == 0 {
                (Vendor::Google, self.google_token_request())
            } else {
                (Vendor::Entra, entra_token_request())
            };
            if let Ok(answer) = self.exchange(vendor, request, &|_: &[LoggedRequest]| ()).await
                && let Ok(body) = serde_json::from_slice::<Value>(answer.body())
                && let Some(token) = body["access_token"].as_str()
            {
                let token = format!("Bearer {token}");
                let until = self.time.now_ms() + TOKEN_USED_MS;
                self.tokens.borrow_mut()[which] = Some((token.clone(), until));
                return Ok(token);
            }
            self.time.sleep(500).await;
        }
        Err(TransportError::Denied("no token could be had".to_owned()))
    }

    fn google_token_request(&self) -> Request<Bytes> {
        // Made for each half hour once: signing costs more than all else in a story.
        let now = self.time.now_ms() / 1_000;
        let now = now - now % 1_800;
        let assertion =
            ASSERTIONS.with_borrow_mut(|made| made.entry(now).or_insert_with(|| assertion(now)).clone());
        form(
            "/token",
            &[
                ("grant_type", "urn:ietf:params:oauth:grant-type:jwt-bearer"),
                ("assertion", &assertion),
            ],
        )
    }

    /// Writes since the log was last cleared that the vendor took.
    pub fn writes(&self) -> Vec<String> {
        self.requests
            .borrow()
            .iter()
            .filter(|request| request.is_mutation() && (200..300).contains(&request.status))
            .map(|request| format!("{} {}", request.method, request.path))
            .collect()
    }
}

thread_local! {
    static ASSERTIONS: RefCell<BTreeMap<u64, String>> = const { RefCell::new(BTreeMap::new()) };
}

fn assertion(now: u64) -> String {
    let claims = json!({
        "iss": "groupcast@example.iam.gserviceaccount.com",
        "sub": "admin@example.com",
        "scope": "https://www.googleapis.com/auth/admin.directory.group \
                  https://www.googleapis.com/auth/admin.directory.user.readonly",
        "aud": format!("{GOOGLE}/token"),
        "iat": now,
        "exp": now + 3_600,
    });
    let key = jsonwebtoken::EncodingKey::from_rsa_pem(PRIVATE_KEY.as_bytes()).expect("the key reads");
    let header = jsonwebtoken::Header::new(jsonwebtoken::Algorithm::RS256);
    jsonwebtoken::encode(&header, &claims, &key).expect("signs")
}

fn entra_token_request() -> Request<Bytes> {
    form(
        "/aaaaaaaa-0000-4000-8000-000000000000/oauth2/v2.0/token",
        &[
            ("grant_type", "client_credentials"),
            ("client_id", "aaaaaaaa-0000-4000-8000-000000000001"),
            ("client_secret", "generated-entra-secret"),
            ("scope", "https://graph.microsoft.com/.default"),
        ],
    )
}

fn form(path: &str, fields: &[(&str, &str)]) -> Request<Bytes> {
    let body = form_urlencoded::Serializer::new(String::new())
        .extend_pairs(fields)
        .finish();
    Request::post(path)
        .header(header::CONTENT_TYPE, "application/x-www-form-urlencoded")
        .header(header::HOST, "login.test")
        .body(Bytes::from(body))
        .expect("a request")
}

fn vendor_of(request: &Request<Bytes>) -> Vendor {
    match request.uri().host().expect("an absolute URL") {
        "jumpcloud.test" => Vendor::Jumpcloud,
        "google.test" => Vendor::Google,
        "graph.test" => Vendor::Entra,
        other => panic!("a request to {other}"),
    }
}

/// The request as it goes over the wire: path and query, and the host as a header.
fn copy(request: &Request<Bytes>) -> Request<Bytes> {
    let uri = request.uri();
    let mut builder = Request::builder()
        .method(request.method().clone())
        .uri(uri.path_and_query().map_or("/", http::uri::PathAndQuery::as_str));
    for (name, value) in request.headers() {
        builder = builder.header(name, value);
    }
    builder
        .header(header::HOST, uri.host().unwrap_or_default())
        .body(request.body().clone())
        .expect("a request")
}

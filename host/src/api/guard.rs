//! What every request passes before a handler sees it, from the outside in: it gets an ID and an address, it must be for
//! this host and of a bearable length, whoever sent it is identified and counted, and a browser must not have been made
//! to send it by another site. Every answer, refusals too, leaves with the headers that browsers need to be told.

use std::net::{IpAddr, SocketAddr};
use std::panic::AssertUnwindSafe;
use std::time::Duration;

use axum::body::Body;
use axum::extract::{Request, State};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use futures_util::FutureExt as _;
use http::{HeaderMap, HeaderName, HeaderValue, Method, header};
use http_body_util::{BodyExt as _, Limited};

use super::caller::{Caller, session_cookie};
use super::problem::{Kind, Problem, REQUEST};
use super::rate::Counted;
use super::web::Web;
use crate::service::identity::{IdentityError, token};

/// The longest body that is read, in bytes.
pub const LONGEST_BODY: usize = 256 << 10;
/// The longest path and query, in bytes.
const LONGEST_URI: usize = 8 << 10;
/// How long a handler may take; the longest ask a vendor.
const LONGEST_ANSWER: Duration = Duration::from_secs(120);
/// What a form sends the session's CSRF token in.
pub const CSRF_FIELD: &str = "csrf";
/// The same for a script.
pub const CSRF_HEADER: &str = "x-csrf-token";

/// The address at the other end of the connection.
#[derive(Debug, Clone, Copy)]
pub struct Peer(pub SocketAddr);

/// Where a request came from, and what it is called in the log.
#[derive(Debug, Clone)]
pub struct Arrived {
    /// The address of whoever sent it: a proxy's word where that is believed.
    pub address: IpAddr,
    /// Its ID.
    pub request: String,
}

impl Arrived {
    /// The address as text.
    pub fn address(&self) -> String {
        self.address.to_string()
    }
}

/// The outermost layer.
pub async fn enter(State(web): State<Web>, mut request: Request, next: Next) -> Response {
    let id = hex::encode(rand::random::<[u8; 12]>());
    let peer = request.extensions().get::<Peer>().map_or(
        // Only tests send requests that came over no connection.
        IpAddr::from([127, 0, 0, 1]),
        |peer| peer.0.ip().to_canonical(),
    );
    let address = client(peer, request.headers(), &web);
    request.extensions_mut().insert(Arrived {
        address,
        request: id.clone(),
    });
    let (method, path) = (request.method().clone(), request.uri().path().to_owned());
    let begun = std::time::Instant::now();
    REQUEST
        .scope(id.clone(), async move {
            let answered = async {
                admit(&web, peer, &request)?;
                let streams = path.ends_with("/events");
                let run = AssertUnwindSafe(next.run(request)).catch_unwind();
                let done = if streams {
                    Some(run.await)
                } else {
                    tokio::time::timeout(LONGEST_ANSWER, run).await.ok()
                };
                match done {
                    Some(Ok(response)) => Ok(response),
                    Some(Err(_)) => Err(Problem::internal(&"a handler panicked")),
                    None => Err(Problem::new(
                        Kind::SLOW,
                        "this took longer than 120 seconds and was given up; look at what became of it, then try again",
                    )),
                }
            };
            let mut response = answered.await.into_response();
            tell_browsers(response.headers_mut(), &web);
            if let Ok(value) = HeaderValue::from_str(&id) {
                response
                    .headers_mut()
                    .insert(HeaderName::from_static("x-request-id"), value);
            }
            tracing::debug!(
                request = id, %method, status = response.status().as_u16(),
                milliseconds = u64::try_from(begun.elapsed().as_millis()).unwrap_or(u64::MAX), "answered",
            );
            response
        })
        .await
}

/// Whether the request is one for this host at all.
fn admit(web: &Web, peer: IpAddr, request: &Request) -> Result<(), Problem> {
    let uri = request.uri();
    let length = uri.path().len() + uri.query().map_or(0, str::len);
    if length > LONGEST_URI {
        let detail = format!("path and query have {length} bytes; {LONGEST_URI} are taken");
        return Err(Problem::new(Kind::URI_TOO_LONG, detail));
    }
    let holds_control =
        |text: &str| percent_encoding::percent_decode_str(text).any(|byte| byte.is_ascii_control());
    if holds_control(uri.path()) {
        return Err(Problem::new(
            Kind::NOT_FOUND,
            "there is nothing at a path with control characters in it",
        ));
    }
    if uri.query().is_some_and(holds_control) {
        return Err(Problem::invalid_value(
            "",
            "the query has control characters in it; leave them out",
        ));
    }
    // A page elsewhere whose name is made to lead here (DNS rebinding) names itself. Whoever checks the host's health
    // names an address, and a proxy names what it likes.
    if is_probe(uri.path()) || web.is_proxy(peer) {
        return Ok(());
    }
    let given = uri.authority().map(|authority| authority.as_str()).or_else(|| {
        let host = request.headers().get(header::HOST)?;
        host.to_str().ok()
    });
    let known = given.is_some_and(|given| {
        web.origins
            .iter()
            .any(|origin| authority_of(origin).eq_ignore_ascii_case(given))
    });
    if known {
        Ok(())
    } else {
        let detail = format!("this host is {}; ask it by that name", web.origin());
        Err(Problem::new(Kind::MISDIRECTED, detail))
    }
}

fn authority_of(origin: &str) -> &str {
    origin
        .split_once("://")
        .map_or(origin, |(_, authority)| authority)
}

fn is_probe(path: &str) -> bool {
    matches!(path, "/livez" | "/readyz" | "/metrics")
}

/// The last address that no believed proxy has.
fn client(peer: IpAddr, headers: &HeaderMap, web: &Web) -> IpAddr {
    let mut address = peer;
    let forwarded: Vec<&str> = headers
        .get_all("x-forwarded-for")
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .map(str::trim)
        .collect();
    for hop in forwarded.into_iter().rev() {
        if !web.is_proxy(address) {
            break;
        }
        let Ok(before) = hop
            .parse::<IpAddr>()
            .or_else(|_| hop.parse::<SocketAddr>().map(|with| with.ip()))
        else {
            break;
        };
        address = before.to_canonical();
    }
    address
}

fn tell_browsers(headers: &mut HeaderMap, web: &Web) {
    const ALWAYS: [(&str, &str); 9] = [
        ("x-content-type-options", "nosniff"),
        ("x-frame-options", "DENY"),
        ("referrer-policy", "same-origin"),
        (
            "permissions-policy",
            "accelerometer=(), camera=(), geolocation=(), gyroscope=(), magnetometer=(), microphone=(), payment=(), usb=()",
        ),
        ("cross-origin-opener-policy", "same-origin"),
        ("cross-origin-resource-policy", "same-origin"),
        ("cross-origin-embedder-policy", "require-corp"),
        ("origin-agent-cluster", "?1"),
        ("cache-control", "no-store"),
    ];
    for (name, value) in ALWAYS {
        headers
            .entry(HeaderName::from_static(name))
            .or_insert(HeaderValue::from_static(value));
    }
    headers
        .entry(header::CONTENT_SECURITY_POLICY)
        .or_insert_with(|| web.content_policy.clone());
    if web.is_secure() {
        headers.insert(
            header::STRICT_TRANSPORT_SECURITY,
            HeaderValue::from_static("max-age=63072000; includeSubDomains"),
        );
    }
}

/// Finds out who sends it, and counts it.
pub async fn identify(State(web): State<Web>, mut request: Request, next: Next) -> Result<Response, Problem> {
    if matches!(request.uri().path(), "/livez" | "/readyz") {
        return Ok(next.run(request).await);
    }
    let arrived = request.extensions().get::<Arrived>().cloned();
    let arrived = arrived.ok_or_else(|| Problem::internal(&"a request went past `enter`"))?;
    let headers = request.headers().clone();
    let caller = match who(&web, &headers, &arrived).await {
        Ok(caller) => caller,
        Err(problem) => {
            web.rates.request(&Counted::address(arrived.address))?;
            return Err(problem);
        }
    };
    let counted = caller.as_ref().map_or_else(
        || Counted::address(arrived.address),
        |caller| Counted::Subject(caller.principal.actor.subject.clone()),
    );
    let left = web.rates.request(&counted)?;
    if let Some(caller) = caller {
        request.extensions_mut().insert(caller);
    }
    let mut response = next.run(request).await;
    left.tell(response.headers_mut());
    Ok(response)
}

async fn who(web: &Web, headers: &HeaderMap, arrived: &Arrived) -> Result<Option<Caller>, Problem> {
    let address = arrived.address();
    let mut given = headers.get_all(header::AUTHORIZATION).iter();
    let mut caller = match (given.next(), given.next()) {
        (Some(_), Some(_)) => {
            return Err(Problem::new(
                Kind::MALFORMED,
                "there are two Authorization headers; send one",
            ));
        }
        (Some(value), None) => {
            let token = value
                .to_str()
                .ok()
                .and_then(|value| value.split_once(' '))
                .filter(|(scheme, _)| scheme.eq_ignore_ascii_case("bearer"))
                .map(|(_, token)| token.trim());
            let token = token.ok_or_else(|| {
                Problem::new(
                    Kind::UNAUTHENTICATED,
                    "the Authorization header is not understood; send `Authorization: Bearer gc_...`",
                )
            })?;
            let principal = web.identity.authenticate_token(token, Some(&address)).await?;
            Some(Caller {
                principal,
                session: None,
            })
        }
        (None, _) => match session_cookie(web, headers) {
            Some(cookie) => {
                web.identity
                    .session(&cookie, Some(&address))
                    .await?
                    .map(|(principal, session)| Caller {
                        principal,
                        session: Some(session),
                    })
            }
            None => None,
        },
    };
    if let Some(caller) = &mut caller {
        caller.principal.request = Some(arrived.request.clone());
    }
    Ok(caller)
}

impl From<IdentityError> for Problem {
    fn from(error: IdentityError) -> Self {
        match error {
            IdentityError::Unknown => Self::new(Kind::UNAUTHENTICATED, error.to_string()),
            IdentityError::NoGrant { .. } => Self::new(Kind::FORBIDDEN, error.to_string()),
            IdentityError::Store(error) => Self::internal(&error),
        }
    }
}

/// Refuses what another site made somebody's browser send: changes by session need the session's CSRF token, and the
/// browser's own word that they come from here.
pub async fn same_site(State(web): State<Web>, request: Request, next: Next) -> Result<Response, Problem> {
    let safe = matches!(
        *request.method(),
        Method::GET | Method::HEAD | Method::OPTIONS | Method::TRACE
    );
    let by_token = request.headers().contains_key(header::AUTHORIZATION);
    let session = request
        .extensions()
        .get::<Caller>()
        .and_then(|caller| caller.session.clone());
    let api = request.uri().path().starts_with("/api/");
    if safe || by_token || (api && session.is_none()) {
        return Ok(next.run(request).await);
    }
    from_here(&web, request.headers())?;
    // Whoever signs in again has a form that knows nothing of the session before.
    let session = session.filter(|_| request.uri().path() != "/sign-in");
    let Some(session) = session else {
        return Ok(next.run(request).await);
    };
    let wrong = || {
        Problem::new(
            Kind::CROSS_SITE,
            "the form is not of this session (it may be an old one); load the page again, then send it again",
        )
    };
    let header = request.headers().get(CSRF_HEADER);
    let (given, request) = match header {
        Some(value) => (value.to_str().ok().map(str::to_owned), request),
        None => field(request).await?,
    };
    // By their hashes: what could be timed says nothing about the token.
    let fits = given.is_some_and(|given| token::hash(&given) == token::hash(&session.csrf));
    if !fits {
        return Err(wrong());
    }
    Ok(next.run(request).await)
}

fn from_here(web: &Web, headers: &HeaderMap) -> Result<(), Problem> {
    let refused = || {
        let detail = format!(
            "this can only be sent from {} itself; open the console there",
            web.origin()
        );
        Problem::new(Kind::CROSS_SITE, detail)
    };
    let text = |name: &str| {
        headers
            .get(name)
            .map(|value| value.to_str().unwrap_or("unreadable"))
    };
    let site = text("sec-fetch-site");
    let origin = text("origin");
    if site.is_some_and(|site| site != "same-origin") {
        return Err(refused());
    }
    match origin {
        Some(origin) if web.origins.iter().any(|known| known == origin) => Ok(()),
        // Some browsers hide the origin from everybody, and say only that it is the same.
        Some("null") | None if site == Some("same-origin") => Ok(()),
        _ => Err(refused()),
    }
}

/// The CSRF token of a form, and the request with its body again.
async fn field(request: Request) -> Result<(Option<String>, Request), Problem> {
    let form = request
        .headers()
        .get(header::CONTENT_TYPE)
        .and_then(|value| value.to_str().ok())
        .is_some_and(|kind| kind.starts_with("application/x-www-form-urlencoded"));
    if !form {
        return Ok((None, request));
    }
    let (parts, body) = request.into_parts();
    let bytes = whole(body).await?;
    let given = form_urlencoded::parse(&bytes)
        .find(|(name, _)| name == CSRF_FIELD)
        .map(|(_, value)| value.into_owned());
    Ok((given, Request::from_parts(parts, Body::from(bytes))))
}

/// A whole body, within the bound.
pub(super) async fn whole(body: Body) -> Result<bytes::Bytes, Problem> {
    at_most(LONGEST_BODY, body).await
}

/// A whole body of so many bytes at most.
pub(super) async fn at_most(most: usize, body: Body) -> Result<bytes::Bytes, Problem> {
    match Limited::new(body, most).collect().await {
        Ok(read) => Ok(read.to_bytes()),
        Err(error) if error.is::<http_body_util::LengthLimitError>() => Err(Problem::new(
            Kind::TOO_LARGE,
            format!("the body has more than {most} bytes"),
        )),
        Err(_) => Err(Problem::new(
            Kind::MALFORMED,
            "the body was cut off; send it whole",
        )),
    }
}

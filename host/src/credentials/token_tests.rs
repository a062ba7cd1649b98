//! Tests of the token cache, with a clock that stands until it is moved.

use std::sync::atomic::{AtomicU64, Ordering};

use super::*;

struct HandClock(AtomicU64);

impl BootClock for HandClock {
    fn now(&self) -> Duration {
        Duration::from_secs(self.0.load(Ordering::SeqCst))
    }
}

struct Vendor {
    asked: Arc<AtomicU64>,
    refuses: Option<CredentialErrorKind>,
}

#[async_trait]
impl TokenRequest for Vendor {
    async fn fetch(&self) -> Result<FreshToken, CredentialError> {
        let number = self.asked.fetch_add(1, Ordering::SeqCst) + 1;
        tokio::task::yield_now().await;
        match self.refuses {
            Some(kind) => Err(CredentialError::new("google", kind, "no")),
            None => Ok(FreshToken {
                token: format!("token-{number}").into(),
                life: Duration::from_secs(3_600),
                facts: crate::credentials::Facts::default(),
            }),
        }
    }
}

struct World {
    clock: Arc<HandClock>,
    asked: Arc<AtomicU64>,
    cached: CachedToken<Vendor>,
}

fn world(refuses: Option<CredentialErrorKind>) -> World {
    let clock = Arc::new(HandClock(AtomicU64::new(1_000)));
    let asked = Arc::new(AtomicU64::new(0));
    let vendor = Vendor {
        asked: asked.clone(),
        refuses,
    };
    World {
        clock: clock.clone(),
        asked,
        cached: CachedToken::new(vendor, clock),
    }
}

fn token(attached: &Attached) -> &str {
    attached.headers[0].1.secrets().unwrap()
}

#[tokio::test]
async fn r7_many_requests_share_one_token() {
    let world = world(None);
    let all = futures_util::future::join_all((0..20).map(|_| world.cached.attach(None))).await;
    assert!(
        all.iter()
            .all(|attached| token(attached.as_ref().unwrap()) == "token-1")
    );
    assert_eq!(world.asked.load(Ordering::SeqCst), 1);
}

#[tokio::test]
async fn r7_a_token_is_renewed_a_minute_before_it_expires() {
    let world = world(None);
    world.cached.attach(None).await.unwrap();
    world.clock.0.store(1_000 + 3_539, Ordering::SeqCst);
    assert_eq!(token(&world.cached.attach(None).await.unwrap()), "token-1");
    world.clock.0.store(1_000 + 3_540, Ordering::SeqCst);
    assert_eq!(token(&world.cached.attach(None).await.unwrap()), "token-2");
}

#[tokio::test]
async fn r7_a_refused_token_is_renewed_once_for_all_who_had_it() {
    let world = world(None);
    let first = world.cached.attach(None).await.unwrap();
    let all =
        futures_util::future::join_all((0..10).map(|_| world.cached.attach(Some(first.generation)))).await;
    assert!(
        all.iter()
            .all(|attached| token(attached.as_ref().unwrap()) == "token-2")
    );
    assert_eq!(world.asked.load(Ordering::SeqCst), 2);
}

#[tokio::test]
async fn r7_a_refusal_is_remembered_for_a_moment_and_a_fault_of_the_network_is_not() {
    let refused = world(Some(CredentialErrorKind::Rejected));
    for _ in 0..5 {
        assert!(refused.cached.attach(None).await.is_err());
    }
    assert_eq!(refused.asked.load(Ordering::SeqCst), 1);
    refused.clock.0.store(1_011, Ordering::SeqCst);
    assert!(refused.cached.attach(None).await.is_err());
    assert_eq!(refused.asked.load(Ordering::SeqCst), 2);

    let unreachable = world(Some(CredentialErrorKind::Unreachable));
    for _ in 0..2 {
        assert!(unreachable.cached.attach(None).await.is_err());
    }
    assert_eq!(unreachable.asked.load(Ordering::SeqCst), 2);
}

#[test]
fn r7_what_a_vendor_says_is_quoted_without_the_secret() {
    let said = quoted("bad secret abc123 given\r\nTrace ID: 1", &["abc123", ""]);
    assert_eq!(said, "bad secret [withheld] given");
    let secret = "s\"ecret/with+signs=0123";
    for spelling in [
        "s%22ecret%2Fwith%2Bsigns%3D0123",
        "s\\\"ecret/with+signs=0123",
        &hex::encode(secret),
        &base64::Engine::encode(&base64::engine::general_purpose::STANDARD, secret),
    ] {
        let said = quoted(&format!("bad secret {spelling} given"), &[secret]);
        assert!(!said.contains(&spelling[..12]), "{said}");
    }
}

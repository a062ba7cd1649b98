//! The suite's tests of tokens, grants and sessions.

use super::*;
use crate::store::service::*;

pub(super) fn token(id: &str, tenant: Option<&str>) -> TokenRecord {
    TokenRecord {
        id: id.to_owned(),
        name: "for the pipeline".to_owned(),
        hash: groupcast_guest::plan::part::sha256_hex(id.as_bytes()),
        tenant: tenant.map(str::to_owned),
        role: Role::Operator,
        created_by: "email:alice@example.com".to_owned(),
        created_at: DateTime::from_timestamp_millis(1_790_000_000_123).unwrap(),
        expires_at: None,
        last_used_at: None,
        revoked_at: None,
    }
}

pub(super) fn grant(subject: &str, tenant: Option<&str>) -> GrantRecord {
    GrantRecord {
        subject: subject.to_owned(),
        tenant: tenant.map(str::to_owned),
        role: Role::Viewer,
        created_at: DateTime::from_timestamp_millis(1_790_000_000_123).unwrap(),
    }
}

pub(super) fn session(hash: &str, hands: &Hands, minutes: i64) -> SessionRecord {
    SessionRecord {
        hash: hash.to_owned(),
        subject: "email:alice@example.com".to_owned(),
        name: "Alice".to_owned(),
        groups: vec!["platform".to_owned(), "\u{c4}pfel, \"quoted\"".to_owned()],
        csrf: "c".to_owned(),
        created_at: hands.now(),
        seen_at: hands.now(),
        expires_at: hands.now() + Duration::minutes(minutes),
    }
}

pub(super) async fn a_token_is_found_by_its_hash_and_revoked_once(store: Arc<dyn Store>, hands: Hands) {
    let mut late = token("late", Some("acme"));
    late.created_at += Duration::seconds(1);
    late.expires_at = Some(hands.now());
    let host = token("host", None);
    for token in [&host, &late, &token("other", Some("beta"))] {
        store.put_token(token, &entry("token.made")).await.unwrap();
    }
    // A hash that is taken is refused, and its entry with it.
    assert!(store.put_token(&host, &entry("token.made")).await.is_err());
    assert_eq!(store.token_of_hash(&late.hash).await.unwrap(), Some(late.clone()));
    assert_eq!(store.token_of_hash(&host.hash).await.unwrap(), Some(host.clone()));
    assert_eq!(store.token_of_hash("00").await.unwrap(), None);
    assert_eq!(store.token("late").await.unwrap(), Some(late.clone()));
    assert_eq!(store.token("none").await.unwrap(), None);
    assert_eq!(
        store.tokens(Some("acme")).await.unwrap(),
        std::slice::from_ref(&late)
    );
    let all = store.tokens(None).await.unwrap();
    let ids: Vec<_> = all.iter().map(|token| token.id.as_str()).collect();
    assert_eq!(ids, ["late", "other", "host"]);
    assert!(store.revoke_token("late", &entry("token.revoked")).await.unwrap());
    assert!(!store.revoke_token("late", &entry("x")).await.unwrap());
    assert!(!store.revoke_token("none", &entry("x")).await.unwrap());
    let revoked = store.token_of_hash(&late.hash).await.unwrap().unwrap();
    assert_eq!(revoked.revoked_at, Some(hands.now()));
    assert_eq!(store.audit(&AuditQuery::default()).await.unwrap().len(), 4);
}

pub(super) async fn a_tokens_last_use_is_kept_to_a_minute(store: Arc<dyn Store>, hands: Hands) {
    let token = token("t", None);
    store.put_token(&token, &entry("token.made")).await.unwrap();
    let used = async || {
        store.touch_token("t").await.unwrap();
        let token = store.token_of_hash(&token.hash).await.unwrap().unwrap();
        token.last_used_at.unwrap()
    };
    let first = hands.now();
    assert_eq!(used().await, first);
    hands.forward(Duration::seconds(59));
    assert_eq!(used().await, first);
    hands.forward(Duration::seconds(1));
    assert_eq!(used().await, hands.now());
    store.touch_token("none").await.unwrap();
}

pub(super) async fn a_subject_has_one_role_a_tenant(store: Arc<dyn Store>, _: Hands) {
    let (alice, group) = ("email:alice@example.com", "group:platform");
    for grant in [
        grant(group, Some("acme")),
        grant(alice, Some("beta")),
        grant(alice, Some("acme")),
        grant(alice, None),
    ] {
        store.put_grant(&grant, &entry("grant.given")).await.unwrap();
    }
    let more = GrantRecord {
        role: Role::Admin,
        ..grant(alice, Some("acme"))
    };
    store.put_grant(&more, &entry("grant.given")).await.unwrap();
    assert_eq!(
        store.grants(None).await.unwrap(),
        [
            grant(alice, None),
            more.clone(),
            grant(alice, Some("beta")),
            grant(group, Some("acme"))
        ]
    );
    assert_eq!(
        store.grants(Some("acme")).await.unwrap(),
        [more, grant(group, Some("acme"))]
    );
    assert!(
        store
            .remove_grant(alice, None, &entry("grant.taken"))
            .await
            .unwrap()
    );
    assert!(!store.remove_grant(alice, None, &entry("x")).await.unwrap());
    assert_eq!(store.grants(None).await.unwrap().len(), 3);
    assert_eq!(store.audit(&AuditQuery::default()).await.unwrap().len(), 6);
}

pub(super) async fn a_session_ends_when_it_expires(store: Arc<dyn Store>, hands: Hands) {
    let session = |hash: &str, minutes: i64| session(hash, &hands, minutes);
    let mut long = session("long", 60);
    store.put_session(&long).await.unwrap();
    store.put_session(&session("short", 1)).await.unwrap();
    store.put_session(&session("left", 60)).await.unwrap();
    store.remove_session("left").await.unwrap();
    store.remove_session("left").await.unwrap();
    assert_eq!(store.session("left").await.unwrap(), None);
    assert_eq!(store.session("long").await.unwrap(), Some(long.clone()));
    long.seen_at += Duration::seconds(30);
    store.put_session(&long).await.unwrap();
    assert_eq!(store.forget_expired_sessions().await.unwrap(), 0);
    hands.forward(Duration::minutes(1));
    assert_eq!(store.session("short").await.unwrap(), None);
    assert_eq!(store.forget_expired_sessions().await.unwrap(), 1);
    assert_eq!(store.session("long").await.unwrap(), Some(long));
}

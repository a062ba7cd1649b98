//! The suite's tests of sealed secrets and wrapped keys.

use super::*;
use crate::store::service::*;

pub(super) fn key(tenant: Option<&str>, generation: u64) -> SealedKey {
    SealedKey {
        tenant: tenant.map(str::to_owned),
        generation,
        wrapped_by: "fingerprint".to_owned(),
        wrapped: vec![0, 1, 255, 128],
        created_at: DateTime::from_timestamp_millis(1_790_000_000_123).unwrap(),
    }
}

pub(super) fn secret(tenant: Option<&str>, name: &str) -> SealedSecret {
    SealedSecret {
        name: SecretName {
            tenant: tenant.map(str::to_owned),
            name: name.to_owned(),
        },
        version: 1,
        generation: 1,
        sealed: vec![0, 200, 0, 201],
        expires_at: None,
        set_at: DateTime::from_timestamp_millis(1_790_000_000_123).unwrap(),
        set_by: "email:alice@example.com".to_owned(),
    }
}

pub(super) async fn a_key_takes_the_place_of_the_one_that_was_seen(store: Arc<dyn Store>, _: Hands) {
    let put = async |key: SealedKey, expected| store.put_sealed_key(&key, expected).await.unwrap();
    assert_eq!(store.sealed_key(None).await.unwrap(), None);
    assert!(!put(key(None, 2), Some(1)).await);
    assert!(put(key(None, 1), None).await);
    assert!(!put(key(None, 1), None).await);
    assert!(put(key(Some("acme"), 1), None).await);
    // The same key, wrapped anew.
    let again = SealedKey {
        wrapped_by: "another".to_owned(),
        wrapped: vec![9; 60],
        ..key(Some("acme"), 1)
    };
    assert!(put(again.clone(), Some(1)).await);
    assert!(put(key(None, 2), Some(1)).await);
    assert_eq!(store.sealed_key(Some("acme")).await.unwrap(), Some(again.clone()));
    assert_eq!(store.sealed_keys().await.unwrap(), [key(None, 2), again]);
}

pub(super) async fn a_secret_takes_the_place_of_the_one_that_was_seen(store: Arc<dyn Store>, hands: Hands) {
    let first = secret(Some("acme"), "api-key");
    let made = store
        .put_sealed_secret(&first, None, Some(&entry("secret.set")))
        .await;
    assert_eq!(made.unwrap(), Changed::Made(1));
    let second = SealedSecret {
        version: 2,
        sealed: vec![7; 100],
        expires_at: Some(hands.now()),
        ..first.clone()
    };
    for stale in [None, Some(2)] {
        let refused = store.put_sealed_secret(&second, stale, Some(&entry("x"))).await;
        assert_eq!(refused.unwrap(), Changed::Conflict { current: Some(1) });
    }
    let changed = store.put_sealed_secret(&second, Some(1), None).await;
    assert_eq!(changed.unwrap(), Changed::Made(2));
    store
        .put_sealed_secret(&secret(None, "api-key"), None, Some(&entry("secret.set")))
        .await
        .unwrap();
    store
        .put_sealed_secret(&secret(Some("acme"), "a"), None, Some(&entry("secret.set")))
        .await
        .unwrap();
    assert_eq!(
        store.sealed_secret(&first.name).await.unwrap(),
        Some(second.clone())
    );
    assert_eq!(
        store.sealed_secrets(Some("acme")).await.unwrap(),
        [secret(Some("acme"), "a"), second]
    );
    assert_eq!(
        store.sealed_secrets(None).await.unwrap(),
        [secret(None, "api-key")]
    );
    let remove = async |action: &str| {
        store
            .remove_sealed_secret(&first.name, &entry(action))
            .await
            .unwrap()
    };
    assert!(remove("secret.removed").await);
    assert!(!remove("x").await);
    assert_eq!(store.sealed_secret(&first.name).await.unwrap(), None);
    assert_eq!(store.audit(&AuditQuery::default()).await.unwrap().len(), 4);
}

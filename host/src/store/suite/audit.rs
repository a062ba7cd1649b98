//! The suite's tests of the audit log.

use super::*;
use crate::store::service::*;

pub(super) async fn entries_are_numbered_without_gaps_and_chained(store: Arc<dyn Store>, hands: Hands) {
    let mut before = AuditEntry::BEGINNING.to_owned();
    for number in 1..=3u64 {
        hands.forward(Duration::milliseconds(1_234));
        let mut new = entry("plan.approved");
        new.after = Some(
            serde_json::json!({"z": number, "a": [1.5, null, "Ä \u{1F600}"], "nested": {"b": 1, "a": 2}}),
        );
        let kept = store.append_audit(&new).await.unwrap();
        assert_eq!((kept.sequence, kept.at, &kept.entry), (number, hands.now(), &new));
        // The rule as it is published, and not our function: whoever exported the log can verify it.
        let mut exported = serde_json::to_value(&kept).unwrap();
        let hash = exported.as_object_mut().unwrap().remove("hash").unwrap();
        let text = format!("{before}\n{exported}");
        before = groupcast_guest::plan::part::sha256_hex(text.as_bytes());
        assert_eq!(hash, before.as_str());
    }
    assert_eq!(store.verify_audit().await.unwrap(), None);
    // A write that is refused takes no number.
    let refused = store
        .put_tenant(&super::tenancy::tenant("acme"), Some(4), &entry("x"))
        .await;
    assert!(matches!(refused, Ok(Changed::Conflict { .. })));
    assert_eq!(store.append_audit(&entry("x")).await.unwrap().sequence, 4);
}

pub(super) async fn entries_are_found_by_tenant_action_and_subject(store: Arc<dyn Store>, _: Hands) {
    for (tenant, action, subject) in [
        (None, "host.started", "host"),
        (Some("acme"), "plan.approved", "abc"),
        (Some("acme"), "plan.applied", "abc"),
        (Some("beta"), "plan.applied", "abc"),
        (Some("acme"), "planet.seen", "def"),
    ] {
        let new = NewAuditEntry {
            tenant: tenant.map(str::to_owned),
            action: action.to_owned(),
            subject: subject.to_owned(),
            ..entry("")
        };
        store.append_audit(&new).await.unwrap();
    }
    let found = async |query: AuditQuery| {
        let entries = store.audit(&query).await.unwrap();
        entries.iter().map(|entry| entry.sequence).collect::<Vec<_>>()
    };
    let all = AuditQuery::default();
    assert_eq!(found(all.clone()).await, [5, 4, 3, 2, 1]);
    let acme = AuditQuery {
        tenant: Some("acme".to_owned()),
        ..all.clone()
    };
    assert_eq!(found(acme.clone()).await, [5, 3, 2]);
    let plans = AuditQuery {
        action_prefix: Some("plan.".to_owned()),
        ..acme.clone()
    };
    assert_eq!(found(plans).await, [3, 2]);
    let about = AuditQuery {
        subject: Some("abc".to_owned()),
        limit: 2,
        ..all.clone()
    };
    assert_eq!(found(about).await, [4, 3]);
    assert_eq!(
        found(AuditQuery {
            after: Some(2),
            limit: 2,
            ..all.clone()
        })
        .await,
        [3, 4]
    );
    assert_eq!(
        found(AuditQuery {
            before: Some(4),
            ..acme
        })
        .await,
        [3, 2]
    );
}

pub(super) async fn many_writers_leave_one_chain(store: Arc<dyn Store>, _: Hands) {
    let writers = (0..8).map(|writer| {
        let store = Arc::clone(&store);
        tokio::spawn(async move {
            for number in 0..25 {
                let name = format!("t{writer}-{number}");
                let made = store
                    .put_tenant(&super::tenancy::tenant(&name), None, &entry("tenant.made"))
                    .await
                    .unwrap();
                assert_eq!(made, Changed::Made(1));
            }
        })
    });
    for writer in futures_util::future::join_all(writers).await {
        writer.unwrap();
    }
    assert_eq!(store.verify_audit().await.unwrap(), None);
    let all = AuditQuery {
        after: Some(0),
        ..AuditQuery::default()
    };
    let entries = store.audit(&all).await.unwrap();
    let numbers: Vec<u64> = entries.iter().map(|entry| entry.sequence).collect();
    assert_eq!(numbers, (1..=200).collect::<Vec<_>>());
    assert_eq!(store.tenancy_version().await.unwrap(), 200);
}

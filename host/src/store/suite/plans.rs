//! The suite's tests of plans.

use groupcast_guest::plan::part::{
    GroupRef, GroupState, Held, Operation, Part, PartGroup, Reason, RemovalReason, root_hash, sha256_hex,
};

use super::*;

fn removal(principal: &str) -> Operation {
    Operation::RemoveMember {
        group: GroupRef::Id("t".to_owned()),
        principal: principal.to_owned(),
        user: Some(format!("u-{principal}")),
        address: format!("{principal}@example.com"),
        why: RemovalReason::LeftGroup,
    }
}

fn addition(principal: &str) -> Operation {
    Operation::AddMember {
        group: GroupRef::Id("t".to_owned()),
        principal: principal.to_owned(),
        user: format!("u-{principal}"),
        address: format!("{principal}@example.com"),
    }
}

fn held(operation: Operation, approvable: bool) -> Held {
    Held {
        operation,
        reason: Reason::new("limit", "over the limit"),
        approvable,
    }
}

fn part(group: &str) -> Part {
    Part {
        version: 1,
        group: PartGroup {
            id: group.to_owned(),
            name: format!("Group {group}"),
            email: None,
            email_is_override: false,
            users: Some(3),
        },
        state: GroupState::Held,
        reasons: vec![],
        target: None,
        fingerprint: "f".to_owned(),
        operations: vec![addition("new"), removal("gone")],
        held: vec![
            held(addition("late"), true),
            held(removal("owner"), false),
            held(removal("many"), true),
        ],
        notes: vec![],
        waiting: vec![],
        foreign: vec![],
        warnings: vec![],
    }
}

pub(super) async fn seal(store: &dyn Store, run: &str, parts: &[Vec<u8>]) -> PlanRecord {
    start(store, run).await;
    let (first, rest) = parts.split_at(parts.len() / 2);
    store.stage_parts(run, 0, first).await.unwrap();
    store.stage_parts(run, first.len() as u64, rest).await.unwrap();
    seal_staged(store, run).await.unwrap()
}

async fn seal_staged(store: &dyn Store, run: &str) -> Result<PlanRecord> {
    let plan = NewPlan {
        run: run.to_owned(),
        connection: ConnectionId::new("default", "google"),
        directory: directory("plans"),
        summary: serde_json::json!({"groups": 3}),
        lifetime: None,
    };
    store.seal_plan(&plan).await
}

pub(super) fn three() -> Vec<Vec<u8>> {
    // As another plugin might write it: what was given is what is kept, blanks and all.
    let mut parts: Vec<Vec<u8>> = ["a", "b", "c"].map(|group| part(group).to_bytes()).into();
    parts[1] = serde_json::to_vec_pretty(&part("b")).unwrap();
    parts
}

pub(super) async fn r44_a_plan_is_given_back_byte_for_byte(store: Arc<dyn Store>, hands: Hands) {
    let parts = three();
    let plan = seal(&*store, "run-1", &parts).await;
    let hashes: Vec<String> = parts.iter().map(|bytes| sha256_hex(bytes)).collect();
    assert_eq!(plan.hash, root_hash(hashes.iter().map(String::as_str)));
    assert_eq!(plan.status, PlanStatus::Stored);
    assert_eq!(plan.expires_at, hands.now() + Duration::days(7));
    assert_eq!((plan.parts, plan.run.as_str()), (3, "run-1"));
    assert_eq!(
        store.run("run-1").await.unwrap().unwrap().plan.as_ref(),
        Some(&plan.hash)
    );
    let listed = store.parts(&plan.directory, &plan.hash).await.unwrap();
    assert_eq!(
        listed.iter().map(|part| part.group.as_str()).collect::<Vec<_>>(),
        ["a", "b", "c"]
    );
    for (part, bytes) in listed.iter().zip(&parts) {
        assert_eq!(
            &store
                .part_bytes(&plan.directory, &plan.hash, part.position)
                .await
                .unwrap(),
            bytes
        );
    }
    let read = store
        .read_parts(&plan.directory, &plan.hash, None, 2)
        .await
        .unwrap();
    assert_eq!(
        read,
        [
            (listed[0].clone(), parts[0].clone()),
            (listed[1].clone(), parts[1].clone())
        ]
    );
    let rest = store
        .read_parts(&plan.directory, &plan.hash, Some(1), 9)
        .await
        .unwrap();
    assert_eq!(rest, [(listed[2].clone(), parts[2].clone())]);
    assert_eq!(
        store
            .read_parts(&plan.directory, &plan.hash, Some(2), 9)
            .await
            .unwrap(),
        []
    );
    assert_eq!(
        store
            .read_parts(&directory("elsewhere"), &plan.hash, None, 9)
            .await
            .unwrap(),
        []
    );
    let prefix = PlanQuery {
        hash_prefix: Some(plan.hash[..8].to_owned()),
        ..Default::default()
    };
    assert_eq!(store.plans(&prefix).await.unwrap(), std::slice::from_ref(&plan));
    let other_tenant = PlanQuery {
        tenant: Some("acme".to_owned()),
        ..Default::default()
    };
    assert!(store.plans(&other_tenant).await.unwrap().is_empty());
    assert_eq!(
        store.plan(&directory("elsewhere"), &plan.hash).await.unwrap(),
        None
    );
    assert!(matches!(
        store.part_bytes(&directory("elsewhere"), &plan.hash, 0).await,
        Err(StoreError::NoPart { .. })
    ));
    hands.forward(Duration::seconds(1));
    let empty = seal(&*store, "run-2", &[]).await;
    assert_eq!((empty.parts, &empty.hash), (0, &root_hash([])));
    let latest = PlanQuery {
        limit: 1,
        ..Default::default()
    };
    assert_eq!(store.plans(&latest).await.unwrap(), [empty]);
}

pub(super) async fn r44_only_what_was_approved_is_given(store: Arc<dyn Store>, _: Hands) {
    let plan = seal(&*store, "run-1", &three()).await;
    let groups = |parts: Vec<PartRecord>| parts.into_iter().map(|part| part.group).collect::<Vec<_>>();
    assert!(
        store
            .approved_parts(&plan.directory, &plan.hash)
            .await
            .unwrap()
            .is_empty()
    );
    let some = Parts::Groups(vec!["c".to_owned(), "a".to_owned()]);
    let approved = store
        .approve(&plan.directory, &plan.hash, &some, "ann")
        .await
        .unwrap();
    assert_eq!(approved.status, PlanStatus::Approved { parts: 2 });
    assert_eq!(
        groups(store.approved_parts(&plan.directory, &plan.hash).await.unwrap()),
        ["a", "c"]
    );
    let mixed = Parts::Groups(vec!["b".to_owned(), "zz".to_owned()]);
    let unknown = store
        .approve(&plan.directory, &plan.hash, &mixed, "ann")
        .await
        .unwrap_err();
    assert!(matches!(unknown, StoreError::NoPart { .. }), "{unknown}");
    assert_eq!(
        store
            .approved_parts(&plan.directory, &plan.hash)
            .await
            .unwrap()
            .len(),
        2
    );
    store
        .approve(&plan.directory, &plan.hash, &Parts::All, "bob")
        .await
        .unwrap();
    let all = store.approved_parts(&plan.directory, &plan.hash).await.unwrap();
    let who: Vec<_> = all
        .iter()
        .map(|part| part.approved_by.as_deref().unwrap())
        .collect();
    assert_eq!(who, ["ann", "bob", "ann"]);

    store
        .mark_applied(&plan.directory, &plan.hash, "run-1")
        .await
        .unwrap();
    let late = store
        .approved_parts(&plan.directory, &plan.hash)
        .await
        .unwrap_err();
    assert!(matches!(late, StoreError::PlanApplied(_)), "{late}");
    assert!(
        store
            .mark_applied(&plan.directory, &plan.hash, "run-1")
            .await
            .is_err()
    );
    assert!(
        store
            .approve(&plan.directory, &plan.hash, &Parts::All, "bob")
            .await
            .is_err()
    );
    let error = store
        .approve(&directory("elsewhere"), &plan.hash, &Parts::All, "bob")
        .await
        .unwrap_err();
    assert!(matches!(error, StoreError::NoPlan(_)), "{error}");
}

pub(super) async fn r44_the_same_plan_again_keeps_its_approvals(store: Arc<dyn Store>, hands: Hands) {
    let plan = seal(&*store, "run-1", &three()).await;
    store
        .approve(&plan.directory, &plan.hash, &Parts::All, "ann")
        .await
        .unwrap();
    hands.forward(Duration::days(6));
    let again = seal(&*store, "run-2", &three()).await;
    assert_eq!(
        (&again.hash, again.status),
        (&plan.hash, PlanStatus::Approved { parts: 3 })
    );
    assert_eq!(again.expires_at, hands.now() + Duration::days(7));
    store
        .mark_applied(&plan.directory, &plan.hash, "run-2")
        .await
        .unwrap();
    // The world went back to what it was: what was approved once is not approved for ever.
    let back = seal(&*store, "run-3", &three()).await;
    assert_eq!(
        (back.hash, back.status, back.parts),
        (plan.hash, PlanStatus::Stored, 3)
    );
}

pub(super) async fn r44_releasing_what_is_held_makes_a_new_plan(store: Arc<dyn Store>, _: Hands) {
    let old = seal(&*store, "run-1", &three()).await;
    store
        .approve(&old.directory, &old.hash, &Parts::All, "ann")
        .await
        .unwrap();
    let new = store
        .release_held(&old.directory, &old.hash, &["b".to_owned()])
        .await
        .unwrap();
    assert_ne!(new.hash, old.hash);
    assert_eq!(new.derived_from.as_ref(), Some(&old.hash));
    assert_eq!(new.expires_at, old.expires_at);
    let (before, after) = (
        store.parts(&old.directory, &old.hash).await.unwrap(),
        store.parts(&new.directory, &new.hash).await.unwrap(),
    );
    assert_eq!(after[1].derived_from.as_ref(), Some(&before[1].sha256));
    assert_eq!(
        (&after[0].sha256, &after[2].sha256),
        (&before[0].sha256, &before[2].sha256)
    );
    assert_eq!(new.hash, root_hash(after.iter().map(|part| part.sha256.as_str())));
    // Nobody saw the new part yet.
    assert_eq!(
        after
            .iter()
            .map(|part| part.approved_at.is_some())
            .collect::<Vec<_>>(),
        [true, false, true]
    );
    let bytes = store.part_bytes(&new.directory, &new.hash, 1).await.unwrap();
    assert_eq!(sha256_hex(&bytes), after[1].sha256);
    let released = Part::from_bytes(&bytes).unwrap();
    assert_eq!(
        released.operations,
        [
            addition("new"),
            addition("late"),
            removal("gone"),
            removal("many")
        ]
    );
    assert_eq!(released.held, [held(removal("owner"), false)]);
    assert_eq!(
        (released.state, released.fingerprint.as_str()),
        (GroupState::Pending, "f")
    );
    // The old plan is as it was, and asking again gives the same.
    assert_eq!(
        store.part_bytes(&old.directory, &old.hash, 1).await.unwrap(),
        three()[1]
    );
    assert_eq!(
        store
            .release_held(&old.directory, &old.hash, &["b".to_owned()])
            .await
            .unwrap()
            .hash,
        new.hash
    );
    let nothing = store
        .release_held(&new.directory, &new.hash, &["b".to_owned()])
        .await
        .unwrap_err();
    assert!(matches!(nothing, StoreError::NothingHeld { .. }), "{nothing}");
    let unknown = store
        .release_held(&new.directory, &new.hash, &["zz".to_owned()])
        .await
        .unwrap_err();
    assert!(matches!(unknown, StoreError::NoPart { .. }), "{unknown}");
}

pub(super) async fn r44_an_old_plan_cannot_be_approved_or_applied(store: Arc<dyn Store>, hands: Hands) {
    let plan = seal(&*store, "run-1", &three()).await;
    store
        .approve(&plan.directory, &plan.hash, &Parts::All, "ann")
        .await
        .unwrap();
    hands.forward(Duration::days(7));
    assert_eq!(
        store
            .plan(&plan.directory, &plan.hash)
            .await
            .unwrap()
            .unwrap()
            .status,
        PlanStatus::Expired
    );
    let error = store
        .approved_parts(&plan.directory, &plan.hash)
        .await
        .unwrap_err();
    assert!(matches!(error, StoreError::PlanExpired { .. }), "{error}");
    assert!(
        store
            .approve(&plan.directory, &plan.hash, &Parts::All, "ann")
            .await
            .is_err()
    );
    assert!(
        store
            .release_held(&plan.directory, &plan.hash, &["b".to_owned()])
            .await
            .is_err()
    );
    let again = seal(&*store, "run-2", &three()).await;
    assert_eq!((again.hash, again.status), (plan.hash, PlanStatus::Stored));
}

pub(super) async fn a_plan_with_a_wrong_part_is_refused(store: Arc<dyn Store>, _: Hands) {
    start(&*store, "run-1").await;
    let parts = three();
    for wrong in [
        vec![parts[1].clone(), parts[0].clone()],
        vec![parts[0].clone(), parts[0].clone()],
        vec![b"{}".to_vec()],
        vec![vec![b' '; PART_BYTES + 1]],
    ] {
        let error = store.stage_parts("run-1", 0, &wrong).await.unwrap_err();
        assert!(matches!(error, StoreError::BadPart { .. }), "{error}");
    }
    store.stage_parts("run-1", 0, &parts[..1]).await.unwrap();
    assert!(matches!(
        store.stage_parts("run-1", 0, &parts[1..]).await,
        Err(StoreError::BadPart { .. })
    ));
    store.stage_parts("run-1", 2, &parts[1..2]).await.unwrap();
    let gap = seal_staged(&*store, "run-1").await.unwrap_err();
    assert!(matches!(gap, StoreError::BadPart { position: 1, .. }), "{gap}");
    store.drop_staged("run-1").await.unwrap();
    assert_eq!(seal_staged(&*store, "run-1").await.unwrap().parts, 0);
    assert!(matches!(
        store.stage_parts("no-such-run", 0, &parts).await,
        Err(StoreError::NoRun(_))
    ));
    assert!(matches!(
        seal_staged(&*store, "no-such-run").await,
        Err(StoreError::NoRun(_))
    ));
}

pub(super) async fn expired_plans_are_forgotten_with_their_bytes(store: Arc<dyn Store>, hands: Hands) {
    let old = seal(&*store, "run-1", &three()).await;
    hands.forward(Duration::days(3));
    let newer = seal(&*store, "run-2", &three()[..2]).await;
    hands.forward(Duration::days(5));
    assert_eq!(store.forget_expired(Duration::days(2)).await.unwrap(), 0);
    assert_eq!(store.forget_expired(Duration::zero()).await.unwrap(), 1);
    assert_eq!(store.plan(&old.directory, &old.hash).await.unwrap(), None);
    // What the newer plan shares with it stays.
    assert_eq!(
        store.part_bytes(&newer.directory, &newer.hash, 1).await.unwrap(),
        three()[1]
    );
}

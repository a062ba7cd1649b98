//! Connections that were put aside for what somebody mends through the API.

use super::*;
use crate::store::ConnectionId;
use crate::store::service::{Quarantine, RunState};

#[tokio::test]
async fn a_new_secret_ends_the_quarantine_of_its_tenants_connections_and_of_no_others() {
    let rig = Rig::new().await;
    let refused = RunState {
        failures: 1,
        not_before: Some(chrono::DateTime::UNIX_EPOCH),
        quarantine: Some(Quarantine {
            at: chrono::DateTime::UNIX_EPOCH,
            reason: "the key is refused".to_owned(),
            way_out: "set a new one".to_owned(),
        }),
        last_message: Some("the key is refused".to_owned()),
        ..RunState::default()
    };
    let ids = ["acme", "beta"].map(|tenant| ConnectionId::new(tenant, "google"));
    for id in &ids {
        rig.tenant(&id.tenant).await;
        rig.store
            .change_run_state(id, &|state| *state = refused.clone(), None)
            .await
            .unwrap();
    }
    let admin = rig.token(Some("acme"), Role::Admin).await;
    let body = json!({ "value": "a-new-key" });
    let path = "/api/v1/tenants/acme/secrets/jumpcloud";
    let set = rig.ask(&admin, Method::PUT, path, Some(&body), &[]).await;
    assert!(set.status.is_success(), "{set:?}");
    let released = RunState {
        failures: 0,
        not_before: None,
        quarantine: None,
        ..refused.clone()
    };
    let states = rig.store.run_states().await.unwrap();
    let [acme, beta] = ids;
    assert_eq!(states, [(acme, released), (beta, refused)]);
}

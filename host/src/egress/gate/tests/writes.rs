//! Writes at the gate: only what is approved, permitted and no user's.

use super::*;

/// Parts of a batch, each a method and a path.
fn batch(origin: &Origin, parts: &[String]) -> Request<Bytes> {
    let mut body: String = (1..)
        .zip(parts)
        .map(|(number, part)| {
            format!(
                "--b\r\nContent-Type: application/http\r\nContent-ID: <{number}>\r\n\r\n{part} HTTP/1.1\r\n\r\n\r\n"
            )
        })
        .collect();
    body.push_str("--b--\r\n");
    Request::post(format!("{origin}/batch"))
        .header("content-type", "multipart/mixed; boundary=b")
        .body(Bytes::from(body))
        .unwrap()
}

fn of_member(member: &str) -> String {
    format!("/admin/directory/v1/groups/g/members/{member}")
}

#[tokio::test]
async fn what_may_write_is_told_by_what_is_asked_and_not_by_the_method_alone() {
    let (origin, seen) = server(Vec::new()).await;
    let permit = permit(usize::MAX, vec![removal()]);
    let gate = gate(&origin, Phase::Writes, permit, true, Limits::default()).gate;
    assert!(!gate.may_write(&get(&origin)));
    assert!(gate.may_write(&remove(&origin)));
    let read = "GET /admin/directory/v1/groups/g".to_owned();
    let write = format!("DELETE {}", of_member("u"));
    assert!(!gate.may_write(&batch(&origin, &[read.clone(), read.clone()])));
    assert!(gate.may_write(&batch(&origin, &[read, write])));
    let unknown = request(&origin, Method::POST, "/users/u/makeAdmin", "{}");
    assert!(gate.may_write(&unknown), "it will be refused");
    assert!(seen.lock().unwrap().is_empty());
}

#[tokio::test]
async fn r44_an_approved_write_passes_and_the_permit_is_asked_again_with_the_connection_in_hand() {
    let (origin, seen) = server(Vec::new()).await;
    let permit = permit(usize::MAX, vec![removal()]);
    let built = gate(&origin, Phase::Writes, permit.clone(), true, Limits::default());
    built.gate.send(remove(&origin)).await.unwrap();
    assert_eq!(permit.asked.load(Ordering::SeqCst), 2);
    assert_eq!(seen.lock().unwrap().len(), 1);
    assert_eq!(built.recorder.all_sent()[0].operations, [removal()]);
}

#[tokio::test]
async fn r36_no_write_starts_when_the_permit_lapses_before_the_connection_is_in_hand() {
    let (origin, seen) = server(Vec::new()).await;
    let built = gate(
        &origin,
        Phase::Writes,
        permit(2, vec![removal()]),
        true,
        Limits::default(),
    );
    let error = built.gate.send(remove(&origin)).await.unwrap_err();
    assert_eq!(error, GateError::Permit(PermitRefusal::LeaseLapsed));
    assert_eq!(error.kind(), GateErrorKind::Denied);
    assert!(seen.lock().unwrap().is_empty());
    assert_eq!(built.recorder.all_refused().len(), 1);
}

#[tokio::test]
async fn r36_a_write_is_not_sent_again_after_a_401_when_the_permit_has_lapsed() {
    let (origin, seen) = server(vec![answer(401, "{}")]).await;
    let permit = permit(3, vec![removal()]);
    let built = gate(&origin, Phase::Writes, permit.clone(), true, Limits::default());
    assert!(matches!(
        built.gate.send(remove(&origin)).await,
        Err(GateError::Permit(_))
    ));
    assert_eq!(permit.asked.load(Ordering::SeqCst), 3);
    assert_eq!(seen.lock().unwrap().len(), 1);
}

#[tokio::test]
async fn r44_a_write_that_is_not_approved_never_reaches_the_vendor_alone_or_in_a_batch() {
    let (origin, seen) = server(Vec::new()).await;
    let built = gate(
        &origin,
        Phase::Writes,
        permit(usize::MAX, vec![removal()]),
        true,
        Limits::default(),
    );
    let other = request(&origin, Method::DELETE, "/groups/g/members/other", "");
    assert!(matches!(
        built.gate.send(other).await,
        Err(GateError::Permit(PermitRefusal::NotApproved(_)))
    ));
    let both = ["u", "other"].map(|member| format!("DELETE {}", of_member(member)));
    assert!(matches!(
        built.gate.send(batch(&origin, &both)).await,
        Err(GateError::Permit(PermitRefusal::NotApproved(_)))
    ));
    assert!(seen.lock().unwrap().is_empty());
}

#[tokio::test]
async fn r44_while_a_run_plans_no_write_reaches_the_vendor() {
    let (origin, seen) = server(Vec::new()).await;
    let built = gate(
        &origin,
        Phase::Reads,
        permit(usize::MAX, vec![removal()]),
        true,
        Limits::default(),
    );
    let error = built.gate.send(remove(&origin)).await.unwrap_err();
    assert!(
        matches!(error, GateError::Policy(PolicyRefusal::WriteWhileReading(_))),
        "{error}"
    );
    assert!(seen.lock().unwrap().is_empty());
}

#[tokio::test]
async fn r33_no_request_that_changes_a_user_reaches_the_vendor() {
    let (origin, seen) = server(Vec::new()).await;
    let built = gate(
        &origin,
        Phase::Writes,
        permit(usize::MAX, Vec::new()),
        true,
        Limits::default(),
    );
    let suspend = request(&origin, Method::PATCH, "/users/u", r#"{"suspended":true}"#);
    assert!(matches!(
        built.gate.send(suspend).await,
        Err(GateError::Content(Refusal::UserWrite(_)))
    ));
    assert!(seen.lock().unwrap().is_empty());
}

#[tokio::test]
async fn r44_the_id_of_a_created_group_is_learned_from_the_vendors_answer() {
    let member = Operation::AddMember {
        group: GroupRef::New("a@x".into()),
        principal: "u".into(),
        user: String::new(),
        address: String::new(),
    };
    let create = Operation::CreateGroup {
        key: "a@x".into(),
        name: "A".into(),
        description: String::new(),
    };
    let (origin, _) = server(vec![answer(200, r#"{"id":"g7","email":"a@x"}"#)]).await;
    let permit = permit(usize::MAX, vec![create, member.clone()]);
    let built = gate(&origin, Phase::Writes, permit, true, Limits::default());
    let add = |group: &str| {
        request(
            &origin,
            Method::POST,
            &format!("/groups/{group}/members"),
            r#"{"id":"u","role":"MEMBER"}"#,
        )
    };
    assert!(built.gate.send(add("g7")).await.is_err());
    let create = request(&origin, Method::POST, "/groups", r#"{"email":"a@x","name":"A"}"#);
    built.gate.send(create).await.unwrap();
    assert!(built.gate.send(add("g8")).await.is_err());
    built.gate.send(add("g7")).await.unwrap();
    assert_eq!(built.recorder.all_sent().last().unwrap().operations, [member]);
}

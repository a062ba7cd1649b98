//! A component that asks for what a sync may not do, through the whole host and over real sockets: the gate refuses it
//! with the reason, nothing arrives at any vendor, and the real component does its work afterwards.

use std::sync::{Arc, Mutex};

use groupcast::config::Config;
use groupcast::egress::recorder::Refused;
use groupcast::plugin::{Event, LogLevel, Plugin};
use groupcast::run::{ApplyOutcome, Groupcast, Observer, RunFailure, RunFailureKind, RunRef, Selection};
use groupcast::store::{SqliteStore, Store};
use groupcast_tests::{Lab, Target, component, people};
use tokio_util::sync::CancellationToken;
use wasm_encoder::Instruction;

use super::forge::Forgery;
use super::requests::{Ask, asking, naming_header, pretending};

/// Remembers what the gate refused.
#[derive(Default)]
struct Refusals(Mutex<Vec<Refused>>);

impl Observer for Refusals {
    fn event(&self, _: &RunRef, _: &Event) {}
    fn log(&self, _: &RunRef, _: LogLevel, _: &str) {}
    fn refused(&self, _: &RunRef, refused: &Refused) {
        self.0.lock().unwrap().push(refused.clone());
    }
}

impl Refusals {
    fn taken(&self) -> Vec<Refused> {
        std::mem::take(&mut *self.0.lock().unwrap())
    }
}

/// The host over the laboratory's configuration and store, with another component.
async fn host_of(lab: &Lab, forgery: Forgery) -> (Groupcast, Arc<Refusals>) {
    let config = Config::load(&lab.config_file()).unwrap();
    let (engine, _) = component();
    let plugin = Plugin::from_bytes(&engine, &forgery.build(), "hostile.wasm")
        .unwrap_or_else(|error| panic!("{error}"));
    let setups = groupcast::run::connections(&config).await.unwrap();
    let store: Arc<dyn Store> = Arc::new(SqliteStore::open(&config.store_path).await.unwrap());
    let refusals = Arc::new(Refusals::default());
    let observer = Arc::clone(&refusals) as Arc<dyn Observer>;
    (
        Groupcast::with_plugin(setups, store, engine, Arc::new(plugin), observer),
        refusals,
    )
}

async fn lab() -> Lab {
    let mut lab = Lab::new().await;
    lab.group("Sales", Some("sales@example.com"), &[0, 1]);
    lab
}

/// The real component plans, and the other one applies.
async fn apply_with(lab: &Lab, target: Target, forgery: Forgery) -> Result<ApplyOutcome, RunFailure> {
    let plan = lab.plan(target).await;
    let (host, _) = host_of(lab, forgery).await;
    host.apply(
        &target.connection(),
        &plan.plan.hash,
        Selection::default(),
        &CancellationToken::new(),
    )
    .await
}

async fn plan(host: &Groupcast, target: Target) -> Result<(), RunFailure> {
    host.plan(&target.connection(), &CancellationToken::new())
        .await
        .map(|_| ())
}

fn origin(lab: &Lab, target: Target) -> String {
    let addresses = lab.simulators.addresses();
    let url = match target {
        Target::Google => &addresses.google,
        Target::Entra => &addresses.graph,
    };
    url.strip_prefix("https://")
        .unwrap()
        .trim_end_matches('/')
        .to_owned()
}

const CREATE_GOOGLE: &str = r#"{"email":"sales@example.com","name":"Sales","description":""}"#;

#[tokio::test(flavor = "multi_thread")]
async fn r44_a_component_that_writes_while_it_plans_is_refused_and_nothing_arrives() {
    let lab = lab().await;
    let source = lab
        .simulators
        .addresses()
        .jumpcloud
        .strip_prefix("https://")
        .unwrap()
        .to_owned();
    let (google, entra) = (origin(&lab, Target::Google), origin(&lab, Target::Entra));
    let user = "/admin/directory/v1/users/100000000000000000000";
    let cases = [
        (
            Target::Google,
            Ask::post(&google, "/admin/directory/v1/groups", CREATE_GOOGLE),
        ),
        (Target::Google, Ask::new("delete", &google, user)),
        (
            Target::Google,
            Ask::new("patch", &google, user).with_body(r#"{"suspended":true}"#),
        ),
        (
            Target::Google,
            Ask::new("delete", &google, "/admin/directory/v1/groups/g1/members/m1"),
        ),
        (
            Target::Entra,
            Ask::post(&entra, "/v1.0/groups", r#"{"displayName":"Sales"}"#),
        ),
        (
            Target::Entra,
            Ask::new(
                "delete",
                &entra,
                "/v1.0/users/00000000-0000-4000-8000-000000000000",
            ),
        ),
        (
            Target::Entra,
            Ask::post(
                &entra,
                "/v1.0/$batch",
                r#"{"requests":[{"id":"1","method":"DELETE","url":"/users/00000000-0000-4000-8000-000000000000"}]}"#,
            ),
        ),
        // R8: the source is only ever read.
        (
            Target::Google,
            Ask::post(&source, "/api/v2/usergroups", r#"{"name":"mine"}"#),
        ),
        (
            Target::Google,
            Ask::new("delete", &source, "/api/systemusers/a00000000000000000000000"),
        ),
        // A read that another header would turn into a write.
        (
            Target::Google,
            Ask::new("get", &google, "/admin/directory/v1/groups/sales@example.com")
                .with_header("x-http-method-override", "DELETE"),
        ),
    ];
    for (target, ask) in cases {
        lab.simulators.clear_requests();
        let (host, refusals) = host_of(&lab, asking("plan", &ask)).await;
        let failure = plan(&host, target)
            .await
            .expect_err("the component reports the refusal");
        let refused = refusals.taken();
        assert_eq!(refused.len(), 1, "{ask:?}: {failure:?}, {refused:?}");
        assert_eq!(failure.kind, RunFailureKind::Refused, "{ask:?}: {failure:?}");
        // The person is told the gate's own reason, which the component never saw.
        assert!(
            !refused[0].reason.is_empty() && failure.message.contains(&refused[0].reason),
            "{failure:?}"
        );
        assert!(failure.message.contains(&ask.path), "{failure:?}");
        println!("{failure}");
        let arrived: Vec<_> = lab
            .simulators
            .requests()
            .into_iter()
            .filter(|request| !request.path.ends_with("/token"))
            .collect();
        assert!(arrived.is_empty(), "{ask:?}: {arrived:#?}");
    }

    // The same kind of component can read: it is the request that is refused, not the component.
    lab.simulators.clear_requests();
    let read = Ask::new("get", &google, "/admin/directory/v1/groups/nobody@example.com");
    let (host, refusals) = host_of(&lab, asking("plan", &read)).await;
    let crashed = plan(&host, Target::Google)
        .await
        .expect_err("it crashes where it is not refused");
    assert_eq!(
        (crashed.kind, refusals.taken().len()),
        (RunFailureKind::Failed, 0),
        "{crashed:?}"
    );
    let arrived = lab.simulators.requests();
    assert!(
        arrived
            .iter()
            .any(|request| request.path == read.path && request.status == 404),
        "{arrived:#?}"
    );

    for target in groupcast_tests::BOTH {
        lab.plan_and_apply(target).await;
        assert_eq!(lab.people(target, "Sales", "sales@example.com"), people(&[0, 1]));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn r52_a_component_that_calls_another_host_is_refused_and_no_connection_is_made() {
    let lab = lab().await;
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let here = listener.local_addr().unwrap().to_string();
    let google = origin(&lab, Target::Google);
    let port = google.split(':').nth(1).unwrap().to_owned();
    let path = "/admin/directory/v1/groups/sales@example.com";
    let cases = [
        Ask::new("get", &here, path),
        Ask::new("get", &here, path).without_tls(),
        Ask::new("get", "metadata.google.internal", "/computeMetadata/v1/").without_tls(),
        Ask::new("get", "169.254.169.254", "/latest/meta-data/").without_tls(),
        Ask::new("get", "[::1]:443", path),
        // The right host in the clear, and other names for it.
        Ask::new("get", &google, path).without_tls(),
        Ask::new("get", &format!("127.0.0.2:{port}"), path),
        // The right host, and a path that no rule names.
        Ask::new("get", &google, "/admin/directory/v1/customer/my_customer/roles"),
        Ask::new("get", &google, "/admin/directory/v1/groups/../users/1"),
    ];
    for ask in cases {
        lab.simulators.clear_requests();
        let (host, refusals) = host_of(&lab, asking("plan", &ask)).await;
        let failure = plan(&host, Target::Google).await.expect_err("it is refused");
        let refused = refusals.taken();
        assert_eq!(refused.len(), 1, "{ask:?}: {failure:?}, {refused:?}");
        assert_eq!(failure.kind, RunFailureKind::Refused, "{ask:?}: {failure:?}");
        assert!(failure.message.contains(&refused[0].reason), "{failure:?}");
        println!("{failure}");
        assert!(
            lab.simulators
                .requests()
                .iter()
                .all(|request| request.path.ends_with("/token")),
            "{ask:?}"
        );
    }
    let nobody = tokio::time::timeout(std::time::Duration::from_millis(100), listener.accept()).await;
    assert!(
        nobody.is_err(),
        "somebody connected to a host that is not allowed"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn r7_a_component_cannot_set_a_header_that_carries_a_credential() {
    let lab = lab().await;
    for name in [
        "authorization",
        "Authorization",
        "x-api-key",
        "X-Api-Key",
        "cookie",
        "proxy-authorization",
        "x-org-id",
        "host",
        "transfer-encoding",
    ] {
        // The component ends well only if it is refused, by each of the ways in which a header can be set.
        let (host, _) = host_of(&lab, naming_header(name)).await;
        plan(&host, Target::Google)
            .await
            .unwrap_or_else(|failure| panic!("{name}: {failure}"));
    }
    let (host, _) = host_of(&lab, naming_header("accept")).await;
    let crashed = plan(&host, Target::Google)
        .await
        .expect_err("`accept` is allowed, and the component crashes");
    assert_eq!(crashed.kind, RunFailureKind::Failed);
    assert!(lab.simulators.requests().is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn r44_a_component_that_applies_what_was_not_approved_is_refused() {
    for target in groupcast_tests::BOTH {
        let lab = lab().await;
        let approved = lab.plan(target).await;
        let at = origin(&lab, target);
        let (create, user) = match target {
            Target::Google => (
                Ask::post(&at, "/admin/directory/v1/groups", CREATE_GOOGLE),
                Ask::new("delete", &at, "/admin/directory/v1/users/100000000000000000000"),
            ),
            Target::Entra => (
                Ask::post(
                    &at,
                    "/v1.0/groups",
                    r#"{"displayName":"Mine","mailEnabled":false,"mailNickname":"mine","securityEnabled":true}"#,
                ),
                Ask::new("delete", &at, "/v1.0/users/00000000-0000-4000-8000-000000000000"),
            ),
        };
        // Google's creation is one that was approved, but no intent of it is durable.
        for ask in [create, user] {
            lab.simulators.clear_requests();
            let (host, refusals) = host_of(&lab, asking("apply", &ask)).await;
            let cancel = CancellationToken::new();
            let connection = target.connection();
            let applying = host.apply(&connection, &approved.plan.hash, Selection::default(), &cancel);
            let failure = applying.await.expect_err("it is refused");
            let refused = refusals.taken();
            assert_eq!(refused.len(), 1, "{ask:?}: {failure:?}, {refused:?}");
            assert_eq!(failure.kind, RunFailureKind::Refused, "{ask:?}: {failure:?}");
            assert!(failure.message.contains(&refused[0].reason), "{failure:?}");
            println!("{failure}");
            assert_eq!(lab.all_writes(), Vec::<String>::new(), "{ask:?}");
        }

        // An intent that no approved plan holds: it is refused, and only then does the component end well, which is not
        // believed.
        let stranger = intending(r#"{"do":"create-group","key":"x","name":"x","description":""}"#);
        let doubted = apply_with(&lab, target, stranger).await.unwrap_err();
        assert!(doubted.message.contains("the plugin reports"), "{doubted:?}");

        // It says that all is well, and did nothing: what became of the operations is asked of the ledger.
        let doubted = apply_with(&lab, target, pretending("apply")).await.unwrap_err();
        assert!(doubted.message.contains("the plugin reports"), "{doubted:?}");
        assert_eq!(lab.all_writes(), Vec::<String>::new());

        // Neither of them stands in the way of the real one, whose plan is the same as before.
        lab.plan_and_apply(target).await;
        assert_eq!(
            lab.people(target, "Sales", "sales@example.com"),
            people(&[0, 1]),
            "{target:?}"
        );
    }
}

/// Ends well only if the host refuses the intent.
fn intending(operation: &str) -> Forgery {
    let group = "c00000000000000000000001";
    let (length, operation_text) = (operation.len(), operation.to_owned());
    Forgery::of_world()
        .import("groupcast:sync/ledger", "intend")
        .text("group", group)
        .text("operation", operation)
        .export("apply", move |scope| {
            let store = |at: i32, value: Instruction<'static>| {
                [
                    Instruction::I32Const(at),
                    value,
                    Instruction::I32Store(super::requests::WORD),
                ]
            };
            let [group_at, group_length] = scope.text("group", group);
            let [operation_at, _] = scope.text("operation", &operation_text);
            let mut body = Vec::new();
            body.extend(store(1088, group_at));
            body.extend(store(1092, group_length));
            body.extend(store(1096, operation_at));
            body.extend(store(1100, Instruction::I32Const(i32::try_from(length).unwrap())));
            body.extend([
                Instruction::I32Const(1088),
                Instruction::I32Const(1),
                Instruction::I32Const(super::forge::RETURN),
                scope.call("groupcast:sync/ledger", "intend"),
            ]);
            body.extend(super::requests::insist(super::forge::RETURN, 1));
            body.extend(super::forge::answer_nothing());
            body
        })
}

#[tokio::test(flavor = "multi_thread")]
async fn a_crash_while_planning_or_applying_is_recorded_and_the_next_run_does_the_work() {
    let lab = lab().await;
    let approved = lab.plan(Target::Google).await;
    let (host, _) = host_of(&lab, Forgery::of_world()).await;
    let failure = plan(&host, Target::Google).await.expect_err("it crashes");
    assert!(
        failure.kind == RunFailureKind::Failed && failure.message.contains("crashed"),
        "{failure:?}"
    );
    let cancel = CancellationToken::new();
    let connection = Target::Google.connection();
    let applying = host.apply(&connection, &approved.plan.hash, Selection::default(), &cancel);
    let failure = applying.await.expect_err("it crashes");
    assert!(
        failure.kind == RunFailureKind::Failed && failure.message.contains("crashed"),
        "{failure:?}"
    );
    let runs = host.runs(10).await.unwrap();
    let crashed = runs
        .iter()
        .filter(|run| {
            run.end
                .as_ref()
                .is_some_and(|end| end.message.contains("crashed"))
        })
        .count();
    assert_eq!(crashed, 2, "{runs:#?}");
    assert_eq!(lab.all_writes(), Vec::<String>::new());

    // The lease went back with the crash, and the plan is as good as before.
    lab.apply(Target::Google, &approved.plan.hash, Selection::default())
        .await
        .unwrap();
    assert_eq!(
        lab.people(Target::Google, "Sales", "sales@example.com"),
        people(&[0, 1])
    );
}

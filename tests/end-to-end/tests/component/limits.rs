//! A component that crashes, never ends, or wants too much: its run ends with a reason that has a type, and the next run
//! of the real component, in the same process and engine, is as good as any.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use groupcast::plugin::{Plugin, PluginError, RunError, RunLimits, Sandbox, Usage, Violation};
use groupcast_guest::engine::PlanSummary;
use groupcast_tests::{Lab, Target, changes, component, part};
use tokio_util::sync::CancellationToken;
use wasm_encoder::{BlockType, Instruction, MemArg};

use super::forge::{Forgery, RETURN, answer_nothing};
use super::services::{Deaf, run};

fn small() -> RunLimits {
    RunLimits {
        memory_bytes: 8 << 20,
        cpu: Duration::from_millis(300),
        wall: Duration::from_secs(20),
        ..RunLimits::default()
    }
}

fn short() -> RunLimits {
    RunLimits {
        wall: Duration::from_secs(2),
        ..small()
    }
}

async fn plan_with(
    forgery: Forgery,
    services: &Arc<Deaf>,
    limits: RunLimits,
) -> Result<(PlanSummary, Usage), RunError> {
    let (engine, _) = component();
    let plugin = Plugin::from_bytes(&engine, &forgery.build(), "forged.wasm")
        .unwrap_or_else(|error| panic!("{error}"));
    let services = Arc::clone(services);
    Sandbox::new(engine, limits)
        .plan(&plugin, services, CancellationToken::new(), &run())
        .await
}

async fn fails_with(forgery: Forgery) -> Violation {
    violation(plan_with(forgery, &Deaf::new(), small()).await)
}

fn violation(ended: Result<(PlanSummary, Usage), RunError>) -> Violation {
    match ended {
        Err(RunError::Violation(violation)) => violation,
        other => panic!("it ended otherwise: {other:?}"),
    }
}

/// Does something again and again.
fn forever(what: Vec<Instruction<'static>>) -> Vec<Instruction<'static>> {
    let mut body = vec![Instruction::Loop(BlockType::Empty)];
    body.extend(what);
    body.extend([Instruction::Br(0), Instruction::End, Instruction::Unreachable]);
    body
}

fn endless() -> Forgery {
    Forgery::of_world().export("plan", |_| forever(Vec::new()))
}

/// The real component, in the same engine, after whatever happened before.
async fn the_real_one_still_works(lab: &Lab) {
    let plan = lab.plan(Target::Google).await;
    assert_eq!(changes(part(&plan, "Sales")), (2, 0));
}

async fn lab() -> Lab {
    let mut lab = Lab::new().await;
    lab.group("Sales", Some("sales@example.com"), &[0, 1]);
    lab
}

const BYTE: MemArg = MemArg {
    offset: 0,
    align: 0,
    target: wasm_encoder::MemArgTarget::Memory(0),
    ordering: None,
};

#[tokio::test(flavor = "multi_thread")]
async fn a_crash_ends_its_own_run_and_no_other() {
    let lab = lab().await;
    let crashes: Vec<(&str, &str, Forgery)> = vec![
        ("unreachable", "unreachable", Forgery::of_world()),
        (
            "out of bounds",
            "out of bounds",
            Forgery::of_world().export("plan", |_| {
                vec![
                    Instruction::I32Const(0x7fff_0000),
                    Instruction::I32Load8U(BYTE),
                    Instruction::Drop,
                ]
                .into_iter()
                .chain(answer_nothing())
                .collect()
            }),
        ),
        (
            "division by zero",
            "divide by zero",
            Forgery::of_world().export("plan", |_| {
                vec![
                    Instruction::I32Const(1),
                    Instruction::I32Const(0),
                    Instruction::I32DivU,
                ]
            }),
        ),
        (
            "endless recursion",
            "stack",
            Forgery::of_world().export("plan", |scope| {
                let mut body: Vec<_> = (0..scope.free).map(Instruction::LocalGet).collect();
                body.push(Instruction::Call(scope.own));
                body
            }),
        ),
        (
            "an answer outside of its memory",
            "",
            Forgery::of_world().export("plan", |_| vec![Instruction::I32Const(0x7fff_0000)]),
        ),
        (
            "a log line that is no text",
            "utf-8",
            Forgery::of_world()
                .import("groupcast:sync/progress", "log")
                .bytes(RETURN, vec![0xff, 0xfe, 0xff])
                .export("plan", |scope| {
                    vec![
                        Instruction::I32Const(1),
                        Instruction::I32Const(RETURN),
                        Instruction::I32Const(3),
                        scope.call("groupcast:sync/progress", "log"),
                        Instruction::Unreachable,
                    ]
                }),
        ),
        (
            "handles without end",
            "",
            Forgery::of_world()
                .import("wasi:http/types", "[constructor]fields")
                .export("plan", |scope| {
                    forever(vec![
                        scope.call("wasi:http/types", "[constructor]fields"),
                        Instruction::Drop,
                    ])
                }),
        ),
    ];
    for (name, expected, forgery) in crashes {
        let reason = fails_with(forgery).await.to_string();
        assert!(reason.to_lowercase().contains(expected), "{name}: {reason}");
        the_real_one_still_works(&lab).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_endless_loop_is_stopped_and_others_compute_meanwhile() {
    let lab = lab().await;
    assert!(matches!(
        fails_with(endless()).await,
        Violation::ComputedTooLong { .. }
    ));
    the_real_one_still_works(&lab).await;

    // As many endless loops as there could be threads, and a real run beside them: it is done before they are.
    let long = RunLimits {
        cpu: Duration::from_secs(20),
        wall: Duration::from_secs(60),
        ..small()
    };
    let loops: Vec<_> = (0..4)
        .map(|_| {
            let long = long.clone();
            tokio::spawn(async move { plan_with(endless(), &Deaf::new(), long).await })
        })
        .collect();
    tokio::time::sleep(Duration::from_millis(200)).await;
    the_real_one_still_works(&lab).await;
    for endless in loops {
        assert!(!endless.is_finished(), "the loops ran beside the real run");
        endless.abort();
        assert!(endless.await.unwrap_err().is_cancelled());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_endless_loop_can_be_cancelled() {
    let (engine, _) = component();
    let plugin = Plugin::from_bytes(&engine, &endless().build(), "forged.wasm").unwrap();
    let cancel = CancellationToken::new();
    let started = Instant::now();
    let limits = RunLimits {
        cpu: Duration::from_secs(60),
        ..RunLimits::default()
    };
    let sandbox = Sandbox::new(engine, limits);
    let asked = run();
    let planning = sandbox.plan(&plugin, Deaf::new(), cancel.clone(), &asked);
    let (ended, ()) = tokio::join!(planning, async {
        tokio::time::sleep(Duration::from_millis(300)).await;
        cancel.cancel();
    });
    assert!(matches!(ended, Err(RunError::Cancelled)), "{ended:?}");
    assert!(started.elapsed() < Duration::from_secs(5));
}

#[tokio::test(flavor = "multi_thread")]
async fn memory_is_bounded_and_what_was_used_is_known() {
    let lab = lab().await;
    let greedy = Forgery::of_world().export("plan", |_| {
        vec![
            Instruction::Loop(BlockType::Empty),
            Instruction::I32Const(16),
            Instruction::MemoryGrow(0),
            Instruction::I32Const(-1),
            Instruction::I32Ne,
            Instruction::BrIf(0),
            Instruction::End,
            Instruction::Unreachable,
        ]
    });
    let error = fails_with(greedy).await;
    assert!(
        matches!(&error, Violation::TooMuch { what, setting } if what == "memory" && setting == "memory_mib"),
        "{error:?}"
    );
    the_real_one_still_works(&lab).await;

    // Asked for from the start.
    let mut large = Forgery::of_world().export("plan", |_| answer_nothing());
    large.pages = 200;
    let error = fails_with(large).await;
    assert!(
        matches!(&error, Violation::TooMuch { what, .. } if what == "memory"),
        "{error:?}"
    );

    // More than any run in this process could have: refused when it is loaded.
    let mut huge = Forgery::of_world();
    huge.pages = 4_000;
    let (engine, _) = component();
    let refused = Plugin::from_bytes(&engine, &huge.build(), "huge.wasm").err();
    assert!(
        matches!(refused, Some(PluginError::Invalid { .. })),
        "{refused:?}"
    );

    let modest = Forgery::of_world().export("plan", |_| {
        [
            Instruction::I32Const(30),
            Instruction::MemoryGrow(0),
            Instruction::Drop,
        ]
        .into_iter()
        .chain(answer_nothing())
        .collect()
    });
    let (_, usage) = plan_with(modest, &Deaf::new(), small()).await.unwrap();
    assert_eq!(usage.memory_peak_bytes, 32 * 65_536);
    the_real_one_still_works(&lab).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wait_without_end_is_ended_by_the_clock() {
    let lab = lab().await;
    // In a host call that never answers.
    let putting = Forgery::of_world()
        .import("groupcast:sync/plan-sink", "put")
        .export("plan", |scope| {
            vec![
                Instruction::I32Const(RETURN),
                Instruction::I32Const(2),
                Instruction::I32Const(RETURN + 64),
                scope.call("groupcast:sync/plan-sink", "put"),
                Instruction::Unreachable,
            ]
        });
    let services = Deaf::stuck();
    let started = Instant::now();
    let error = plan_with(putting, &services, short()).await.unwrap_err();
    assert!(matches!(error, RunError::WallLimit(_)), "{error:?}");
    assert_eq!(services.parts.load(Ordering::Relaxed), 1, "the call was made");
    assert!(started.elapsed() < Duration::from_secs(10));
    the_real_one_still_works(&lab).await;

    // In a wait of its own.
    let sleeping = Forgery::of_world()
        .import("wasi:clocks/monotonic-clock", "subscribe-duration")
        .import("wasi:io/poll", "[method]pollable.block")
        .export("plan", |scope| {
            vec![
                Instruction::I64Const(i64::MAX),
                scope.call("wasi:clocks/monotonic-clock", "subscribe-duration"),
                scope.call("wasi:io/poll", "[method]pollable.block"),
                Instruction::Unreachable,
            ]
        });
    let error = violation(plan_with(sleeping, &Deaf::new(), short()).await);
    assert!(matches!(error, Violation::NeverEnded { .. }), "{error:?}");
    the_real_one_still_works(&lab).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_flood_of_log_lines_is_cut_off() {
    let flood = Forgery::of_world()
        .import("groupcast:sync/progress", "log")
        .export("plan", |scope| {
            forever(vec![
                Instruction::I32Const(1),
                Instruction::I32Const(RETURN + 512),
                Instruction::I32Const(1_000),
                scope.call("groupcast:sync/progress", "log"),
            ])
        });
    let services = Deaf::new();
    let limits = RunLimits {
        log_bytes: 100_000,
        ..small()
    };
    let error = violation(plan_with(flood, &services, limits).await);
    assert!(matches!(error, Violation::ComputedTooLong { .. }), "{error:?}");
    let kept = services.log_bytes.load(Ordering::Relaxed);
    // A control character is shown by one of three bytes.
    assert!((50_000..=300_000).contains(&kept), "{kept}");
}

#[tokio::test(flavor = "multi_thread")]
async fn one_call_cannot_hand_over_more_than_the_host_takes() {
    let mut handing = Forgery::of_world()
        .import("groupcast:sync/plan-sink", "put")
        .export("plan", |scope| {
            vec![
                Instruction::I32Const(0),
                Instruction::I32Const(30 << 20),
                Instruction::I32Const(RETURN + 64),
                scope.call("groupcast:sync/plan-sink", "put"),
            ]
            .into_iter()
            .chain(answer_nothing())
            .collect()
        });
    handing.pages = 600;
    let services = Deaf::new();
    let error = violation(plan_with(handing, &services, RunLimits::default()).await);
    assert!(matches!(error, Violation::TooMuchAtOnce { .. }), "{error:?}");
    assert_eq!(services.parts.load(Ordering::Relaxed), 0);
}

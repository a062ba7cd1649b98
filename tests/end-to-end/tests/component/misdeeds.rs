//! Every misdeed that concerns the machine alone: processor, memory, handles, floods, values that are none. Each is a
//! component of its own; its run ends with a type that blames it, and the host goes on as if nothing had been.

use std::sync::Arc;
use std::time::{Duration, Instant};

use groupcast::plugin::{Plugin, PluginEngine, PluginError, RunError, RunLimits, Sandbox};
use groupcast_guest::engine::Question;
use groupcast_tests::{component, hostile};
use tokio_util::sync::CancellationToken;
use wasm_encoder::{BlockType, Instruction};

use super::forge::{Forgery, RETURN, answer_nothing};
use super::processes::apart;
use super::services::{Deaf, run};

/// Little of everything, so that it is soon used up.
fn limits() -> RunLimits {
    RunLimits {
        memory_bytes: 32 << 20,
        table_elements: 10_000,
        cpu: Duration::from_millis(100),
        wall: Duration::from_secs(30),
        log_bytes: 20_000,
        call_bytes: 4 << 20,
        handles: 2_000,
        plan_bytes: 100_000,
        held_bytes: 16 << 20,
        open_requests: 100,
        refused_requests: 100,
        ledger_entries: 10_000,
        state_bytes: 1 << 20,
        ..RunLimits::default()
    }
}

struct Ended {
    /// The violation that ended the run; none: it ended well, or by a failure of its own words.
    by: Option<&'static str>,
    /// All violations that were told, in order.
    told: Vec<&'static str>,
    said: String,
}

async fn plan(engine: &Arc<PluginEngine>, bytes: &[u8], limits: RunLimits) -> Ended {
    let plugin = Plugin::from_bytes(engine, bytes, "hostile.wasm").unwrap_or_else(|error| panic!("{error}"));
    let services = Deaf::new();
    let sandbox = Sandbox::new(Arc::clone(engine), limits);
    let ended = sandbox
        .plan(
            &plugin,
            Arc::clone(&services) as _,
            CancellationToken::new(),
            &run(),
        )
        .await;
    let told = services.violations.lock().unwrap().clone();
    let (by, said) = match ended {
        Ok(_) => (None, "it ended well".to_owned()),
        Err(RunError::Violation(violation)) => (Some(violation.code()), violation.to_string()),
        Err(RunError::Failed(failure)) => (None, failure.message),
        Err(other) => panic!("nobody was blamed: {other:?}"),
    };
    Ended { by, told, said }
}

/// Time enough for what is to be ended by another limit than that of time.
fn patient(code: &str) -> RunLimits {
    let limits = limits();
    RunLimits {
        cpu: if code == "computed-too-long" {
            limits.cpu
        } else {
            Duration::from_secs(20)
        },
        ..limits
    }
}

/// Engines that run it in this process, and in one of its own as the program does.
fn both() -> [(Arc<PluginEngine>, Arc<Plugin>); 2] {
    [component(), apart()]
}

/// The misdeed ends its run, and is told once.
async fn ends(misdeed: &str, arguments: &[&str], code: &str) {
    for (engine, _) in both() {
        let ended = plan(&engine, &hostile(misdeed, arguments), patient(code)).await;
        blamed(misdeed, ended, code);
    }
}

fn blamed(misdeed: &str, ended: Ended, code: &str) {
    assert_eq!(ended.by, Some(code), "{misdeed}: {}", ended.said);
    assert_eq!(ended.told, [code], "{misdeed}");
    assert!(ended.said.contains("the plugin"), "{misdeed}: {}", ended.said);
}

/// What it hands over is refused past the limit; it is told, and the run may end as it likes.
async fn is_noted(misdeed: &str, arguments: &[&str], code: &str) {
    for (engine, _) in both() {
        let ended = plan(&engine, &hostile(misdeed, arguments), patient(code)).await;
        assert_eq!(
            (ended.by, ended.told),
            (None, vec![code]),
            "{misdeed}: {}",
            ended.said
        );
    }
}

async fn forged_ends(name: &str, forgery: Forgery, code: &str) {
    let forged = forgery.build();
    for (engine, _) in both() {
        blamed(name, plan(&engine, &forged, limits()).await, code);
    }
}

macro_rules! misdeeds {
    ($how:ident: $($name:ident $misdeed:literal $code:literal,)*) => {
        $(#[tokio::test(flavor = "multi_thread")]
        async fn $name() {
            $how($misdeed, &["127.0.0.1:1"], $code).await;
        })*
    };
}

misdeeds! { ends:
    an_infinite_loop "infinite-loop" "computed-too-long",
    a_loop_that_yields "loop-that-yields" "computed-too-long",
    a_loop_of_host_calls "tight-host-call-loop" "computed-too-long",
    spinning_on_poll "spinning-on-poll" "computed-too-long",
    filling_memory_again_and_again "bulk-fill" "computed-too-long",
    a_body_without_end "endless-body" "computed-too-long",
    deep_recursion "deep-recursion" "crashed",
    a_memory_bomb "memory-bomb" "too-much",
    many_small_allocations "many-small-allocations" "too-much",
    a_giant_list_in_one_call "giant-list" "too-much-at-once",
    a_giant_text_in_one_call "giant-text" "too-much-at-once",
    handles_without_end "many-handles" "too-much",
    more_header_fields_than_a_map_holds "many-header-fields" "broken-contract",
    a_text_that_is_no_text "invalid-text" "broken-contract",
    a_forged_handle "forged-handle" "broken-contract",
    a_handle_dropped_twice "doubly-dropped-handle" "broken-contract",
    a_handle_of_another_kind "handle-of-another-kind" "broken-contract",
    a_flood_of_refused_requests "request-flood" "flooded",
    a_flood_of_open_requests "open-request-flood" "flooded",
    bodies_that_are_held "held-bodies" "held-too-much",
    trapping_whatever_it_is_asked "trap-everywhere" "crashed",
}

misdeeds! { is_noted:
    a_flood_of_log_lines "log-flood" "flooded",
    a_flood_of_progress "progress-flood" "flooded",
    a_flood_of_parts "plan-flood" "flooded",
    a_flood_into_the_ledger "ledger-flood" "flooded",
    a_flood_into_the_state "state-flood" "flooded",
}

/// These wait: what ends them is the clock.
#[tokio::test(flavor = "multi_thread")]
async fn waiting_for_nothing_without_end() {
    let short = RunLimits {
        wall: Duration::from_secs(1),
        cpu: Duration::from_secs(10),
        ..limits()
    };
    for misdeed in ["never-returning", "body-that-never-ends", "slow-loris"] {
        for (engine, _) in both() {
            let started = Instant::now();
            let ended = plan(&engine, &hostile(misdeed, &[]), short.clone()).await;
            blamed(misdeed, ended, "never-ended");
            assert!(started.elapsed() < Duration::from_secs(10), "{misdeed}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn every_export_is_bounded_and_not_the_plan_alone() {
    for (engine, _) in both() {
        every_export_is_bounded(engine).await;
    }
}

async fn every_export_is_bounded(engine: Arc<PluginEngine>) {
    let load = |bytes: &[u8]| Plugin::from_bytes(&engine, bytes, "hostile.wasm").unwrap();
    let sandbox = Sandbox::new(Arc::clone(&engine), limits());
    let blame = |error: RunError| match error {
        RunError::Violation(violation) => violation.code(),
        other => panic!("{other:?}"),
    };
    let never = CancellationToken::new;

    let trapping = load(&hostile("trap-everywhere", &[]));
    assert_eq!(blame(sandbox.describe(&trapping).await.unwrap_err()), "crashed");
    let (asked, question) = (
        run(),
        Question {
            person: None,
            group: "Sales".to_owned(),
        },
    );
    let checked = sandbox.check(&trapping, Deaf::new(), never(), &asked).await;
    assert_eq!(blame(checked.unwrap_err()), "crashed");
    let applied = sandbox.apply(&trapping, Deaf::new(), never(), &asked).await;
    assert_eq!(blame(applied.unwrap_err()), "crashed");
    let explained = sandbox
        .explain(&trapping, Deaf::new(), never(), &asked, &question)
        .await;
    assert_eq!(blame(explained.unwrap_err()), "crashed");

    for export in ["describe", "check", "apply", "explain"] {
        let looping = load(&hostile(&format!("{export}/infinite-loop"), &[]));
        let code = match export {
            "describe" => blame(sandbox.describe(&looping).await.unwrap_err()),
            "check" => blame(
                sandbox
                    .check(&looping, Deaf::new(), never(), &asked)
                    .await
                    .unwrap_err(),
            ),
            "apply" => blame(
                sandbox
                    .apply(&looping, Deaf::new(), never(), &asked)
                    .await
                    .unwrap_err(),
            ),
            _ => blame(
                sandbox
                    .explain(&looping, Deaf::new(), never(), &asked, &question)
                    .await
                    .unwrap_err(),
            ),
        };
        assert_eq!(code, "computed-too-long", "{export}");
    }
}

fn forever(what: &[Instruction<'static>]) -> Vec<Instruction<'static>> {
    let mut body = vec![Instruction::Loop(BlockType::Empty)];
    body.extend(what.iter().cloned());
    body.extend([Instruction::Br(0), Instruction::End]);
    body
}

fn logging(level: i32, at: i32, length: i32) -> Forgery {
    Forgery::of_world()
        .import("groupcast:sync/progress", "log")
        .export("plan", move |scope| {
            let mut body = vec![
                Instruction::I32Const(level),
                Instruction::I32Const(at),
                Instruction::I32Const(length),
                scope.call("groupcast:sync/progress", "log"),
            ];
            body.extend(answer_nothing());
            body
        })
}

#[tokio::test(flavor = "multi_thread")]
async fn a_loop_before_any_export() {
    let looping = Forgery::of_world().start(forever(&[]));
    forged_ends("loop in initialisation", looping, "computed-too-long").await;
    let trapping = Forgery::of_world().start(vec![Instruction::Unreachable]);
    forged_ends("trap in initialisation", trapping, "crashed").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_call_stack_used_up() {
    let recursing = Forgery::of_world().export("plan", |scope| {
        let mut body: Vec<_> = (0..scope.free).map(Instruction::LocalGet).collect();
        body.push(Instruction::Call(scope.own));
        body
    });
    forged_ends("endless recursion", recursing, "stack-exhausted").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_table_bomb() {
    let mut growing = Forgery::of_world().export("plan", |_| {
        vec![
            Instruction::Loop(BlockType::Empty),
            Instruction::RefNull(wasm_encoder::HeapType::FUNC),
            Instruction::I32Const(1_000),
            Instruction::TableGrow(0),
            Instruction::I32Const(-1),
            Instruction::I32Ne,
            Instruction::BrIf(0),
            Instruction::End,
            Instruction::Unreachable,
        ]
    });
    growing.table = Some(1);
    forged_ends("growing a table", growing, "too-much").await;
}

#[test]
fn a_bomb_of_instances_is_not_loaded() {
    use wasm_encoder::{ComponentBuilder, Module, ModuleArg};
    let mut bomb = ComponentBuilder::default();
    let module = bomb.core_module(None, &Module::new());
    for _ in 0..1_000 {
        bomb.core_instantiate(None, module, Vec::<(&str, ModuleArg)>::new());
    }
    let (engine, _) = component();
    let refused = Plugin::from_bytes(&engine, &bomb.finish(), "bomb.wasm").err();
    let Some(PluginError::Invalid { reason, .. }) = &refused else {
        panic!("{refused:?}");
    };
    assert!(reason.contains("instances"), "{reason}");
}

#[tokio::test(flavor = "multi_thread")]
async fn values_that_are_none() {
    forged_ends(
        "a case that the enumeration lacks",
        logging(9, RETURN, 1),
        "broken-contract",
    )
    .await;
    forged_ends(
        "a text outside of its memory",
        logging(1, 0x7fff_0000, 10),
        "broken-contract",
    )
    .await;
    forged_ends(
        "a text over its memory's end",
        logging(1, RETURN, i32::MAX),
        "broken-contract",
    )
    .await;
    let answering = |at: i32| Forgery::of_world().export("plan", move |_| vec![Instruction::I32Const(at)]);
    forged_ends(
        "an answer outside of its memory",
        answering(0x7fff_0000),
        "broken-contract",
    )
    .await;
    forged_ends(
        "an answer that is not aligned",
        answering(RETURN + 1),
        "broken-contract",
    )
    .await;
    let unknown = Forgery::of_world()
        .bytes(RETURN, vec![7])
        .export("plan", |_| vec![Instruction::I32Const(RETURN)]);
    forged_ends("an answer of an unknown case", unknown, "broken-contract").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn room_that_is_none() {
    let allocating = |address: i32| {
        Forgery::of_world()
            .allocating(vec![Instruction::I32Const(address)])
            .export("plan", |_| answer_nothing())
    };
    forged_ends("room outside of its memory", allocating(-256), "broken-contract").await;
    forged_ends(
        "room over its memory's end",
        allocating((2 << 16) - 8),
        "broken-contract",
    )
    .await;
    forged_ends("room that is not aligned", allocating(65_537), "broken-contract").await;
    let trapping = Forgery::of_world().allocating(vec![Instruction::Unreachable]);
    forged_ends("no room", trapping, "crashed").await;

    // The same room for everything: it harms itself alone, by texts that are written over each other.
    let (engine, _) = component();
    let ended = plan(&engine, &allocating(65_536).build(), limits()).await;
    assert_eq!((ended.by, ended.told), (None, Vec::new()), "{}", ended.said);
}

/// Resident memory of this process, bytes.
fn resident() -> f64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find(|line| line.starts_with("VmRSS:")).unwrap();
    let kib: f64 = line.split_whitespace().nth(1).unwrap().parse().unwrap();
    kib * 1024.0
}

/// All of them, twice: the first time warms up what a process keeps (compiled code, threads, pools), and the second
/// leaves nothing behind.
#[tokio::test(flavor = "multi_thread")]
async fn memory_is_back_after_all_of_them() {
    let (engine, _) = component();
    let misdeeds = [
        "infinite-loop",
        "bulk-fill",
        "endless-body",
        "deep-recursion",
        "memory-bomb",
        "many-small-allocations",
        "giant-list",
        "many-handles",
        "many-header-fields",
        "doubly-dropped-handle",
        "open-request-flood",
        "held-bodies",
        "log-flood",
        "ledger-flood",
        "state-flood",
    ];
    let quick = RunLimits {
        cpu: Duration::from_millis(30),
        ..limits()
    };
    let loaded: Vec<Plugin> = misdeeds
        .iter()
        .map(|misdeed| Plugin::from_bytes(&engine, &hostile(misdeed, &[]), misdeed).unwrap())
        .collect();
    let round = async || {
        for plugin in &loaded {
            let sandbox = Sandbox::new(Arc::clone(&engine), quick.clone());
            let asked = run();
            let _ended = sandbox
                .plan(plugin, Deaf::new(), CancellationToken::new(), &asked)
                .await;
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    };
    for _ in 0..3 {
        round().await;
    }
    // What an allocator keeps for later grows once; what is left behind grows each time.
    let mut grown = Vec::new();
    for _ in 0..3 {
        let before = resident();
        for _ in 0..5 {
            round().await;
        }
        let after = resident();
        println!(
            "resident before {:.1} MiB, after five rounds of {} hostile runs {:.1} MiB",
            before / f64::from(1 << 20),
            misdeeds.len(),
            after / f64::from(1 << 20)
        );
        grown.push(after / before);
        if after <= before * 1.05 {
            return;
        }
    }
    panic!("each five rounds left memory behind, as parts of what was there: {grown:?}");
}

//! The process of a run: reads what it is to do and the component, does it, and tells how it came out.

use std::fs::File;
use std::io::{Read, Write as _};
use std::os::fd::{AsFd as _, OwnedFd};
use std::sync::Arc;

use super::confine;
use super::messages::{Answers, Begin, Says, read, read_value};
use super::remote::{Line, Remote};
use crate::plugin::engine::PluginEngine;
use crate::plugin::load::Plugin;
use crate::plugin::run::Sandbox;
use crate::plugin::services::RunServices;

/// Runs what the standard input says, and answers on the standard output. The first thing that the program does: no other
/// thread may be there yet.
///
/// # Errors
/// What kept it from running, for the host's log.
pub fn run_here() -> Result<(), String> {
    let exposed = confine::shut_off();
    let mut input = pipe(std::io::stdin().as_fd().try_clone_to_owned())?;
    let line = Line::new(pipe(std::io::stdout().as_fd().try_clone_to_owned())?);
    line.say(&Says::Begins { exposed });
    let broken = |error: std::io::Error| format!("the host's message cannot be read: {error}");
    let begin: Begin = read_value(&mut input)
        .map_err(broken)?
        .ok_or("the host said nothing")?;
    let component = read(&mut input)
        .map_err(broken)?
        .ok_or("the host sent no component")?;
    confine::bound(begin.limits.cpu);
    if begin.limits.slow_lane {
        confine::make_way();
    }
    let runtime = tokio::runtime::Builder::new_current_thread()
        // No sockets: all that it waits for are clocks and the host.
        .enable_time()
        .build()
        .map_err(|error| error.to_string())?;
    let engine = PluginEngine::new(1, &begin.engine).map_err(|error| error.to_string())?;
    let plugin =
        Plugin::from_bytes(&engine, &component, "standard input").map_err(|error| error.to_string())?;
    drop(component);

    let remote = Remote::new(Arc::clone(&line), begin.journalled);
    let hears = Arc::clone(&remote);
    std::thread::Builder::new()
        .name("groupcast-answers".to_owned())
        .spawn(move || hear(input, &hears))
        .map_err(|error| error.to_string())?;
    let sandbox = Sandbox::new(Arc::new(engine), begin.limits);
    let services = Arc::clone(&remote) as Arc<dyn RunServices>;
    let (ran, _) = runtime.block_on(sandbox.call_inside(&plugin, services, begin.asked));
    line.say(&Says::Ended {
        outcome: ran.outcome,
        memory_peak: ran.memory_peak,
        has_flooded: ran.has_flooded,
        computed: remote.computed(),
    });
    Ok(())
}

fn pipe(descriptor: std::io::Result<OwnedFd>) -> Result<File, String> {
    descriptor
        .map(File::from)
        .map_err(|error| format!("the process has no pipe to the host: {error}"))
}

/// Takes the host's answers. When the host is gone, or has had enough of the run, so has the process.
fn hear(mut input: impl Read, remote: &Remote) {
    while let Ok(Some(Answers { number, answer })) = read_value(&mut input) {
        remote.answered(number, answer);
    }
    let _last = std::io::stderr().flush();
    std::process::exit(0);
}

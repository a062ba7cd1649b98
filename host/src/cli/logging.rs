//! The process's own log, on standard error. Results never go there, and secrets never reach it: what holds one has a
//! `Debug` that hides it.

use std::io::Write;
use std::sync::Arc;

use tracing_subscriber::EnvFilter;
use tracing_subscriber::fmt::MakeWriter;

use super::arguments::Shared;
use super::progress::Progress;

/// Starts the log. `GROUPCAST_LOG` overrides `--verbose`, in the syntax of tracing's filters, such as
/// `groupcast::egress=debug`. Where the log is all that the command has to say (`serve`), it says what it does even
/// unasked.
pub fn start(shared: &Shared, is_output: bool, progress: Arc<Progress>) {
    let usual = match (shared.quiet, shared.verbose.max(u8::from(is_output))) {
        (true, _) => "error",
        (false, 0) => "warn",
        (false, 1) => "warn,groupcast=info",
        (false, 2) => "info,groupcast=debug",
        (false, _) => "debug,groupcast=trace",
    };
    let filter = std::env::var("GROUPCAST_LOG")
        .ok()
        .and_then(|text| EnvFilter::try_new(text).ok())
        .unwrap_or_else(|| EnvFilter::new(usual));
    let started = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(AroundBars(progress))
        .with_target(shared.verbose > 1)
        .try_init();
    // Already started: by a test, or by whoever embeds the command line.
    drop(started);
}

/// Lines are written past the bars, whole.
struct AroundBars(Arc<Progress>);

struct Line<'a> {
    progress: &'a Progress,
    text: Vec<u8>,
}

impl<'a> MakeWriter<'a> for AroundBars {
    type Writer = Line<'a>;

    fn make_writer(&'a self) -> Line<'a> {
        Line {
            progress: &self.0,
            text: Vec::new(),
        }
    }
}

impl Write for Line<'_> {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.text.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

impl Drop for Line<'_> {
    fn drop(&mut self) {
        self.progress.print(&String::from_utf8_lossy(&self.text));
    }
}

//! What happened in a run, kept so that it can happen again: recordings, their replay bit for bit, and their replay with
//! another component.
//!
//! | Room | What it is for |
//! |---|---|
//! | `file` | the format: lines of JSON, each with a checksum over all before it, compressed |
//! | `folder` | where recordings lie, how many are kept |
//! | `recorder` | a run's calls into a file, while it goes on |
//! | `services` | our own imports past a journal, as `plugin::tapped` has WASI's |
//! | `player` | answers from a recording, in its order: the same component does the same again, or the first difference |
//! | `keyed` | answers from a recording, by request: what another component makes of the same world |
//! | `against` | what that differs in |
//! | `redact`, `words`, `lengths` | a copy without people's names and addresses |
//! | `replay` | a recording over a component |
//!
//! **Why not wasmtime's own record and replay** (`Config::rr`): in wasmtime 48 its Cargo feature has the switch, the
//! checks of what has to be deterministic, and a checksum of the component; what would record and replay calls is not in
//! the release. When it is, it covers the bit-for-bit half; the half keyed by request has to know what a request is.
//!
//! What may not enter: a secret. Recordings are taken on the component's side of the egress gate, which attaches
//! credentials after a request has left the component, and lets no header back that is not on its list.

mod against;
mod describe;
mod file;
mod folder;
mod keyed;
mod lengths;
mod player;
mod recorder;
mod redact;
mod replay;
mod services;
#[cfg(test)]
mod tests;
mod words;

pub use self::against::{
    Against, PartDifference, PlanDifference, RequestDifference, WriteDifference, against,
};
pub use self::file::{Ending, FORMAT, Head, Kind, Outcome, ReadError, Recording, Writer, new_file};
pub use self::folder::Recordings;
pub use self::player::Difference;
pub use self::recorder::Recorder;
pub use self::redact::{RedactError, Redacted, redact};
pub use self::replay::{ReplayError, Replayed, replay};
pub use self::services::Journalled;

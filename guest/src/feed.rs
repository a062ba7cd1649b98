//! What changed, as the engine sees it: events of a source and marks of a target's change feed, free of vendors' words.
//! The vendors' rooms translate into these types; what follows from them is decided in `engine::changes`.

use std::collections::BTreeSet;

/// Something that happened in the source.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Event {
    /// The feed's own ID of it.
    pub id: String,
    /// When, by the feed's own clock, in milliseconds since the Unix epoch.
    pub at_ms: u64,
    /// What it concerns; empty for what a sync does not look at, such as a sign-in.
    pub changes: Vec<Change>,
}

/// What an event concerns.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Change {
    /// A group: its record, its members, or what it is bound to. By source group ID.
    Group(String),
    /// A person: their record, or which groups they are in. By source user ID.
    Person(String),
    /// A person whose record was deleted (R49).
    PersonGone(String),
    /// Nobody can say what: everything is to be read. With the reason, for a person.
    Everything(String),
}

/// A place in a target's change feed, to go on from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Mark {
    /// The target has no feed.
    NoFeed,
    /// Opaque; the target's own.
    At(String),
}

/// What changed in a target since a mark.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TargetChanges {
    /// Target group IDs that changed or are gone; groups that are nobody's among them.
    pub groups: BTreeSet<String>,
    /// Where the next look goes on.
    pub next: Mark,
}

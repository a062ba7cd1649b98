//! *Plan*: every change before it happens, group by group, with what is held and why.

use askama::Template;

use crate::console::page::{Begin, Pages, Shell};
use crate::console::words::{Badge, Name, When};

/// A plan in the list.
#[derive(Debug)]
pub struct PlanRow {
    /// Its page.
    pub href: String,
    /// The beginning of its hash.
    pub short: String,
    /// When it was made.
    pub made: When,
    /// What may be done with it.
    pub state: Badge,
    /// What it comes to.
    pub told: String,
    /// Groups that it speaks of.
    pub groups: u64,
}

/// The plans of a directory.
#[derive(Debug, Template)]
#[template(path = "plans.html")]
pub struct Plans {
    /// Around it.
    pub shell: Shell,
    /// What can be begun.
    pub begin: Option<Begin>,
    /// The latest first.
    pub rows: Vec<PlanRow>,
}

/// A line of a diff.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Line {
    /// `add`, `remove`, `change`, `stay` or `wait`.
    pub class: &'static str,
    /// `+`, `−`, `~`, `·`, `?`.
    pub sign: &'static str,
    /// The same for whoever does not see the sign.
    pub said: &'static str,
    /// Who or what.
    pub text: Name,
    /// Why, or where.
    pub aside: Option<Name>,
}

/// Lines of one kind.
#[derive(Debug, Default)]
pub struct Lines {
    /// What they are.
    pub label: &'static str,
    /// See [`Line::class`].
    pub class: &'static str,
    /// See [`Line::sign`].
    pub sign: &'static str,
    /// See [`Line::said`].
    pub said: &'static str,
    /// How many, in words: where they are folded.
    pub told: String,
    /// The lines.
    pub lines: Vec<Line>,
}

/// What is held for one reason.
#[derive(Debug)]
pub struct HeldLines {
    /// Why, and what releases it.
    pub reason: String,
    /// The first of them.
    pub lines: Vec<Line>,
    /// How many more.
    pub more: usize,
}

/// A group of a plan.
#[derive(Debug)]
pub struct PartDiff {
    /// JumpCloud's ID.
    pub id: String,
    /// Its name.
    pub name: Name,
    /// What it is tied to.
    pub target: Option<Name>,
    /// How, and its state.
    pub badges: Vec<Badge>,
    /// How many users it has.
    pub users: Option<String>,
    /// Why it is in its state, and warnings.
    pub reasons: Vec<String>,
    /// Changes, additions, removals, who waits, who stays.
    pub lists: Vec<Lines>,
    /// What is held.
    pub held: Vec<HeldLines>,
    /// Whether an approval can release some of that.
    pub releasable: bool,
    /// Whether there is anything to apply.
    pub to_apply: bool,
    /// A remark.
    pub note: Option<String>,
}

/// A plan.
#[derive(Debug, Template)]
#[template(path = "plan.html")]
pub struct Plan {
    /// Around it.
    pub shell: Shell,
    /// What can be begun.
    pub begin: Option<Begin>,
    /// Its path.
    pub href: String,
    /// Its hash.
    pub hash: String,
    /// Numbers: how many, of what.
    pub figures: Vec<(String, &'static str)>,
    /// When it was made.
    pub made: When,
    /// Until when it can be applied.
    pub until: String,
    /// How much was looked at, where that was not everything.
    pub extent: Option<String>,
    /// The run that applied it: where, and in words.
    pub applied: Option<(String, String)>,
    /// Whether the reader may approve it.
    pub may_approve: bool,
    /// Whether there is more in it than what is held.
    pub to_apply: bool,
    /// What approving it all does.
    pub to_apply_told: String,
    /// The page's groups with something to see.
    pub parts: Vec<PartDiff>,
    /// How many.
    pub parts_told: String,
    /// Groups in step.
    pub quiet: Vec<Name>,
    /// How many.
    pub quiet_told: String,
    /// Groups that are not exported, and what is missing (R1).
    pub left_out: Vec<(Name, String)>,
    /// How many, in words.
    pub left_out_told: String,
    /// Where the page stands.
    pub pages: Pages,
}

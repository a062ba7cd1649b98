//! A plan, as a person reads it: groups with something to see as diffs, the others in a line, the totals, and the
//! command that approves exactly this.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use groupcast_guest::engine::PlanSummary;
use groupcast_guest::plan::part::{GroupState, Operation, Part, TargetHow};

use super::group::{group, group_argument, is_quiet, state};
use super::text::{CARE, FAINT, HINT, STRONG, argument, count, name, paint, short, shown};
use crate::cli::operations::{ConnectionName, StoredPlan};

/// How much is shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Detail {
    /// The longest list that is shown whole; none for all.
    pub longest_list: Option<usize>,
    /// Whether groups without changes are listed by name.
    pub quiet_groups: bool,
}

impl Detail {
    /// What fits a screen.
    pub const GLANCE: Self = Self {
        longest_list: Some(10),
        quiet_groups: false,
    };
    /// Everything.
    pub const ALL: Self = Self {
        longest_list: None,
        quiet_groups: true,
    };
}

/// How this very plan is approved.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Approval {
    /// The plan's hash.
    pub hash: String,
    /// The connection, where the command must name it.
    pub connection: Option<String>,
    /// The configuration file, where it is not the usual one.
    pub config: Option<String>,
}

impl Approval {
    /// The command to paste.
    pub fn command(&self, group: Option<&str>, release_held: bool) -> String {
        let mut command = String::from("groupcast apply");
        if let Some(config) = &self.config {
            let _ = write!(command, " --config {}", argument(config));
        }
        if let Some(connection) = &self.connection {
            let _ = write!(command, " --connection {}", argument(connection));
        }
        let _ = write!(command, " --plan {}", short(&self.hash));
        if let Some(group) = group {
            let _ = write!(command, " {}", group_argument(group));
        }
        if release_held {
            command.push_str(" --release-held");
        }
        command
    }
}

/// What a plan comes to, counted from its parts.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Totals {
    /// Groups to create.
    pub creates: u64,
    /// Groups to take over.
    pub takeovers: u64,
    /// Groups whose attributes change.
    pub updates: u64,
    /// Memberships to add.
    pub adds: u64,
    /// Memberships to remove.
    pub removals: u64,
    /// Operations held.
    pub held: u64,
    /// Of these, the ones that an approval releases.
    pub approvable: u64,
    /// People waiting.
    pub waiting: u64,
    /// Groups that could not be read whole and are left alone as far as that matters (R42).
    pub frozen: u64,
    /// Groups without anything to see.
    pub quiet: u64,
    /// Groups in all.
    pub groups: u64,
    /// Changes to our own ledger alone, in groups without a write.
    pub ledger_only: u64,
}

impl Totals {
    /// Counts.
    pub fn of(parts: &[Part]) -> Self {
        let mut totals = Self::default();
        for part in parts {
            totals.groups += 1;
            totals.quiet += u64::from(is_quiet(part));
            totals.held += part.held.len() as u64;
            totals.approvable += part.held.iter().filter(|held| held.approvable).count() as u64;
            totals.waiting += part.waiting.len() as u64;
            totals.frozen += u64::from(part.state == GroupState::Frozen);
            totals.ledger_only += u64::from(part.operations.is_empty() && !part.notes.is_empty());
            let takeover = part
                .target
                .as_ref()
                .is_some_and(|target| target.how == TargetHow::Takeover);
            totals.takeovers += u64::from(takeover);
            for operation in &part.operations {
                match operation {
                    Operation::CreateGroup { .. } => totals.creates += 1,
                    Operation::UpdateGroup { .. } => totals.updates += 1,
                    Operation::AddMember { .. } => totals.adds += 1,
                    Operation::RemoveMember { .. } => totals.removals += 1,
                }
            }
        }
        totals
    }

    /// Vendor writes.
    pub fn writes(&self) -> u64 {
        self.creates + self.updates + self.adds + self.removals
    }

    /// Whether there is anything to apply.
    pub fn to_apply(&self) -> bool {
        self.writes() > 0 || self.ledger_only > 0
    }

    /// Whether there is anything to apply or to approve. What no approval can release waits for nobody here.
    pub fn is_pending(&self) -> bool {
        self.to_apply() || self.approvable > 0
    }
}

/// A whole plan, with the command that approves it.
pub fn plan(connection: &ConnectionName, plan: &StoredPlan, approval: &Approval, detail: Detail) -> String {
    let mut text = plan_alone(connection, plan, approval, detail);
    text.push_str(&closing(plan, &Totals::of(&plan.parts), approval));
    text
}

/// A whole plan that is applied without being asked for; only what is held in it still needs a command.
pub fn plan_alone(
    connection: &ConnectionName,
    plan: &StoredPlan,
    approval: &Approval,
    detail: Detail,
) -> String {
    let totals = Totals::of(&plan.parts);
    let mut text = format!(
        "{} {}\n\n",
        paint(STRONG, format!("Plan for {}", shown(&connection.to_string()))),
        paint(FAINT, short(&plan.hash))
    );
    let mut left_out: BTreeMap<(GroupState, &str), Vec<&Part>> = BTreeMap::new();
    let mut quiet = Vec::new();
    for part in &plan.parts {
        if is_quiet(part) {
            quiet.push(part);
        } else if is_left_out(part) {
            let reason = part.reasons.first().map_or("", |reason| reason.code.as_str());
            left_out.entry((part.state, reason)).or_default().push(part);
        } else {
            text.push_str(&group(part, approval, detail));
            text.push('\n');
        }
    }
    for ((group_state, _), parts) in &left_out {
        text.push_str(&left_out_line(*group_state, parts, detail));
    }
    text.push_str(&quiet_line(&quiet, detail));
    if !(left_out.is_empty() && quiet.is_empty()) {
        text.push('\n');
    }
    let _ = writeln!(text, "{}", paint(STRONG, sentence(&totals)));
    text
}

/// Not exported or stopped, with nothing to do and nothing to warn of: one line for each reason is enough.
fn is_left_out(part: &Part) -> bool {
    matches!(part.state, GroupState::NotExportable | GroupState::Released)
        && part.operations.is_empty()
        && part.held.is_empty()
        && part.notes.is_empty()
        && part.warnings.is_empty()
}

fn left_out_line(group_state: GroupState, parts: &[&Part], detail: Detail) -> String {
    let what = match group_state {
        GroupState::Released => "released, not synced any more",
        _ => "not exported",
    };
    let reasons: Vec<&str> = parts
        .iter()
        .filter_map(|part| part.reasons.first())
        .map(|reason| reason.message.as_str())
        .collect();
    // The sentence is said once where all have the same; where it differs, the code is what they share.
    let why = match reasons.first() {
        Some(first) if reasons.iter().all(|reason| reason == first) => shown(first),
        Some(_) => parts
            .first()
            .and_then(|part| part.reasons.first())
            .map_or_else(String::new, |reason| shown(&reason.code)),
        None => state(group_state).to_owned(),
    };
    format!(
        "{} {what}: {}\n  {why}\n",
        count(parts.len() as u64, "group", "groups"),
        names(parts, if detail.quiet_groups { usize::MAX } else { 5 })
    )
}

fn quiet_line(quiet: &[&Part], detail: Detail) -> String {
    if quiet.is_empty() {
        return String::new();
    }
    let listed = if detail.quiet_groups {
        format!(": {}", names(quiet, usize::MAX))
    } else {
        String::new()
    };
    let line = format!(
        "{} in step, nothing to do{listed}",
        count(quiet.len() as u64, "group", "groups")
    );
    format!("{}\n", paint(FAINT, line))
}

fn names(parts: &[&Part], most: usize) -> String {
    let mut names: Vec<String> = parts
        .iter()
        .take(most)
        .map(|part| name(&part.group.name))
        .collect();
    let more = parts.len().saturating_sub(names.len());
    if more > 0 {
        names.push(format!("and {more} more"));
    }
    names.join(", ")
}

fn closing(plan: &StoredPlan, totals: &Totals, approval: &Approval) -> String {
    let mut text = String::new();
    if totals.to_apply() {
        let _ = writeln!(
            text,
            "Plan {}, valid until {}.",
            plan.hash,
            plan.expires.format("%Y-%m-%d %H:%M UTC")
        );
        let _ = writeln!(
            text,
            "To do exactly this:  {}",
            paint(HINT, approval.command(None, false))
        );
    } else if totals.approvable > 0 {
        let _ = writeln!(
            text,
            "Plan {}, valid until {}. {}",
            plan.hash,
            plan.expires.format("%Y-%m-%d %H:%M UTC"),
            paint(
                CARE,
                "Everything in it is held; each group above says why and how to release it."
            )
        );
    }
    text
}

/// How much was looked at, where that was not everything.
pub fn extent(summary: &PlanSummary) -> Option<String> {
    let verified = i64::try_from(summary.verified_at?).ok()?;
    let verified = chrono::DateTime::from_timestamp(verified, 0)?;
    let all = summary.groups.saturating_add(summary.at_rest);
    Some(format!(
        "{} of {} looked at; nothing is known to have happened to the others since {}, when everything was read.",
        summary.groups,
        count(all, "group", "groups"),
        verified.format("%Y-%m-%d %H:%M UTC")
    ))
}

/// The totals in one sentence.
pub fn sentence(totals: &Totals) -> String {
    let mut said = Vec::new();
    let mut say = |number: u64, one: &str, many: &str| {
        if number > 0 {
            said.push(count(number, one, many));
        }
    };
    say(totals.creates, "group to create", "groups to create");
    say(totals.takeovers, "group to take over", "groups to take over");
    say(totals.updates, "group to update", "groups to update");
    say(totals.adds, "membership to add", "memberships to add");
    say(totals.removals, "membership to remove", "memberships to remove");
    say(
        totals.ledger_only,
        "group with changes to our own records alone",
        "groups with changes to our own records alone",
    );
    say(totals.held, "operation held", "operations held");
    say(totals.waiting, "person waiting", "people waiting");
    say(totals.frozen, "group not read whole", "groups not read whole");
    if said.is_empty() {
        return format!("Nothing to do in {}.", count(totals.groups, "group", "groups"));
    }
    format!("{}.", said.join(", "))
}

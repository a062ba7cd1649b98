//! The settings of a run: the JSON document in WIT `run.settings`, with its schema.
//! The host fills it from its configuration; an embedding engine writes it by hand.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Settings of one connection (one source, one directory).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Settings {
    /// Whether group management is switched on for this directory. Off: nothing is planned or written (R36).
    pub managed: bool,
    /// Which groups are selected for export to Entra ID (R2, R29): names or IDs. Absent: none are.
    /// `["*"]` selects every bound group. Google Workspace does not use it.
    pub selected: Vec<String>,
    /// The groups bound to this directory, by name or ID, instead of JumpCloud's own associations.
    pub bound: Option<Vec<String>>,
    /// Google addresses that take the place of the group's own email: group name or ID -> address.
    pub addresses: BTreeMap<String, String>,
    /// Domains that group addresses may use (R18). Empty: the domains of the directory's users are used.
    pub domains: Vec<String>,
    /// What happens to members that the source does not want (R10).
    pub policy: DriftPolicy,
    /// The same for single groups, by name or ID.
    pub policies: BTreeMap<String, DriftPolicy>,
    /// What happens to people who are suspended in the source (R49).
    pub suspended: Suspended,
    /// What happens when a group's email changes (R14, R16).
    pub on_email_change: OnEmailChange,
    /// Whether taking a group's email away releases it in Entra ID too (R13).
    pub release_on_email_removal: bool,
    /// What happens when more than one Entra group has the name (R28).
    pub on_ambiguous: OnAmbiguous,
    /// Whether the operator has accepted that bound groups without an email put their users at risk (R34).
    pub acknowledge: bool,
    /// How much may change at once (R43).
    pub limits: Limits,
    /// For how many minutes a whole reading is good: so long, a run that asks for changes alone reads no more than
    /// what change feeds name. What no feed names, such as a hand's work in a Google group, is found at the next whole
    /// reading. 0: every reading is whole.
    #[schemars(range(min = 0, max = 10_080))]
    pub verify_every_minutes: u32,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            managed: false,
            selected: Vec::new(),
            bound: None,
            addresses: BTreeMap::new(),
            domains: Vec::new(),
            policy: DriftPolicy::default(),
            policies: BTreeMap::new(),
            suspended: Suspended::default(),
            on_email_change: OnEmailChange::default(),
            release_on_email_removal: true,
            on_ambiguous: OnAmbiguous::default(),
            acknowledge: false,
            limits: Limits::default(),
            verify_every_minutes: 360,
        }
    }
}

/// What happens to target members that the source does not want (R10).
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum DriftPolicy {
    /// Put back what is ours and vanished; remove what is ours and no longer wanted; leave foreign members.
    #[default]
    Managed,
    /// Remove foreign users in the member role too.
    Authoritative,
    /// Never remove.
    Additive,
}

/// What happens to people who are suspended in the source (R49).
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Suspended {
    /// They stay members.
    #[default]
    Keep,
    /// They are treated like deleted people.
    Remove,
}

/// What happens when a group's Google address changes.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum OnEmailChange {
    /// Members move to the group at the new address (R14).
    #[default]
    Move,
    /// The existing group gets the new address and keeps its ID (R16).
    Rename,
}

/// What happens when several Entra groups could be meant (R28).
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum OnAmbiguous {
    /// A new group is created, with a warning.
    #[default]
    Create,
    /// Nothing is done until somebody decides.
    Hold,
}

/// How much may change at once; what is over a limit is held (R43).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Limits {
    /// Memberships added to one group in one run.
    pub group_adds: Limit,
    /// Memberships removed from one group in one run.
    pub group_removals: Limit,
    /// Memberships added in one run, all groups together.
    pub run_adds: Limit,
    /// Memberships removed in one run, all groups together.
    pub run_removals: Limit,
    /// Memberships added to one group that is taken over; over it, the whole takeover waits.
    pub takeover_adds: Limit,
    /// Memberships removed from one group that is taken over; over it, the whole takeover waits.
    pub takeover_removals: Limit,
    /// Memberships added in one run to all groups that are taken over; the share is of the memberships of these groups.
    /// Takeovers over it wait as a whole.
    pub run_takeover_adds: Limit,
    /// How many times a removal counts where more than the membership is at stake, such as licences that the target
    /// gives to a group's members. 1: no more than any other.
    #[schemars(range(min = 1, max = 1_000))]
    pub stake_weight: u32,
}

impl Default for Limits {
    fn default() -> Self {
        let limit = |count, percent, minimum_size| Limit {
            count,
            percent,
            minimum_size,
        };
        Self {
            group_adds: limit(None, None, 0),
            group_removals: limit(Some(100), Some(30), 10),
            run_adds: limit(None, None, 0),
            run_removals: limit(Some(500), Some(10), 50),
            takeover_adds: limit(Some(100), Some(50), 10),
            takeover_removals: limit(Some(0), None, 0),
            run_takeover_adds: limit(Some(500), Some(20), 50),
            stake_weight: 3,
        }
    }
}

/// One limit. Over any part of it is over it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Limit {
    /// At most this many.
    pub count: Option<u64>,
    /// At most this share of the memberships there are, 0 to 100.
    #[schemars(range(min = 0, max = 100))]
    pub percent: Option<u8>,
    /// The share counts only where there are at least this many memberships.
    pub minimum_size: u64,
}

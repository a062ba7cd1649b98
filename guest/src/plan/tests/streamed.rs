//! The planner that goes through the groups one by one against a simple one that has all drafts at once.

use std::collections::BTreeMap;

use proptest::prelude::*;

use super::lab::*;
use super::properties::{Story, story, tell};
use crate::plan::conflicts::Disputes;
use crate::plan::draft::{Draft, draft};
use crate::plan::eligibility::{Standing, assess};
use crate::plan::model::{GroupView, World};
use crate::plan::part::{Operation, Part, Reason, RemovalReason};
use crate::plan::planner::Claims;
use crate::plan::{fingerprint, plan};
use crate::settings::{Limit, Limits, Settings};

/// All drafts at once, and the limits spent on the drafts themselves.
fn simple(world: &World, views: &[GroupView], settings: &Settings) -> Vec<Part> {
    let views: BTreeMap<&str, &GroupView> = views.iter().map(|view| (view.id.as_str(), view)).collect();
    let standing = |view: &GroupView| assess(&view.source, view.binding.as_ref(), world.rules, settings);
    let mut disputes = Disputes::default();
    for view in views.values() {
        if let Some(binding) = &view.binding {
            disputes.bound(binding);
        }
        if let Standing::Export(export) = standing(view) {
            disputes.exported(&view.id, &export, view.binding.as_ref(), &view.target.sight);
        }
    }
    let losers = disputes.losers(world.rules);
    let mut drafts: Vec<Draft<'_>> = views
        .values()
        .map(|view| draft(view, world, settings, &standing(view), losers.get(&view.id)))
        .collect();
    apply_limits(&mut drafts, &settings.limits);
    drafts
        .into_iter()
        .map(|mut draft| {
            draft.keep_who_has_not_arrived();
            draft.finish();
            draft.part.fingerprint = fingerprint(draft.view, world, settings, &draft.part);
            draft.part
        })
        .collect()
}

/// What a limit counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Adds,
    DeletedPeople,
    Removals,
}

impl Kind {
    fn of(operation: &Operation) -> Option<Self> {
        match operation {
            Operation::AddMember { .. } => Some(Self::Adds),
            Operation::RemoveMember { why, .. } => match why {
                RemovalReason::Moved => None,
                RemovalReason::UserDeleted => Some(Self::DeletedPeople),
                _ => Some(Self::Removals),
            },
            _ => None,
        }
    }

    /// So many of them, what goes on with them, and what to do about them.
    fn words(self, number: u64) -> (String, &'static str, &'static str) {
        let one = number == 1;
        let many = match self {
            Self::Adds => "additions",
            Self::DeletedPeople | Self::Removals => "removals",
        };
        let kind = if one { many.trim_end_matches('s') } else { many };
        (
            format!("{number} {kind}"),
            if one { "is" } else { "are" },
            if one { "it" } else { "them" },
        )
    }
}

/// Holds what is over the limits: per group first, then for the run, groups in ascending order of ID and deleted
/// people before others.
fn apply_limits(drafts: &mut [Draft<'_>], limits: &Limits) {
    for draft in drafts.iter_mut() {
        for (kind, limit) in [
            (Kind::Adds, &limits.group_adds),
            (Kind::Removals, &limits.group_removals),
        ] {
            let count = count(draft, kind);
            if let Some(over) = over(limit, count, draft.size) {
                let (told, are, them) = kind.words(count);
                let why = format!(
                    "{told} in this group {are} over its limit of {over}; approve {them}, or raise the limit."
                );
                hold(draft, kind, &why);
            }
        }
    }
    let size = drafts.iter().map(|draft| draft.size).sum();
    spend(drafts, &[Kind::Adds], &limits.run_adds, size);
    spend(
        drafts,
        &[Kind::DeletedPeople, Kind::Removals],
        &limits.run_removals,
        size,
    );
}

fn spend(drafts: &mut [Draft<'_>], kinds: &[Kind], limit: &Limit, size: u64) {
    let total: u64 = drafts
        .iter()
        .flat_map(|draft| kinds.iter().map(|kind| count(draft, *kind)))
        .sum();
    let mut spent = 0;
    for kind in kinds {
        for draft in drafts.iter_mut() {
            let count = count(draft, *kind);
            if count == 0 {
                continue;
            }
            match over(limit, spent + count, size) {
                None => spent += count,
                Some(over) => {
                    let (told, are, them) = kind.words(total);
                    let why = format!(
                        "{told} in this run {are} over its limit of {over}, of which earlier groups take {spent}; \
                         approve {them}, or raise the limit."
                    );
                    hold(draft, *kind, &why);
                }
            }
        }
    }
}

fn count(draft: &Draft<'_>, kind: Kind) -> u64 {
    let count = draft
        .part
        .operations
        .iter()
        .filter(|operation| Kind::of(operation) == Some(kind))
        .count();
    u64::try_from(count).unwrap_or(u64::MAX)
}

/// The limit that `count` is over, in words.
fn over(limit: &Limit, count: u64, size: u64) -> Option<String> {
    if let Some(most) = limit.count
        && count > most
    {
        return Some(most.to_string());
    }
    let percent = limit.percent.filter(|_| size >= limit.minimum_size)?;
    (u128::from(count) * 100 > u128::from(size) * u128::from(percent))
        .then(|| format!("{percent}% of {size} memberships"))
}

fn hold(draft: &mut Draft<'_>, kind: Kind, why: &str) {
    let reason = Reason::new("limit", why);
    draft.hold(&reason, |operation| Kind::of(operation) == Some(kind));
}

/// A limit that stories of a few people reach.
fn limit() -> impl Strategy<Value = Limit> {
    (prop::option::of(0_u64..6), prop::option::of(0_u8..=100), 0_u64..8).prop_map(
        |(count, percent, minimum_size)| Limit {
            count,
            percent,
            minimum_size,
        },
    )
}

/// Those that the simple planner knows; takeovers and stakes have tests of their own.
fn limits() -> impl Strategy<Value = Limits> {
    (limit(), limit(), limit(), limit()).prop_map(|(group_adds, group_removals, run_adds, run_removals)| {
        Limits {
            group_adds,
            group_removals,
            run_adds,
            run_removals,
            takeover_adds: Limit::default(),
            takeover_removals: Limit::default(),
            run_takeover_adds: Limit::default(),
            stake_weight: 1,
        }
    })
}

/// The story's world with limits, and groups that dispute an address.
fn limited(story: &Story, limits: Limits, disputed: bool) -> Lab {
    let mut lab = tell(story);
    lab.settings.limits = limits;
    if disputed {
        for id in ["g0", "g1"] {
            if lab.sources.contains_key(id) {
                lab.group(id).email = Some("disputed@example.com".to_owned());
            }
        }
    }
    lab
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1_000))]

    #[test]
    fn r43_group_by_group_gives_the_bytes_that_all_at_once_gives(
        story in story(), limits in limits(), disputed in any::<bool>(),
    ) {
        let lab = limited(&story, limits, disputed);
        let views = lab.views();
        let expected: Vec<Vec<u8>> = simple(&lab.world, &views, &lab.settings).iter().map(Part::to_bytes).collect();
        let all: Vec<Vec<u8>> = plan(&lab.world, &views, &lab.settings).iter().map(Part::to_bytes).collect();
        prop_assert_eq!(&all, &expected);

        // As the engine does it: what needs no second read is counted when it is looked at.
        let mut claims = Claims::new(lab.world.rules, &lab.settings);
        for view in &views {
            claims.take(&view.id, &view.source, view.binding.as_ref(), &view.target.sight);
        }
        let mut survey = claims.settle();
        for view in &views {
            if !survey.look(view, &lab.world).is_empty() {
                survey.count(view, &lab.world);
            }
        }
        let verdict = survey.decide();
        let streamed: Vec<Vec<u8>> = views.iter().map(|view| verdict.part(view, &lab.world).to_bytes()).collect();
        prop_assert_eq!(&streamed, &expected);
    }
}

//! Pages of a directory: what is set there, and its groups.

use askama::Template;

use super::super::{directory, groups, limits, schedule};
use super::words::*;
use crate::console::faults::Faults;
use crate::console::words::{Badge, Tone};

fn limit(key: &'static str, count: &str) -> limits::LimitRow {
    limits::LimitRow {
        key,
        title: "Removed from one group in one run",
        about: "All groups together.",
        count: count.to_owned(),
        percent: "30".to_owned(),
        minimum_size: "10".to_owned(),
    }
}

pub(super) fn rendered() -> Vec<(&'static str, String)> {
    let mut html = Vec::new();
    let mut add = |name, page: askama::Result<String>| html.push((name, page.unwrap()));
    add(
        "directory",
        directory::Details {
            shell: shell("google"),
            begin: begin(),
            href: "/x".to_owned(),
            version: 3,
            google: true,
            unusable: None,
            running: Some(("/x".to_owned(), "A sync is under way".to_owned())),
            quarantine: Some(directory::QuarantineNote {
                since: ago(600),
                reason: "The last 5 runs failed: JumpCloud answered 401.".to_owned(),
                way_out: "Set a new API key, then release it.".to_owned(),
            }),
            at_risk: true,
            managed: true,
            declared_in_file: None,
            may_operate: true,
            may_change: true,
            mode: "Applies within limits",
            last_success: Some(ago(5)),
            next: Some(ago(-10)),
            figures: vec![
                ("41".to_owned(), "Groups exported"),
                ("1,204".to_owned(), "Memberships"),
            ],
            paused: Some(directory::PauseNote {
                at: ago(3),
                by: MARKUP.into(),
                reason: ARABIC.into(),
            }),
            schedule: vec![
                ("Cron pattern", "*/15 * * * *".to_owned()),
                ("Time zone", MARKUP.to_owned()),
            ],
            policies: directory::POLICIES,
            policy: "managed",
            suspended: "keep",
            on_change: "move",
            policy_facts: Vec::new(),
            limits: vec![limit("group_removals", "100")],
            identity: vec![
                ("JumpCloud's ID", "65f1c0de0000000000000001".into()),
                ("Customer", "C01abcde2".into()),
            ],
        }
        .render(),
    );
    let mut faults = Faults::default();
    faults.add("cron", format!("this is no pattern: {MARKUP}"));
    faults.add("quiet_0_from", "this is no time of the day");
    add(
        "schedule",
        schedule::Schedule {
            shell: shell("Schedule"),
            href: "/x".to_owned(),
            version: 3,
            declared_in_file: None,
            may_change: true,
            facts: Vec::new(),
            form: schedule::ScheduleForm {
                cron: MARKUP.to_owned(),
                timezone: "Europe/London".to_owned(),
                enabled: true,
                jitter_seconds: "60".to_owned(),
                quiet: vec![
                    schedule::QuietRow {
                        from: MARKUP.to_owned(),
                        until: "06:00".to_owned(),
                        days: vec!["fri"],
                        ..schedule::QuietRow::default()
                    },
                    schedule::QuietRow {
                        number: 1,
                        ..schedule::QuietRow::default()
                    },
                ],
                ..schedule::ScheduleForm::default()
            },
            faults,
            days: schedule::DAYS,
        }
        .render(),
    );
    let mut faults = Faults::default();
    faults.add(
        "group_removals_count",
        "this is no whole number; write digits alone",
    );
    for (name, may_change) in [("limits", true), ("limits-declared", false)] {
        add(
            name,
            limits::Limits {
                shell: shell("Limits"),
                href: "/x".to_owned(),
                version: 3,
                declared_in_file: (!may_change).then(|| "Declared in groupcast.toml.".to_owned()),
                may_change,
                rows: vec![limit("group_removals", MARKUP), limit("run_removals", "")],
                stake_weight: "3".to_owned(),
                faults: faults.clone(),
            }
            .render(),
        );
    }
    add(
        "enable",
        directory::Enable {
            shell: shell("Switch on group management"),
            href: "/x".to_owned(),
            version: 3,
            summary: "2 groups and 14 people at risk".to_owned(),
            findings: vec![directory::FindingNote {
                tone: Tone::Care,
                place: MARKUP.into(),
                code: "group-at-risk".to_owned(),
                message: format!("14 people in a bound group without an email {MARKUP}"),
            }],
            needs_acknowledgement: true,
            was_managed: true,
        }
        .render(),
    );
    add(
        "groups",
        groups::Groups {
            shell: shell("User Groups"),
            href: "/x".to_owned(),
            google: true,
            version: 3,
            search: String::new(),
            only: "all",
            filters: groups::FILTERS,
            declared_in_file: None,
            rows: vec![
                group_row("a", MARKUP, Badge::new(Tone::Good, "managed")),
                group_row("b", ARABIC, Badge::new(Tone::Care, "pending")),
                group_row("c", &long(), Badge::new(Tone::Bad, "conflict")),
                group_row("d", OVERRIDE, Badge::new(Tone::Plain, "not exportable")),
            ],
            pages: pages(),
        }
        .render(),
    );
    add(
        "group",
        groups::Group {
            shell: shell("group"),
            google: true,
            version: 3,
            row: group_row("b", MARKUP, Badge::new(Tone::Care, "pending")),
            email: Some("sales@example.com".into()),
            facts: vec![("Target", "03x8tuzt1".into())],
            why: "/x".to_owned(),
            may_change: true,
            bind: None,
            policies: directory::POLICIES,
            policy: "additive",
        }
        .render(),
    );
    html
}

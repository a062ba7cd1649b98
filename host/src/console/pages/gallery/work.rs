//! Pages of what is planned, was done, and how it went.

use askama::Template;
use chrono::Duration;

use super::super::{charts, history, plan, runs, why};
use super::words::*;
use crate::console::chart::{self, Unit};
use crate::console::words::{Badge, Tone};

pub(super) fn rendered() -> Vec<(&'static str, String)> {
    let mut html = Vec::new();
    let mut add = |name, page: askama::Result<String>| html.push((name, page.unwrap()));
    add(
        "plans",
        plan::Plans {
            shell: shell("Plans"),
            begin: begin(),
            rows: vec![plan::PlanRow {
                href: "/x".to_owned(),
                short: "3f2a9c1b77aa".to_owned(),
                made: ago(2),
                state: Badge::new(Tone::Care, "Waits for approval"),
                told: "12 memberships to add, 3 to remove".to_owned(),
                groups: 41,
            }],
        }
        .render(),
    );
    add(
        "plan",
        plan::Plan {
            shell: shell("Plan 3f2a9c1b77aa"),
            begin: begin(),
            href: "/x".to_owned(),
            hash: "3f2a9c1b77aa".repeat(5),
            figures: vec![
                ("2".to_owned(), "New groups"),
                ("1,204".to_owned(), "Added"),
                ("3".to_owned(), "Removed"),
                ("40".to_owned(), "Held"),
            ],
            made: ago(2),
            until: "valid until 12 Mar 2026".to_owned(),
            extent: Some("12 of 41 groups looked at.".to_owned()),
            applied: None,
            may_approve: true,
            to_apply: true,
            to_apply_told: "1,209 changes in 5 groups".to_owned(),
            parts: vec![
                part("a", "Sales", 3),
                part("b", MARKUP, 40),
                part("c", ARABIC, 1),
                part("d", &long(), 0),
            ],
            parts_told: "4 groups with something to see".to_owned(),
            quiet: vec!["Design".into(), MARKUP.into()],
            quiet_told: "36 groups in step".to_owned(),
            left_out: vec![(MARKUP.into(), MARKUP.to_owned())],
            left_out_told: "1 group that is not exported".to_owned(),
            pages: pages(),
        }
        .render(),
    );
    add(
        "runs",
        runs::Runs {
            shell: shell("Runs"),
            begin: begin(),
            runs: run_rows(),
            pages: pages(),
        }
        .render(),
    );
    add(
        "run",
        runs::Run {
            shell: shell("Apply"),
            undo: Some("/x".to_owned()),
            plan: Some("/x".to_owned()),
            message: Some(MARKUP.to_owned()),
            tone: Tone::Care,
            figures: vec![
                ("12".to_owned(), "Applied"),
                ("1".to_owned(), "Refused"),
                ("12.3 s".to_owned(), "Took"),
            ],
            timeline: vec![
                ("10:00:00".to_owned(), "Began", String::new(), Tone::Plain),
                ("10:00:12".to_owned(), "Ended", "12.3 s".to_owned(), Tone::Good),
            ],
            request_columns: vec!["Requests", "Writes"],
            requests: vec![("google".to_owned(), vec!["41".to_owned(), "12".to_owned()])],
            outcomes: vec![runs::OutcomeRow {
                what: MARKUP.into(),
                group: ARABIC.into(),
                answer: Badge::new(Tone::Bad, "Refused"),
                reason: Some(MARKUP.into()),
                request_id: "6f2f1c0e-1111-2222-3333-444455556666".into(),
                at: "10:00:11".to_owned(),
            }],
            outcomes_told: "1 write".to_owned(),
            pages: pages(),
        }
        .render(),
    );
    add(
        "job",
        runs::Job {
            shell: shell("Sync under way"),
            running: true,
            live: "/x/live".to_owned(),
            cancel: "/x/cancel".to_owned(),
            may_operate: true,
            state: Badge::new(Tone::Busy, "Running"),
            told: "reading the directory".to_owned(),
            share: Some((12, 41)),
            phases: vec![
                runs::PhaseLine {
                    title: "Reading JumpCloud",
                    about: "41 groups".to_owned(),
                    done: true,
                },
                runs::PhaseLine {
                    title: "Reading the directory",
                    about: MARKUP.to_owned(),
                    done: false,
                },
            ],
            message: None,
            next: Vec::new(),
        }
        .render(),
    );
    add(
        "why",
        why::Why {
            shell: shell("Why"),
            href: "/x".to_owned(),
            person: MARKUP.to_owned(),
            group: "Sales".to_owned(),
            answer: Some(why::Answer {
                conclusion: format!("alice@example.com is not in {MARKUP}").into(),
                steps: vec![
                    why::Link {
                        holds: true,
                        cause: false,
                        message: "Alice is in JumpCloud's group.".into(),
                    },
                    why::Link {
                        holds: false,
                        cause: true,
                        message: MARKUP.into(),
                    },
                ],
            }),
        }
        .render(),
    );
    let audit = || {
        vec![history::AuditRow {
            sequence: 7,
            at: ago(4),
            who: MARKUP.into(),
            action: "directory.changed".to_owned(),
            subject: MARKUP.into(),
            before: "{\"managed\":false}".to_owned(),
            after: MARKUP.to_owned(),
        }]
    };
    add(
        "history",
        history::History {
            shell: shell("History"),
            may_operate: true,
            applies: run_rows(),
            entries: audit(),
            pages: pages(),
        }
        .render(),
    );
    add(
        "audit",
        history::Audit {
            shell: shell("Audit log"),
            entries: audit(),
            pages: pages(),
        }
        .render(),
    );
    let days: Vec<_> = (0..30)
        .map(|day| {
            let at = now() - Duration::days(30 - day);
            let wave = 400 + day.unsigned_abs() * 13 % 170;
            (at, wave)
        })
        .collect();
    let memberships: Vec<_> = days.iter().map(|(at, wave)| (*at, vec![wave * 3])).collect();
    let requests: Vec<_> = days
        .iter()
        .map(|(at, wave)| (*at, vec![wave / 2, *wave]))
        .collect();
    let took: Vec<_> = days.iter().map(|(at, wave)| (*at, vec![wave * 40])).collect();
    let changes: Vec<_> = days
        .iter()
        .map(|(at, wave)| (at.date_naive(), vec![wave % 40, wave % 11, wave % 3]))
        .collect();
    add(
        "charts",
        charts::Charts {
            shell: shell("Charts"),
            charts: vec![
                chart::lines(
                    "memberships",
                    "Memberships",
                    Unit::Count,
                    &["Memberships"],
                    &memberships,
                ),
                chart::stacked(
                    "changes",
                    "Changes per day",
                    &["Added", "Removed", "Groups"],
                    &changes,
                ),
                chart::lines(
                    "converge",
                    "Time to converge",
                    Unit::Milliseconds,
                    &["Time"],
                    &took,
                ),
                chart::lines(
                    "requests",
                    "Requests per run",
                    Unit::Count,
                    &["JumpCloud", "Google"],
                    &requests,
                ),
                chart::lines("none", "Nothing yet", Unit::Count, &["None"], &[]),
            ],
        }
        .render(),
    );
    html
}

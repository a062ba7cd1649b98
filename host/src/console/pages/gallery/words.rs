//! Words that try to break a page, and what several pages have around or within them.

use chrono::{DateTime, Duration, Utc};

use super::super::{groups, plan, runs};
use crate::console::page::{Begin, Crumb, Csrf, Link, Notice, Pages, Shell, TenantNavigation, Theme};
use crate::console::words::{Badge, Tone, When};

pub(super) const MARKUP: &str = "<script>alert(1)</script>\" onmouseover='x' & <b>Sales</b>";
pub(super) const ARABIC: &str = "فريق المبيعات (القاهرة)";
pub(super) const OVERRIDE: &str = "Fin\u{202e}ecna";

pub(super) fn long() -> String {
    "Verylongnamewithoutanyplacetobreak".repeat(8)
}

pub(super) fn now() -> DateTime<Utc> {
    DateTime::from_timestamp(1_790_000_000, 0).unwrap()
}

pub(super) fn ago(minutes: i64) -> When {
    When::seen_from(now() - Duration::minutes(minutes), now())
}

pub(super) fn link(label: &str, current: bool) -> Link {
    Link {
        label: label.into(),
        href: "/x".to_owned(),
        current,
    }
}

pub(super) fn shell(title: &str) -> Shell {
    Shell {
        title: title.to_owned(),
        crumbs: vec![
            Crumb {
                label: "Tenants".into(),
                href: "/tenants".to_owned(),
            },
            Crumb {
                label: MARKUP.into(),
                href: "/tenants/acme".to_owned(),
            },
        ],
        theme: Theme::System,
        csrf: Csrf("abc-123".to_owned()),
        who: Some((MARKUP.into(), "Administrator".to_owned())),
        host: vec![
            link("Tenants", false),
            link("Audit log", false),
            link("Access tokens", false),
        ],
        tenant: Some(TenantNavigation {
            title: "Acme Rockets & Sons".into(),
            links: vec![
                link("Overview", false),
                link("Runs", false),
                link("Settings", true),
            ],
            directories: vec![link("google", true), link("entra", false)],
        }),
        tabs: [
            "Details",
            "User Groups",
            "Plan",
            "Runs",
            "Why",
            "History",
            "Charts",
        ]
        .into_iter()
        .map(|label| link(label, label == "Plan"))
        .collect(),
        badges: vec![
            Badge::new(Tone::Good, "On"),
            Badge::new(Tone::Plain, "Google Workspace"),
        ],
        notice: Some(Notice {
            tone: Tone::Good,
            title: "The plan was approved".to_owned(),
            lines: vec![MARKUP.to_owned(), "Its changes are being made.".to_owned()],
        }),
        again_after: None,
    }
}

pub(super) fn pages() -> Pages {
    Pages {
        told: "50 of 5,000 groups".to_owned(),
        first: Some("/x".to_owned()),
        next: Some("/x?after=50".to_owned()),
    }
}

pub(super) fn begin() -> Option<Begin> {
    Some(Begin {
        href: "/x/work".to_owned(),
        choices: vec![("plan", "Make a plan", ""), ("sync", "Sync now", "primary")],
    })
}

pub(super) fn run_rows() -> Vec<runs::RunRow> {
    [
        ("Apply", Tone::Good, "Done"),
        ("Sync", Tone::Care, "Changes wait"),
        ("Plan", Tone::Bad, "Failed"),
    ]
    .into_iter()
    .enumerate()
    .map(|(number, (kind, tone, end))| runs::RunRow {
        id: format!("run-{number}"),
        href: "/x".to_owned(),
        kind,
        directory: "google".into(),
        began: ago(number as i64 * 400 + 3),
        took: "12.3 s".to_owned(),
        end: Badge::new(tone, end),
        told: "12 added, 3 removed".to_owned(),
        message: (tone == Tone::Bad).then(|| format!("JumpCloud answered 401 {MARKUP}")),
    })
    .collect()
}

pub(super) fn group_row(id: &str, name: &str, state: Badge) -> groups::GroupRow {
    groups::GroupRow {
        id: id.to_owned(),
        name: name.into(),
        href: format!("/x/{id}"),
        bound: true,
        bound_by_us: id == "b",
        members: Some("1,234".to_owned()),
        address: Some("sales@example.com".into()),
        is_override: id == "b",
        selected: true,
        state,
        reason: Some("12 changes wait to be applied.".to_owned()),
        action: Some(groups::Action {
            field: "bound",
            value: "no",
            label: "Unbind",
            on: id == "c",
        }),
    }
}

pub(super) fn line(class: &'static str, sign: &'static str, said: &'static str, text: &str) -> plan::Line {
    plan::Line {
        class,
        sign,
        said,
        text: text.into(),
        aside: (class == "remove").then(|| "left the group".into()),
    }
}

pub(super) fn part(id: &str, name: &str, many: usize) -> plan::PartDiff {
    plan::PartDiff {
        id: id.to_owned(),
        name: name.into(),
        target: Some("sales@example.com".into()),
        badges: vec![Badge::new(Tone::Info, "Takes over an existing group")],
        users: Some("240 users".to_owned()),
        reasons: vec!["Its address is set in the directory's settings.".to_owned()],
        lists: vec![
            plan::Lines {
                label: "Added",
                class: "add",
                sign: "+",
                said: "Added:",
                told: format!("{many} people added"),
                lines: (0..many)
                    .map(|n| line("add", "+", "Added:", &format!("person{n}@example.com")))
                    .collect(),
            },
            plan::Lines {
                label: "Removed",
                class: "remove",
                sign: "−",
                said: "Removed:",
                told: "2 people removed".to_owned(),
                lines: vec![
                    line("remove", "−", "Removed:", MARKUP),
                    line("remove", "−", "Removed:", ARABIC),
                ],
            },
            plan::Lines {
                label: "Stay",
                class: "stay",
                sign: "·",
                said: "Stays:",
                told: "1 member stays".to_owned(),
                lines: vec![line("stay", "·", "Stays:", "guest@partner.example")],
            },
        ],
        held: vec![plan::HeldLines {
            reason: "40 removals are more than 30% of the group; approve them if that is right.".to_owned(),
            lines: vec![line("remove", "−", "Removed:", "zoe@example.com")],
            more: 39,
        }],
        releasable: true,
        to_apply: true,
        note: None,
    }
}

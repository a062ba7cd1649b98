//! Every template over words that try to break it: names with markup, from right to left, and far too long. With
//! `GROUPCAST_GALLERY=folder` the pages are written there, to be looked at without a service.

use std::path::Path;

use askama::Template;
use chrono::{DateTime, Duration, Utc};

use super::{charts, directory, groups, history, overview, plan, runs, settings, sign_in, start, why};
use crate::console::chart::{self, Unit};
use crate::console::page::{Begin, Crumb, Csrf, Link, Notice, Pages, Shell, TenantNavigation, Theme};
use crate::console::words::{Badge, Tone, When};

const MARKUP: &str = "<script>alert(1)</script>\" onmouseover='x' & <b>Sales</b>";
const ARABIC: &str = "فريق المبيعات (القاهرة)";
const OVERRIDE: &str = "Fin\u{202e}ecna";

fn long() -> String {
    "Verylongnamewithoutanyplacetobreak".repeat(8)
}

fn now() -> DateTime<Utc> {
    DateTime::from_timestamp(1_790_000_000, 0).unwrap()
}

fn ago(minutes: i64) -> When {
    When::seen_from(now() - Duration::minutes(minutes), now())
}

fn link(label: &str, current: bool) -> Link {
    Link {
        label: label.into(),
        href: "/x".to_owned(),
        current,
    }
}

fn shell(title: &str) -> Shell {
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

fn pages() -> Pages {
    Pages {
        told: "50 of 5,000 groups".to_owned(),
        first: Some("/x".to_owned()),
        next: Some("/x?after=50".to_owned()),
    }
}

fn begin() -> Option<Begin> {
    Some(Begin {
        href: "/x/work".to_owned(),
        choices: vec![("plan", "Make a plan", ""), ("sync", "Sync now", "primary")],
    })
}

fn run_rows() -> Vec<runs::RunRow> {
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

fn group_row(id: &str, name: &str, state: Badge) -> groups::GroupRow {
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

fn line(class: &'static str, sign: &'static str, said: &'static str, text: &str) -> plan::Line {
    plan::Line {
        class,
        sign,
        said,
        text: text.into(),
        aside: (class == "remove").then(|| "left the group".into()),
    }
}

fn part(id: &str, name: &str, many: usize) -> plan::PartDiff {
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

fn all() -> Vec<(&'static str, String)> {
    let form = start::JumpCloudForm {
        title: MARKUP.to_owned(),
        name: "acme".to_owned(),
        credential: "api-key".to_owned(),
        ..start::JumpCloudForm::default()
    };
    let steps = || start::steps(Some("/tenants/acme"), None, [true, false, false, false]);
    let mut html = Vec::new();
    let mut add = |name, page: askama::Result<String>| html.push((name, page.unwrap()));
    let mut alone = shell("Sign in");
    alone.notice = None;
    add(
        "sign-in",
        sign_in::SignIn {
            shell: alone,
            provider: Some(sign_in::ProviderLink {
                href: "/sign-in/oidc".to_owned(),
                name: "login.example.com".to_owned(),
            }),
            next: "/tenants".to_owned(),
        }
        .render(),
    );
    add(
        "problem",
        sign_in::Problem {
            shell: shell("Not found"),
            back: "/".to_owned(),
        }
        .render(),
    );
    let tenant = |name: &str, title: &str| overview::TenantRow {
        name: name.to_owned(),
        title: title.into(),
        href: "/x".to_owned(),
        state: Badge::new(Tone::Good, "In step"),
        directories: 2,
        last_success: Some(ago(12)),
        waits: vec![Badge::new(Tone::Care, "1 plan to approve")],
    };
    add(
        "tenants",
        overview::Tenants {
            shell: shell("Tenants"),
            search: MARKUP.to_owned(),
            may_create: true,
            rows: vec![
                tenant("acme", MARKUP),
                tenant("kairo", ARABIC),
                tenant("long", &long()),
                tenant("o", OVERRIDE),
            ],
            pages: pages(),
        }
        .render(),
    );
    add(
        "tenant-new",
        start::NewTenantPage {
            shell: shell("Add a tenant"),
            steps: start::steps(None, None, [false; 4]),
            form,
        }
        .render(),
    );
    add(
        "tenant",
        overview::TenantHome {
            shell: shell("Acme Rockets & Sons"),
            href: "/tenants/acme".to_owned(),
            steps: steps(),
            may_add: true,
            directories: vec![
                overview::DirectoryCard {
                    name: "google".into(),
                    href: "/x".to_owned(),
                    vendor: "Google Workspace",
                    badges: vec![
                        Badge::new(Tone::Good, "Management on"),
                        Badge::new(Tone::Busy, "Running"),
                    ],
                    last_success: Some(ago(12)),
                    next: Some(ago(-15)),
                    trouble: None,
                    waits: Some(("/x".to_owned(), "Look at the plan that waits".to_owned())),
                },
                overview::DirectoryCard {
                    name: "entra".into(),
                    href: "/x".to_owned(),
                    vendor: "Microsoft 365 / Entra ID",
                    badges: vec![Badge::new(Tone::Plain, "Management off")],
                    last_success: None,
                    next: None,
                    trouble: Some(MARKUP.to_owned()),
                    waits: None,
                },
            ],
            runs: run_rows(),
        }
        .render(),
    );
    for vendor in ["", "google", "entra"] {
        let name = match vendor {
            "google" => "directory-new-google",
            "entra" => "directory-new-entra",
            _ => "directory-new",
        };
        add(
            name,
            start::NewDirectoryPage {
                shell: shell("Connect a directory"),
                href: "/x".to_owned(),
                steps: Vec::new(),
                form: start::DirectoryForm {
                    vendor: vendor.to_owned(),
                    admin: MARKUP.to_owned(),
                    ..start::DirectoryForm::default()
                },
                choices: vec![("65f1c0de0000000000000001".to_owned(), MARKUP.into())],
            }
            .render(),
        );
    }
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
            schedule: directory::ScheduleForm {
                cron: "*/15 * * * *".to_owned(),
                timezone: "Europe/London".to_owned(),
            },
            policies: directory::POLICIES,
            policy: "managed",
            suspended: "keep",
            on_change: "move",
            policy_facts: Vec::new(),
            limits: vec![(
                "Removals of a group",
                "100".to_owned(),
                "30%".to_owned(),
                "10".to_owned(),
            )],
            identity: vec![
                ("JumpCloud's ID", "65f1c0de0000000000000001".into()),
                ("Customer", "C01abcde2".into()),
            ],
        }
        .render(),
    );
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
    add(
        "settings",
        settings::Settings {
            shell: shell("Settings"),
            href: "/x".to_owned(),
            version: 2,
            declared_in_file: None,
            may_change: true,
            enabled: true,
            form: start::JumpCloudForm {
                title: "Acme".to_owned(),
                secret_is_kept: true,
                base_url: "https://console.eu.jumpcloud.com".to_owned(),
                ..start::JumpCloudForm::default()
            },
        }
        .render(),
    );
    add(
        "secrets",
        settings::Secrets {
            shell: shell("Secrets"),
            href: "/x".to_owned(),
            may_change: true,
            rows: vec![settings::SecretRow {
                name: "jumpcloud".into(),
                version: 2,
                set_at: ago(900),
                set_by: MARKUP.into(),
                expires: Badge::new(Tone::Care, "in 12 days"),
            }],
        }
        .render(),
    );
    add(
        "tokens",
        settings::Tokens {
            shell: shell("API tokens"),
            href: "/x".to_owned(),
            may_change: true,
            made: Some("gc_0123456789".to_owned()),
            rows: vec![settings::TokenRow {
                id: "a1b2".to_owned(),
                name: MARKUP.into(),
                role: "operator",
                made: ago(900),
                used: None,
                expires: Badge::new(Tone::Plain, "in 90 days"),
                usable: true,
            }],
        }
        .render(),
    );
    add(
        "access",
        settings::Access {
            shell: shell("Access"),
            href: "/x".to_owned(),
            may_change: true,
            rows: vec![settings::GrantRow {
                subject: MARKUP.into(),
                role: "admin",
                since: ago(900),
            }],
        }
        .render(),
    );
    html
}

#[test]
fn no_words_become_markup_and_nothing_in_a_page_needs_a_looser_content_policy() {
    let pages = all();
    if let Some(folder) = std::env::var_os("GROUPCAST_GALLERY") {
        write(Path::new(&folder), &pages);
    }
    for (name, html) in &pages {
        assert!(!html.contains("<script>") && !html.contains("<b>Sales"), "{name}");
        assert!(!html.contains("style=") && !html.contains("<style"), "{name}");
        assert!(!html.contains("\u{202e}"), "{name}");
        // An attribute that would run something stands outside a quoted or escaped text only as ours, and there is none.
        for tag in html
            .split('<')
            .skip(1)
            .filter_map(|rest| rest.split_once('>'))
            .map(|(tag, _)| tag)
        {
            let runs = |word: &str| word.starts_with("on") && word.contains('=') && !word.contains("&#");
            assert!(!tag.split_whitespace().any(runs), "{name}: <{tag}>");
        }
        for script in html.split("<script").skip(1) {
            assert!(script.starts_with(" src=\"/assets/"), "{name}");
        }
    }
}

#[test]
fn every_field_has_a_label_and_every_id_is_there_once() {
    for (name, html) in &all() {
        let ids: Vec<&str> = html
            .split(" id=\"")
            .skip(1)
            .filter_map(|rest| rest.split('"').next())
            .collect();
        let mut once = ids.clone();
        once.sort_unstable();
        once.dedup();
        assert_eq!(once.len(), ids.len(), "{name}: an id is there twice: {ids:?}");
        for field in ["<input", "<select", "<textarea"]
            .iter()
            .flat_map(|kind| html.split(kind).skip(1))
        {
            let tag = field.split('>').next().unwrap_or_default();
            if tag.contains("type=\"hidden\"")
                || tag.contains("type=\"checkbox\"")
                || tag.contains("type=\"radio\"")
            {
                continue;
            }
            let id = tag.split(" id=\"").nth(1).and_then(|rest| rest.split('"').next());
            let id = id.unwrap_or_else(|| panic!("{name}: a field without an id: {tag}"));
            assert!(
                html.contains(&format!("for=\"{id}\"")),
                "{name}: no label for {id}"
            );
        }
    }
}

#[test]
fn posting_forms_carry_the_form_token() {
    for (name, html) in &all() {
        for form in html
            .split("<form")
            .skip(1)
            .filter_map(|rest| rest.split("</form>").next())
        {
            if form
                .split('>')
                .next()
                .unwrap_or_default()
                .contains("method=\"post\"")
            {
                assert!(form.contains("name=\"csrf\" value=\"abc-123\""), "{name}: {form}");
            }
        }
    }
}

fn write(folder: &Path, pages: &[(&str, String)]) {
    std::fs::create_dir_all(folder.join("assets")).unwrap();
    for name in [
        "console.css",
        "console.js",
        "htmx.min.js",
        "sse.min.js",
        "favicon.svg",
    ] {
        let path = crate::console::assets::path(name);
        let asset = crate::console::assets::at(path).unwrap();
        std::fs::write(folder.join(path.trim_start_matches('/')), asset.content).unwrap();
    }
    for (name, html) in pages {
        std::fs::write(folder.join(format!("{name}.html")), html).unwrap();
    }
}

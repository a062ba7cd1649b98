//! Pages before a directory is there: sign-in, tenants, the first visit.

use askama::Template;

use super::super::{overview, sign_in, start};
use super::words::*;
use crate::console::words::{Badge, Tone};

pub(super) fn rendered() -> Vec<(&'static str, String)> {
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
    html
}

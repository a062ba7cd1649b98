//! Pages of who may do what, with which secrets.

use askama::Template;

use super::super::{plugins, settings, start};
use super::words::*;
use crate::console::words::{Badge, Tone};

pub(super) fn rendered() -> Vec<(&'static str, String)> {
    let mut html = Vec::new();
    let mut add = |name, page: askama::Result<String>| html.push((name, page.unwrap()));
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
    add(
        "plugins",
        plugins::Plugins {
            shell: shell("Plugins"),
            href: "/x".to_owned(),
            version: 2,
            declared_in_file: None,
            may_choose: true,
            missing: Some(MARKUP.into()),
            rows: vec![
                plugins::PluginRow {
                    name: "Built-in component".into(),
                    digest: String::new(),
                    whose: "every tenant".into(),
                    origin: None,
                    size: None,
                    granted: "what a sync needs".to_owned(),
                    rules: Vec::new(),
                    added: None,
                    used: Some(Badge::new(Tone::Good, "Runs")),
                },
                plugins::PluginRow {
                    name: MARKUP.into(),
                    digest: "3f".repeat(32),
                    whose: ARABIC.into(),
                    origin: Some(long().into()),
                    size: Some("1,204,332 bytes".to_owned()),
                    granted: "4 kinds of requests, 1 of them writes".to_owned(),
                    rules: vec![MARKUP.into(), long().into()],
                    added: Some(ago(900)),
                    used: None,
                },
            ],
        }
        .render(),
    );
    html
}

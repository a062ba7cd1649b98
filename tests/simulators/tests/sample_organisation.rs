//! The sample organisation: that the file is what its helper makes, and that it holds every oddity that the
//! sandbox promises to show. `GROUPCAST_WRITE_SAMPLE=1 cargo test -p groupcast-simulators --test
//! sample_organisation` writes the file anew.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "tests fail by panicking"
)]

mod sample_support;

use std::collections::BTreeSet;

use groupcast_simulators::organisation::{self, Organisation};
use serde_json::Value;

const FILE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/organisations/sample.json");

/// The file's text: one line for each user and group, and nothing that a reader would assume anyway.
fn text(organisation: &Organisation) -> String {
    let Value::Object(sections) = serde_json::to_value(organisation).unwrap() else {
        panic!("an organisation is an object");
    };
    let sections: Vec<String> = ["jumpcloud", "google", "entra"]
        .iter()
        .map(|name| {
            let fields: Vec<String> = sections[*name]
                .as_object()
                .unwrap()
                .iter()
                .map(|(key, value)| format!("    {}: {}", Value::from(key.as_str()), field(value)))
                .collect();
            format!("  \"{name}\": {{\n{}\n  }}", fields.join(",\n"))
        })
        .collect();
    format!("{{\n{}\n}}\n", sections.join(",\n"))
}

fn field(value: &Value) -> String {
    match value.as_array() {
        Some(list) if list.iter().any(Value::is_object) => {
            let lines: Vec<String> = list.iter().map(|item| format!("      {}", terse(item))).collect();
            format!("[\n{}\n    ]", lines.join(",\n"))
        }
        _ => value.to_string(),
    }
}

/// Leaves out what is absent by default.
fn terse(value: &Value) -> Value {
    match value {
        Value::Array(items) => items.iter().map(terse).collect(),
        Value::Object(fields) => fields
            .iter()
            .filter(|(key, value)| match value {
                Value::Null => false,
                // Left out where it is the default: a group is a security group, and nothing else is so.
                Value::Bool(set) => *set != (key.as_str() == "security_enabled"),
                Value::Array(items) => !items.is_empty(),
                Value::String(text) => !(text.is_empty() || key.as_str() == "state" && text == "ACTIVATED"),
                _ => true,
            })
            .map(|(key, value)| (key.clone(), terse(value)))
            .collect::<serde_json::Map<_, _>>()
            .into(),
        other => other.clone(),
    }
}

#[test]
fn the_sample_file_is_what_its_helper_makes() {
    let wanted = text(&sample_support::sample());
    if std::env::var_os("GROUPCAST_WRITE_SAMPLE").is_some() {
        std::fs::write(FILE, &wanted).unwrap();
    }
    let found = std::fs::read_to_string(FILE).unwrap();
    assert!(
        found == wanted,
        "organisations/sample.json is not current; run this test with GROUPCAST_WRITE_SAMPLE=1"
    );
    let json = |organisation: &Organisation| serde_json::to_value(organisation).unwrap();
    assert_eq!(
        json(&organisation::sample().unwrap()),
        json(&sample_support::sample())
    );
}

#[test]
fn the_sample_has_its_size_and_everybody_a_name_of_their_own() {
    let sample = organisation::sample().unwrap();
    assert_eq!(
        (sample.jumpcloud.users.len(), sample.jumpcloud.groups.len()),
        (300, 41)
    );
    let names: BTreeSet<&str> = sample
        .jumpcloud
        .users
        .iter()
        .map(|user| user.username.as_str())
        .collect();
    assert_eq!(names.len(), 300);
    assert_eq!(sample.jumpcloud.problems(), Vec::<String>::new());
}

#[test]
fn the_sample_holds_every_oddity_that_the_sandbox_shows() {
    let sample = organisation::sample().unwrap();
    let group = |name: &str| {
        sample
            .jumpcloud
            .groups
            .iter()
            .find(|group| group.name == name)
            .unwrap()
    };
    let entra = |name: &str| {
        sample
            .entra
            .groups
            .iter()
            .filter(|group| group.display_name == name)
            .collect::<Vec<_>>()
    };
    assert!(group("Alumni Network").users.is_empty() && group("Alumni Network").groups.is_empty());
    assert_eq!(group("Security Review Board").email, None);
    assert_eq!(group("Platform").email, group("Platform (old)").email);
    assert!(!group("Engineering").groups.is_empty() && group("Chess Club").directories.is_empty());
    assert_eq!(entra("Finance").len(), 2);
    assert_eq!((entra("Sales").len(), entra("sales").len()), (0, 1));
    assert!(entra("Marketing")[0].mail_enabled && !entra("Marketing")[0].security_enabled);
    assert!(entra("Legal")[0].security_enabled);
    let google = |email: &str| {
        sample
            .google
            .groups
            .iter()
            .find(|group| group.email == email)
            .unwrap()
    };
    assert!(
        google("press@larkspur.example")
            .aliases
            .contains(group("Media Relations").email.as_ref().unwrap())
    );
    assert_eq!(google("design@larkspur.example").members.len(), 7);
    let known: BTreeSet<&str> = sample
        .google
        .users
        .iter()
        .flat_map(|user| user.aliases.iter().chain([&user.primary_email]))
        .map(String::as_str)
        .collect();
    let unknown: Vec<&str> = sample
        .jumpcloud
        .users
        .iter()
        .filter_map(|user| user.email.as_deref())
        .filter(|email| !known.contains(email))
        .collect();
    assert_eq!(unknown.len(), 1);
    assert_eq!(
        sample
            .jumpcloud
            .users
            .iter()
            .filter(|user| user.is_suspended())
            .count(),
        1
    );
}

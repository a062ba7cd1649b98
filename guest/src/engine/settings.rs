//! Reads the settings document of a run; what is wrong is named by its path in the document.

use crate::failure::{Failure, FailureKind};
use crate::settings::{Limit, Settings};

/// The settings in a JSON document.
///
/// # Errors
/// [`FailureKind::Configuration`], with the JSON path of what is wrong as its place.
pub fn parse(document: &str) -> Result<Settings, Failure> {
    let mut reader = serde_json::Deserializer::from_str(document);
    let settings: Settings = serde_path_to_error::deserialize(&mut reader).map_err(|error| {
        let path = error.path().to_string();
        wrong(
            &path,
            &format!("{}. Mend the setting and run again.", error.inner()),
        )
    })?;
    reader
        .end()
        .map_err(|error| wrong(".", &format!("something follows the document's end: {error}")))?;
    for (name, limit) in [
        ("group_adds", settings.limits.group_adds),
        ("group_removals", settings.limits.group_removals),
        ("run_adds", settings.limits.run_adds),
        ("run_removals", settings.limits.run_removals),
    ] {
        check_percent(name, limit)?;
    }
    for (group, address) in &settings.addresses {
        if !looks_like_an_address(address) {
            return Err(wrong(
                &format!("addresses.{group}"),
                &format!("“{address}” is no email address. Give one such as sales@example.com."),
            ));
        }
    }
    Ok(settings)
}

fn check_percent(name: &str, limit: Limit) -> Result<(), Failure> {
    match limit.percent {
        Some(percent) if percent > 100 => Err(wrong(
            &format!("limits.{name}.percent"),
            &format!("{percent} is over 100. Give a share from 0 to 100."),
        )),
        _ => Ok(()),
    }
}

fn looks_like_an_address(address: &str) -> bool {
    let address = address.trim();
    match address.split_once('@') {
        Some((local, domain)) => {
            !local.is_empty()
                && !domain.is_empty()
                && !domain.contains('@')
                && !address.contains(|character: char| character.is_whitespace() || character.is_control())
        }
        None => false,
    }
}

fn wrong(path: &str, message: &str) -> Failure {
    let place = match path {
        "" | "." => "settings".to_owned(),
        path => format!("settings.{path}"),
    };
    Failure::new(FailureKind::Configuration, place, message)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_empty_object_is_the_default_and_manages_nothing() {
        let settings = parse("{}").unwrap();
        assert_eq!(settings, Settings::default());
        assert!(!settings.managed);
    }

    #[test]
    fn what_is_wrong_is_named_by_its_path() {
        for (document, place) in [
            ("", "settings"),
            ("{} {}", "settings"),
            (r#"{"managd":true}"#, "settings.managd"),
            (
                r#"{"limits":{"run_adds":{"count":-1}}}"#,
                "settings.limits.run_adds.count",
            ),
            (
                r#"{"limits":{"group_removals":{"percent":101}}}"#,
                "settings.limits.group_removals.percent",
            ),
            (r#"{"policies":{"sales":"strict"}}"#, "settings.policies.sales"),
            (r#"{"addresses":{"sales":"nowhere"}}"#, "settings.addresses.sales"),
        ] {
            let failure = parse(document).unwrap_err();
            assert_eq!(failure.kind, FailureKind::Configuration, "{document}");
            assert_eq!(failure.place, place, "{document}: {failure}");
        }
    }
}

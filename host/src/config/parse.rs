//! From bytes to sections: what any TOML file of ours must satisfy before its values are looked at.

use std::ops::Range;
use std::path::Path;

use serde_path_to_error::Error as PathError;
use toml::de::{DeTable, DeValue};

use super::problem::{Problem, Source};
use super::secret_source::{HOW, NOT_A_PLACE};
use super::{Config, File, LONGEST, VERSION, checks};

pub(super) fn parse(path: &Path, bytes: &[u8]) -> Result<Config, Vec<Problem>> {
    let text = readable(path, bytes)?;
    let source = Source { path, text };
    let table = DeTable::parse(text).map_err(|error| vec![syntax(&source, &error)])?;
    let places = Places(table.get_ref());
    if let Some(newer) = newer_version(&source, &places) {
        return Err(vec![newer]);
    }
    if table.get_ref().is_empty() {
        let help = "describe [jumpcloud] and a directory, [google] or [entra]".to_owned();
        return Err(vec![source.problem(
            None,
            "",
            "the configuration is empty",
            Some(help),
            false,
        )]);
    }
    let deserializer = toml::Deserializer::parse(text).map_err(|error| vec![syntax(&source, &error)])?;
    let file: File = serde_path_to_error::deserialize(deserializer)
        .map_err(|error| vec![shape(&source, &places, &error)])?;
    checks::check(&source, &places, file)
}

/// The bytes as text, or why they are none.
fn readable<'a>(path: &Path, bytes: &'a [u8]) -> Result<&'a str, Vec<Problem>> {
    let nothing = Source { path, text: "" };
    if bytes.len() > LONGEST {
        let message = format!("the configuration is longer than {LONGEST} bytes");
        return Err(vec![nothing.problem(
            None,
            "",
            message,
            Some("is it the right file?".to_owned()),
            false,
        )]);
    }
    if bytes.starts_with(b"\xEF\xBB\xBF") {
        let help = "save the file as UTF-8 without BOM".to_owned();
        return Err(vec![nothing.problem(
            None,
            "",
            "the file begins with a byte order mark",
            Some(help),
            false,
        )]);
    }
    let text = std::str::from_utf8(bytes).map_err(|error| {
        let good = bytes.get(..error.valid_up_to()).unwrap_or_default();
        let text = std::str::from_utf8(good).unwrap_or_default();
        let help = "save the file as UTF-8".to_owned();
        let at = text.len();
        vec![Source { path, text }.problem(Some(at..at), "", "this is not UTF-8", Some(help), true)]
    })?;
    if let Some(at) = text.find('\0') {
        let help = "remove it; is it a text file?".to_owned();
        return Err(vec![Source { path, text }.problem(
            Some(at..at + 1),
            "",
            "a NUL byte",
            Some(help),
            true,
        )]);
    }
    Ok(text)
}

fn syntax(source: &Source<'_>, error: &toml::de::Error) -> Problem {
    let message = error.message().trim().replace('\n', "; ");
    let help = message
        .contains("duplicate key")
        .then(|| "keep one of the two".to_owned());
    source.problem(error.span(), "", message, help, false)
}

fn newer_version(source: &Source<'_>, places: &Places<'_>) -> Option<Problem> {
    let (value, span) = places.value(&["version"])?;
    let DeValue::Integer(integer) = value else {
        return None;
    };
    let version = i64::from_str_radix(integer.as_str(), integer.radix()).ok()?;
    (version > i64::from(VERSION)).then(|| {
        let help = "use a newer groupcast, or a file of this version".to_owned();
        let message =
            format!("the file has version {version} of the format; this groupcast knows up to {VERSION}");
        source.problem(Some(span), "version", message, Some(help), false)
    })
}

/// What serde refused: an unknown key, a wrong type, a missing key.
fn shape(source: &Source<'_>, places: &Places<'_>, error: &PathError<toml::de::Error>) -> Problem {
    let inner = error.inner();
    let message = plain(&inner.message().trim().replace('\n', "; "));
    let mut key = error.path().to_string();
    if key == "." {
        key.clear();
    }
    let steps: Vec<&str> = key
        .split(['.', '[', ']'])
        .filter(|step| !step.is_empty())
        .collect();
    let own = places.value(&steps).map(|(_, span)| span);
    let mut quoted = message.split('`').skip(1).step_by(2);
    if message.starts_with("unknown field") {
        let (given, known) = (quoted.next().unwrap_or_default(), quoted.collect::<Vec<_>>());
        let parent = if steps.last() == Some(&given) {
            steps.split_last().map_or(&[][..], |(_, rest)| rest)
        } else {
            &steps
        };
        let span = places.key(parent, given).or(inner.span());
        if steps.last() != Some(&given) {
            if !key.is_empty() {
                key.push('.');
            }
            key.push_str(given);
        }
        return source.problem(
            span,
            key,
            format!("unknown key `{given}`"),
            Some(nearest(given, &known)),
            false,
        );
    }
    if message.starts_with("unknown variant") {
        let (given, known) = (quoted.next().unwrap_or_default(), quoted.collect::<Vec<_>>());
        let message = format!("unknown value `{given}`");
        return source.problem(
            inner.span().or(own),
            key,
            message,
            Some(nearest(given, &known)),
            false,
        );
    }
    if message.starts_with("missing field") {
        let missing = quoted.next().unwrap_or_default();
        let span = own.or(inner.span());
        return source.problem(span, key, format!("`{missing}` is missing here"), None, false);
    }
    if message.contains(NOT_A_PLACE) {
        let message = message.replace(&format!("; {HOW}"), "");
        return source.problem(own.or(inner.span()), key, message, Some(HOW.to_owned()), true);
    }
    source.problem(own.or(inner.span()), key, message, None, false)
}

/// The types' names are Rust's; say them in words.
fn plain(message: &str) -> String {
    match message.split_once(", expected ") {
        Some((given, "u8" | "u16" | "u32" | "u64")) => {
            format!("{given}, expected a whole number, 0 or greater and not too great")
        }
        _ => message.to_owned(),
    }
}

/// The known word that is most like the given one, or all of them.
pub(super) fn nearest(given: &str, known: &[&str]) -> String {
    let best = known
        .iter()
        .map(|word| (strsim::damerau_levenshtein(given, word), *word))
        .min()
        .filter(|(distance, word)| *distance <= 1 + word.chars().count() / 3);
    match best {
        Some((_, word)) => format!("did you mean `{word}`?"),
        None if known.is_empty() => "nothing is known here; remove it".to_owned(),
        None => format!("known here: {}", known.join(", ")),
    }
}

/// Where keys and values stand in the text.
pub(super) struct Places<'a>(&'a DeTable<'a>);

impl<'a> Places<'a> {
    /// The value at a path of keys and array positions, and where it stands.
    pub(super) fn value(&self, path: &[&str]) -> Option<(&'a DeValue<'a>, Range<usize>)> {
        let (first, rest) = path.split_first()?;
        let mut value = self.0.iter().find(|(key, _)| key.get_ref() == first)?.1;
        for step in rest {
            value = match value.get_ref() {
                DeValue::Table(table) => table.iter().find(|(key, _)| key.get_ref() == step)?.1,
                DeValue::Array(array) => array.get(step.parse::<usize>().ok()?)?,
                _ => return None,
            };
        }
        Some((value.get_ref(), value.span()))
    }

    /// Where a key of a table stands.
    fn key(&self, table: &[&str], key: &str) -> Option<Range<usize>> {
        let table = match table {
            [] => self.0,
            path => match self.value(path)?.0 {
                DeValue::Table(table) => table,
                _ => return None,
            },
        };
        table
            .iter()
            .find(|(found, _)| found.get_ref() == key)
            .map(|(found, _)| found.span())
    }
}

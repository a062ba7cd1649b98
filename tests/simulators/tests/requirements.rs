//! Every requirement has tests that carry its number, and the table in `tests/README.md` says where they stand. The
//! table is written from the sources: `GROUPCAST_WRITE_TABLE=1` writes it anew. It stands in this package since it needs
//! nothing but files, and this package is quick to build.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "tests fail by panicking"
)]

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

/// The first and the last requirement.
const NUMBERS: std::ops::RangeInclusive<u32> = 1..=52;

/// Where tests stand.
const ROOMS: [&str; 6] = [
    "guest/src",
    "host/src",
    "tests/end-to-end/tests",
    "tests/simulation/tests",
    "tests/simulators/src",
    "tests/simulators/tests",
];

fn project() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

/// Every Rust file below a folder: its path within the project, and its text.
fn sources(room: &str) -> Vec<(String, String)> {
    let mut found = Vec::new();
    let mut folders = vec![project().join(room)];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display())) {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                let name = path
                    .strip_prefix(project())
                    .unwrap()
                    .to_string_lossy()
                    .into_owned();
                found.push((name, fs::read_to_string(&path).unwrap()));
            }
        }
    }
    found
}

/// How the table calls a file: the room and the module, without what all of them share.
fn label(file: &str) -> String {
    let file = file.strip_suffix(".rs").unwrap_or(file);
    let file = file.strip_prefix("tests/").unwrap_or(file);
    let file = file.strip_suffix("/mod").unwrap_or(file);
    let file = file.replacen("/src/", "/", 1);
    ["end-to-end", "simulation"]
        .iter()
        .find_map(|room| {
            file.strip_prefix(&format!("{room}/tests/"))
                .map(|rest| format!("{room}/{rest}"))
        })
        .unwrap_or(file)
}

/// The names of all functions marked as tests, those of `proptest!` included; in a suite, which is run as a whole by
/// one test, of all functions.
fn tests(file: &str, text: &str) -> Vec<String> {
    let mut found = Vec::new();
    let suite = file.contains("/suite/");
    let mut marked = false;
    for line in text.lines().map(str::trim) {
        if line.starts_with("#[test]") || line.starts_with("#[tokio::test") {
            marked = true;
        } else if let Some((_, rest)) = line.split_once("fn ").filter(|(before, _)| {
            before
                .split_whitespace()
                .all(|word| matches!(word, "async" | "pub"))
        }) && (std::mem::take(&mut marked) || suite)
        {
            let name: String = rest
                .chars()
                .take_while(|letter| letter.is_ascii_alphanumeric() || *letter == '_')
                .collect();
            found.push(name);
        }
    }
    found
}

/// The requirements that a test's name carries: `r24_…`, `r12_r13_…`, `…_and_r33_…`.
fn numbers(name: &str) -> BTreeSet<u32> {
    name.split('_')
        .filter_map(|word| word.strip_prefix('r'))
        .filter(|digits| !digits.is_empty() && digits.len() <= 2)
        .filter_map(|digits| digits.parse().ok())
        .collect()
}

/// Requirement -> files with tests of it.
fn found() -> BTreeMap<u32, BTreeSet<String>> {
    let mut found: BTreeMap<u32, BTreeSet<String>> = BTreeMap::new();
    for room in ROOMS {
        for (file, text) in sources(room) {
            for number in tests(&file, &text).iter().flat_map(|name| numbers(name)) {
                found.entry(number).or_default().insert(label(&file));
            }
        }
    }
    found
}

#[test]
fn every_requirement_has_a_test_with_its_number() {
    let found = found();
    assert!(
        found.values().map(BTreeSet::len).sum::<usize>() > 200,
        "the sources are read: {found:?}"
    );
    let without: Vec<u32> = NUMBERS.filter(|number| !found.contains_key(number)).collect();
    assert!(without.is_empty(), "requirements without a test: {without:?}");
    let unknown: Vec<(&u32, &BTreeSet<String>)> = found
        .iter()
        .filter(|(number, _)| !NUMBERS.contains(number))
        .collect();
    assert!(
        unknown.is_empty(),
        "tests of requirements that there are not: {unknown:?}"
    );
}

/// A line of the first table: `| R1 | in short | files |`.
fn row(line: &str) -> Option<(u32, &str)> {
    let mut cells = line.strip_prefix("| R")?.split(" | ");
    let number = cells.next()?.trim().parse().ok()?;
    Some((number, cells.next()?))
}

#[test]
fn the_table_says_where_the_tests_of_each_requirement_stand() {
    let path = project().join("tests/README.md");
    let text = fs::read_to_string(&path).unwrap();
    let found = found();
    let mut seen = Vec::new();
    let written: String = text
        .lines()
        .map(|line| match row(line) {
            None => format!("{line}\n"),
            Some((number, short)) => {
                seen.push(number);
                let files: Vec<String> = found
                    .get(&number)
                    .into_iter()
                    .flatten()
                    .map(|file| format!("`{file}`"))
                    .collect();
                format!("| R{number} | {short} | {} |\n", files.join(", "))
            }
        })
        .collect();
    assert_eq!(
        seen,
        NUMBERS.collect::<Vec<u32>>(),
        "the table has one line for each requirement, in order"
    );
    if std::env::var_os("GROUPCAST_WRITE_TABLE").is_some() {
        fs::write(&path, &written).unwrap();
        return;
    }
    let differing: Vec<(&str, &str)> = text
        .lines()
        .zip(written.lines())
        .filter(|(before, after)| before != after)
        .collect();
    assert!(
        differing.is_empty(),
        "run this test with GROUPCAST_WRITE_TABLE=1 and commit tests/README.md: {differing:#?}"
    );
}

/// The second table, and the page for administrators, are written by hand, since no number leads to their tests: each
/// that they name must be there.
#[test]
fn every_test_that_the_tables_name_is_there() {
    let text = ["tests/README.md", "host/docs/safety.md"]
        .map(|file| fs::read_to_string(project().join(file)).unwrap())
        .join("\n");
    let all: BTreeMap<String, Vec<String>> = ROOMS
        .iter()
        .flat_map(|room| sources(room))
        .map(|(file, text)| (label(&file), tests(&file, &text)))
        .collect();
    let named: Vec<(&str, &str)> = text
        .split('`')
        .skip(1)
        .step_by(2)
        .filter(|code| !code.contains(' '))
        .filter_map(|code| code.split_once("::"))
        .collect();
    assert!(
        named.len() > 20,
        "the second table names tests as `file::test`: {named:?}"
    );
    let missing: Vec<(&str, &str)> = named
        .into_iter()
        .filter(|(file, test)| {
            !all.get(*file)
                .is_some_and(|tests| tests.iter().any(|name| name == test))
        })
        .collect();
    assert!(
        missing.is_empty(),
        "the tables name tests that there are not: {missing:#?}"
    );
}

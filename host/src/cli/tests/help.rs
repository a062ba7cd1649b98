//! The help is documentation: it changes only on purpose.

use clap::{CommandFactory as _, Parser as _};

use crate::cli::arguments::{Command, CommandLine, OrganisationSize};

fn help(path: &[&str]) -> String {
    let mut command = CommandLine::command().term_width(100);
    command.build();
    let mut command = &mut command;
    for name in path {
        command = command.find_subcommand_mut(name).unwrap();
    }
    command.clone().term_width(100).render_long_help().to_string()
}

#[test]
fn the_help_of_each_command_says_what_it_does_and_shows_an_example() {
    let commands: &[&[&str]] = &[
        &[],
        &["sandbox"],
        &["check"],
        &["plan"],
        &["apply"],
        &["sync"],
        &["undo"],
        &["why"],
        &["runs"],
        &["replay"],
        &["serve"],
        &["health"],
        &["secrets"],
        &["secrets", "set"],
        &["secrets", "list"],
        &["secrets", "rm"],
        &["token"],
        &["token", "create"],
        &["token", "list"],
        &["token", "revoke"],
        &["secrets", "rotate-key"],
        &["store"],
        &["store", "status"],
        &["store", "migrate"],
        &["store", "backup"],
        &["store", "restore"],
        &["store", "prune"],
        &["plugin"],
        &["plugin", "inspect"],
        &["plugin", "add"],
        &["plugin", "pull"],
        &["plugin", "list"],
        &["plugin", "remove"],
        &["plugin", "grant"],
        &["plugin", "revoke"],
        &["schema"],
        &["openapi"],
        &["simulators"],
    ];
    for path in commands {
        let text = help(path);
        let leaf = !matches!(*path, [] | ["plugin"]);
        assert!(!leaf || text.contains("Example:"), "{path:?} shows no example");
        insta::assert_snapshot!(format!("help_{}", path.join("_")), text);
    }
}

#[test]
fn every_command_has_a_help_that_is_tested() {
    let names: Vec<String> = CommandLine::command()
        .get_subcommands()
        .map(|command| command.get_name().to_owned())
        .collect();
    assert_eq!(
        names,
        [
            "sandbox",
            "check",
            "plan",
            "apply",
            "sync",
            "undo",
            "why",
            "runs",
            "replay",
            "serve",
            "health",
            "secrets",
            "token",
            "store",
            "plugin",
            "schema",
            "openapi",
            "simulators"
        ]
    );
}

#[test]
fn the_grammar_contradicts_itself_nowhere() {
    CommandLine::command().debug_assert();
}

#[test]
fn why_takes_a_person_and_a_group_or_a_group_alone() {
    let parse = |words: &[&str]| match CommandLine::try_parse_from(words).unwrap().command {
        Command::Why(why) => (why.person, why.group),
        other => panic!("{other:?}"),
    };
    assert_eq!(parse(&["groupcast", "why", "Sales"]), (None, "Sales".to_owned()));
    assert_eq!(
        parse(&["groupcast", "why", "alice@x", "Sales", "--json"]),
        (Some("alice@x".to_owned()), "Sales".to_owned())
    );
}

#[test]
fn ports_of_the_simulators_are_given_as_the_help_says() {
    let parse = |words: &[&str]| match CommandLine::try_parse_from(words).unwrap().command {
        Command::Simulators(simulators) => simulators.ports,
        other => panic!("{other:?}"),
    };
    let words = ["groupcast", "simulators", "--no-tls", "--ports", "8081,8082,8083"];
    assert_eq!(parse(&words), Some([8081, 8082, 8083]));
    assert_eq!(parse(&["groupcast", "simulators"]), None);
}

#[test]
fn sizes_hashes_and_names_are_refused_where_they_make_no_sense() {
    let size = |text: &str| text.parse::<OrganisationSize>();
    assert_eq!(size("small").unwrap(), OrganisationSize::Small);
    assert_eq!(
        size("5000x300x40000").unwrap(),
        OrganisationSize::Exactly {
            users: 5000,
            groups: 300,
            memberships: 40_000
        }
    );
    for wrong in ["", "huge", "5x5", "5x5x5x5", "0x1x1", "1x5x2", "-1x2x3"] {
        assert!(size(wrong).is_err(), "{wrong} was taken");
    }
    for wrong in [
        vec!["groupcast", "apply", "--plan", "abc"],
        vec!["groupcast", "apply", "--plan", "not-a-hash-at-all"],
        vec!["groupcast", "secrets", "set", "-----BEGIN PRIVATE KEY-----"],
        vec!["groupcast", "secrets", "set", "a/b"],
        vec!["groupcast", "simulators", "--ports", "80,81"],
        vec!["groupcast", "simulators", "--ports", "80,81,82,83"],
        vec!["groupcast", "simulators", "--ports", "80,81,65536"],
        vec!["groupcast", "plan", "--quiet", "--verbose"],
        vec!["groupcast", "frobnicate"],
    ] {
        assert!(
            CommandLine::try_parse_from(&wrong).is_err(),
            "{wrong:?} was taken"
        );
    }
}

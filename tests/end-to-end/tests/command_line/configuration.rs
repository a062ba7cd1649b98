//! A configuration that cannot be used: refused with its place and what to do, before any vendor is asked, and never
//! with the secret that somebody pasted into it.

use groupcast_tests::Lab;

use crate::program::{groupcast, write};

/// A key that protects nothing, in the look of a real one.
const PASTED: &str = "jca_9f3a1c0d7be24680a1b2c3d4e5f60718293a4b5c";
/// A secret that looks like a word.
const WORD: &str = "correcthorse";

/// Every command that reads the configuration, as far as it matters here.
const COMMANDS: [&[&str]; 4] = [&["plan"], &["sync"], &["serve"], &["secrets", "list"]];

/// Refused by every command, in text and in JSON, with all of the words; no vendor heard of it.
#[track_caller]
fn refused(lab: &Lab, name: &str, bytes: impl AsRef<[u8]>, words: &[&str]) {
    let folder = lab.folder.path();
    write(folder, "groupcast.toml", bytes);
    for command in COMMANDS {
        let ended = groupcast(folder, command).run().code(3).says(words);
        assert!(
            ended.errors.contains("groupcast.toml"),
            "{name}: {}",
            ended.errors
        );
        assert_eq!(ended.out, "", "{name}");
        for secret in [PASTED, WORD] {
            assert!(!ended.errors.contains(secret), "{name}: {}", ended.errors);
        }
        let widest = ended.errors.lines().map(|line| line.chars().count()).max();
        assert!(widest < Some(400), "{name}: {}", ended.errors);
    }
    let ended = groupcast(folder, &["plan", "--json"]).run().code(3);
    let document = ended.document("groupcast/error/1");
    assert_eq!(document["error"]["kind"], "refused", "{name}");
    assert!(
        !ended.all().contains(PASTED) && !ended.all().contains(WORD),
        "{name}"
    );
    assert_eq!(ended.errors, "", "{name}: with --json the document says it all");
    assert_eq!(lab.simulators.requests(), [], "{name}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_that_cannot_be_read_is_refused_with_what_to_do() {
    let lab = Lab::new().await;
    let folder = lab.folder.path();
    for command in COMMANDS {
        groupcast(folder, command)
            .run()
            .code(3)
            .says(&["groupcast.toml", "No such file", "--config FILE"]);
    }
    groupcast(folder, &["plan", "--config", "elsewhere/other.toml"])
        .run()
        .code(3)
        .says(&["elsewhere/other.toml", "--config FILE"]);
    // A folder can be opened and not be read, whoever asks; a file without rights can be read by root.
    std::fs::create_dir(folder.join("groupcast.toml")).unwrap();
    groupcast(folder, &["plan"])
        .run()
        .code(3)
        .says(&["groupcast.toml", "directory"]);
    assert_eq!(lab.simulators.requests(), []);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_no_toml_text_is_refused() {
    let lab = Lab::new().await;
    let valid = std::fs::read_to_string(lab.config_file()).unwrap();
    refused(&lab, "empty", "", &["the configuration is empty", "[jumpcloud]"]);
    refused(&lab, "a remark", "# soon\n\n", &["the configuration is empty"]);
    refused(&lab, "no TOML", "{\"jumpcloud\": {}}\n", &["groupcast.toml:1:1"]);
    refused(
        &lab,
        "unclosed",
        valid.replace("[google]", "[google"),
        &["error:"],
    );
    refused(
        &lab,
        "too long",
        vec![b'#'; 10 << 20],
        &["longer than", "is it the right file?"],
    );
    refused(
        &lab,
        "byte order mark",
        format!("\u{feff}{valid}"),
        &["byte order mark", "without BOM"],
    );
    refused(
        &lab,
        "NUL",
        valid.replace("[google]", "[goo\0gle]"),
        &["a NUL byte"],
    );
    refused(
        &lab,
        "Latin-1",
        [valid.as_bytes(), b"# caf\xe9\n"].concat(),
        &["this is not UTF-8"],
    );
    refused(
        &lab,
        "UTF-16",
        valid
            .encode_utf16()
            .flat_map(u16::to_le_bytes)
            .collect::<Vec<_>>(),
        &["error:"],
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_misspelt_is_refused_with_the_right_word() {
    let lab = Lab::new().await;
    let valid = std::fs::read_to_string(lab.config_file()).unwrap();
    let with = |piece: &str, instead: &str| {
        assert!(valid.contains(piece), "{piece} in\n{valid}");
        valid.replacen(piece, instead, 1)
    };
    refused(
        &lab,
        "unknown key",
        with("managed = true", "mangaed = true"),
        &["unknown key `mangaed`", "did you mean `managed`?"],
    );
    refused(
        &lab,
        "unknown section",
        with("[entra]", "[entar]"),
        &["unknown key `entar`", "did you mean `entra`?"],
    );
    refused(
        &lab,
        "doubled key",
        with("managed = true", "managed = true\nmanaged = false"),
        &["duplicate key", "keep one of the two"],
    );
    refused(
        &lab,
        "wrong type",
        with("managed = true", "managed = \"yes\""),
        &["(entra.managed)", "expected a boolean"],
    );
    refused(
        &lab,
        "missing key",
        with("admin = \"admin@example.com\"\n", ""),
        &["`admin` is missing here", "(google)"],
    );
    refused(
        &lab,
        "no source",
        "[google]\ndirectory = \"1\"\nadmin = \"a@example.com\"\nservice_account_key = { env = \"K\" }\n",
        &["no [jumpcloud] section"],
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn numbers_and_schedules_that_make_no_sense_are_refused() {
    let lab = Lab::new().await;
    let valid = std::fs::read_to_string(lab.config_file()).unwrap();
    let add = |lines: &str| format!("{valid}\n{lines}\n");
    for (name, lines, words) in [
        (
            "over all",
            "[google.limits.run_removals]\npercent = 101",
            ["101 is out of range", "0 to 100"],
        ),
        (
            "negative",
            "[google.limits.group_adds]\ncount = -1",
            ["invalid value", "0 or greater"],
        ),
        (
            "too great",
            "[google.limits.group_adds]\ncount = 99999999999999999999",
            ["groupcast.toml", "error:"],
        ),
        (
            "no number",
            "[google.limits.group_adds]\ncount = \"many\"",
            ["google.limits.group_adds.count", "expected"],
        ),
        (
            "no memory",
            "[limits]\nmemory_mib = 0",
            ["0 is out of range", "16 to 4096"],
        ),
        (
            "no day",
            "[google.schedule]\ncron = \"0 0 30 2 *\"",
            ["never comes", "google.schedule.cron"],
        ),
        (
            "no pattern",
            "[google.schedule]\ncron = \"whenever\"",
            ["no cron pattern", "*/15 * * * *"],
        ),
        (
            "each second",
            "[google.schedule]\ncron = \"* * * * * *\"",
            ["more often than once a minute", "60 seconds"],
        ),
        (
            "no zone",
            "[google.schedule]\ncron = \"0 * * * *\"\ntimezone = \"Europe/Berln\"",
            ["no time zone", "did you mean `Europe/Berlin`?"],
        ),
        (
            "long jitter",
            "[google.schedule]\ncron = \"0 * * * *\"\njitter_seconds = 4000",
            ["4000 is out of range", "0 to 3600"],
        ),
        (
            "negative jitter",
            "[google.schedule]\ncron = \"0 * * * *\"\njitter_seconds = -1",
            ["invalid value", "0 or greater"],
        ),
    ] {
        refused(&lab, name, add(lines), &words);
    }
    // The spring gap skips 02:30 once a year; that is no reason to refuse it.
    write(
        lab.folder.path(),
        "groupcast.toml",
        add("[google.schedule]\ncron = \"30 2 29 3 *\"\ntimezone = \"Europe/Paris\""),
    );
    groupcast(lab.folder.path(), &["secrets", "list"]).run().code(0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_secret_that_was_pasted_is_refused_and_never_shown() {
    let lab = Lab::new().await;
    let valid = std::fs::read_to_string(lab.config_file()).unwrap();
    let (before, rest) = valid
        .split_once("[jumpcloud.api_key]\nfile = \"jumpcloud-key\"\n")
        .unwrap_or_else(|| panic!("the configuration has another form:\n{valid}"));
    for secret in [PASTED, WORD] {
        // The table of the key is the last of its section, so that a bare key can take its place.
        let bare = |line: &str| {
            format!("{before}\n{rest}").replacen("[jumpcloud]\n", &format!("[jumpcloud]\n{line}\n"), 1)
        };
        let words = ["this is not a place to find a secret in", "env = \"VARIABLE\""];
        refused(&lab, "bare", bare(&format!("api_key = \"{secret}\"")), &words);
        refused(
            &lab,
            "list",
            bare(&format!("api_key = [\"{secret}\"]")),
            &["jumpcloud.api_key"],
        );
        refused(
            &lab,
            "wrong kind",
            bare(&format!("api_key = {{ value = \"{secret}\" }}")),
            &words,
        );
        refused(
            &lab,
            "in an address",
            valid.replacen(
                "base_url = \"https://",
                &format!("base_url = \"https://groupcast:{secret}@"),
                1,
            ),
            &["the URL has credentials in it"],
        );
        refused(
            &lab,
            "in a query",
            valid.replacen(
                "graph_url = \"https://127.0.0.1",
                &format!("graph_url = \"https://127.0.0.1/?key={secret}#"),
                1,
            ),
            &["the URL has a query"],
        );
    }
    for place in ["env", "stored"] {
        refused(
            &lab,
            place,
            valid.replacen("file = \"jumpcloud-key\"", &format!("{place} = \"{PASTED}\""), 1),
            &["this is not a place to find a secret in", "change the secret"],
        );
    }
    let mut key = serde_json::json!({ "type": "service_account", "private_key": PASTED }).to_string();
    key = key.replace('"', "\\\"");
    refused(
        &lab,
        "a whole key file",
        valid.replacen("file = \"google-key.json\"", &format!("file = \"{key}\""), 1),
        &["it looks like the secret itself"],
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn plain_http_to_a_public_host_is_refused() {
    let lab = Lab::new().await;
    let valid = std::fs::read_to_string(lab.config_file()).unwrap();
    let graph = format!("graph_url = \"{}\"", lab.simulators.addresses().graph);
    for (url, words) in [
        ("http://graph.microsoft.com", ["unencrypted", "use https"]),
        ("http://10.0.0.1", ["unencrypted", "use https"]),
        (
            "ftp://graph.microsoft.com",
            ["must begin with https://", "name a host"],
        ),
        ("graph.microsoft.com", ["this is no URL", "entra.graph_url"]),
        (
            "https://graph.microsoft.com/v1.0",
            ["only scheme, host and port", "write https://graph.microsoft.com"],
        ),
    ] {
        refused(
            &lab,
            url,
            valid.replacen(&graph, &format!("graph_url = \"{url}\""), 1),
            &words,
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_secret_that_is_not_where_the_configuration_says_is_named_with_what_to_do() {
    let lab = Lab::new().await;
    let valid = std::fs::read_to_string(lab.config_file()).unwrap();
    let folder = lab.folder.path();
    for (instead, words) in [
        ("file = \"no-such-file\"", ["default/google", "no-such-file"]),
        (
            "env = \"NOT_SET_ANYWHERE\"",
            ["NOT_SET_ANYWHERE is not set", "set it"],
        ),
        (
            "stored = \"jumpcloud\"",
            [
                "no secret is stored under the name jumpcloud",
                "groupcast secrets set jumpcloud",
            ],
        ),
        ("file = \"empty\"", ["empty is empty", "should hold a secret"]),
        ("file = \"binary\"", ["is not text in UTF-8", "binary"]),
        ("file = \"long\"", ["is longer than any secret", "long"]),
    ] {
        write(folder, "empty", "\n");
        write(folder, "binary", [0xff, 0xfe, 0x00]);
        write(folder, "long", vec![b'x'; 300 << 10]);
        write(
            folder,
            "groupcast.toml",
            valid.replacen("file = \"jumpcloud-key\"", instead, 1),
        );
        groupcast(folder, &["plan"]).run().code(3).says(&words);
    }
    assert_eq!(lab.simulators.requests(), []);
}

#[test]
fn what_the_command_line_does_not_know_is_refused_with_the_right_word() {
    let folder = tempfile::tempdir().unwrap();
    for (words, said) in [
        (&["plna"][..], &["unrecognized subcommand 'plna'", "'plan'"][..]),
        (&["plan", "--jsn"], &["unexpected argument '--jsn'", "'--json'"]),
        (&["plan", "now"], &["unexpected argument 'now'"]),
        (
            &["apply", "--plan", "xyz"],
            &["64 hexadecimal digits", "at least the first 8"],
        ),
        (&["apply", "--plan", "1234567"], &["at least the first 8"]),
        (&["why"], &["<GROUP>"]),
        (&["undo"], &["<RUN>"]),
        (&["runs", "--limit", "0"], &["0 is not in 1..=10000"]),
        (
            &["secrets", "set", "My Key"],
            &["lower-case letters", "the value itself is asked for"],
        ),
        (&["sandbox", "--size", "10x10"], &["5000x300x40000"]),
        (
            &["simulators", "--ports", "1,2"],
            &["give three numbers such as 8081,8082,8083"],
        ),
        (&["plan", "--quiet", "--verbose"], &["cannot be used with"]),
    ] {
        let ended = groupcast(folder.path(), words).run().code(3).says(said);
        assert_eq!(ended.out, "", "{words:?}");
    }
    // Whoever asks for nothing is shown what there is.
    let ended = groupcast(folder.path(), &[]).run().code(3);
    assert!(ended.errors.contains("groupcast sandbox"), "{}", ended.errors);
}

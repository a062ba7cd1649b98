//! Vendors that cannot be reached, say no, or answer nonsense: what a person is told, how the program ends, and that
//! nothing was written.

use std::net::{TcpListener, TcpStream};

use groupcast_simulators::Vendor;
use groupcast_simulators::faults::{Fault, Rule};
use groupcast_tests::Lab;
use groupcast_tests::ports::Nobody;

use crate::program::{Ended, begin, call, write};

/// One group that is to be exported, so that there would be something to write.
async fn lab() -> Lab {
    let mut lab = Lab::new().await;
    lab.group("Sales", Some("sales@example.com"), &[0, 1]);
    lab
}

/// What `plan` and `sync` of one connection say, both ending with this code; nothing is written anywhere.
#[track_caller]
fn trouble(lab: &Lab, connection: &str, code: i32, words: &[&str]) {
    lab.config_file();
    let folder = lab.folder.path();
    // At once: a vendor that does not answer is asked again and again, with growing pauses.
    let text = begin(folder, &["plan", "--connection", connection]);
    let json = begin(folder, &["sync", "--json", "--connection", connection]);
    let (text, json) = (text.end().code(code), json.end().code(code));
    no_secret(&text);
    no_secret(&json);
    let said = text.all().to_lowercase();
    for word in words {
        assert!(said.contains(word), "{word:?} is not said:\n{said}");
    }
    assert!(!said.contains("errorcode"), "{said}");
    let document = json.document("groupcast/sync/1");
    assert_eq!(
        document["connections"][0]["connection"],
        format!("default/{connection}")
    );
    assert_eq!(lab.all_writes(), Vec::<String>::new());
}

fn no_secret(ended: &Ended) {
    for secret in [
        "generated-jumpcloud-key",
        "generated-entra-secret",
        "-----BEGIN",
        "not-the-key-0",
    ] {
        assert!(!ended.all().contains(secret), "{secret} in\n{}", ended.all());
    }
}

fn answers(vendor: Vendor, path: &str, status: u16, kind: &str, body: &str) -> Rule {
    Rule {
        vendor,
        method: None,
        path: Some(path.to_owned()),
        query: None,
        skip: 0,
        times: None,
        fault: Fault::Answer {
            status,
            headers: vec![("retry-after".to_owned(), "1".to_owned())],
            body: body.to_owned(),
            content_type: kind.to_owned(),
        },
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_place_that_does_not_answer_is_named() {
    let mut lab = lab().await;
    let nobody = Nobody::new();
    let free = nobody.address();
    lab.section("jumpcloud")
        .insert("base_url".into(), format!("https://{free}").into());
    let place = format!("https://{free}");
    let words = ["failed default/google", &place, "refused", "check the base url"];
    trouble(&lab, "google", 4, &words);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_name_that_nobody_knows_is_named() {
    let mut lab = lab().await;
    lab.section("jumpcloud")
        .insert("base_url".into(), "https://console.jumpcloud.invalid".into());
    let words = [
        "the name console.jumpcloud.invalid could not be resolved",
        "check the base url",
    ];
    trouble(&lab, "entra", 4, &words);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_certificate_that_nobody_vouches_for_is_refused() {
    let mut lab = lab().await;
    lab.section("network").remove("ca_file");
    trouble(&lab, "google", 3, &["cannot be trusted", "network.ca_file"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_certificate_of_another_name_is_refused() {
    let mut lab = lab().await;
    // The simulators' certificate is for 127.0.0.1, and 127.0.0.2 is another name of this machine.
    let listener = TcpListener::bind("127.0.0.2:0").unwrap();
    let there = listener.local_addr().unwrap();
    let behind = lab.simulators.addresses().jumpcloud.replace("https://", "");
    std::thread::spawn(move || {
        for stream in listener.incoming().map_while(Result::ok) {
            let other = TcpStream::connect(&behind).unwrap();
            for (mut from, mut to) in [
                (stream.try_clone().unwrap(), other.try_clone().unwrap()),
                (other, stream),
            ] {
                std::thread::spawn(move || std::io::copy(&mut from, &mut to));
            }
        }
    });
    lab.section("jumpcloud")
        .insert("base_url".into(), format!("https://{there}").into());
    trouble(
        &lab,
        "google",
        3,
        &["cannot be trusted", "127.0.0.2", "not valid for name"],
    );
    assert_eq!(lab.simulators.requests(), []);
}

#[tokio::test(flavor = "multi_thread")]
async fn r7_a_wrong_credential_is_named_with_its_fix() {
    let lab = lab().await;
    let folder = lab.folder.path();
    let key = std::fs::read_to_string(folder.join("google-key.json")).unwrap();
    for (file, wrong, connection, words) in [
        (
            "jumpcloud-key",
            "not-the-key-0".to_owned(),
            "google",
            vec!["jumpcloud", "401"],
        ),
        (
            "entra-secret",
            "not-the-key-0".to_owned(),
            "entra",
            vec!["entra", "client secret"],
        ),
        (
            "google-key.json",
            key.replace("groupcast@", "somebody@"),
            "google",
            vec![
                "google",
                "somebody@example.iam.gserviceaccount.com",
                "make a new key",
            ],
        ),
    ] {
        let right = std::fs::read_to_string(folder.join(file)).unwrap();
        write(folder, file, &wrong);
        lab.config_file();
        let ended = call(folder, &["check", "--connection", connection]).code(3);
        let said = ended.all();
        for word in &words {
            assert!(said.to_lowercase().contains(word), "{word}: {said}");
        }
        no_secret(&ended);
        let ended = call(folder, &["sync", "--connection", connection]).code(3);
        for word in &words {
            assert!(
                ended.errors.to_lowercase().contains(word),
                "{word}: {}",
                ended.errors
            );
        }
        no_secret(&ended);
        write(folder, file, &right);
    }
    // What is no key at all is refused before anybody is asked.
    lab.simulators.clear_requests();
    write(folder, "google-key.json", "hunter2");
    call(folder, &["plan"]).code(3).says(&["google", "JSON"]);
    assert_eq!(lab.simulators.requests(), []);
    assert_eq!(lab.all_writes(), Vec::<String>::new());
}

#[tokio::test(flavor = "multi_thread")]
async fn r7_a_missing_scope_is_named() {
    let lab = {
        let mut lab = Lab::with(
            groupcast_simulators::organisation::Size {
                users: 4,
                groups: 0,
                memberships: 0,
            },
            |organisation| {
                organisation.google.service_accounts[0]
                    .scopes
                    .retain(|scope| !scope.contains("user.readonly"));
                organisation.entra.applications[0]
                    .permissions
                    .retain(|permission| permission != "User.Read.All");
            },
        )
        .await;
        lab.group("Sales", Some("sales@example.com"), &[0, 1]);
        lab
    };
    lab.config_file();
    for (connection, scope) in [
        ("google", "admin.directory.user.readonly"),
        ("entra", "User.Read.All"),
    ] {
        for command in ["check", "plan", "sync"] {
            let ended = call(lab.folder.path(), &[command, "--connection", connection]);
            assert!(
                matches!(ended.code, Some(3 | 4)),
                "{connection} {command}: {ended:?}"
            );
            assert!(
                ended.all().contains(scope),
                "{connection} {command}: {}",
                ended.all()
            );
        }
    }
    assert_eq!(lab.all_writes(), Vec::<String>::new());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_vendor_that_is_down_fails_the_run_with_its_answer() {
    let lab = lab().await;
    lab.simulators.faults(|faults| {
        faults.add(answers(
            Vendor::Google,
            "/admin/**",
            503,
            "application/json",
            r#"{"error": {"code": 503, "message": "The service is currently unavailable.", "errors": [{"reason": "backendError"}]}}"#,
        ));
    });
    // Nothing is in step only because nothing could be read.
    trouble(
        &lab,
        "google",
        4,
        &[
            "frozen",
            "service is currently unavailable",
            "1 group not read whole",
        ],
    );
    let ended = call(lab.folder.path(), &["sync", "--connection", "google", "--json"]).code(4);
    let document = ended.document("groupcast/sync/1");
    assert_eq!(
        document["connections"][0]["plan"]["totals"]["frozen"], 1,
        "{document:#}"
    );
    // The other directory has nothing to do with it, and both are told of together.
    let ended = call(lab.folder.path(), &["plan", "--json"]).code(4);
    let document = ended.document("groupcast/plan/1");
    let [entra, google] = &document["connections"].as_array().unwrap()[..] else {
        panic!("{document:#}")
    };
    assert_eq!(entra["totals"]["creates"], 1, "{entra:#}");
    assert_eq!(google["totals"]["creates"], 0, "{google:#}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_vendor_that_answers_nonsense_fails_the_run() {
    let lab = lab().await;
    for (vendor, path, connection, name) in [
        (Vendor::Jumpcloud, "/api/**", "entra", "/api/v2/directories"),
        (Vendor::Entra, "/v1.0/**", "entra", "default/entra"),
    ] {
        lab.simulators.faults(|faults| {
            faults.clear();
            faults.add(answers(
                vendor,
                path,
                200,
                "text/html",
                "<html><body>Please sign in</body></html>",
            ));
        });
        trouble(&lab, connection, 4, &[name, "web page"]);
        lab.simulators.faults(|faults| {
            faults.clear();
            faults.add(answers(
                vendor,
                path,
                200,
                "application/json",
                "{\"value\": [{\"id\": \"1",
            ));
        });
        trouble(&lab, connection, 4, &[name]);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_connection_or_plan_that_is_not_there_is_named_with_those_that_are() {
    let lab = lab().await;
    lab.config_file();
    let folder = lab.folder.path();
    for connection in ["gogle", "acme/google"] {
        call(folder, &["plan", "--connection", connection])
            .code(3)
            .says(&[connection, "default/entra, default/google"]);
    }
    let hash = "0123456789abcdef".repeat(4);
    for given in ["0123456789ab", hash.as_str()] {
        for more in [&[][..], &["--connection", "google"]] {
            let words = [&["apply", "--plan", given][..], more].concat();
            call(folder, &words)
                .code(3)
                .says(&["0123456789ab", "groupcast plan"]);
        }
    }
    call(folder, &["undo", "20260101T000000000-00000000"])
        .code(3)
        .says(&["no run 20260101T000000000-00000000", "groupcast runs"]);
    call(folder, &["secrets", "rm", "nothing"])
        .code(3)
        .says(&["no secret nothing", "groupcast secrets list"]);
    assert_eq!(lab.simulators.requests(), []);
}

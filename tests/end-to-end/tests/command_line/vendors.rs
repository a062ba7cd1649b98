//! Vendors that cannot be reached, say no, or answer nonsense: what a person is told, how the program ends, and that
//! nothing was written.

use std::net::{TcpListener, TcpStream};

use groupcast_simulators::Vendor;
use groupcast_simulators::faults::{Fault, Rule};
use groupcast_tests::Lab;

use crate::program::{Ended, call, write};

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
    for command in ["plan", "sync"] {
        let ended = call(folder, &[command, "--connection", connection])
            .code(code)
            .says(words);
        no_secret(&ended);
        assert_eq!(ended.out, "", "{command}");
    }
    let ended = call(folder, &["plan", "--json", "--connection", connection]);
    let document = ended.document("groupcast/plan/1");
    let entry = &document["connections"][0];
    assert_eq!(entry["connection"], format!("default/{connection}"));
    assert!(entry["error"]["message"].is_string(), "{document:#}");
    assert_eq!(ended.code, Some(code));
    no_secret(&ended);
    assert_eq!(lab.all_writes(), Vec::<String>::new());
}

fn no_secret(ended: &Ended) {
    for secret in [
        "generated-jumpcloud-key",
        "generated-entra-secret",
        "-----BEGIN",
        "wrong-key",
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
    let free = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    lab.section("jumpcloud")
        .insert("base_url".into(), format!("https://{free}").into());
    trouble(&lab, "google", 4, &["jumpcloud", &free.to_string(), "base_url"]);

    lab.section("jumpcloud")
        .insert("base_url".into(), "https://console.jumpcloud.invalid".into());
    trouble(&lab, "entra", 4, &["console.jumpcloud.invalid", "base_url"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_certificate_that_nobody_vouches_for_is_refused() {
    let mut lab = lab().await;
    lab.section("network").remove("ca_file");
    trouble(&lab, "google", 4, &["certificate", "network.ca_file"]);
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
    trouble(&lab, "google", 4, &["certificate", "127.0.0.2"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_private_address_is_refused_unless_the_operator_lists_it() {
    let mut lab = lab().await;
    lab.section("network").remove("allow_networks");
    trouble(&lab, "google", 3, &["127.0.0.1", "allow_networks"]);
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
            "wrong-key".to_owned(),
            "google",
            vec!["jumpcloud", "401"],
        ),
        (
            "entra-secret",
            "wrong-key".to_owned(),
            "entra",
            vec!["entra", "client secret"],
        ),
        (
            "google-key.json",
            key.replace("groupcast@", "somebody@"),
            "google",
            vec!["google", "service account"],
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
        let ended = call(folder, &["sync", "--connection", connection]);
        assert!(matches!(ended.code, Some(3 | 4)), "{ended:?}");
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
    trouble(&lab, "google", 4, &["google", "503"]);
    // The other directory has nothing to do with it, and both are told of together.
    let ended = call(lab.folder.path(), &["plan"]).code(4);
    assert!(ended.out.contains("default/entra"), "{}", ended.out);
    let ended = ended.says(&["Failed default/google"]);
    assert!(!ended.errors.contains("default/entra: error"), "{}", ended.errors);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_vendor_that_answers_nonsense_fails_the_run() {
    let lab = lab().await;
    for (vendor, path, connection, name) in [
        (Vendor::Jumpcloud, "/api/**", "entra", "jumpcloud"),
        (Vendor::Entra, "/v1.0/**", "entra", "entra"),
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
        trouble(&lab, connection, 4, &[name]);
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

//! Secrets go in, and never come out.

use groupcast_tests::Lab;
use serde_json::json;

use crate::program::{call, groupcast, write};

#[tokio::test(flavor = "multi_thread")]
async fn secrets_go_in_and_never_come_out() {
    let mut lab = Lab::new().await;
    let folder = lab.folder.path().to_path_buf();
    lab.section("jumpcloud")
        .insert("api_key".into(), toml::toml! { stored = "jumpcloud" }.into());
    lab.config_file();
    groupcast(&folder, &["plan"])
        .run()
        .code(3)
        .says(&["groupcast secrets set jumpcloud"]);
    let none = groupcast(&folder, &["secrets", "list"])
        .run()
        .code(0)
        .says(&["groupcast secrets set NAME"]);
    assert_eq!(none.out, "");

    let mut said = String::new();
    let stored = groupcast(&folder, &["secrets", "set", "jumpcloud"])
        .input("generated-jumpcloud-key\n")
        .run()
        .code(0)
        .shows(&["Stored jumpcloud", "{ stored = \"jumpcloud\" }"]);
    said.push_str(&stored.all());
    let again = groupcast(&folder, &["secrets", "set", "jumpcloud", "--json"])
        .input("generated-jumpcloud-key")
        .run()
        .code(0);
    assert_eq!(
        again.document("groupcast/secrets/1")["names"],
        json!(["jumpcloud"])
    );
    said.push_str(&again.all());
    let listed = groupcast(&folder, &["secrets", "list"]).run().code(0);
    assert_eq!(listed.out, "jumpcloud\n");
    call(&folder, &["plan"]).code(0);

    for (name, mode) in [("groupcast.secrets", 0o600), ("groupcast.key", 0o600)] {
        use std::os::unix::fs::PermissionsExt;
        let path = folder.join(name);
        assert_eq!(
            std::fs::metadata(&path).unwrap().permissions().mode() & 0o777,
            mode,
            "{name}"
        );
        let bytes = std::fs::read(path).unwrap();
        assert!(
            !bytes
                .windows(23)
                .any(|window| window == b"generated-jumpcloud-key"),
            "{name}"
        );
    }
    // A key that others can read is refused, and one that is gone is asked for.
    let key = folder.join("groupcast.key");
    let kept = std::fs::read(&key).unwrap();
    std::fs::set_permissions(&key, std::os::unix::fs::PermissionsExt::from_mode(0o644)).unwrap();
    groupcast(&folder, &["plan"])
        .run()
        .code(3)
        .says(&["can be read by others", "chmod 600"]);
    std::fs::remove_file(&key).unwrap();
    groupcast(&folder, &["plan"])
        .run()
        .code(3)
        .says(&["need their key", "groupcast.key is not there"]);
    write(&folder, "groupcast.key", kept);
    std::fs::set_permissions(&key, std::os::unix::fs::PermissionsExt::from_mode(0o600)).unwrap();
    // A file that was tampered with opens nothing.
    let sealed = std::fs::read_to_string(folder.join("groupcast.secrets")).unwrap();
    write(&folder, "groupcast.secrets", &sealed[..sealed.len() - 10]);
    groupcast(&folder, &["plan"])
        .run()
        .code(3)
        .says(&["changed or damaged", "groupcast.secrets"]);
    write(&folder, "groupcast.secrets", &sealed);

    for (input, words) in [("", "the value is empty"), ("\n", "the value is empty")] {
        groupcast(&folder, &["secrets", "set", "other"])
            .input(input)
            .run()
            .code(3)
            .says(&[words]);
    }
    groupcast(&folder, &["secrets", "set", "other"])
        .input(vec![b'x'; 100_000])
        .run()
        .code(3)
        .says(&["more than 65536 bytes"]);
    groupcast(&folder, &["secrets", "set", "other"])
        .input([0xff, 0xfe])
        .run()
        .code(3)
        .says(&["UTF-8"]);
    let removed = groupcast(&folder, &["secrets", "rm", "jumpcloud"])
        .run()
        .code(0)
        .shows(&["Removed jumpcloud"]);
    said.push_str(&removed.all());
    assert!(!said.contains("generated"), "{said}");
    groupcast(&folder, &["plan"])
        .run()
        .code(3)
        .says(&["no secret is stored under the name jumpcloud"]);
}

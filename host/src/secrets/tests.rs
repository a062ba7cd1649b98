use secrecy::ExposeSecret;

use super::*;

const VALUE: &str = "3f9a1c0d7be24680a1b2c3d4e5f60718293a4b5c";

fn secrets(folder: &Path) -> Secrets {
    with_variables(folder, |name| (name == "SET").then(|| format!("{VALUE}\n")))
}

fn with_variables(folder: &Path, variables: fn(&str) -> Option<String>) -> Secrets {
    let section = SecretsSection {
        file: folder.join("secrets"),
        key_file: folder.join("key"),
        ..SecretsSection::default()
    };
    Secrets::over(&section, Environment(variables))
}

fn stored(name: &str) -> SecretSource {
    SecretSource::Stored(name.to_owned())
}

async fn set(secrets: &Secrets, name: &str, value: &str) {
    secrets
        .set(name, SecretString::from(value.to_owned()), None)
        .await
        .unwrap();
}

#[tokio::test]
async fn what_was_set_is_got_listed_and_removed() {
    let folder = tempfile::tempdir().unwrap();
    let secrets = secrets(folder.path());
    assert!(secrets.list().await.unwrap().is_empty());
    assert!(matches!(
        secrets.get(&stored("a")).await,
        Err(SecretError::NotStored(_))
    ));
    set(&secrets, "b", "other").await;
    set(&secrets, "a", "old").await;
    set(&secrets, "a", VALUE).await;
    assert_eq!(secrets.list().await.unwrap(), ["a", "b"]);
    assert_eq!(secrets.get(&stored("a")).await.unwrap().expose_secret(), VALUE);
    secrets.remove("a").await.unwrap();
    assert!(matches!(
        secrets.remove("a").await,
        Err(SecretError::NotStored(_))
    ));
    assert_eq!(secrets.list().await.unwrap(), ["b"]);
    assert_eq!(secrets.get(&stored("b")).await.unwrap().expose_secret(), "other");
}

#[tokio::test]
async fn files_are_for_their_owner_alone_and_show_no_value() {
    let folder = tempfile::tempdir().unwrap();
    let secrets = secrets(folder.path());
    set(&secrets, "a", VALUE).await;
    let text = std::fs::read_to_string(folder.path().join("secrets")).unwrap();
    assert!(text.contains("\"a\"") && !text.contains(VALUE));
    #[cfg(unix)]
    for file in ["secrets", "key"] {
        use std::os::unix::fs::PermissionsExt;
        let mode = std::fs::metadata(folder.path().join(file))
            .unwrap()
            .permissions()
            .mode();
        assert_eq!(mode & 0o777, 0o600, "{file}");
    }
    let shown = format!("{:?} {:?}", secrets, secrets.get(&stored("a")).await.unwrap());
    assert!(!shown.contains(VALUE), "{shown}");
}

#[tokio::test]
async fn a_wrong_a_missing_and_an_open_key_are_told_apart() {
    let folder = tempfile::tempdir().unwrap();
    let secrets = secrets(folder.path());
    set(&secrets, "a", VALUE).await;
    let key = folder.path().join("key");
    let right = std::fs::read_to_string(&key).unwrap();

    std::fs::write(
        &key,
        base64::Engine::encode(&base64::engine::general_purpose::STANDARD, [7u8; 32]),
    )
    .unwrap();
    assert!(matches!(
        secrets.get(&stored("a")).await,
        Err(SecretError::WrongKey(_))
    ));
    // Setting with the wrong key must not throw away what the right one sealed.
    let refused = secrets.set("b", SecretString::from("x".to_owned()), None).await;
    assert!(matches!(refused, Err(SecretError::WrongKey(_))));
    std::fs::write(&key, "no key").unwrap();
    assert!(matches!(
        secrets.get(&stored("a")).await,
        Err(SecretError::BadKey(_))
    ));
    std::fs::remove_file(&key).unwrap();
    assert!(matches!(
        secrets.get(&stored("a")).await,
        Err(SecretError::NoKey(_))
    ));
    assert!(matches!(
        secrets.set("b", SecretString::from("x".to_owned()), None).await,
        Err(SecretError::NoKey(_))
    ));
    assert!(!key.exists());
    std::fs::write(&key, &right).unwrap();
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        std::fs::set_permissions(&key, std::fs::Permissions::from_mode(0o644)).unwrap();
        assert!(matches!(
            secrets.get(&stored("a")).await,
            Err(SecretError::OpenKey { mode: 0o644, .. })
        ));
        std::fs::set_permissions(&key, std::fs::Permissions::from_mode(0o600)).unwrap();
    }
    assert_eq!(secrets.get(&stored("a")).await.unwrap().expose_secret(), VALUE);
}

#[tokio::test]
async fn the_environments_key_goes_before_the_file() {
    let folder = tempfile::tempdir().unwrap();
    let secrets = with_variables(folder.path(), |name| {
        (name == KEY_VARIABLE).then(|| "BwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwc=".to_owned())
    });
    set(&secrets, "a", VALUE).await;
    assert!(!folder.path().join("key").exists());
    assert_eq!(secrets.get(&stored("a")).await.unwrap().expose_secret(), VALUE);
    let secrets = with_variables(folder.path(), |_| Some("short".to_owned()));
    assert!(matches!(
        secrets.get(&stored("a")).await,
        Err(SecretError::BadKey(_))
    ));
}

#[tokio::test]
async fn every_change_to_the_file_is_noticed() {
    let folder = tempfile::tempdir().unwrap();
    let secrets = secrets(folder.path());
    set(&secrets, "alpha", VALUE).await;
    set(&secrets, "beta", "other").await;
    let file = folder.path().join("secrets");
    let text = std::fs::read_to_string(&file).unwrap();
    let whole: serde_json::Value = serde_json::from_str(&text).unwrap();
    let broken = |change: &dyn Fn(&mut serde_json::Value)| {
        let mut changed = whole.clone();
        change(&mut changed);
        assert_ne!(changed, whole);
        changed.to_string()
    };
    let flip = |value: &mut serde_json::Value| {
        let text = value.as_str().unwrap();
        let first = if text.starts_with('A') { "B" } else { "A" };
        *value = format!("{first}{}", &text[1..]).into();
    };
    for changed in [
        broken(&|file| flip(&mut file["sealed"])),
        broken(&|file| flip(&mut file["nonce"])),
        broken(&|file| file["names"][0] = "gamma".into()),
        broken(&|file| file["names"] = serde_json::json!(["alpha"])),
        broken(&|file| file["format"] = "groupcast-secrets/2".into()),
        broken(&|file| file["more"] = 1.into()),
        text[..text.len() / 2].to_owned(),
        String::new(),
    ] {
        std::fs::write(&file, &changed).unwrap();
        let error = secrets.get(&stored("alpha")).await.unwrap_err();
        assert!(
            matches!(error, SecretError::Tampered { .. }),
            "{error} for {changed}"
        );
    }
    std::fs::write(&file, &text).unwrap();
    assert!(secrets.get(&stored("alpha")).await.is_ok());
}

#[tokio::test]
async fn variables_and_files_are_read_without_their_line_ends() {
    let folder = tempfile::tempdir().unwrap();
    let secrets = secrets(folder.path());
    let env = |name: &str| SecretSource::Env(name.to_owned());
    assert_eq!(secrets.get(&env("SET")).await.unwrap().expose_secret(), VALUE);
    assert!(matches!(
        secrets.get(&env("UNSET")).await,
        Err(SecretError::NoVariable(_))
    ));
    let path = folder.path().join("file");
    let file = SecretSource::File(path.clone());
    assert!(matches!(secrets.get(&file).await, Err(SecretError::File { .. })));
    for (content, fits) in [
        (b"-----BEGIN KEY-----\nabc\n-----END KEY-----\n".to_vec(), true),
        (b"\n\n".to_vec(), false),
        (vec![0xFF, 0xFE], false),
        (b"a\0b".to_vec(), false),
        (vec![b'x'; LONGEST + 1], false),
    ] {
        std::fs::write(&path, content).unwrap();
        let got = secrets.get(&file).await;
        assert_eq!(got.is_ok(), fits);
        if let Ok(secret) = got {
            assert_eq!(
                secret.expose_secret(),
                "-----BEGIN KEY-----\nabc\n-----END KEY-----"
            );
        }
    }
}

#[tokio::test]
async fn a_secret_given_as_a_name_is_refused_and_not_repeated() {
    let folder = tempfile::tempdir().unwrap();
    let secrets = secrets(folder.path());
    for name in ["", "Name", "a b", "-----BEGIN", "../x", &"x".repeat(65)] {
        let error = secrets
            .set(name, SecretString::from("v".to_owned()), None)
            .await
            .unwrap_err();
        assert!(matches!(error, SecretError::BadName), "{name}");
        assert!(name.len() < 2 || !error.to_string().contains(name));
    }
}

#[tokio::test]
async fn two_changes_at_once_are_both_kept() {
    let folder = tempfile::tempdir().unwrap();
    let secrets = secrets(folder.path());
    let setting = (0..8).map(|number| {
        let secrets = secrets.clone();
        tokio::spawn(async move { set(&secrets, &format!("s{number}"), "v").await })
    });
    for set in futures_util::future::join_all(setting).await {
        set.unwrap();
    }
    assert_eq!(secrets.list().await.unwrap().len(), 8);
}

use std::path::Path;

use super::*;

const WHOLE: &str = r#"
[jumpcloud]
api_key = { env = "JUMPCLOUD_API_KEY" }

[google]
directory = "5f0c"
service_account_key = { file = "keys/google.json" }
admin = "admin@example.com"
managed = true
domains = ["example.com"]
policies = { "Board" = "additive" }
[google.addresses]
"Sales" = "sales@example.com"
[google.limits.run_removals]
percent = 5
[google.schedule]
cron = "*/15 * * * *"
timezone = "Europe/Paris"

[entra]
directory = "5f0d"
tenant_id = "11111111-2222-3333-4444-555555555555"
client_id = "66666666-7777-8888-9999-000000000000"
client_secret = { stored = "entra-client-secret" }
selected = ["*"]
on_ambiguous = "hold"
"#;

fn read(text: &str) -> Result<Config, ConfigError> {
    Config::from_bytes(Path::new("conf/groupcast.toml"), text.as_bytes())
}

fn refused(text: &str) -> String {
    read(text).unwrap_err().to_string()
}

/// The whole file with one piece replaced.
fn with(piece: &str, instead: &str) -> String {
    assert!(WHOLE.contains(piece), "{piece}");
    WHOLE.replacen(piece, instead, 1)
}

#[test]
fn one_tenant_without_a_name() {
    let config = read(WHOLE).unwrap();
    assert_eq!(config.store_path, Path::new("conf/groupcast.db"));
    assert_eq!(config.tenants.len(), 1);
    let tenant = &config.tenants[0];
    assert_eq!(tenant.name, "default");
    assert_eq!(tenant.jumpcloud.base_url, "https://console.jumpcloud.com");
    let [google, entra] = &tenant.connections[..] else {
        panic!("{tenant:?}")
    };
    assert_eq!(
        (google.id.to_string().as_str(), google.vendor()),
        ("default/google", "google")
    );
    assert_eq!(google.base_url(), "https://admin.googleapis.com");
    let settings = google.settings();
    assert!(settings.managed);
    assert_eq!(settings.limits.run_removals.percent, Some(5));
    assert_eq!(settings.addresses["Sales"], "sales@example.com");
    assert!(google.schedule.is_some() && entra.schedule.is_none());
    let Target::Google(section) = &google.target else {
        panic!()
    };
    assert_eq!(
        section.service_account_key,
        Some(SecretSource::File("conf/keys/google.json".into()))
    );
    assert_eq!(
        (entra.base_url(), entra.settings().managed),
        ("https://graph.microsoft.com", false)
    );
    assert_eq!(entra.settings().selected, ["*"]);
    assert!(entra.settings().release_on_email_removal);
    let Target::Entra(section) = &entra.target else {
        panic!()
    };
    assert!(matches!(section.credential(), Some(EntraCredential::Secret(_))));
}

#[test]
fn the_feed_of_events_is_derived_for_the_vendors_own_consoles_alone() {
    let events = |line: &str| {
        let config = read(&with("[jumpcloud]\n", &format!("[jumpcloud]\n{line}\n"))).unwrap();
        config.tenants[0].jumpcloud.events_url.clone()
    };
    let (ours, europe) = ("https://api.jumpcloud.com", "https://api.eu.jumpcloud.com");
    assert_eq!(events("").as_deref(), Some(ours));
    assert_eq!(
        events("base_url = \"https://console.eu.jumpcloud.com\"").as_deref(),
        Some(europe)
    );
    assert_eq!(events("base_url = \"https://console.example.com\""), None);
    assert_eq!(
        events("base_url = \"https://console.example.com\"\nevents_url = \"https://events.example.com\"")
            .as_deref(),
        Some("https://events.example.com")
    );
    let plain = with(
        "[jumpcloud]\n",
        "[jumpcloud]\nevents_url = \"http://events.example.com\"\n",
    );
    assert!(refused(&plain).contains("events_url"), "{}", refused(&plain));
}

#[test]
fn several_tenants_and_several_directories() {
    let text = r#"
        [tenant.acme.jumpcloud]
        service_account = { client_id = "id", client_secret = { env = "ACME" } }
        [[tenant.acme.google]]
        name = "east"
        directory = "1"
        service_account_key = { stored = "acme-east" }
        admin = "admin@east.example"
        [[tenant.acme.google]]
        name = "west"
        directory = "2"
        service_account_key = { stored = "acme-west" }
        admin = "admin@west.example"
        schedule = { cron = "0 * * * *", enabled = false }
        [tenant.beta.jumpcloud]
        api_key = { env = "BETA" }
        base_url = "http://127.0.0.1:8080/"
        [tenant.beta.google]
        directory = "3"
        service_account_key = { stored = "beta" }
        admin = "admin@beta.example"
    "#;
    let config = read(text).unwrap();
    let ids: Vec<String> = config
        .connections()
        .map(|connection| connection.id.to_string())
        .collect();
    assert_eq!(ids, ["acme/east", "acme/west", "beta/google"]);
    assert!(config.connections().all(|connection| {
        connection
            .schedule
            .as_ref()
            .is_none_or(|timetable| !timetable.enabled)
    }));
    assert_eq!(config.tenants[1].jumpcloud.base_url, "http://127.0.0.1:8080");
}

#[test]
fn refusals_look_like_a_compilers() {
    for (name, text) in [
        ("misspelt", with("managed = true", "manged = true")),
        ("misspelt_section", with("[google.schedule]", "[google.shedule]")),
        ("misspelt_value", with("\"hold\"", "\"holt\"")),
        (
            "doubled_key",
            with("managed = true", "managed = true\nmanaged = false"),
        ),
        ("wrong_type", with("managed = true", "managed = \"yes\"")),
        ("missing", with("directory = \"5f0c\"\n", "")),
        ("percent", with("percent = 5", "percent = 130")),
        ("negative", with("percent = 5", "count = -1")),
        ("zone", with("Europe/Paris", "Europe/Pariss")),
        ("never", with("*/15 * * * *", "0 0 30 2 *")),
        ("no_cron", with("*/15 * * * *", "often")),
        (
            "plain_http",
            with(
                "[jumpcloud]",
                "[jumpcloud]\nbase_url = \"http://console.example\"",
            ),
        ),
        ("newer", format!("version = 2\nfuture = true\n{WHOLE}")),
        ("empty", "# nothing yet\n".to_owned()),
        ("unclosed", with("[jumpcloud]", "[jumpcloud")),
        (
            "several_at_once",
            with("admin@example.com", "nobody").replace("\"*/15 * * * *\"", "\"x\""),
        ),
        (
            "foreign_domain",
            with("sales@example.com", "sales@elsewhere.example"),
        ),
    ] {
        insta::assert_snapshot!(name, refused(&text));
    }
}

#[test]
fn a_secret_in_the_file_is_refused_and_never_shown() {
    const API_KEY: &str = "3f9a1c0d7be24680a1b2c3d4e5f60718293a4b5c";
    const SECRET: &str = "abc8Q~0dEfGhIjKlMnOpQrStUvWxYz12345";
    let place = "{ env = \"JUMPCLOUD_API_KEY\" }";
    let stored = "{ stored = \"entra-client-secret\" }";
    for text in [
        with(place, &format!("\"{API_KEY}\"")),
        with(place, &format!("{{ env = \"{API_KEY}\" }}")),
        with(place, &format!("{{ stored = \"{API_KEY}\" }}")),
        with(place, &format!("{{ key = \"{API_KEY}\" }}")),
        with(place, &format!("{{ env = [\"{API_KEY}\"] }}")),
        with(place, API_KEY),
        with(place, &format!("\"{API_KEY}")),
        with("api_key", &format!("api_kee = \"{API_KEY}\"\napi_key")),
        with(stored, &format!("\"{SECRET}\"")),
        with(stored, &format!("{{ env = \"{SECRET}\" }}")),
        with(stored, &format!("{{ stored = \"{SECRET}\", env = \"X\" }}")),
        with(
            "keys/google.json",
            "-----BEGIN PRIVATE KEY----- MIIEvQIBADANBgkqhkiG9w0",
        ),
        with("managed = true", &format!("managed = \"{API_KEY}\"")),
        with("\"hold\"", &format!("\"{API_KEY}\"")),
        with(
            "[jumpcloud]",
            &format!("[jumpcloud]\nbase_url = \"https://user:{SECRET}@console.example\""),
        ),
        with(
            "[jumpcloud]",
            &format!("[jumpcloud]\nbase_url = \"https://console.example/?key={API_KEY}\""),
        ),
        with("\"admin@example.com\"", &format!("\"{API_KEY}\"")),
    ] {
        let error = read(&text).unwrap_err();
        for shown in [error.to_string(), format!("{error:?}")] {
            for secret in [API_KEY, SECRET, "MIIEvQ"] {
                assert!(!shown.contains(&secret[..6]), "{shown}\nfor\n{text}");
            }
        }
    }
}

#[test]
fn what_is_no_text_file_is_refused() {
    let path = Path::new("groupcast.toml");
    let refused = |bytes: &[u8]| Config::from_bytes(path, bytes).unwrap_err().to_string();
    assert!(refused(b"\xEF\xBB\xBF[jumpcloud]").contains("byte order mark"));
    assert!(refused(b"[store]\npath = \"a\0b\"").contains("groupcast.toml:2:10"));
    assert!(refused(b"[store]\npath = \"\xFF\"").contains("groupcast.toml:2:9"));
    assert!(refused(&vec![b'#'; LONGEST + 1]).contains("longer than"));
    assert!(refused(b"").contains("empty"));
    let deep = format!("a = {}{}", "[".repeat(50_000), "]".repeat(50_000));
    assert!(!refused(deep.as_bytes()).is_empty());
}

#[test]
fn each_of_these_is_refused_at_its_place() {
    for (text, place, why) in [
        (
            with("[jumpcloud]\napi_key = { env = \"JUMPCLOUD_API_KEY\" }", ""),
            "",
            "no [jumpcloud]",
        ),
        (
            with("api_key = { env = \"JUMPCLOUD_API_KEY\" }", ""),
            "(jumpcloud)",
            "credential is missing",
        ),
        (
            with("[entra]", "[entra]\nname = \"google\""),
            "(entra.name)",
            "taken already",
        ),
        (
            with("\"5f0d\"", "\"5f0c\""),
            "(entra.directory)",
            "has a section already",
        ),
        (
            with("[entra]", "[entra]\nname = \"Entra!\""),
            "(entra.name)",
            "lower-case",
        ),
        (
            with("11111111-2222", "contoso"),
            "(entra.tenant_id)",
            "no tenant ID",
        ),
        (
            with("selected = [\"*\"]", "selected = [\"a\", \" \"]"),
            "(entra.selected[1])",
            "empty",
        ),
        (
            with("[jumpcloud]", "[limits]\nmemory_mib = 1\n[jumpcloud]"),
            "(limits.memory_mib)",
            "out of range",
        ),
        (
            with(
                "[jumpcloud]",
                "[network]\nallow_networks = [\"10.0.0.0/8\", \"x\"]\n[jumpcloud]",
            ),
            "(network.allow_networks[1])",
            "no network",
        ),
        (
            with(
                "[google.limits",
                "\"sales\" = \"SALES@example.com\"\n[google.limits",
            ),
            "(google.addresses.sales)",
            "another group already",
        ),
        (
            with("timezone =", "jitter_seconds = 9999\ntimezone ="),
            "(google.schedule.jitter_seconds)",
            "out of range",
        ),
        (
            with(
                "[jumpcloud]",
                "[tenant.x.jumpcloud]\napi_key = { env = \"X\" }\n[jumpcloud]",
            ),
            "(tenant)",
            "outside of any",
        ),
        (
            with(
                "[jumpcloud]",
                "[jumpcloud]\nbase_url = \"https://console.example/api\"",
            ),
            "(jumpcloud.base_url)",
            "only scheme, host and port",
        ),
        (
            with("[jumpcloud]", "[jumpcloud]\nbase_url = \"ftp://console.example\""),
            "(jumpcloud.base_url)",
            "https://",
        ),
    ] {
        let shown = refused(&text);
        assert!(
            shown.contains(place) && shown.contains(why),
            "{place} {why} not in\n{shown}"
        );
    }
}

#[test]
fn a_file_that_is_not_there_is_named() {
    let error = Config::load(Path::new("/nowhere/groupcast.toml")).unwrap_err();
    assert!(error.to_string().contains("/nowhere/groupcast.toml"), "{error}");
}

#[test]
fn the_published_schema_is_current() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("groupcast.schema.json");
    let current = serde_json::to_string_pretty(&schema()).unwrap() + "\n";
    if std::env::var_os("GROUPCAST_WRITE_SCHEMA").is_some() {
        std::fs::write(&path, &current).unwrap();
    }
    let published = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(
        published == current,
        "run this test with GROUPCAST_WRITE_SCHEMA=1 and commit {}",
        path.display()
    );
}

#[test]
fn every_item_of_the_schema_is_described() {
    fn look(value: &serde_json::Value, path: &str, bare: &mut Vec<String>) {
        let Some(object) = value.as_object() else { return };
        for (key, inner) in object {
            if key == "properties" {
                for (name, property) in inner.as_object().unwrap() {
                    if property.get("description").is_none() {
                        bare.push(format!("{path}.{name}"));
                    }
                }
            }
            look(inner, &format!("{path}/{key}"), bare);
        }
    }
    let mut bare = Vec::new();
    look(&schema(), "", &mut bare);
    assert!(bare.is_empty(), "{bare:?}");
}

#[test]
fn files_of_the_hosts_own_sections_are_beside_the_configuration_too() {
    let text = "[service.oidc]\nissuer = 'https://login.example.com'\nclient_id = 'console'\n\
                client_secret = { file = 'client-secret' }\n[telemetry]\notlp_endpoint = 'https://otlp.example.com'\n\
                otlp_headers = { authorization = { file = 'otlp-token' } }\n";
    let config = Config::from_bytes(Path::new("conf/groupcast.toml"), text.as_bytes()).unwrap();
    let oidc = config.service.unwrap().oidc.unwrap();
    assert_eq!(
        oidc.client_secret,
        Some(SecretSource::File("conf/client-secret".into()))
    );
    assert_eq!(
        config.telemetry.otlp_headers["authorization"],
        SecretSource::File("conf/otlp-token".into())
    );
}

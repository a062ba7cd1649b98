//! Pulling from a small registry that is strict: it answers only what the distribution specification has, and only to
//! who shows a token of its own.

use std::collections::BTreeMap;

use axum::Router;
use axum::body::Body;
use axum::extract::{Path, Query, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Redirect, Response};
use axum::routing::get;

use super::*;

/// What a registry holds, and how it misbehaves.
#[derive(Clone, Default)]
struct Registry {
    address: String,
    /// By `manifests/sha256:…` and `blobs/sha256:…`.
    content: BTreeMap<String, Vec<u8>>,
    /// Where a path is instead.
    redirects: BTreeMap<String, String>,
    realm: Option<String>,
}

const TOKEN: &str = "a-token-of-this-registry";

fn sha256(bytes: &[u8]) -> String {
    hex::encode(Sha256::digest(bytes))
}

fn manifest(layers: serde_json::Value) -> Vec<u8> {
    serde_json::to_vec(&serde_json::json!({
        "schemaVersion": 2,
        "mediaType": MANIFEST,
        "config": {
            "mediaType": "application/vnd.wasm.config.v0+json",
            "digest": format!("sha256:{}", sha256(b"{}")),
            "size": 2,
        },
        "layers": layers,
    }))
    .unwrap()
}

fn layer(bytes: &[u8]) -> serde_json::Value {
    serde_json::json!([{
        "mediaType": "application/wasm",
        "digest": format!("sha256:{}", sha256(bytes)),
        "size": bytes.len(),
    }])
}

async fn serve(
    State(registry): State<Arc<Registry>>,
    Path(path): Path<String>,
    headers: HeaderMap,
) -> Response {
    let Some(what) = path.strip_prefix("acme/sync/") else {
        return StatusCode::NOT_FOUND.into_response();
    };
    let token = headers
        .get(header::AUTHORIZATION)
        .and_then(|value| value.to_str().ok());
    if token != Some(format!("Bearer {TOKEN}").as_str()) {
        let realm = registry
            .realm
            .clone()
            .unwrap_or_else(|| format!("http://{}/token", registry.address));
        let challenge =
            format!(r#"Bearer realm="{realm}",service="registry",scope="repository:acme/sync:pull""#);
        return (StatusCode::UNAUTHORIZED, [(header::WWW_AUTHENTICATE, challenge)]).into_response();
    }
    if let Some(to) = registry.redirects.get(what) {
        return Redirect::temporary(to).into_response();
    }
    match registry.content.get(what) {
        Some(bytes) => Body::from(bytes.clone()).into_response(),
        None => StatusCode::NOT_FOUND.into_response(),
    }
}

async fn token(Query(query): Query<BTreeMap<String, String>>, headers: HeaderMap) -> Response {
    let basic = headers
        .get(header::AUTHORIZATION)
        .and_then(|value| value.to_str().ok());
    let scope = query.get("scope").map(String::as_str);
    // reader:secret
    if basic != Some("Basic cmVhZGVyOnNlY3JldA==")
        || scope != Some("repository:acme/sync:pull")
        || query.get("service").map(String::as_str) != Some("registry")
    {
        return StatusCode::UNAUTHORIZED.into_response();
    }
    axum::Json(serde_json::json!({ "token": TOKEN })).into_response()
}

/// A blob store beside the registry, which wants no token and must not be shown one.
async fn elsewhere(headers: HeaderMap) -> Response {
    if headers.contains_key(header::AUTHORIZATION) {
        return StatusCode::BAD_REQUEST.into_response();
    }
    Body::from(COMPONENT).into_response()
}

const COMPONENT: &[u8] = b"the bytes of a component";

/// Starts it, and answers its address.
async fn start(fill: impl FnOnce(&mut Registry)) -> String {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap().to_string();
    let mut registry = Registry {
        address: address.clone(),
        ..Registry::default()
    };
    fill(&mut registry);
    let router = Router::new()
        .route("/v2/{*path}", get(serve))
        .route("/token", get(token))
        .route("/elsewhere", get(elsewhere))
        .with_state(Arc::new(registry));
    tokio::spawn(async move { axum::serve(listener, router).await });
    address
}

fn holding(registry: &mut Registry, manifest: &[u8], blob: &[u8]) -> String {
    let digest = sha256(manifest);
    registry
        .content
        .insert(format!("manifests/sha256:{digest}"), manifest.to_vec());
    registry
        .content
        .insert(format!("blobs/sha256:{}", sha256(COMPONENT)), blob.to_vec());
    digest
}

fn reader() -> RegistryCredential {
    RegistryCredential {
        username: "reader".to_owned(),
        password: "secret".into(),
        token_host: None,
    }
}

async fn pull(address: &str, digest: &str) -> Result<Pulled, PluginError> {
    let reference = format!("oci://{address}/acme/sync@sha256:{digest}");
    Puller::new([], None).pull(&reference, Some(&reader())).await
}

async fn refused(address: &str, digest: &str) -> String {
    match pull(address, digest).await {
        Err(error) => error.to_string(),
        Ok(pulled) => panic!("it was taken: {pulled:?}"),
    }
}

#[tokio::test]
async fn a_component_is_pulled_by_its_manifests_digest() {
    let whole = manifest(layer(COMPONENT));
    let digest = sha256(&whole);
    let address = start(|registry| {
        holding(registry, &whole, COMPONENT);
    })
    .await;
    let pulled = pull(&address, &digest).await.unwrap();
    assert_eq!(pulled.bytes, COMPONENT);
    assert_eq!(pulled.digest, sha256(COMPONENT));
    // Without the credential, or with another repository's name, there is nothing to be had.
    let reference = format!("oci://{address}/acme/sync@sha256:{digest}");
    let error = Puller::new([], None).pull(&reference, None).await.unwrap_err();
    assert!(error.to_string().contains("check the credential"), "{error}");
    let other = format!("oci://{address}/acme/other@sha256:{digest}");
    assert!(Puller::new([], None).pull(&other, Some(&reader())).await.is_err());
}

#[tokio::test]
async fn a_blob_may_be_elsewhere_and_the_token_stays_here() {
    let whole = manifest(layer(COMPONENT));
    let address = start(|registry| {
        holding(registry, &whole, b"");
        let to = format!("http://{}/elsewhere", registry.address);
        registry
            .redirects
            .insert(format!("blobs/sha256:{}", sha256(COMPONENT)), to);
    })
    .await;
    assert_eq!(pull(&address, &sha256(&whole)).await.unwrap().bytes, COMPONENT);
}

#[tokio::test]
async fn what_has_another_digest_is_refused() {
    let whole = manifest(layer(COMPONENT));
    let digest = sha256(&whole);
    let address = start(|registry| {
        holding(registry, &whole, b"other bytes");
    })
    .await;
    assert!(refused(&address, &digest).await.contains("another layer"));
    let other = digest.clone();
    let address = start(move |registry| {
        let forged = manifest(layer(b"x"));
        registry
            .content
            .insert(format!("manifests/sha256:{other}"), forged);
    })
    .await;
    assert!(refused(&address, &digest).await.contains("another manifest"));
}

#[tokio::test]
async fn a_reference_without_a_digest_is_refused() {
    for reference in [
        "oci://registry.example/acme/sync:latest",
        "oci://registry.example/acme/sync",
    ] {
        let refused = Puller::new([], None).pull(reference, None).await;
        assert!(matches!(refused, Err(PluginError::NotPinned(_))), "{refused:?}");
    }
}

#[tokio::test]
async fn a_manifest_of_something_else_is_refused() {
    let two = serde_json::json!([layer(COMPONENT)[0].clone(), layer(b"x")[0].clone()]);
    let mut image = layer(COMPONENT);
    image[0]["mediaType"] = "application/vnd.oci.image.layer.v1.tar+gzip".into();
    let mut giant = layer(COMPONENT);
    giant[0]["size"] = (1_u64 << 40).into();
    let mut path = layer(COMPONENT);
    path[0]["digest"] = "sha256:../../../token".into();
    for (layers, words) in [
        (two, "2 layers"),
        (image, "not application/wasm"),
        (giant, "more than a plugin may"),
        (path, "no SHA-256"),
        (serde_json::json!([]), "0 layers"),
    ] {
        let whole = manifest(layers);
        let address = start(|registry| {
            holding(registry, &whole, COMPONENT);
        })
        .await;
        let told = refused(&address, &sha256(&whole)).await;
        assert!(told.contains(words), "{words}: {told}");
    }
}

#[tokio::test]
async fn a_registry_that_sends_without_end_is_cut_off() {
    let whole = manifest(layer(COMPONENT));
    let address = start(|registry| {
        holding(registry, &whole, &vec![0; (LARGEST_PLUGIN + 1) as usize]);
    })
    .await;
    assert!(
        refused(&address, &sha256(&whole))
            .await
            .contains("sends more than")
    );
}

#[tokio::test]
async fn redirects_and_token_services_lead_to_no_private_network() {
    let whole = manifest(layer(COMPONENT));
    for to in [
        "https://10.0.0.1/x",
        "https://169.254.169.254/latest/meta-data",
        "https://[::ffff:169.254.169.254]/x",
        "https://0xa9fea9fe/x",
    ] {
        let address = start(|registry| {
            holding(registry, &whole, b"");
            registry
                .redirects
                .insert(format!("blobs/sha256:{}", sha256(COMPONENT)), to.to_owned());
        })
        .await;
        let told = refused(&address, &sha256(&whole)).await;
        assert!(told.contains("resolves to"), "{to}: {told}");
        let address = start(|registry| {
            holding(registry, &whole, COMPONENT);
            registry.realm = Some(to.to_owned());
        })
        .await;
        let told = refused(&address, &sha256(&whole)).await;
        assert!(told.contains("resolves to"), "{to}: {told}");
    }
}

#[tokio::test]
async fn a_credential_is_given_to_its_registry_alone() {
    let whole = manifest(layer(COMPONENT));
    let address = start(|registry| {
        holding(registry, &whole, COMPONENT);
        registry.realm = Some("https://collector.example/token".to_owned());
    })
    .await;
    let told = refused(&address, &sha256(&whole)).await;
    assert!(
        told.contains("collector.example") && told.contains("token_host"),
        "{told}"
    );
}

#[test]
fn a_challenge_reads_in_any_order() {
    let read = challenge(r#"Bearer service="s", scope="a,b" ,realm="https://r/t""#).unwrap();
    assert_eq!(
        read,
        Challenge {
            realm: "https://r/t".to_owned(),
            service: Some("s".to_owned()),
            scope: Some("a,b".to_owned()),
        }
    );
    for other in [
        "Basic realm=\"x\"",
        "Bearer",
        "Bearer service=\"s\"",
        "Bearer realm=x",
    ] {
        assert_eq!(challenge(other), None, "{other}");
    }
}

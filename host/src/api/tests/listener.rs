//! The listener over real sockets.

use std::net::SocketAddr;
use std::time::Duration;

use axum::routing::get;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use super::super::certificate::{Certificate, Renewal};
use super::super::server;
use super::*;
use crate::config::TlsSection;

async fn listening(
    certificate: Option<&Arc<Certificate>>,
) -> (SocketAddr, CancellationToken, tokio::task::JoinHandle<()>) {
    let router = Router::new()
        .route(
            "/now",
            get(|version: http::Version| async move { format!("{version:?}") }),
        )
        .route(
            "/slow",
            get(|| async {
                tokio::time::sleep(Duration::from_millis(400)).await;
                "done"
            }),
        );
    let listener = server::listen("127.0.0.1:0".parse().unwrap()).await.unwrap();
    let address = listener.local_addr().unwrap();
    let stop = CancellationToken::new();
    let tls = certificate.map(|certificate| certificate.acceptor().unwrap());
    let serving = tokio::spawn(server::serve(listener, tls, router, Vec::new(), stop.clone()));
    (address, stop, serving)
}

fn browser(ca_pem: Option<&[u8]>) -> reqwest::Client {
    let mut tls = crate::egress::tls::client(ca_pem).unwrap();
    tls.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    reqwest::Client::builder()
        .tls_backend_preconfigured(tls)
        .build()
        .unwrap()
}

#[tokio::test]
async fn a_stop_lets_what_was_begun_end_and_takes_nothing_new() {
    let (address, stop, serving) = listening(None).await;
    let slow = tokio::spawn(browser(None).get(format!("http://{address}/slow")).send());
    tokio::time::sleep(Duration::from_millis(150)).await;
    stop.cancel();
    assert_eq!(slow.await.unwrap().unwrap().text().await.unwrap(), "done");
    tokio::time::timeout(Duration::from_secs(5), serving)
        .await
        .unwrap()
        .unwrap();
    assert!(TcpStream::connect(address).await.is_err());
}

#[tokio::test]
async fn a_head_that_is_too_large_is_refused() {
    let (address, ..) = listening(None).await;
    let mut stream = TcpStream::connect(address).await.unwrap();
    let head = format!(
        "GET /now HTTP/1.1\r\nhost: x\r\nx-large: {}\r\n\r\n",
        "x".repeat(200_000)
    );
    // The other side may close before all is sent.
    let _ = stream.write_all(head.as_bytes()).await;
    let mut answer = Vec::new();
    let _ = stream.read_to_end(&mut answer).await;
    let answer = String::from_utf8_lossy(&answer);
    assert!(
        answer.is_empty() || answer.starts_with("HTTP/1.1 431"),
        "{answer}"
    );
}

#[tokio::test]
async fn tls_speaks_http_2_and_a_wrong_key_is_told() {
    let folder = tempfile::tempdir().unwrap();
    let made = rcgen::generate_simple_self_signed(vec!["localhost".to_owned()]).unwrap();
    let section = TlsSection {
        certificate: folder.path().join("certificate.pem"),
        key: folder.path().join("key.pem"),
    };
    std::fs::write(&section.certificate, made.cert.pem()).unwrap();
    std::fs::write(&section.key, made.signing_key.serialize_pem()).unwrap();
    let certificate = Certificate::open(&section).unwrap();
    let (address, ..) = listening(Some(&certificate)).await;
    let client = browser(Some(made.cert.pem().as_bytes()));
    let url = format!("https://localhost:{}/now", address.port());
    assert_eq!(
        client.get(&url).send().await.unwrap().text().await.unwrap(),
        "HTTP/2.0"
    );
    assert!(
        client.get(url.replace("https", "http")).send().await.is_err(),
        "plain http has no place here"
    );
    let other = rcgen::generate_simple_self_signed(vec!["localhost".to_owned()]).unwrap();
    std::fs::write(&section.key, other.signing_key.serialize_pem()).unwrap();
    let refused = Certificate::open(&section).err().unwrap().to_string();
    assert!(
        refused.contains("[service.tls] key") && refused.contains("key.pem"),
        "{refused}"
    );
    std::fs::write(&section.certificate, "nothing").unwrap();
    let refused = Certificate::open(&section).err().unwrap().to_string();
    assert!(refused.contains("certificate.pem"), "{refused}");
}

#[tokio::test]
async fn a_renewed_certificate_is_shown_to_new_connections_and_cuts_nobody_off() {
    let folder = tempfile::tempdir().unwrap();
    let section = TlsSection {
        certificate: folder.path().join("certificate.pem"),
        key: folder.path().join("key.pem"),
    };
    let made = || rcgen::generate_simple_self_signed(vec!["localhost".to_owned()]).unwrap();
    let (old, new) = (made(), made());
    std::fs::write(&section.certificate, old.cert.pem()).unwrap();
    std::fs::write(&section.key, old.signing_key.serialize_pem()).unwrap();
    let certificate = Certificate::open(&section).unwrap();
    let (address, stop, _) = listening(Some(&certificate)).await;
    let url = |path: &str| format!("https://localhost:{}{path}", address.port());
    // Each trusts one of the two alone.
    let (before, after) = (
        browser(Some(old.cert.pem().as_bytes())),
        browser(Some(new.cert.pem().as_bytes())),
    );
    assert!(before.get(url("/now")).send().await.is_ok());
    assert!(after.get(url("/now")).send().await.is_err());
    let under_way = tokio::spawn(before.get(url("/slow")).send());
    tokio::time::sleep(Duration::from_millis(100)).await;

    // Half of a renewal: the two do not belong together, and the one before stays.
    std::fs::write(&section.certificate, new.cert.pem()).unwrap();
    assert!(matches!(certificate.look(), Renewal::Kept(_)));
    assert!(
        browser(Some(old.cert.pem().as_bytes()))
            .get(url("/now"))
            .send()
            .await
            .is_ok()
    );
    std::fs::write(&section.key, new.signing_key.serialize_pem()).unwrap();
    // As whoever renews tells it; the test's own process is the one that is told.
    let fresh = tokio::spawn(Arc::clone(&certificate).keep_fresh(stop.clone()));
    let mut shown = false;
    for _ in 0..100 {
        tokio::time::sleep(Duration::from_millis(50)).await;
        rustix::process::kill_process(rustix::process::getpid(), rustix::process::Signal::HUP).unwrap();
        // A connection of its own, each time.
        shown = browser(Some(new.cert.pem().as_bytes()))
            .get(url("/now"))
            .send()
            .await
            .is_ok();
        if shown {
            break;
        }
    }
    assert!(shown, "the renewed certificate is not shown");
    assert!(matches!(certificate.look(), Renewal::Same));
    assert!(
        browser(Some(old.cert.pem().as_bytes()))
            .get(url("/now"))
            .send()
            .await
            .is_err()
    );
    assert_eq!(under_way.await.unwrap().unwrap().text().await.unwrap(), "done");
    // The connection that began with the old one is good for further requests too.
    assert!(before.get(url("/now")).send().await.is_ok());
    stop.cancel();
    fresh.await.unwrap();
}

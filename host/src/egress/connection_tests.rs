//! Tests of connections: TLS, HTTP/2, the judged address, and a peer that hangs up.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicUsize, Ordering};

use async_trait::async_trait;
use http::Version;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use rcgen::{CertifiedKey, generate_simple_self_signed};
use rustls_pki_types::PrivateKeyDer;
use rustls_pki_types::pem::PemObject;

use super::*;

struct Here(SocketAddr);

#[async_trait]
impl Resolve for Here {
    async fn resolve(&self, _host: &str, _port: u16) -> std::io::Result<Vec<SocketAddr>> {
        Ok(vec![self.0])
    }
}

struct Server {
    address: SocketAddr,
    ca_pem: Vec<u8>,
    connections: Arc<AtomicUsize>,
}

/// A TLS server for `vendor.example` that answers every request with the HTTP version it saw.
async fn server(alpn: &[&[u8]]) -> Server {
    let CertifiedKey { cert, signing_key } =
        generate_simple_self_signed(vec!["vendor.example".to_owned()]).unwrap();
    let key = PrivateKeyDer::from_pem_slice(signing_key.serialize_pem().as_bytes()).unwrap();
    let mut config =
        rustls::ServerConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(vec![cert.der().clone()], key)
            .unwrap();
    config.alpn_protocols = alpn.iter().map(|name| name.to_vec()).collect();
    let acceptor = tokio_rustls::TlsAcceptor::from(Arc::new(config));
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let connections = Arc::new(AtomicUsize::new(0));
    let count = connections.clone();
    tokio::spawn(async move {
        loop {
            let (stream, _) = listener.accept().await.unwrap();
            count.fetch_add(1, Ordering::SeqCst);
            let acceptor = acceptor.clone();
            tokio::spawn(async move {
                let Ok(stream) = acceptor.accept(stream).await else {
                    return;
                };
                let service = service_fn(|request: Request<Incoming>| async move {
                    let host = request
                        .headers()
                        .get("host")
                        .map(|host| host.to_str().unwrap().to_owned());
                    let place = host.or_else(|| request.uri().authority().map(ToString::to_string));
                    let text = format!("{:?} {}", request.version(), place.unwrap_or_default());
                    Ok::<_, hyper::Error>(Response::new(Full::new(Bytes::from(text))))
                });
                let builder = hyper_util::server::conn::auto::Builder::new(TokioExecutor::new());
                let _ = builder.serve_connection(TokioIo::new(stream), service).await;
            });
        }
    });
    Server {
        address,
        ca_pem: cert.pem().into_bytes(),
        connections,
    }
}

fn connections(address: SocketAddr, ca_pem: Option<Vec<u8>>, allowed: &[&str]) -> Connections {
    let egress = TenantEgress {
        ca_pem,
        allowed_networks: allowed.iter().map(|network| network.parse().unwrap()).collect(),
        ..TenantEgress::default()
    };
    Connections::with_resolver(&egress, Arc::new(Here(address))).unwrap()
}

fn get() -> (Origin, Request<Bytes>) {
    let origin = Origin::base("https://vendor.example").unwrap();
    (
        origin,
        Request::get("https://vendor.example/x")
            .body(Bytes::new())
            .unwrap(),
    )
}

#[tokio::test]
async fn http_2_is_spoken_where_the_server_offers_it_and_one_connection_serves_many() {
    let server = server(&[b"h2", b"http/1.1"]).await;
    let connections = connections(server.address, Some(server.ca_pem), &["127.0.0.0/8"]);
    let (origin, request) = get();
    for _ in 0..3 {
        let answer = connections.fetch(&origin, request.clone()).await.unwrap();
        assert_eq!(answer.version(), Version::HTTP_2);
        assert_eq!(answer.body(), "HTTP/2.0 vendor.example");
    }
    assert_eq!(server.connections.load(Ordering::SeqCst), 1);
}

#[tokio::test]
async fn http_1_1_is_spoken_otherwise_and_its_connection_is_used_again() {
    let server = server(&[]).await;
    let connections = connections(server.address, Some(server.ca_pem), &["127.0.0.0/8"]);
    let (origin, request) = get();
    for _ in 0..3 {
        let answer = connections.fetch(&origin, request.clone()).await.unwrap();
        assert_eq!(answer.body(), "HTTP/1.1 vendor.example");
    }
    assert_eq!(server.connections.load(Ordering::SeqCst), 1);
}

#[tokio::test]
async fn r52_a_name_that_resolves_to_this_machine_is_not_connected_to() {
    let server = server(&[]).await;
    let connections = connections(server.address, Some(server.ca_pem), &[]);
    let (origin, request) = get();
    let error = connections.fetch(&origin, request).await.unwrap_err();
    assert!(matches!(error, NetworkError::Address(_)), "{error}");
    assert_eq!(server.connections.load(Ordering::SeqCst), 0);
}

#[tokio::test]
async fn r7_a_server_that_nobody_vouches_for_gets_no_request() {
    let server = server(&[]).await;
    let connections = connections(server.address, None, &["127.0.0.0/8"]);
    let (origin, request) = get();
    let error = connections.fetch(&origin, request).await.unwrap_err();
    assert!(matches!(error, NetworkError::Untrusted { .. }), "{error}");
    assert!(!error.may_have_been_sent());
}

#[tokio::test]
async fn a_server_that_hangs_up_at_once_ends_in_an_error_and_not_in_a_loop() {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let origin = Origin::base(&format!("http://{}", listener.local_addr().unwrap())).unwrap();
    tokio::spawn(async move {
        loop {
            drop(listener.accept().await.unwrap());
        }
    });
    let connections = Connections::new(&TenantEgress::default()).unwrap();
    let request = Request::get(format!("{origin}/x")).body(Bytes::new()).unwrap();
    assert!(connections.fetch(&origin, request).await.is_err());
}

#[tokio::test]
async fn a_packed_answer_is_unpacked_within_its_limit_on_threads_of_either_kind() {
    use std::io::Write as _;
    let text = b"members of a large group\n".repeat(10_000);
    let mut packer = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
    packer.write_all(&text).unwrap();
    let packed = Bytes::from(packer.finish().unwrap());
    let unpacked = async move |limit: usize| {
        let answer = Response::builder()
            .header(header::CONTENT_ENCODING, "gzip")
            .body(packed.clone())
            .unwrap();
        decompress(answer, limit, "https://vendor.example.com")
            .await
            .map(Response::into_body)
    };
    let length = text.len();
    assert_eq!(unpacked(length).await.unwrap(), text);
    let aside = std::thread::spawn(move || {
        aside::goes_here();
        let threads = tokio::runtime::Builder::new_current_thread().build().unwrap();
        threads.block_on(async { (unpacked(length).await, unpacked(length - 1).await) })
    });
    let (whole, too_long) = aside.join().unwrap();
    assert_eq!(whole.unwrap(), text);
    assert!(
        matches!(too_long, Err(NetworkError::TooLong { .. })),
        "{too_long:?}"
    );
}

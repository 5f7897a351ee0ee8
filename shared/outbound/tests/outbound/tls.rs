//! https: whose certificate it must be.

use std::sync::Arc;

use bytes::Bytes;
use http::HeaderMap;
use outbound::{Answer, Outbound, OutboundError, OutboundSettings, Trust};
use tokio::io::AsyncWriteExt as _;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::rustls::crypto::ring::default_provider;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer};

use crate::receiver::{Answers, Receiver, request};

/// Made for these tests, and worth nothing anywhere else: an authority without its key, and what it signed for `hooks.example.test`.
const AUTHORITY: &[u8] = include_bytes!("certificates/authority.der");
const LEAF: &[u8] = include_bytes!("certificates/leaf.der");
const LEAF_KEY: &[u8] = include_bytes!("certificates/leaf.key.der");

async fn receiver() -> Receiver {
    let key = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(LEAF_KEY.to_vec()));
    let config = ServerConfig::builder_with_provider(Arc::new(default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![CertificateDer::from(LEAF)], key)
        .unwrap();
    let acceptor = TlsAcceptor::from(Arc::new(config));
    Receiver::start(move |stream| {
        let acceptor = acceptor.clone();
        async move {
            let Ok(mut stream) = acceptor.accept(stream).await else {
                return;
            };
            request(&mut stream, "hello").await;
            let answer = b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n";
            let _gone = stream.write_all(answer).await;
            let _gone = stream.shutdown().await;
        }
    })
    .await
}

async fn post(host: &str, trust: Trust) -> Result<Answer, OutboundError> {
    let receiver = receiver().await;
    let settings = OutboundSettings {
        open_loopback: true,
        ..OutboundSettings::default()
    };
    let outbound = Outbound::new(settings, Answers::always(&["127.0.0.1"]), trust);
    let url = format!("https://{host}:{}/", receiver.address.port());
    outbound.post(&url, HeaderMap::new(), Bytes::from("hello")).await
}

fn ours() -> Trust {
    Trust::Only(vec![CertificateDer::from(AUTHORITY)])
}

#[tokio::test]
async fn a_certificate_for_the_host_by_a_trusted_authority_is_believed() {
    assert_eq!(post("hooks.example.test", ours()).await.unwrap().status, 200);
}

#[tokio::test]
async fn one_for_another_host_or_by_a_stranger_is_not() {
    for (host, trust) in [
        ("other.example.test", ours()),
        ("127.0.0.1", ours()),
        ("hooks.example.test", Trust::Only(Vec::new())),
    ] {
        let error = post(host, trust).await.unwrap_err();
        assert_eq!(error.code(), "tls_failed", "{host}");
    }
}

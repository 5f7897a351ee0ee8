//! A connection to an address that was judged, with TLS where the URL says so.

use std::net::SocketAddr;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_rustls::TlsConnector;
use tokio_rustls::rustls::crypto::ring::default_provider;
use tokio_rustls::rustls::pki_types::{CertificateDer, IpAddr as CertifiedAddress, ServerName};
use tokio_rustls::rustls::{ClientConfig, RootCertStore};
use url::Host;

use crate::error::{OutboundError, said};
use crate::target::Target;

/// Of a host with many addresses, so many are tried.
const ADDRESSES_TRIED_MAX: usize = 4;

/// Whose certificates are believed.
#[derive(Debug, Clone, Default)]
pub enum Trust {
    /// The system's.
    #[default]
    System,
    /// These authorities' alone.
    Only(Vec<CertificateDer<'static>>),
}

/// Bytes both ways, encrypted or not.
pub(crate) trait Stream: AsyncRead + AsyncWrite + Send + Unpin {}

impl<T: AsyncRead + AsyncWrite + Send + Unpin> Stream for T {}

/// Made at the first https call: reading a system's roots takes some milliseconds.
#[derive(Debug)]
pub(crate) struct Tls {
    trust: Trust,
    config: OnceLock<Arc<ClientConfig>>,
}

impl Tls {
    pub(crate) fn new(trust: Trust) -> Self {
        Self {
            trust,
            config: OnceLock::new(),
        }
    }

    fn connector(&self) -> Result<TlsConnector, OutboundError> {
        if let Some(config) = self.config.get() {
            return Ok(TlsConnector::from(Arc::clone(config)));
        }
        let failed = |error: tokio_rustls::rustls::Error| OutboundError::Tls(error.to_string());
        let mut roots = RootCertStore::empty();
        match &self.trust {
            Trust::System => {
                let found = rustls_native_certs::load_native_certs();
                let (_added, _unusable) = roots.add_parsable_certificates(found.certs);
                if roots.is_empty() {
                    tracing::warn!(errors = ?found.errors, "this system has no certificates to trust: no https call can succeed");
                    return Err(OutboundError::Tls("the sender trusts no authority".to_owned()));
                }
            }
            Trust::Only(authorities) => {
                for authority in authorities {
                    roots.add(authority.clone()).map_err(failed)?;
                }
            }
        }
        let mut config = ClientConfig::builder_with_provider(Arc::new(default_provider()))
            .with_safe_default_protocol_versions()
            .map_err(failed)?
            .with_root_certificates(roots)
            .with_no_client_auth();
        config.alpn_protocols = vec![b"http/1.1".to_vec()];
        let config = self.config.get_or_init(|| Arc::new(config));
        Ok(TlsConnector::from(Arc::clone(config)))
    }
}

/// Connects to one of `addresses`, the first that accepts.
pub(crate) async fn connect(addresses: &[SocketAddr], each: Duration) -> Result<TcpStream, OutboundError> {
    let mut last = OutboundError::Unresolved("it has no address".to_owned());
    for address in addresses.iter().take(ADDRESSES_TRIED_MAX) {
        match timeout(each, TcpStream::connect(address)).await {
            Ok(Ok(stream)) => {
                // Nothing is lost without it but time.
                let _refused = stream.set_nodelay(true);
                return Ok(stream);
            }
            Ok(Err(error)) => last = OutboundError::Unreachable(said(&error)),
            Err(_elapsed) => last = OutboundError::Timeout { stage: "connection" },
        }
    }
    Err(last)
}

/// TLS over `stream` for the host of the URL, whatever address it was connected to.
pub(crate) async fn secure(
    stream: TcpStream,
    target: &Target,
    tls: &Tls,
) -> Result<Box<dyn Stream>, OutboundError> {
    if !target.tls() {
        return Ok(Box::new(stream));
    }
    let name = match target.host() {
        Host::Domain(name) => ServerName::try_from(name.clone())
            .map_err(|_| OutboundError::Tls("the host's name fits no certificate".to_owned()))?,
        Host::Ipv4(address) => ServerName::IpAddress(CertifiedAddress::from(std::net::IpAddr::V4(*address))),
        Host::Ipv6(address) => ServerName::IpAddress(CertifiedAddress::from(std::net::IpAddr::V6(*address))),
    };
    let secured = tls
        .connector()?
        .connect(name, stream)
        .await
        .map_err(|error| OutboundError::Tls(error.to_string()))?;
    Ok(Box::new(secured))
}

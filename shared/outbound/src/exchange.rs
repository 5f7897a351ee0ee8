//! One request, one answer, one connection.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use http::header::{CONNECTION, HOST, USER_AGENT};
use http::{HeaderMap, HeaderValue, Method, Request, Uri};
use http_body_util::{BodyExt as _, Full};
use hyper::body::Incoming;
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use tokio::sync::Semaphore;
use tokio::time::{Instant, timeout, timeout_at};
use tokio_util::task::AbortOnDropHandle;
use url::Host;

use crate::address::{AddressKind, judge};
use crate::connection::{Tls, Trust, connect, secure};
use crate::error::OutboundError;
use crate::resolve::{Lookups, Resolve};
use crate::settings::OutboundSettings;
use crate::target::Target;

const AGENT: HeaderValue = HeaderValue::from_static("Orrery/0.1 (webhooks)");

/// hyper insists on as much.
const HEAD_BYTES_MIN: usize = 8_192;

/// What came back.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer {
    /// Its status: never a redirect.
    pub status: u16,
    /// As much of its body as came within the bounds.
    pub body: Bytes,
    /// Whether that is all of it.
    pub whole: bool,
}

/// Calls strangers. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Outbound(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    settings: OutboundSettings,
    lookups: Lookups,
    tls: Tls,
    in_flight: Semaphore,
}

impl Outbound {
    /// A client that asks `resolver` and believes `trust`.
    pub fn new(settings: OutboundSettings, resolver: Arc<dyn Resolve>, trust: Trust) -> Self {
        Self(Arc::new(Inner {
            in_flight: Semaphore::new(settings.exchanges_max.clamp(1, Semaphore::MAX_PERMITS)),
            lookups: Lookups::new(&settings, resolver),
            settings,
            tls: Tls::new(trust),
        }))
    }

    /// What is wrong with a URL that somebody gives us, as far as it can be known now: its form, and where its host leads today. A
    /// host that does not resolve now may later, and is judged then.
    pub async fn check(&self, url: &str) -> Result<Target, OutboundError> {
        let target = Target::parse(url, &self.0.settings)?;
        let wait = Duration::from_millis(self.0.settings.total_timeout_ms);
        match timeout(wait, self.addresses(&target)).await {
            Ok(Err(error)) if error.is_refusal() => Err(error),
            _ => Ok(target),
        }
    }

    /// Posts `body` to `url` over a connection of its own. Any status but a redirect is an answer.
    pub async fn post(&self, url: &str, headers: HeaderMap, body: Bytes) -> Result<Answer, OutboundError> {
        let target = Target::parse(url, &self.0.settings)?;
        let _slot = self
            .0
            .in_flight
            .try_acquire()
            .map_err(|_full| OutboundError::Saturated)?;
        let deadline = Instant::now() + Duration::from_millis(self.0.settings.total_timeout_ms);
        let addresses = timeout_at(deadline, self.addresses(&target))
            .await
            .map_err(|_elapsed| OutboundError::Timeout { stage: "resolving" })??;
        let request = request(&target, headers, body)?;
        let answer = timeout_at(deadline, self.head(&target, &addresses, request));
        let (_driver, response) = answer
            .await
            .map_err(|_elapsed| OutboundError::Timeout { stage: "answer" })??;
        let status = response.status();
        if status.is_redirection() {
            return Err(OutboundError::Redirect(status.as_u16()));
        }
        let (body, whole) = self.body(response.into_body()).await;
        Ok(Answer {
            status: status.as_u16(),
            body,
            whole,
        })
    }

    /// The one look: what it answers is what is connected to.
    async fn addresses(&self, target: &Target) -> Result<Vec<SocketAddr>, OutboundError> {
        let found = match target.host() {
            Host::Ipv4(address) => vec![IpAddr::V4(*address)],
            Host::Ipv6(address) => vec![IpAddr::V6(*address)],
            Host::Domain(name) => self.0.lookups.find(name).await?,
        };
        if found.is_empty() {
            return Err(OutboundError::Unresolved("it has no address".to_owned()));
        }
        // One wrong address is enough: an honest host has none.
        for address in &found {
            self.judge(*address, target)?;
        }
        let port = target.port();
        Ok(found
            .into_iter()
            .map(|address| SocketAddr::new(address, port))
            .collect())
    }

    fn judge(&self, address: IpAddr, target: &Target) -> Result<(), OutboundError> {
        let settings = &self.0.settings;
        match judge(address) {
            Err(AddressKind::Loopback) if settings.open_loopback => Ok(()),
            Err(kind) => Err(OutboundError::Address(kind)),
            Ok(()) if !target.tls() => Err(OutboundError::Plain),
            // With loopback open, any port was let through until it was known whose it is.
            Ok(()) if !settings.ports.contains(&target.port()) => {
                Err(crate::RefusedUrl::Port(target.port()).into())
            }
            Ok(()) => Ok(()),
        }
    }

    async fn head(
        &self,
        target: &Target,
        addresses: &[SocketAddr],
        request: Request<Full<Bytes>>,
    ) -> Result<(AbortOnDropHandle<()>, http::Response<Incoming>), OutboundError> {
        let settings = &self.0.settings;
        let stream = connect(addresses, Duration::from_millis(settings.connect_timeout_ms)).await?;
        let stream = secure(stream, target, &self.0.tls).await?;
        let (mut sender, connection) = http1::Builder::new()
            .max_headers(settings.headers_max)
            .max_buf_size(settings.head_bytes_max.max(HEAD_BYTES_MIN))
            .handshake(TokioIo::new(stream))
            .await
            .map_err(|error| broken(&error))?;
        // The connection ends with whoever waits for it, whatever its peer does.
        let driver = AbortOnDropHandle::new(tokio::spawn(async move {
            let _what_broke_is_told_by_the_answer = connection.await;
        }));
        let response = sender
            .send_request(request)
            .await
            .map_err(|error| broken(&error))?;
        Ok((driver, response))
    }

    /// As much as comes within the bounds; the status was what mattered.
    async fn body(&self, mut body: Incoming) -> (Bytes, bool) {
        let settings = &self.0.settings;
        let deadline = Instant::now() + Duration::from_millis(settings.body_wait_ms);
        let mut read = BytesMut::new();
        loop {
            match timeout_at(deadline, body.frame()).await {
                Ok(None) => return (read.freeze(), true),
                Ok(Some(Ok(frame))) => {
                    let Ok(data) = frame.into_data() else { continue };
                    let room = settings.body_bytes_max - read.len();
                    read.extend_from_slice(&data[..data.len().min(room)]);
                    if data.len() > room {
                        return (read.freeze(), false);
                    }
                }
                Ok(Some(Err(_))) | Err(_) => return (read.freeze(), false),
            }
        }
    }
}

fn request(target: &Target, headers: HeaderMap, body: Bytes) -> Result<Request<Full<Bytes>>, OutboundError> {
    let unreadable = OutboundError::Url(crate::RefusedUrl::Unreadable);
    let uri: Uri = target.path_and_query().parse().map_err(|_| unreadable.clone())?;
    let host = HeaderValue::try_from(target.authority()).map_err(|_| unreadable)?;
    let mut request = Request::new(Full::new(body));
    *request.method_mut() = Method::POST;
    *request.uri_mut() = uri;
    *request.headers_mut() = headers;
    let headers = request.headers_mut();
    headers.insert(HOST, host);
    headers.insert(USER_AGENT, AGENT);
    headers.insert(CONNECTION, HeaderValue::from_static("close"));
    Ok(request)
}

fn broken(error: &hyper::Error) -> OutboundError {
    OutboundError::Broken(error.to_string())
}

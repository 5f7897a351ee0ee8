//! A keep-alive HTTP/1.1 client for load on this machine.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::time::Duration;

use bytes::Bytes;
use http::header::{self, HeaderMap};
use http::{Method, Request, StatusCode, Uri};
use http_body_util::{BodyExt as _, Full, Limited};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::{TokioExecutor, TokioTimer};

use crate::error::LoadError;

/// Limits of a client.
#[derive(Debug, Clone, Copy)]
pub struct HttpSettings {
    /// How long one request may take, its answer's body included.
    pub deadline: Duration,
    /// Idle connections kept; how many are in use is the load's bound on work in flight.
    pub idle_connections_max: usize,
    /// The largest body of an answer that is read.
    pub answer_bytes_max: usize,
}

impl Default for HttpSettings {
    fn default() -> Self {
        Self {
            deadline: Duration::from_secs(5),
            idle_connections_max: 256,
            answer_bytes_max: 1024 * 1024,
        }
    }
}

/// An answer, read to its end.
#[derive(Debug, Clone)]
pub struct Answer {
    /// The status; redirects are not followed.
    pub status: StatusCode,
    /// The headers.
    pub headers: HeaderMap,
    /// The whole body.
    pub body: Bytes,
}

impl Answer {
    /// A header's value, if it is there and is text.
    pub fn header(&self, name: impl header::AsHeaderName) -> Option<&str> {
        self.headers.get(name).and_then(|value| value.to_str().ok())
    }
}

/// Sends requests to one loopback address. A clone shares the connections.
#[derive(Debug, Clone)]
pub struct HttpClient {
    client: Client<HttpConnector, Full<Bytes>>,
    target: SocketAddr,
    settings: HttpSettings,
}

impl HttpClient {
    /// A client of `target`, an address like `http://127.0.0.1:8080`. Any host but this machine is refused.
    pub fn new(target: &str, settings: HttpSettings) -> Result<Self, LoadError> {
        let mut connector = HttpConnector::new();
        connector.set_nodelay(true);
        let client = Client::builder(TokioExecutor::new())
            .pool_timer(TokioTimer::new())
            .pool_max_idle_per_host(settings.idle_connections_max)
            // A request sent twice behind the caller's back would make a history a lie.
            .retry_canceled_requests(false)
            .build(connector);
        Ok(Self {
            client,
            target: loopback(target)?,
            settings,
        })
    }

    /// `GET path`.
    pub async fn get(&self, path: &str) -> Result<Answer, LoadError> {
        self.send(
            Request::builder()
                .method(Method::GET)
                .uri(path)
                .body(Bytes::new())?,
        )
        .await
    }

    /// Sends a request whose URI is a path (and query) of the target, and reads its answer.
    pub async fn send(&self, request: Request<impl Into<Bytes>>) -> Result<Answer, LoadError> {
        let (mut head, body) = request.into_parts();
        let path = head.uri.path_and_query().map_or("/", |path| path.as_str());
        head.uri = Uri::builder()
            .scheme("http")
            .authority(self.target.to_string())
            .path_and_query(path)
            .build()?;
        let exchange = self.exchange(Request::from_parts(head, Full::new(body.into())));
        match tokio::time::timeout(self.settings.deadline, exchange).await {
            Ok(answer) => answer,
            Err(_) => Err(LoadError::DeadlineExceeded(self.settings.deadline.as_millis())),
        }
    }

    async fn exchange(&self, request: Request<Full<Bytes>>) -> Result<Answer, LoadError> {
        let response = self.client.request(request).await.map_err(|error| {
            let reason = chain(&error);
            if error.is_connect() {
                LoadError::NotSent(reason)
            } else {
                LoadError::AnswerLost(reason)
            }
        })?;
        let (head, body) = response.into_parts();
        let limit = self.settings.answer_bytes_max;
        let body = Limited::new(body, limit).collect().await.map_err(|error| {
            if error.is::<http_body_util::LengthLimitError>() {
                LoadError::AnswerTooLarge(limit)
            } else {
                LoadError::AnswerLost(chain(error.as_ref()))
            }
        })?;
        Ok(Answer {
            status: head.status,
            headers: head.headers,
            body: body.to_bytes(),
        })
    }
}

fn loopback(target: &str) -> Result<SocketAddr, LoadError> {
    let bad = || LoadError::BadTarget(target.to_owned());
    let uri: Uri = target.parse().map_err(|_| bad())?;
    let host = uri.host().ok_or_else(bad)?;
    if uri.scheme_str() != Some("http") || uri.path() != "/" || uri.query().is_some() {
        return Err(bad());
    }
    let ip = if host == "localhost" {
        IpAddr::V4(Ipv4Addr::LOCALHOST)
    } else {
        // A name could resolve to anything, later to something else.
        let ip = host.trim_matches(['[', ']']).parse::<IpAddr>();
        ip.map_err(|_| LoadError::NotLoopback(target.to_owned()))?
    };
    if !ip.is_loopback() {
        return Err(LoadError::NotLoopback(target.to_owned()));
    }
    Ok(SocketAddr::new(ip, uri.port_u16().unwrap_or(80)))
}

/// The error and its causes, for hyper's own text leaves the cause out.
fn chain(error: &dyn std::error::Error) -> String {
    let causes = std::iter::successors(Some(error), |error| error.source());
    causes.map(ToString::to_string).collect::<Vec<_>>().join(": ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_this_machine_is_a_target() {
        for good in [
            "http://127.0.0.1:8080",
            "http://127.9.9.9:1/",
            "http://[::1]:80",
            "http://localhost:8080",
        ] {
            assert!(loopback(good).is_ok(), "{good}");
        }
        for elsewhere in [
            "http://10.0.0.1:80",
            "http://example.org",
            "http://0.0.0.0:80",
            "http://127.0.0.1.nip.io",
        ] {
            assert_eq!(
                loopback(elsewhere).unwrap_err().code(),
                "not_loopback",
                "{elsewhere}"
            );
        }
        for bad in [
            "127.0.0.1:80",
            "https://127.0.0.1",
            "http://127.0.0.1/path",
            "",
            "http://127.0.0.1/?q",
        ] {
            assert_eq!(loopback(bad).unwrap_err().code(), "bad_target", "{bad}");
        }
    }
}

//! One request at a time, each on a connection of its own: what a test wants to see is the answer, whole.

use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, Method, Request, StatusCode};
use http_body_util::{BodyExt, Full};
use hyper_util::client::legacy::Client;
use hyper_util::rt::TokioExecutor;

/// No answer of this platform takes longer; a test that hangs says so instead of being killed.
const ANSWER_WITHIN: Duration = Duration::from_secs(20);

/// A request being put together.
#[derive(Debug)]
pub struct Call {
    method: Method,
    url: String,
    headers: HeaderMap,
    body: Bytes,
}

/// An answer with its whole body.
#[derive(Debug)]
pub struct Answer {
    /// The status.
    pub status: StatusCode,
    /// The headers.
    pub headers: HeaderMap,
    /// The body.
    pub body: Bytes,
}

/// A call of any method.
pub fn call(method: Method, url: impl Into<String>) -> Call {
    Call {
        method,
        url: url.into(),
        headers: HeaderMap::new(),
        body: Bytes::new(),
    }
}

/// `GET url`.
pub fn get(url: impl Into<String>) -> Call {
    call(Method::GET, url)
}

/// `POST url` with a JSON body.
pub fn post(url: impl Into<String>, body: &serde_json::Value) -> Call {
    call(Method::POST, url).json(body)
}

impl Call {
    /// Adds a header.
    ///
    /// # Panics
    /// When name or value is not one HTTP can carry.
    #[must_use]
    pub fn header(mut self, name: &str, value: &str) -> Self {
        let name = HeaderName::try_from(name).expect("a header's name");
        self.headers
            .append(name, HeaderValue::try_from(value).expect("a header's value"));
        self
    }

    /// Adds `Authorization: Bearer`.
    #[must_use]
    pub fn bearer(self, token: &str) -> Self {
        self.header("authorization", &format!("Bearer {token}"))
    }

    /// Sets a JSON body and its type.
    #[must_use]
    pub fn json(self, body: &serde_json::Value) -> Self {
        self.header("content-type", "application/json")
            .bytes(body.to_string())
    }

    /// Sets the body alone.
    #[must_use]
    pub fn bytes(mut self, body: impl Into<Bytes>) -> Self {
        self.body = body.into();
        self
    }

    /// Sends it, or says why there was no answer. Redirects are not followed.
    pub async fn try_send(self) -> Result<Answer, String> {
        let mut request = Request::builder().method(self.method).uri(&self.url);
        if let Some(headers) = request.headers_mut() {
            *headers = self.headers;
        }
        let request = request
            .body(Full::new(self.body))
            .map_err(|e| format!("{}: {e}", self.url))?;
        let client: Client<_, Full<Bytes>> = Client::builder(TokioExecutor::new())
            .pool_max_idle_per_host(0)
            .build_http();
        let answer = async {
            let (parts, body) = client
                .request(request)
                .await
                .map_err(|e| format!("{}: {e:?}", self.url))?
                .into_parts();
            let body = body
                .collect()
                .await
                .map_err(|e| format!("{}: {e}", self.url))?
                .to_bytes();
            Ok(Answer {
                status: parts.status,
                headers: parts.headers,
                body,
            })
        };
        tokio::time::timeout(ANSWER_WITHIN, answer)
            .await
            .map_err(|_| format!("{}: no answer", self.url))?
    }

    /// Sends it.
    ///
    /// # Panics
    /// When there is no answer.
    pub async fn send(self) -> Answer {
        self.try_send().await.unwrap_or_else(|why| panic!("{why}"))
    }
}

impl Answer {
    /// The body as JSON.
    ///
    /// # Panics
    /// When it is not JSON.
    pub fn json(&self) -> serde_json::Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|e| panic!("not JSON ({e}): {}", self.text()))
    }

    /// The body as text.
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    /// A header's value, empty when it is not there.
    pub fn header(&self, name: &str) -> &str {
        self.headers
            .get(name)
            .and_then(|v| v.to_str().ok())
            .unwrap_or_default()
    }
}

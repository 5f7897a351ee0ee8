//! The issuer's key set over HTTP.

use async_trait::async_trait;
use http::Uri;
use identity::{FetchKeys, FetchKeysError, Jwks};

use crate::{Client, ClientError};

/// Fetches a key set from a `jwks_uri`.
#[derive(Clone, Debug)]
pub struct HttpKeys {
    client: Client,
    uri: Uri,
}

impl HttpKeys {
    /// Keys from this URI, such as `http://127.0.0.1:8080/.well-known/jwks.json`. Fails on what is no `http://` URI.
    pub fn new(client: Client, uri: &str) -> Result<Self, ClientError> {
        let uri: Uri = uri.parse().map_err(|_unparsable| ClientError::Address)?;
        crate::peer(&uri)?;
        Ok(Self { client, uri })
    }
}

#[async_trait]
impl FetchKeys for HttpKeys {
    async fn fetch(&self) -> Result<Jwks, FetchKeysError> {
        // One fetch serves many requests: the verifier asks outside of any, and holds it to `fetch_timeout_ms`.
        self.client
            .get_json(&self.uri)
            .await
            .map_err(|error| match error {
                ClientError::Unreadable(_) | ClientError::TooLarge { .. } | ClientError::Address => {
                    FetchKeysError::Unusable(error.to_string())
                }
                other => FetchKeysError::Unreachable(other.to_string()),
            })
    }
}

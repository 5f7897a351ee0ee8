//! The code becomes a token, at the issuer's token endpoint and over the internal link.

use http::header::{ACCEPT, CONTENT_TYPE};
use http::{HeaderValue, Method, Request};
use http_body_util::{BodyExt as _, Limited};
use serde::Deserialize;
use url::form_urlencoded;

use super::{CALLBACK, CLIENT_ID, SignInError};
use crate::gateway::Gateway;
use crate::routes::Upstream;

/// A token and some words around it.
const ANSWER_BYTES_MAX: usize = 16 * 1_024;

/// What we need of the issuer's answer (RFC 6749, section 5.1).
#[derive(Deserialize)]
pub(super) struct TokenAnswer {
    pub(super) access_token: String,
    pub(super) expires_in: u64,
}

/// Exchanges the code once; it is never tried again, for a code may be used once.
pub(super) async fn code_for_token(
    gateway: &Gateway,
    code: &str,
    verifier: &str,
) -> Result<TokenAnswer, SignInError> {
    let form = form_urlencoded::Serializer::new(String::new())
        .append_pair("grant_type", "authorization_code")
        .append_pair("code", code)
        .append_pair("redirect_uri", &format!("{}{CALLBACK}", gateway.public.text()))
        .append_pair("client_id", CLIENT_ID)
        .append_pair("code_verifier", verifier)
        .finish();
    let mut request = Request::new(axum::body::Body::from(form));
    *request.method_mut() = Method::POST;
    *request.uri_mut() = gateway.upstreams.of(Upstream::Issuer).at("/oauth2/token");
    let headers = request.headers_mut();
    headers.insert(
        CONTENT_TYPE,
        HeaderValue::from_static("application/x-www-form-urlencoded"),
    );
    headers.insert(ACCEPT, HeaderValue::from_static("application/json"));
    let response = gateway.client.send(request).await.map_err(|error| {
        tracing::warn!(%error, "the issuer's token endpoint did not answer");
        SignInError::IssuerUnavailable
    })?;
    let status = response.status();
    if status.is_server_error() {
        return Err(SignInError::IssuerUnavailable);
    }
    if !status.is_success() {
        return Err(SignInError::CodeRefused);
    }
    let body = Limited::new(response.into_body(), ANSWER_BYTES_MAX)
        .collect()
        .await;
    let body = body.map_err(|_| SignInError::IssuerUnavailable)?.to_bytes();
    serde_json::from_slice(&body).map_err(|_| SignInError::BadToken)
}

//! What clients and verifiers read first.

use axum::extract::State;
use axum::response::{IntoResponse, Response};
use http::header::CACHE_CONTROL;
use problem::Problem;
use serde::Serialize;

use super::App;
use crate::operations::authorize::{OPENID, SCOPES};
use crate::operations::rotate_keys;

/// What the issuer offers (OpenID Connect Discovery 1.0, RFC 8414).
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub(crate) struct Configuration {
    /// The `iss` of every token.
    issuer: String,
    /// Where a person signs in.
    authorization_endpoint: String,
    /// Where a code becomes a token.
    token_endpoint: String,
    /// The public keys.
    jwks_uri: String,
    response_types_supported: [&'static str; 1],
    response_modes_supported: [&'static str; 1],
    grant_types_supported: [&'static str; 2],
    subject_types_supported: [&'static str; 1],
    scopes_supported: Vec<&'static str>,
    claims_supported: [&'static str; 6],
    id_token_signing_alg_values_supported: [&'static str; 1],
    token_endpoint_auth_methods_supported: [&'static str; 3],
    code_challenge_methods_supported: [&'static str; 1],
    authorization_response_iss_parameter_supported: bool,
}

/// One public key (RFC 7517).
#[derive(utoipa::ToSchema)]
#[expect(dead_code, reason = "describes identity::Jwk, which knows nothing of OpenAPI")]
pub(crate) struct PublicKey {
    /// `OKP`.
    kty: String,
    /// `Ed25519`.
    crv: String,
    /// `EdDSA`.
    alg: String,
    /// `sig`.
    r#use: String,
    /// What tokens name the key by.
    kid: String,
    /// The key, base64url.
    x: String,
}

/// The public keys (RFC 7517).
#[derive(utoipa::ToSchema)]
#[expect(
    dead_code,
    reason = "describes identity::Jwks, which knows nothing of OpenAPI"
)]
pub(crate) struct KeySet {
    /// Those that sign, will sign, or signed tokens that may still be valid.
    keys: Vec<PublicKey>,
}

/// What this issuer offers and where.
#[utoipa::path(get, path = "/.well-known/openid-configuration", responses((status = 200, body = Configuration)))]
pub(super) async fn configuration(State(app): State<App>) -> Response {
    let issuer = &app.rules.issuer;
    let configuration = Configuration {
        issuer: issuer.clone(),
        authorization_endpoint: format!("{issuer}/oauth2/authorize"),
        token_endpoint: format!("{issuer}/oauth2/token"),
        jwks_uri: format!("{issuer}/.well-known/jwks.json"),
        response_types_supported: ["code"],
        response_modes_supported: ["query"],
        grant_types_supported: ["authorization_code", "client_credentials"],
        subject_types_supported: ["public"],
        scopes_supported: SCOPES.into_iter().chain([OPENID]).collect(),
        claims_supported: ["iss", "aud", "sub", "tenant", "iat", "exp"],
        id_token_signing_alg_values_supported: ["EdDSA"],
        token_endpoint_auth_methods_supported: ["none", "client_secret_basic", "client_secret_post"],
        code_challenge_methods_supported: ["S256"],
        authorization_response_iss_parameter_supported: true,
    };
    (
        [(CACHE_CONTROL, "public, max-age=60")],
        server::Json(configuration),
    )
        .into_response()
}

/// The public keys that tokens are verified with.
#[utoipa::path(get, path = "/.well-known/jwks.json", responses(
    (status = 200, body = KeySet),
    (status = 503, description = "The database is out of reach: keep the keys you have.", body = Problem, content_type = "application/problem+json"),
))]
pub(super) async fn key_set(State(app): State<App>) -> Result<Response, Problem> {
    let keys = rotate_keys::published(&*app.store).await?;
    // Shorter than the notice a key gets before it signs.
    Ok(([(CACHE_CONTROL, "public, max-age=30")], server::Json(keys)).into_response())
}

//! A token request (RFC 6749, section 3.2): which grant it is, and what every grant answers with.

use identity::Scopes;

use crate::api_keys::HashSecret;
use crate::config::Rules;
use crate::error::IssuerError;
use crate::operations::{client_credentials, exchange_code};
use crate::params::Params;
use crate::store::Store;

/// What a client gets.
#[derive(Debug, serde::Serialize, utoipa::ToSchema)]
pub(crate) struct TokenAnswer {
    /// The access token: a signed JWT.
    pub(crate) access_token: String,
    /// Always `Bearer`.
    pub(crate) token_type: &'static str,
    /// How long it lives, in seconds.
    pub(crate) expires_in: u64,
    /// What it allows, separated by spaces.
    #[schema(value_type = String)]
    pub(crate) scope: Scopes,
    /// Who signed in, for the client; only if `openid` was asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) id_token: Option<String>,
}

/// Why there is no token.
#[derive(Debug)]
pub(crate) enum Refusal {
    /// The client's fault: `error` and `error_description` of RFC 6749, section 5.2.
    Oauth {
        error: &'static str,
        description: &'static str,
    },
    /// `invalid_client` of somebody who has to prove who they are; the description.
    Unauthenticated(&'static str),
    /// Ours.
    Internal(IssuerError),
}

impl<E: Into<IssuerError>> From<E> for Refusal {
    fn from(error: E) -> Self {
        Self::Internal(error.into())
    }
}

pub(crate) fn oauth(error: &'static str, description: &'static str) -> Refusal {
    Refusal::Oauth { error, description }
}

/// The ways to a token.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum GrantType {
    AuthorizationCode,
    ClientCredentials,
}

/// Which grant a request asks for.
pub(crate) fn grant_type(params: &Params) -> Result<GrantType, Refusal> {
    if params.is_repeated() {
        return Err(oauth("invalid_request", "a parameter is repeated"));
    }
    match params.get("grant_type") {
        Some("authorization_code") => Ok(GrantType::AuthorizationCode),
        Some("client_credentials") => Ok(GrantType::ClientCredentials),
        None => Err(oauth("invalid_request", "grant_type is missing")),
        Some(_) => Err(oauth(
            "unsupported_grant_type",
            "only authorization_code and client_credentials are answered",
        )),
    }
}

/// Answers a request of that grant.
pub(crate) async fn answer(
    grant_type: GrantType,
    store: &dyn Store,
    rules: &Rules,
    secret: &HashSecret,
    params: &Params,
    authorization: Option<&str>,
    now_ms: u64,
) -> Result<TokenAnswer, Refusal> {
    match grant_type {
        GrantType::AuthorizationCode => exchange_code::exchange(store, rules, params, now_ms).await,
        GrantType::ClientCredentials => {
            client_credentials::grant(store, rules, secret, params, authorization, now_ms).await
        }
    }
}

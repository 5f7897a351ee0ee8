//! Who may ask: whoever knows the API secret. It is a third party, and knows none of the platform's tokens.

use axum::extract::FromRequestParts;
use http::request::Parts;
use problem::Problem;

use super::App;

/// A caller that knows the API secret.
#[derive(Debug, Clone, Copy)]
pub(super) struct Caller;

impl FromRequestParts<App> for Caller {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self, Problem> {
        let token = server::bearer_token(&parts.headers)
            .map_err(|error| Problem::unauthenticated(error.to_string()))?
            .ok_or_else(|| Problem::unauthenticated("the API secret is needed as bearer token"))?;
        if app.secrets.admits(token) {
            Ok(Self)
        } else {
            Err(Problem::unauthenticated("this is not the API secret"))
        }
    }
}

use axum::extract::FromRequestParts;
use http::request::Parts;
use problem::Problem;

/// Longest name that is sent back of a parameter that there is not.
const NAME_CHARS_MAX: usize = 60;

/// For an operation that has no query parameters: one that is given is 422 `invalid_request`. Passed over, `DELETE …?dry_run=true` would
/// do what it was not asked to.
#[derive(Clone, Copy, Debug)]
pub struct NoQuery;

impl<S: Send + Sync> FromRequestParts<S> for NoQuery {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _state: &S) -> Result<Self, Problem> {
        let query = parts.uri.query().unwrap_or_default();
        let Some(first) = query.split('&').find(|parameter| !parameter.is_empty()) else {
            return Ok(Self);
        };
        let name = first.split('=').next().unwrap_or_default();
        let name: String = name.chars().take(NAME_CHARS_MAX).collect();
        Err(Problem::invalid_request(format!(
            "there is no parameter `{name}`: this operation has none"
        )))
    }
}

use axum::extract::FromRequestParts;
use http::request::Parts;
use problem::Problem;
use serde::de::DeserializeOwned;

/// The query string. What does not fit its type is 422 `invalid_request`.
#[derive(Clone, Copy, Debug)]
pub struct Query<T>(
    /// The parameters.
    pub T,
);

#[expect(clippy::disallowed_types, reason = "this is the wrapper the ban points to")]
impl<T: DeserializeOwned + Send, S: Send + Sync> FromRequestParts<S> for Query<T> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _state: &S) -> Result<Self, Problem> {
        match axum::extract::Query::<T>::try_from_uri(&parts.uri) {
            Ok(axum::extract::Query(value)) => Ok(Self(value)),
            Err(rejection) => {
                let reason = std::error::Error::source(&rejection)
                    .map_or_else(|| rejection.to_string(), ToString::to_string);
                Err(Problem::invalid_request(format!(
                    "the query string is not acceptable: {reason}"
                )))
            }
        }
    }
}

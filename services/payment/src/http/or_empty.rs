//! A body that may be left out.

use axum::body::Body;
use axum::extract::{FromRequest, Request};
use http_body_util::{BodyExt as _, Full};
use problem::Problem;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use server::Json;

/// The body of an operation that takes none: nothing, or an empty object.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Nothing {}

/// A JSON body, or none, which is the default. What is sent is judged like any other body: a field that is not known is refused, for
/// whoever sends it believes that it does something.
pub(super) struct OrEmpty<T>(pub T);

impl<T: DeserializeOwned + Default, S: Send + Sync> FromRequest<S> for OrEmpty<T> {
    type Rejection = Problem;

    async fn from_request(request: Request, state: &S) -> Result<Self, Problem> {
        let (parts, body) = request.into_parts();
        let body = match body.collect().await {
            Ok(body) => body.to_bytes(),
            Err(error) => {
                return Err(Problem::malformed("incomplete_body", "the body broke off").cause(error));
            }
        };
        if body.is_empty() {
            return Ok(Self(T::default()));
        }
        let request = Request::from_parts(parts, Body::new(Full::new(body)));
        Json::from_request(request, state)
            .await
            .map(|Json(body)| Self(body))
    }
}

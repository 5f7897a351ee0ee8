use axum::extract::FromRequestParts;
use axum::extract::path::ErrorKind;
use axum::extract::rejection::PathRejection;
use http::request::Parts;
use problem::Problem;
use serde::de::DeserializeOwned;

/// Path parameters, percent-decoded. Bytes that are no UTF-8 once decoded are 400 `malformed_path`.
#[derive(Clone, Copy, Debug)]
pub struct Path<T>(
    /// The parameters.
    pub T,
);

#[expect(clippy::disallowed_types, reason = "this is the wrapper the ban points to")]
impl<T: DeserializeOwned + Send, S: Send + Sync> FromRequestParts<S> for Path<T> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        match axum::extract::Path::<T>::from_request_parts(parts, state).await {
            Ok(axum::extract::Path(value)) => Ok(Self(value)),
            Err(PathRejection::FailedToDeserializePathParams(error)) => Err(match error.kind() {
                ErrorKind::InvalidUtf8InPathParam { .. } => Problem::malformed(
                    "malformed_path",
                    "the path is not UTF-8 once its percent signs are decoded",
                ),
                ErrorKind::WrongNumberOfParameters { .. } | ErrorKind::UnsupportedType { .. } => {
                    Problem::internal(error)
                }
                _ => Problem::malformed(
                    "malformed_path",
                    "a part of the path does not have the form it must have",
                ),
            }),
            Err(other) => Err(Problem::internal(other)),
        }
    }
}

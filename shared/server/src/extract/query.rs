use axum::extract::FromRequestParts;
use http::request::Parts;
use problem::Problem;
use serde::de::DeserializeOwned;

/// Longest name that is sent back of a parameter that there is not.
const NAME_CHARS_MAX: usize = 60;

/// The query string. What does not fit its type is 422 `invalid_request`; so is a parameter that a `T` which denies unknown fields does
/// not have, as in a body: passed over, a filter that is misspelt would be no filter.
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
                let unknown = unknown(&reason);
                Err(Problem::invalid_request(unknown.unwrap_or_else(|| {
                    format!("the query string is not acceptable: {reason}")
                })))
            }
        }
    }
}

/// What is said of a parameter that there is not, made of serde's words; `None` for anything else.
fn unknown(reason: &str) -> Option<String> {
    let (_, after) = reason.split_once("unknown field `")?;
    let (name, expected) = after.rsplit_once("`, expected ")?;
    let name: String = name.chars().take(NAME_CHARS_MAX).collect();
    // Names stand between backticks, words between those.
    let known: Vec<&str> = expected.split('`').skip(1).step_by(2).collect();
    let nearest = known
        .iter()
        .min_by_key(|known| strsim::damerau_levenshtein(known, &name))?;
    Some(format!(
        "there is no parameter `{name}`; the nearest is `{nearest}`, of {}",
        known.join(", ")
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_misspelt_parameter_is_told_with_the_nearest_that_there_is() {
        let said = |reason| unknown(reason).unwrap();
        assert_eq!(
            said("limt: unknown field `limt`, expected one of `cursor`, `limit`, `tag`"),
            "there is no parameter `limt`; the nearest is `limit`, of cursor, limit, tag"
        );
        assert_eq!(
            said("unknown field `x`, expected `limit`"),
            "there is no parameter `x`; the nearest is `limit`, of limit"
        );
        assert_eq!(unknown("limit: invalid digit found in string"), None);
        assert_eq!(unknown("unknown field `x`, there are no fields"), None);
    }
}

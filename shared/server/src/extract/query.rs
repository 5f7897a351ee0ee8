use axum::extract::FromRequestParts;
use http::request::Parts;
use problem::Problem;
use serde::de::DeserializeOwned;

/// Longest name that is sent back of a parameter that there is not.
const NAME_CHARS_MAX: usize = 60;

/// The query string. What does not fit its type is 422 `invalid_request`; so is a parameter that a `T` which denies unknown fields does
/// not have, as in a body: passed over, a filter that is misspelt would be no filter. What looks like a card number is not repeated.
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
                let said = unknown.unwrap_or_else(|| format!("the query string is not acceptable: {reason}"));
                Err(Problem::invalid_request(card_numbers::unsaid(said)))
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

    async fn refused(query: &str) -> String {
        #[derive(Debug, serde::Deserialize)]
        #[serde(deny_unknown_fields)]
        struct Filter {
            #[expect(dead_code, reason = "only read")]
            kind: Option<Kind>,
        }
        #[derive(Debug, serde::Deserialize)]
        #[serde(rename_all = "snake_case")]
        enum Kind {
            Asset,
        }
        let request = http::Request::get(format!("/v1/accounts?{query}"))
            .body(())
            .unwrap();
        let problem = Query::<Filter>::from_request_parts(&mut request.into_parts().0, &())
            .await
            .expect_err("refused");
        problem.to_string()
    }

    #[tokio::test]
    async fn a_card_number_is_not_repeated_and_another_word_is() {
        assert!(refused("kind=assett").await.contains("`assett`"));
        assert!(refused("assett=1").await.contains("`assett`"));
        for query in [
            "kind=4242424242424242",
            "kind=4242+4242+4242+4242",
            "kind=4242%20-%204242%20-%204242%20-%204242",
            "4242424242424242=1",
            "4242-4242-4242-4242=asset",
        ] {
            let said = refused(query).await;
            assert!(!said.contains("4242") && said.contains("not repeated"), "{said}");
        }
    }

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

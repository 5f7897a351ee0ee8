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
        if query.split('&').all(str::is_empty) {
            return Ok(Self);
        }
        let name: String = first_name(&parts.uri).chars().take(NAME_CHARS_MAX).collect();
        let said = format!("there is no parameter `{name}`: this operation has none");
        Err(Problem::invalid_request(card_numbers::unsaid(said)))
    }
}

/// The first name in a query, decoded.
#[expect(
    clippy::disallowed_types,
    reason = "the wrapper is for parameters that there are"
)]
fn first_name(uri: &http::Uri) -> String {
    let named = axum::extract::Query::<Vec<(String, String)>>::try_from_uri(uri);
    let first = named.ok().and_then(|named| named.0.into_iter().next());
    first.map(|(name, _)| name).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn refused(query: &str) -> String {
        let request = http::Request::get(format!("/v1/accounts/7?{query}"))
            .body(())
            .unwrap();
        let problem = NoQuery::from_request_parts(&mut request.into_parts().0, &())
            .await
            .expect_err("refused");
        problem.to_string()
    }

    #[tokio::test]
    async fn a_card_number_is_not_repeated_and_another_name_is() {
        assert!(refused("dry_run=true").await.contains("`dry_run`"));
        for query in ["4242424242424242", "4242%204242%204242%204242=1"] {
            let said = refused(query).await;
            assert!(!said.contains("4242") && said.contains("not repeated"), "{said}");
        }
    }
}

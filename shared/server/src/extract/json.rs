use axum::extract::{FromRequest, Request};
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use http::header::CONTENT_TYPE;
use http::{HeaderMap, HeaderValue};
use http_body_util::BodyExt;
use problem::Problem;
use serde::Serialize;
use serde::de::{DeserializeOwned, IgnoredAny};
use serde_json::error::Category;
use serde_path_to_error::{Path, Segment};

/// Longest text of a parser's message that is sent back: it may quote what the client sent, and names the fields there are.
const MESSAGE_CHARS_MAX: usize = 600;

/// A JSON body, in or out.
///
/// In: the body must be an object. 415 when it is not said to be JSON, 400 `malformed_json` when it is none (bad UTF-8 and more than 128 levels of
/// nesting included), 422 `invalid_request` with a JSON pointer when it is JSON that does not fit `T`; what looks like a card number is not
/// repeated.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Json<T>(
    /// The value.
    pub T,
);

impl<T: DeserializeOwned, S: Send + Sync> FromRequest<S> for Json<T> {
    type Rejection = Problem;

    async fn from_request(request: Request, _state: &S) -> Result<Self, Problem> {
        if !says_json(request.headers()) {
            return Err(Problem::unsupported_media_type("application/json"));
        }
        match request.into_body().collect().await {
            Ok(body) => parse(&body.to_bytes()).map(Self),
            // Said better by the edge, which knows why: too large, too slow or badly framed.
            Err(error) => Err(Problem::malformed("incomplete_body", "the body broke off").cause(error)),
        }
    }
}

impl<T: Serialize> IntoResponse for Json<T> {
    fn into_response(self) -> Response {
        match serde_json::to_vec(&self.0) {
            Ok(body) => (
                [(CONTENT_TYPE, HeaderValue::from_static("application/json"))],
                Bytes::from(body),
            )
                .into_response(),
            Err(error) => Problem::internal(error).into_response(),
        }
    }
}

fn says_json(headers: &HeaderMap) -> bool {
    let kind = headers
        .get(CONTENT_TYPE)
        .and_then(|value| value.to_str().ok())
        .unwrap_or_default();
    let essence = kind
        .split(';')
        .next()
        .unwrap_or_default()
        .trim()
        .to_ascii_lowercase();
    essence == "application/json" || (essence.starts_with("application/") && essence.ends_with("+json"))
}

fn parse<T: DeserializeOwned>(body: &[u8]) -> Result<T, Problem> {
    let text = std::str::from_utf8(body).map_err(|error| {
        malformed(&format!(
            "the body is not UTF-8 from byte {}",
            error.valid_up_to()
        ))
    })?;
    if !text.trim_ascii_start().starts_with('{') {
        return Err(no_object(text));
    }
    let mut parser = serde_json::Deserializer::from_str(text);
    let value = serde_path_to_error::deserialize(&mut parser).map_err(|error| {
        let pointer = pointer(error.path());
        refusal(&pointer, error.inner())
    })?;
    parser.end().map_err(|error| refusal("", &error))?;
    Ok(value)
}

/// serde reads a struct from an array too, field by field; to a client that is an accident.
fn no_object(text: &str) -> Problem {
    match serde_json::from_str::<IgnoredAny>(text) {
        Ok(_) => Problem::invalid_field("", "the body must be a JSON object"),
        Err(error) => refusal("", &error),
    }
}

fn malformed(reason: &str) -> Problem {
    Problem::malformed("malformed_json", reason)
}

fn refusal(pointer: &str, error: &serde_json::Error) -> Problem {
    let message: String = error.to_string().chars().take(MESSAGE_CHARS_MAX).collect();
    if error.classify() != Category::Data {
        return malformed(&format!("the body is not JSON: {message}"));
    }
    // serde names a missing or doubled field in words only, and its path is the object that holds it.
    let mut named = ["missing field `", "duplicate field `"].into_iter();
    let named = named.find_map(|words| message.strip_prefix(words)?.split('`').next());
    let pointer = match named {
        Some(field) => format!("{pointer}/{}", escaped(field)),
        None => pointer.to_owned(),
    };
    // A name may be the number.
    let pointer = if card_numbers::is_in(&pointer) {
        String::new()
    } else {
        pointer
    };
    Problem::invalid_field(pointer, card_numbers::unsaid(message))
}

/// RFC 6901.
fn pointer(path: &Path) -> String {
    let step = |segment: &Segment| match segment {
        Segment::Seq { index } => format!("/{index}"),
        Segment::Map { key } => format!("/{}", escaped(key)),
        Segment::Enum { .. } | Segment::Unknown => String::new(),
    };
    path.iter().map(step).collect()
}

fn escaped(key: &str) -> String {
    key.replace('~', "~0").replace('/', "~1")
}

#[cfg(test)]
mod tests {
    use serde::Deserialize;

    use super::*;

    #[derive(Debug, Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Link {
        url: String,
        #[serde(default)]
        tags: Vec<String>,
    }

    fn refused(body: &[u8]) -> (u16, &'static str, Option<String>) {
        let problem = parse::<Link>(body).expect_err("refused");
        let pointer = problem.errors().first().map(|error| error.pointer.clone());
        (problem.status().as_u16(), problem.code(), pointer)
    }

    #[test]
    fn a_good_body_is_read() {
        let link: Link = parse(br#" {"url":"http://x","tags":["a"]} "#).unwrap();
        assert_eq!((link.url.as_str(), link.tags.len()), ("http://x", 1));
    }

    #[test]
    fn what_is_not_json_is_malformed() {
        let deep = "[".repeat(10_000);
        let nested = format!(r#"{{"url":"x","tags":[{}]}}"#, "[".repeat(200));
        for body in [
            &b""[..],
            b"{",
            b"{\"url\":}",
            b"{\"url\":\"x\"} trailing",
            b"\xff\xfe",
            b"{\"url\":\"\xc3\x28\"}",
        ] {
            assert_eq!(refused(body), (400, "malformed_json", None), "{body:?}");
        }
        assert_eq!(refused(deep.as_bytes()), (400, "malformed_json", None));
        assert_eq!(refused(nested.as_bytes()).0, 422);
    }

    #[test]
    fn what_does_not_fit_is_invalid_at_its_pointer() {
        let invalid = |body: &str| {
            let (status, code, pointer) = refused(body.as_bytes());
            assert_eq!((status, code), (422, "invalid_request"), "{body}");
            pointer.expect("a pointer")
        };
        assert_eq!(invalid(r#"{"url":5}"#), "/url");
        assert_eq!(invalid(r#"{"url":"x","tags":["a",7]}"#), "/tags/1");
        assert_eq!(invalid("{}"), "/url");
        assert_eq!(invalid(r#"{"url":"x","a/b~c":1}"#), "/a~1b~0c");
        assert_eq!(invalid(r#"{"url":"x","url":"y"}"#), "/url");
        assert_eq!(invalid("[]"), "");
        assert_eq!(invalid(r#"["http://x", []]"#), "");
        assert_eq!(invalid("null"), "");
    }

    #[test]
    fn a_card_number_is_not_repeated_wherever_it_stands() {
        for body in [
            r#"{"url":4242424242424242}"#,
            r#"{"url":"x","4242424242424242":1}"#,
            r#"{"url":"x","4242 4242 4242 4242":1}"#,
            r#"{"url":"x","tags":"4242 - 4242 - 4242 - 4242"}"#,
            r#""4242424242424242""#,
        ] {
            let problem = parse::<Link>(body.as_bytes()).expect_err("refused");
            let said = format!("{problem} {:?}", problem.errors());
            assert!(!said.contains("4242"), "{said}");
        }
    }

    #[test]
    fn only_json_media_types_count_as_json() {
        let says = |kind: &'static str| {
            let mut headers = HeaderMap::new();
            headers.insert(CONTENT_TYPE, HeaderValue::from_static(kind));
            says_json(&headers)
        };
        assert!(says("application/json") && says("Application/JSON; charset=utf-8"));
        assert!(says("application/merge-patch+json"));
        assert!(!says("text/json") && !says("text/plain") && !says("application/jsonp") && !says(""));
        assert!(!says_json(&HeaderMap::new()));
    }
}

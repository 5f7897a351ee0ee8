//! From a problem to an HTTP response.

use axum_core::body::Body;
use axum_core::response::{IntoResponse, Response};
use http::header::{CONTENT_LENGTH, CONTENT_TYPE, RETRY_AFTER};
use http::{HeaderMap, HeaderValue};

use crate::{MEDIA_TYPE, Problem};

impl Problem {
    /// Takes the problem that [`IntoResponse`] left in a response's extensions.
    pub fn take_from(response: &mut Response) -> Option<Self> {
        response.extensions_mut().remove::<Self>()
    }

    /// Renders over `response`: status, body and the problem's own headers. Other headers that layers have
    /// added meanwhile (rate limits, say) stay.
    pub fn render_into(&self, response: &mut Response) {
        *response.status_mut() = self.status();
        let body = self.to_json();
        let headers = response.headers_mut();
        self.write_headers(headers);
        headers.insert(CONTENT_LENGTH, HeaderValue::from(body.len()));
        *response.body_mut() = Body::from(body);
    }

    fn to_json(&self) -> Vec<u8> {
        serde_json::to_vec(&self.document()).expect("a document has only strings, numbers and lists")
    }

    fn write_headers(&self, headers: &mut HeaderMap) {
        headers.insert(CONTENT_TYPE, HeaderValue::from_static(MEDIA_TYPE));
        if let Some(after) = self.retry_after_hint() {
            // Zero would invite a storm; a started second is a whole one.
            let seconds = (after.as_secs() + u64::from(after.subsec_nanos() > 0)).max(1);
            headers.insert(RETRY_AFTER, HeaderValue::from(seconds));
        }
        for name in self.0.headers.keys() {
            headers.remove(name);
        }
        for (name, value) in &self.0.headers {
            headers.append(name, value.clone());
        }
    }
}

impl IntoResponse for Problem {
    /// Renders, and leaves itself in the extensions so that `server` can render again with the request's ids.
    fn into_response(self) -> Response {
        let mut response = Response::new(Body::empty());
        self.render_into(&mut response);
        response.extensions_mut().insert(self);
        response
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::StatusCode;

    #[test]
    fn a_problem_renders_with_media_type_code_and_rounded_up_retry_after() {
        let problem = Problem::unavailable("the store is away", Duration::from_millis(1200));
        let response = problem.clone().into_response();
        assert_eq!(response.status(), StatusCode::SERVICE_UNAVAILABLE);
        assert_eq!(response.headers()[CONTENT_TYPE], MEDIA_TYPE);
        assert_eq!(response.headers()[RETRY_AFTER], "2");
        let document = problem.document();
        assert_eq!(document.kind, "urn:orrery:problem:unavailable");
        assert_eq!(document.title, "Service Unavailable");
        assert!(document.retryable);
    }

    #[test]
    fn the_cause_of_an_internal_problem_never_reaches_the_wire() {
        let problem = Problem::internal("password hunter2 refused by db:5432");
        let json = String::from_utf8(problem.to_json()).unwrap();
        assert!(!json.contains("hunter2"), "{json}");
        assert_eq!(
            problem.operator_cause(),
            Some("password hunter2 refused by db:5432")
        );
    }

    #[test]
    fn rendering_again_with_ids_keeps_headers_that_layers_added() {
        let mut response = Problem::unauthenticated("no token").into_response();
        response
            .headers_mut()
            .insert("ratelimit-limit", HeaderValue::from_static("10"));
        let problem = Problem::take_from(&mut response).expect("left by into_response");
        problem
            .identified(Some("r1".into()), Some("t1".into()))
            .render_into(&mut response);
        assert_eq!(response.headers()["ratelimit-limit"], "10");
        assert_eq!(response.headers().get_all("www-authenticate").iter().count(), 1);
        assert!(Problem::take_from(&mut response).is_none());
    }

    #[test]
    fn a_document_reads_back_as_it_was_written() {
        let problem = Problem::invalid_field("/url", "must be http or https")
            .identified(Some("r1".into()), Some("t1".into()));
        let back: crate::Document = serde_json::from_slice(&problem.to_json()).unwrap();
        assert_eq!(back, problem.document());
        assert_eq!(back.errors[0].pointer, "/url");
        assert_eq!(back.request_id.as_deref(), Some("r1"));
    }

    #[test]
    fn a_zero_retry_after_is_still_one_second() {
        let response = Problem::too_many_requests(Duration::ZERO).into_response();
        assert_eq!(response.headers()[RETRY_AFTER], "1");
    }
}

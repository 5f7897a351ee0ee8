//! What all operations of the API share in its OpenAPI document.

use std::collections::BTreeMap;

use problem::Problem;
use problem::openapi::{self, ANY, MANAGED, Token, responses};
use utoipa::openapi::{OpenApi, RefOr, Response};
use utoipa::{IntoResponses, OpenApi as Derive};

/// What a request with a body may be answered with.
const BODY: &openapi::Refusals = &[
    (408, "The body took too long to arrive", None),
    (413, "The body is too large", None),
    (415, "The body is not said to be JSON", None),
    (
        422,
        "A field is not acceptable, or the `Idempotency-Key` was used for another request",
        None,
    ),
];

/// Refusals of the server and the edge.
pub(super) struct Refusals;
/// Those and the refusals of a token.
pub(super) struct ManagedRefusals;
/// Refusals of a body.
pub(super) struct BodyRefusals;

impl IntoResponses for Refusals {
    fn responses() -> BTreeMap<String, RefOr<Response>> {
        responses(ANY)
    }
}

impl IntoResponses for ManagedRefusals {
    fn responses() -> BTreeMap<String, RefOr<Response>> {
        responses(ANY.iter().chain(MANAGED))
    }
}

impl IntoResponses for BodyRefusals {
    fn responses() -> BTreeMap<String, RefOr<Response>> {
        responses(BODY)
    }
}

#[derive(Derive)]
#[openapi(
    // The router knows it as an odd code; it is answered by the same handler.
    paths(super::preview::or_missing),
    info(
        title = "Orrery shortener",
        description = "Makes short links, follows them, counts who followed. Every refusal is a problem document (RFC 9457) with a stable `code`.",
        license(name = "MIT OR Apache-2.0", identifier = "MIT OR Apache-2.0")
    ),
    servers((url = "http://127.0.0.1:8080", description = "The gateway of a local `orrery up`")),
    tags(
        (name = "links", description = "Making and managing links"),
        (name = "many links", description = "Many links at once: made, exported, imported, handed over"),
        (name = "domain rules", description = "Where a tenant's links may lead"),
        (name = "redirects", description = "Following links"),
        (name = "statistics", description = "Who followed links, and when")
    ),
    components(schemas(Problem)),
    modifiers(&Token)
)]
pub(super) struct Document;

/// Adds what the routes have without a handler of their own: `HEAD /{code}` is answered as `GET` is, without a body.
pub(super) fn complete(document: &mut OpenApi) {
    let Some(item) = document.paths.paths.get_mut("/{code}") else {
        return;
    };
    let Some(mut head) = item.get.clone() else { return };
    head.operation_id = Some("probe_link".to_owned());
    head.summary = Some("See where a link leads".to_owned());
    for response in head.responses.responses.values_mut() {
        if let RefOr::T(response) = response {
            response.content.clear();
        }
    }
    item.head = Some(head);
}

//! What all operations of the API share in its OpenAPI document.

use std::collections::BTreeMap;

use problem::{MEDIA_TYPE, Problem};
use utoipa::openapi::security::{HttpAuthScheme, HttpBuilder, SecurityScheme};
use utoipa::openapi::{
    ContentBuilder, HeaderBuilder, ObjectBuilder, OpenApi, Ref, RefOr, Response, ResponseBuilder, Type,
};
use utoipa::{IntoResponses, Modify, OpenApi as Derive};

/// Refusals by status: what is said about them, and whether they say when to come back.
type Said = &'static [(u16, &'static str, Option<&'static str>)];

const RETRY_AFTER: &str = "Retry-After";

/// What any request may be answered with.
const ANY: Said = &[
    (400, "The request cannot be read", None),
    (431, "The head of the request is too large", None),
    (500, "Something went wrong on our side", None),
    (503, "Something needed is away for a moment", Some(RETRY_AFTER)),
    (504, "The deadline passed first", None),
];
/// What a request that needs a token may be answered with.
const MANAGED: Said = &[
    (401, "No token, or none that is good", Some("WWW-Authenticate")),
    (403, "The token does not have the scope", Some("WWW-Authenticate")),
];
/// What a request with a body may be answered with.
const BODY: Said = &[
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
        told(ANY)
    }
}

impl IntoResponses for ManagedRefusals {
    fn responses() -> BTreeMap<String, RefOr<Response>> {
        told(ANY).into_iter().chain(told(MANAGED)).collect()
    }
}

impl IntoResponses for BodyRefusals {
    fn responses() -> BTreeMap<String, RefOr<Response>> {
        told(BODY)
    }
}

fn told(said: Said) -> BTreeMap<String, RefOr<Response>> {
    said.iter()
        .map(|(status, what, header)| {
            let problem = ContentBuilder::new()
                .schema(Some(Ref::from_schema_name("Problem")))
                .build();
            let mut response = ResponseBuilder::new()
                .description(*what)
                .content(MEDIA_TYPE, problem);
            if let Some(name) = header {
                let text = ObjectBuilder::new().schema_type(Type::String);
                response = response.header(*name, HeaderBuilder::new().schema(Some(text)).build());
            }
            (status.to_string(), response.build().into())
        })
        .collect()
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

struct Token;

impl Modify for Token {
    fn modify(&self, document: &mut OpenApi) {
        let scheme = HttpBuilder::new()
            .scheme(HttpAuthScheme::Bearer)
            .bearer_format("JWT")
            .description(Some("A token of the issuer; `orrery token` prints one"))
            .build();
        let components = document.components.get_or_insert_default();
        components.add_security_scheme("token", SecurityScheme::Http(scheme));
    }
}

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

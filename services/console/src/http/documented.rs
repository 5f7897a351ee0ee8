//! What all operations of the API share in its OpenAPI document.

use std::collections::BTreeMap;

use problem::{MEDIA_TYPE, Problem};
use utoipa::openapi::security::{HttpAuthScheme, HttpBuilder, SecurityScheme};
use utoipa::openapi::{
    ContentBuilder, HeaderBuilder, ObjectBuilder, OpenApi, Ref, RefOr, Response, ResponseBuilder, Type,
};
use utoipa::{IntoResponses, Modify, OpenApi as Derive};

/// Refusals by status: what is said about them, and the header that goes with it.
const REFUSALS: &[(u16, &str, Option<&str>)] = &[
    (400, "The request cannot be read", None),
    (401, "No token, or none that is good", Some("WWW-Authenticate")),
    (403, "The token does not have the scope", Some("WWW-Authenticate")),
    (422, "A parameter is not acceptable", None),
    (431, "The head of the request is too large", None),
    (500, "Something went wrong on our side", None),
    (503, "Something needed is away for a moment", Some("Retry-After")),
    (504, "The deadline passed first", None),
];

/// What any request may be answered with.
pub(super) struct Refusals;

impl IntoResponses for Refusals {
    fn responses() -> BTreeMap<String, RefOr<Response>> {
        let all = REFUSALS.iter().map(|(status, what, header)| {
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
        });
        all.collect()
    }
}

#[derive(Derive)]
#[openapi(
    info(
        title = "Orrery console",
        description = "What runs, how well, and why not: service map, objectives, traces. Every refusal is a problem document (RFC 9457) with a stable `code`.",
        license(name = "MIT OR Apache-2.0", identifier = "MIT OR Apache-2.0")
    ),
    servers((url = "http://127.0.0.1:8080", description = "The gateway of a local `orrery up`")),
    tags((name = "console", description = "The platform watched")),
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

//! Problems in a service's OpenAPI document, and the token that most of them are about.

use std::collections::BTreeMap;

use utoipa::Modify;
use utoipa::openapi::security::{HttpAuthScheme, HttpBuilder, SecurityScheme};
use utoipa::openapi::{
    ContentBuilder, HeaderBuilder, ObjectBuilder, OpenApi, Ref, RefOr, Response, ResponseBuilder, Type,
};

use crate::MEDIA_TYPE;

/// Refusals by status: what is said about them, and the header that goes with it.
pub type Refusals = [(u16, &'static str, Option<&'static str>)];

/// What any request may be answered with.
pub const ANY: &Refusals = &[
    (400, "The request cannot be read", None),
    (431, "The head of the request is too large", None),
    (500, "Something went wrong on our side", None),
    (503, "Something needed is away for a moment", Some("Retry-After")),
    (504, "The deadline passed first", None),
];

/// What a request that needs a token may be answered with.
pub const MANAGED: &Refusals = &[
    (401, "No token, or none that is good", Some("WWW-Authenticate")),
    (403, "The token does not have the scope", Some("WWW-Authenticate")),
];

/// These refusals as responses: each is the schema `Problem`.
pub fn responses<'a>(
    refusals: impl IntoIterator<Item = &'a (u16, &'static str, Option<&'static str>)>,
) -> BTreeMap<String, RefOr<Response>> {
    let told = refusals.into_iter().map(|(status, what, header)| {
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
    told.collect()
}

/// Adds the security scheme `token`.
#[derive(Debug)]
pub struct Token;

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

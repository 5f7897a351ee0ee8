//! What all operations of the API share in its OpenAPI document.

use std::collections::BTreeMap;

use problem::Problem;
use problem::openapi::{ANY, MANAGED, Refusals as Told, Token, responses};
use utoipa::openapi::{RefOr, Response};
use utoipa::{IntoResponses, OpenApi as Derive};

const PARAMETERS: &Told = &[(422, "A parameter is not acceptable", None)];

/// What any request may be answered with.
pub(super) struct Refusals;

impl IntoResponses for Refusals {
    fn responses() -> BTreeMap<String, RefOr<Response>> {
        responses(ANY.iter().chain(MANAGED).chain(PARAMETERS))
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

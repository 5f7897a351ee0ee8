//! What all operations of the API share in its OpenAPI document.

use std::collections::BTreeMap;

use problem::Problem;
use problem::openapi::{ANY, MANAGED, Refusals, Token, responses};
use utoipa::openapi::{RefOr, Response};
use utoipa::{IntoResponses, OpenApi as Derive};

/// What a request with a body may be answered with.
const BODY: &Refusals = &[
    (408, "The body took too long to arrive", None),
    (413, "The body is too large", None),
    (415, "The body is not said to be JSON", None),
    (
        422,
        "A field is not acceptable, the ledger refuses it, or the `Idempotency-Key` was used for another request; nothing moved",
        None,
    ),
];

/// Refusals of the server, the edge, and a token.
pub(super) struct ManagedRefusals;
/// Refusals of a body.
pub(super) struct BodyRefusals;

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
    info(
        title = "Orrery payment",
        description = "A double-entry ledger, and payments through it. Amounts are integers of minor units (ISO 4217 exponents) as strings. Every refusal is a problem document (RFC 9457) with a stable `code`.",
        license(name = "MIT OR Apache-2.0", identifier = "MIT OR Apache-2.0")
    ),
    servers((url = "http://127.0.0.1:8080", description = "The gateway of a local `orrery up`")),
    tags(
        (name = "accounts", description = "Opening accounts, and reading what they hold"),
        (name = "transfers", description = "Moving money, and taking it back"),
        (name = "holds", description = "Setting money aside: authorize, capture, void"),
        (name = "payments", description = "Paying through the processor: a saga that always ends"),
        (name = "webhooks", description = "Telling merchants what happened"),
        (name = "payers", description = "What is known of people, and its end"),
        (name = "audit", description = "Whether the books balance, and the chain over them")
    ),
    components(schemas(Problem)),
    modifiers(&Token)
)]
pub(super) struct Document;

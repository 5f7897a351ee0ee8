//! `/v1/domain-rules`: which domains a tenant's links may lead to.

use axum::extract::State;
use axum::response::{IntoResponse, Response};
use identity::{LINKS_READ, LINKS_WRITE};
use problem::Problem;
use serde::{Deserialize, Serialize};
use server::{Authenticated, Json, NoQuery};
use utoipa::ToSchema;

use super::documented::{BodyRefusals, ManagedRefusals};
use super::{App, PRIVATE};
use crate::link::Domain;
use crate::operations::AskedRules;
use crate::store::domain_rules::KeptRules;

/// Rules on domains, as they should be. A domain stands for its subdomains too.
#[derive(Clone, Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = NewDomainRules, example = json!({"allow": [], "deny": ["bad.example"]}))]
pub(super) struct NewRulesBody {
    /// If any are named, links may lead to these only.
    #[schema(max_items = 1000, value_type = Vec<DomainSchema>)]
    allow: Vec<String>,
    /// Links may not lead to these, allowed or not.
    #[schema(max_items = 1000, value_type = Vec<DomainSchema>)]
    deny: Vec<String>,
    /// The revision that this was made from; if it is not the last one any more, nothing is changed.
    #[schema(minimum = 0)]
    revision: Option<u64>,
}

/// A name or an address, without scheme and port.
#[derive(ToSchema)]
#[schema(as = Domain, value_type = String, max_length = 253, pattern = r"^[^\s/\\?#@*%]+$", example = "example.com")]
pub(super) struct DomainSchema(#[expect(dead_code, reason = "only its schema is used")] String);

/// Rules on domains.
#[derive(Clone, Debug, Serialize, ToSchema)]
#[schema(as = DomainRules)]
pub(super) struct RulesBody {
    /// If there are any, links may lead to these only. In lower case, international names as punycode.
    #[schema(value_type = Vec<DomainSchema>)]
    allow: Vec<String>,
    /// Links may not lead to these, allowed or not.
    #[schema(value_type = Vec<DomainSchema>)]
    deny: Vec<String>,
    /// Counts changes.
    #[schema(minimum = 0)]
    revision: u64,
}

impl From<KeptRules> for RulesBody {
    fn from(kept: KeptRules) -> Self {
        let shown = |list: std::collections::BTreeSet<Domain>| {
            list.iter().map(|domain| domain.as_str().to_owned()).collect()
        };
        Self {
            allow: shown(kept.lists.allow),
            deny: shown(kept.lists.deny),
            revision: kept.revision,
        }
    }
}

/// Show the rules on domains
#[utoipa::path(
    get,
    path = "/v1/domain-rules",
    operation_id = "show_domain_rules",
    tag = "domain rules",
    security(("token" = ["links:read"])),
    responses(
        (status = 200, description = "The rules", body = RulesBody, headers(
            ("Cache-Control" = String, description = "Always `private, no-store`"))),
        ManagedRefusals
    )
)]
pub(super) async fn show(
    State(app): State<App>,
    _: NoQuery,
    caller: Authenticated,
) -> Result<Response, Problem> {
    caller.require(LINKS_READ)?;
    let kept = app.links.domain_rules(&caller.0.tenant).await?;
    Ok(([PRIVATE], Json(RulesBody::from(kept))).into_response())
}

/// Replace the rules on domains
///
/// They hold for every URL of a link that is made or changed from now on, in all processes within about a second. Links that are there
/// already are followed as before.
#[utoipa::path(
    put,
    path = "/v1/domain-rules",
    operation_id = "replace_domain_rules",
    tag = "domain rules",
    security(("token" = ["links:write"])),
    request_body(content = NewRulesBody, content_type = "application/json"),
    responses(
        (status = 200, description = "The rules as they are now", body = RulesBody, headers(
            ("Cache-Control" = String, description = "Always `private, no-store`"))),
        (status = 409, description = "`rules_changed`: the rules have another revision by now, or `link_contended`: others kept changing them", body = Problem, content_type = "application/problem+json", headers(
            ("Retry-After" = Option<String>, description = "When to try again, in seconds; only for `link_contended`"))),
        ManagedRefusals, BodyRefusals
    )
)]
pub(super) async fn replace(
    State(app): State<App>,
    _: NoQuery,
    caller: Authenticated,
    Json(body): Json<NewRulesBody>,
) -> Result<Response, Problem> {
    caller.require(LINKS_WRITE)?;
    let asked = AskedRules {
        allow: body.allow,
        deny: body.deny,
        over: body.revision,
    };
    let (owned, tenant) = (app.clone(), caller.0.tenant);
    let replace = async move { owned.links.replace_domain_rules(&tenant, &asked).await };
    let kept = server::owned(replace).await?;
    Ok(([PRIVATE], Json(RulesBody::from(kept))).into_response())
}

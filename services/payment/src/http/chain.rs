//! `/v1/trial-balance` and `/v1/ledger/chain`: what an auditor asks first.

use std::collections::BTreeMap;

use axum::extract::State;
use axum::response::Response;
use identity::LEDGER_READ;
use problem::Problem;
use serde::{Deserialize, Serialize};
use server::{Authenticated, NoQuery, Query};
use utoipa::ToSchema;

use super::documented::ManagedRefusals;
use super::{App, moment, show_moment, shown};
use crate::ledger::{AccountKind, ChainHead, TrialBalanceLine};

/// All accounts of a currency and kind.
#[derive(Clone, Debug, Serialize, ToSchema)]
#[schema(as = TrialBalanceLine)]
pub(super) struct LineBody {
    /// Which currency.
    #[schema(pattern = "^[A-Z]{3}$")]
    currency: &'static str,
    /// Which kind.
    kind: AccountKind,
    /// How many accounts.
    #[schema(minimum = 0)]
    accounts: u64,
    /// Sum of the accounts whose debits exceed their credits, in minor units.
    #[schema(pattern = "^[0-9]+$")]
    debits: String,
    /// Sum of the others.
    #[schema(pattern = "^[0-9]+$")]
    credits: String,
}

/// The columns of a currency.
#[derive(Clone, Debug, Serialize, ToSchema)]
#[schema(as = TrialBalanceTotal)]
pub(super) struct TotalBody {
    /// Which currency.
    #[schema(pattern = "^[A-Z]{3}$")]
    currency: &'static str,
    /// All debits.
    #[schema(pattern = "^[0-9]+$")]
    debits: String,
    /// All credits.
    #[schema(pattern = "^[0-9]+$")]
    credits: String,
    /// Whether they are the same, as they always have to be.
    balanced: bool,
}

/// All accounts summed.
#[derive(Clone, Debug, Serialize, ToSchema)]
#[schema(as = TrialBalance)]
pub(super) struct TrialBalanceBody {
    /// Of which moment, in UTC.
    #[schema(format = DateTime)]
    as_of: String,
    /// By currency and kind.
    lines: Vec<LineBody>,
    /// By currency.
    totals: Vec<TotalBody>,
}

impl TrialBalanceBody {
    fn of(lines: &[TrialBalanceLine], as_of_ms: u64) -> Self {
        let mut sums: BTreeMap<&'static str, (i128, i128)> = BTreeMap::new();
        for line in lines {
            let sum = sums.entry(line.currency.code()).or_default();
            *sum = (sum.0 + line.debits, sum.1 + line.credits);
        }
        let line = |line: &TrialBalanceLine| LineBody {
            currency: line.currency.code(),
            kind: line.kind,
            accounts: line.accounts,
            debits: line.debits.to_string(),
            credits: line.credits.to_string(),
        };
        let total = |(currency, (debits, credits)): (&'static str, (i128, i128))| TotalBody {
            currency,
            debits: debits.to_string(),
            credits: credits.to_string(),
            balanced: debits == credits,
        };
        Self {
            as_of: show_moment(as_of_ms),
            lines: lines.iter().map(line).collect(),
            totals: sums.into_iter().map(total).collect(),
        }
    }
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct TrialBalanceQuery {
    as_of: Option<String>,
}

/// Show the trial balance
///
/// All accounts of the tenant, summed by currency and kind. Debits equal credits, always.
#[utoipa::path(
    get,
    path = "/v1/trial-balance",
    operation_id = "show_trial_balance",
    tag = "audit",
    security(("token" = ["ledger:read"])),
    params(
        ("as_of" = Option<String>, Query, description = "Which moment, RFC 3339; now unless said, and not in the future", format = DateTime, nullable = false)
    ),
    responses(
        (status = 200, description = "The columns", body = TrialBalanceBody, headers(
            ("Cache-Control" = String, description = "Always `private, no-store`"))),
        (status = 422, description = "A parameter is not acceptable", body = Problem, content_type = "application/problem+json"),
        ManagedRefusals
    )
)]
pub(super) async fn trial_balance(
    State(app): State<App>,
    caller: Authenticated,
    Query(query): Query<TrialBalanceQuery>,
) -> Result<Response, Problem> {
    caller.require(LEDGER_READ)?;
    let as_of_ms = moment(query.as_of.as_deref(), "as_of")?;
    let (lines, as_of_ms) = app.books.trial_balance(&caller.0.tenant, as_of_ms).await?;
    Ok(shown(TrialBalanceBody::of(&lines, as_of_ms)))
}

/// The newest link of a chain.
#[derive(Clone, Debug, Serialize, ToSchema)]
#[schema(as = ChainHead)]
pub(super) struct HeadBody {
    /// Which chain.
    #[schema(minimum = 0, maximum = 7)]
    shard: i16,
    /// The number of its newest link; 0 where there is none.
    #[schema(minimum = 0)]
    link: i64,
    /// Its hash, in hexadecimal digits.
    #[schema(pattern = "^[0-9a-f]{64}$")]
    hash: String,
    /// When it was made, in UTC; `null` where there is none.
    #[schema(required, format = DateTime)]
    at: Option<String>,
}

/// The chains over the ledger.
#[derive(Clone, Debug, Serialize, ToSchema)]
#[schema(as = Chain)]
pub(super) struct ChainBody {
    /// One a chain.
    heads: Vec<HeadBody>,
}

impl HeadBody {
    #[expect(clippy::format_collect, reason = "32 bytes, for people to read")]
    fn of(head: &ChainHead) -> Self {
        Self {
            shard: head.shard,
            link: head.link,
            hash: head.hash.iter().map(|byte| format!("{byte:02x}")).collect(),
            at: (head.link > 0).then(|| show_moment(head.at_ms)),
        }
    }
}

/// Show the chains' heads
///
/// Whoever writes these down can later prove that nothing before was changed: `orrery ledger verify --head SHARD:LINK:HASH` compares them.
#[utoipa::path(
    get,
    path = "/v1/ledger/chain",
    operation_id = "show_chain",
    tag = "audit",
    security(("token" = ["ledger:read"])),
    responses(
        (status = 200, description = "The newest link of each chain", body = ChainBody, headers(
            ("Cache-Control" = String, description = "Always `private, no-store`"))),
        ManagedRefusals
    )
)]
pub(super) async fn heads(
    State(app): State<App>,
    _: NoQuery,
    caller: Authenticated,
) -> Result<Response, Problem> {
    caller.require(LEDGER_READ)?;
    let heads = app.books.chain_heads().await?;
    let heads = heads.iter().map(HeadBody::of).collect();
    Ok(shown(ChainBody { heads }))
}

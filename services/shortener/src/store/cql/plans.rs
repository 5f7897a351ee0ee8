//! Statements about idempotency records: the plan of a link, then what became of it.
//!
//! A plan is known by its link and what that replaces, which never come together twice once their claim was refused. So a late
//! word about one plan cannot be taken for a word about the next, though both may be for the same link.

use idempotency::Fingerprint;
use wide::{CurrentRow, Level, Serial, Statement};

use super::call::{Call, Pauses, contended};
use super::links::{self, Claim};
use super::rows::there;
use super::{Created, NewRecord, Record, RecordScope, StoreError, listing};
use crate::link::Link;
use crate::store::stored::{answer_json, integer, natural, read_answer};

/// Rows end by themselves at twice their life and a day more: expiry is judged by `expires_at_ms`, whatever the server's clock says.
const SPARE_S: u64 = 24 * 60 * 60;
/// The longest that a server takes.
const TTL_S_MAX: u64 = 630_720_000;

const SELECT: &str = "SELECT fingerprint, link_id, answer, replaces, state, expires_at_ms \
                      FROM {keyspace}.idempotency WHERE tenant = ? AND user = ? AND key = ?";

pub(super) const RECALL: Statement = Statement::read("recall_idempotency", SELECT, Level::Quorum);

pub(super) const SETTLE: Statement = Statement::read("settle_idempotency", SELECT, Level::Serial);

pub(super) const PLAN: Statement = Statement::conditional(
    "plan_link",
    "INSERT INTO {keyspace}.idempotency \
     (tenant, user, key, fingerprint, link_id, answer, replaces, state, expires_at_ms) \
     VALUES (?, ?, ?, ?, ?, ?, ?, 'planned', ?) IF NOT EXISTS USING TTL ?",
    Level::Quorum,
    Serial::Global,
);

pub(super) const PLAN_AGAIN: Statement = Statement::conditional(
    "plan_link_again",
    "UPDATE {keyspace}.idempotency USING TTL ? \
     SET fingerprint = ?, link_id = ?, answer = ?, replaces = ?, state = 'planned', expires_at_ms = ? \
     WHERE tenant = ? AND user = ? AND key = ? IF link_id = ? AND replaces = ? AND state = ?",
    Level::Quorum,
    Serial::Global,
);

pub(super) const DONE: Statement = Statement::conditional(
    "finish_plan",
    "UPDATE {keyspace}.idempotency USING TTL ? SET state = 'done' \
     WHERE tenant = ? AND user = ? AND key = ? IF link_id = ? AND replaces = ? AND state = 'planned'",
    Level::Quorum,
    Serial::Global,
);

pub(super) const REFUSED: Statement = Statement::conditional(
    "refuse_plan",
    "UPDATE {keyspace}.idempotency USING TTL ? SET state = 'refused' \
     WHERE tenant = ? AND user = ? AND key = ? IF link_id = ? AND replaces = ? AND state = 'planned'",
    Level::Quorum,
    Serial::Global,
);

type Row = (
    Option<Vec<u8>>,
    Option<i64>,
    Option<String>,
    Option<i64>,
    Option<String>,
    Option<i64>,
);

/// What stands under a key.
#[derive(Debug)]
struct Plan {
    record: Record,
    /// The id that the claim wants to find under the code; none for a free code.
    replaces: Option<i64>,
    /// `planned`, `done` or `refused`; a row that has begun to end has none.
    state: Option<String>,
    expires_at_ms: u64,
}

impl Plan {
    fn is(&self, state: &str) -> bool {
        self.state.as_deref() == Some(state)
    }
}

/// What a key's row says of a plan that was carried out: the word of whoever was first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Verdict {
    Done,
    Refused,
    /// The plan was refused, or its time was over, and the row is another's by now.
    Replaced,
}

/// Whose plan, and until when rows of it are kept.
struct Under<'a> {
    tenant: &'a str,
    user: &'a str,
    key: &'a str,
    ttl_s: i32,
}

impl<'a> Under<'a> {
    fn of(scope: &'a RecordScope, now_ms: u64, expires_at_ms: u64) -> Self {
        let life_s = expires_at_ms.saturating_sub(now_ms).div_ceil(1_000);
        let ttl_s = life_s.saturating_mul(2).saturating_add(SPARE_S).min(TTL_S_MAX);
        Self {
            tenant: scope.tenant.as_str(),
            user: scope.user.as_str(),
            key: scope.key.as_str(),
            ttl_s: i32::try_from(ttl_s).expect("the most is below 2^31"),
        }
    }
}

async fn read(call: &Call<'_>, how: &Statement, scope: &RecordScope) -> Result<Option<Plan>, StoreError> {
    let values = (scope.tenant.as_str(), scope.user.as_str(), scope.key.as_str());
    let Some(row) = call.row::<Row>(how, values).await? else {
        return Ok(None);
    };
    let (fingerprint, _, answer, replaces, state, expires_at_ms) = row;
    // The state was written after the rest, and outlives it by a moment.
    let Some(fingerprint) = fingerprint else {
        return Ok(None);
    };
    let fingerprint = Fingerprint::from_bytes(&fingerprint)
        .ok_or_else(|| StoreError::Corrupt("a stored fingerprint has another length".to_owned()))?;
    let link = read_answer(&there(answer)?, &scope.tenant)?;
    Ok(Some(Plan {
        record: Record { fingerprint, link },
        replaces,
        state,
        expires_at_ms: natural(there(expires_at_ms)?)?,
    }))
}

/// A plan that nobody has carried out yet is no record.
pub(super) async fn recall(
    call: &Call<'_>,
    scope: &RecordScope,
    now_ms: u64,
) -> Result<Option<Record>, StoreError> {
    let plan = read(call, &RECALL, scope).await?;
    let live = plan.filter(|plan| plan.expires_at_ms > now_ms && plan.is("done"));
    Ok(live.map(|plan| plan.record))
}

pub(super) async fn create(call: &Call<'_>, link: &Link, new: &NewRecord) -> Result<Created, StoreError> {
    let now_ms = new.asked_at_ms;
    let mut pauses = Pauses::new();
    let mut how = &RECALL;
    loop {
        let before = read(call, how, &new.scope).await?;
        // Whoever was refused looks again at what was agreed, not at what most have heard of.
        how = &SETTLE;
        if let Some(plan) = before.as_ref().filter(|plan| plan.expires_at_ms > now_ms) {
            if plan.is("planned") {
                carry_out(call, &new.scope, plan, now_ms).await?;
                continue;
            }
            if plan.is("done") {
                return Ok(Created::Before(Box::new(plan.record.clone())));
            }
        }
        let replaces = match links::look_ahead(call, link).await? {
            std::ops::ControlFlow::Continue(replaces) => replaces,
            std::ops::ControlFlow::Break(Claim::Done) => None,
            std::ops::ControlFlow::Break(_) => return Ok(Created::Taken),
        };
        let plan = Plan {
            record: Record {
                fingerprint: new.fingerprint,
                link: link.clone(),
            },
            replaces,
            state: Some("planned".to_owned()),
            expires_at_ms: new.expires_at_ms,
        };
        if put(call, &new.scope, before.as_ref(), &plan, now_ms).await? {
            match carry_out(call, &new.scope, &plan, now_ms).await? {
                (Verdict::Done, _) => return Ok(Created::Now),
                (Verdict::Refused, Claim::Taken) => {
                    listing::leave(call, &link.tenant, link.id).await;
                    return Ok(Created::Taken);
                }
                // What the key is answered with now is for the next look to tell.
                (Verdict::Refused | Verdict::Replaced, _) => {}
            }
        }
        if !call.pause(&mut pauses).await {
            return Err(contended("an idempotency key"));
        }
    }
}

/// Takes a plan down, over `before` or over nothing; `false` when something else stands there by now.
async fn put(
    call: &Call<'_>,
    scope: &RecordScope,
    before: Option<&Plan>,
    plan: &Plan,
    now_ms: u64,
) -> Result<bool, StoreError> {
    let under = Under::of(scope, now_ms, plan.expires_at_ms);
    let link = &plan.record.link;
    let (fingerprint, answer) = (&plan.record.fingerprint.as_bytes()[..], answer_json(link));
    let (id, expires_at_ms) = (integer(link.id.as_u64())?, integer(plan.expires_at_ms)?);
    let settled = match before {
        None => {
            let values = (
                under.tenant,
                under.user,
                under.key,
                fingerprint,
                id,
                answer,
                plan.replaces,
                expires_at_ms,
                under.ttl_s,
            );
            call.conditional(&PLAN, &values).await?
        }
        Some(before) => {
            let values = (
                under.ttl_s,
                fingerprint,
                id,
                answer,
                plan.replaces,
                expires_at_ms,
                under.tenant,
                under.user,
                under.key,
                integer(before.record.link.id.as_u64())?,
                before.replaces,
                before.state.as_deref(),
            );
            call.conditional(&PLAN_AGAIN, &values).await?
        }
    };
    if settled.applied || !settled.repeated {
        return Ok(settled.applied);
    }
    // Refused by what an earlier try wrote, or by somebody else's plan.
    let row = there(settled.row.as_ref())?;
    Ok(is_of(row, plan)? && row.get::<String>("state")?.as_deref() == Some("planned"))
}

/// Whether a row that refused a statement is still the plan's.
fn is_of(row: &CurrentRow, plan: &Plan) -> Result<bool, StoreError> {
    let id = integer(plan.record.link.id.as_u64())?;
    Ok(row.get("link_id")? == Some(id) && row.get("replaces")? == plan.replaces)
}

/// Does what a plan says and takes down what became of it. Whoever does so, and however often: the link is the plan's.
/// From here on nothing that fails is certain to have done nothing.
async fn carry_out(
    call: &Call<'_>,
    scope: &RecordScope,
    plan: &Plan,
    now_ms: u64,
) -> Result<(Verdict, Claim), StoreError> {
    let finished = async {
        let link = &plan.record.link;
        listing::enter(call, link).await?;
        let claim = links::claim(call, link, plan.replaces).await?;
        let verdict = decide(call, scope, plan, claim, now_ms).await?;
        if claim == Claim::Done && verdict != Verdict::Done {
            // Others may have been told so: see the module's words on plans.
            let told = "the link was made, and its key says that it was not";
            return Err(StoreError::Unknown(told.to_owned()));
        }
        Ok((verdict, claim))
    };
    finished.await.map_err(|error: StoreError| match error {
        StoreError::Unavailable(why) => StoreError::Unknown(why),
        other => other,
    })
}

/// Takes down how a plan's claim ended, unless another who carried it out was faster: then theirs holds.
async fn decide(
    call: &Call<'_>,
    scope: &RecordScope,
    plan: &Plan,
    claim: Claim,
    now_ms: u64,
) -> Result<Verdict, StoreError> {
    let (how, ours) = match claim {
        Claim::Done => (&DONE, Verdict::Done),
        Claim::Taken | Claim::Left(_) => (&REFUSED, Verdict::Refused),
    };
    let under = Under::of(scope, now_ms, plan.expires_at_ms);
    let id = integer(plan.record.link.id.as_u64())?;
    let values = (
        under.ttl_s,
        under.tenant,
        under.user,
        under.key,
        id,
        plan.replaces,
    );
    let settled = call.conditional(how, &values).await?;
    if settled.applied {
        return Ok(ours);
    }
    let Some(row) = settled.row else {
        return Ok(Verdict::Replaced);
    };
    let state: Option<String> = row.get("state")?;
    Ok(match state.as_deref() {
        Some("done") if is_of(&row, plan)? => Verdict::Done,
        Some("refused") if is_of(&row, plan)? => Verdict::Refused,
        _ => Verdict::Replaced,
    })
}

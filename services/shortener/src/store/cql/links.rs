//! Statements about links by code.

use identity::Tenant;
use wide::{Level, Serial, SerializeValue, Statement};

use super::call::{Call, Pauses, contended};
use super::rows::{self, Held, LinkRow};
use super::{Created, StoreError, clicks, listing, statistics};
use crate::link::{Code, Link};
use crate::store::stored::{details_json, integer, tags_json};

const SELECT: &str = "SELECT id, live, tenant, url, redirect_status, expires_at_ms, tags, created_at_ms, \
                      updated_at_ms, revision, details FROM {keyspace}.links WHERE code = ?";

pub(super) const RESOLVE: Statement = Statement::read("resolve_link", SELECT, Level::Quorum);

pub(super) const SETTLE: Statement = Statement::read("settle_link", SELECT, Level::Serial);

pub(super) const CLAIM: Statement = conditional(
    "claim_code",
    "INSERT INTO {keyspace}.links (code, id, live, tenant, url, redirect_status, expires_at_ms, tags, \
     created_at_ms, updated_at_ms, revision, details) \
     VALUES (?, ?, true, ?, ?, ?, ?, ?, ?, ?, ?, ?) IF NOT EXISTS",
);

pub(super) const CLAIM_AGAIN: Statement = conditional(
    "claim_code_again",
    "UPDATE {keyspace}.links SET id = ?, live = true, tenant = ?, url = ?, redirect_status = ?, \
     expires_at_ms = ?, tags = ?, created_at_ms = ?, updated_at_ms = ?, revision = ?, details = ? \
     WHERE code = ? IF id = ? AND live = false",
);

pub(super) const REPLACE: Statement = conditional(
    "replace_link",
    "UPDATE {keyspace}.links SET url = ?, redirect_status = ?, expires_at_ms = ?, tags = ?, \
     updated_at_ms = ?, revision = ?, details = ? \
     WHERE code = ? IF id = ? AND live = true AND tenant = ? AND revision = ?",
);

pub(super) const DELETE: Statement = conditional(
    "delete_link",
    "UPDATE {keyspace}.links SET live = false, tenant = null, url = null, redirect_status = null, \
     expires_at_ms = null, tags = null, created_at_ms = null, updated_at_ms = null, revision = null, \
     details = null WHERE code = ? IF id = ? AND live = true",
);

const fn conditional(name: &'static str, cql: &'static str) -> Statement {
    Statement::conditional(name, cql, Level::Quorum, Serial::Global)
}

/// A value of a row that is put together.
type Value<'a> = &'a (dyn SerializeValue + Sync);

/// 301 or 302.
fn redirect_status(link: &Link) -> i32 {
    if link.lifetime.is_permanent() { 301 } else { 302 }
}

/// How a claim ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Claim {
    /// The link stands, or stood before it was deleted.
    Done,
    /// The code is another link's. This link will never stand by the same claim.
    Taken,
    /// Another link came and went. This link will never stand by the same claim, but may by one that names what is left.
    Left(i64),
}

pub(super) async fn read(call: &Call<'_>, how: &Statement, code: &Code) -> Result<Option<Held>, StoreError> {
    let row: Option<LinkRow> = call.row(how, (code.as_str(),)).await?;
    row.map(|row| rows::held(code, row)).transpose()
}

pub(super) async fn resolve(call: &Call<'_>, code: &Code) -> Result<Option<Link>, StoreError> {
    match read(call, &RESOLVE, code).await? {
        Some(Held::Live(link)) => Ok(Some(link)),
        Some(Held::Dead(_)) | None => Ok(None),
    }
}

/// What `link` would have to replace, or how its claim has ended already.
pub(super) async fn look_ahead(
    call: &Call<'_>,
    link: &Link,
) -> Result<std::ops::ControlFlow<Claim, Option<i64>>, StoreError> {
    use std::ops::ControlFlow::{Break, Continue};
    let id = integer(link.id.as_u64())?;
    Ok(match read(call, &RESOLVE, &link.code).await? {
        Some(Held::Live(other)) if other.id != link.id => Break(Claim::Taken),
        Some(Held::Dead(left)) if left != id => Continue(Some(left)),
        Some(_) => Break(Claim::Done),
        None => Continue(None),
    })
}

/// Claims a code that nobody has (`replaces` is none), or that a deleted link of this id left.
pub(super) async fn claim(call: &Call<'_>, link: &Link, replaces: Option<i64>) -> Result<Claim, StoreError> {
    let id = integer(link.id.as_u64())?;
    let (tenant, url) = (link.tenant.as_str(), link.target.as_str());
    let (redirect, details) = (redirect_status(link), details_json(link));
    let expires_at_ms = link.lifetime.expires_at_ms().map(integer).transpose()?;
    let tags = tags_json(&link.tags);
    let (created, updated) = (integer(link.created_at_ms)?, integer(link.updated_at_ms)?);
    let (code, revision) = (link.code.as_str(), integer(link.revision)?);
    let mut whole: Vec<Value<'_>> = vec![
        &id,
        &tenant,
        &url,
        &redirect,
        &expires_at_ms,
        &tags,
        &created,
        &updated,
        &revision,
        &details,
    ];
    let settled = match replaces.as_ref() {
        None => {
            whole.insert(0, &code);
            call.conditional(&CLAIM, &whole).await?
        }
        Some(left) => {
            whole.extend([&code as Value<'_>, left]);
            call.conditional(&CLAIM_AGAIN, &whole).await?
        }
    };
    if settled.applied {
        return Ok(Claim::Done);
    }
    Ok(match rows::in_the_way(settled.row.as_ref())? {
        // An earlier try, of this call or of another that carries out the same plan.
        (theirs, _) if theirs == id => Claim::Done,
        (_, true) => Claim::Taken,
        (left, false) => Claim::Left(left),
    })
}

/// Without a key: the link's id alone tells whether it was done.
pub(super) async fn create(call: &Call<'_>, link: &Link) -> Result<Created, StoreError> {
    use std::ops::ControlFlow::{Break, Continue};
    let mut replaces = match look_ahead(call, link).await? {
        Continue(replaces) => replaces,
        Break(Claim::Done) => return Ok(Created::Now),
        Break(Claim::Taken | Claim::Left(_)) => return Ok(Created::Taken),
    };
    listing::enter(call, link).await?;
    let mut pauses = Pauses::new();
    loop {
        match claim(call, link, replaces).await? {
            Claim::Done => return Ok(Created::Now),
            Claim::Taken => {
                listing::leave(call, &link.tenant, link.id).await;
                return Ok(Created::Taken);
            }
            Claim::Left(left) => replaces = Some(left),
        }
        if !call.pause(&mut pauses).await {
            return Err(contended("a code"));
        }
    }
}

pub(super) async fn replace(call: &Call<'_>, link: &Link) -> Result<bool, StoreError> {
    let (code, url, tenant) = (link.code.as_str(), link.target.as_str(), link.tenant.as_str());
    let (redirect, details) = (redirect_status(link), details_json(link));
    let expires_at_ms = link.lifetime.expires_at_ms().map(integer).transpose()?;
    let (tags, updated) = (tags_json(&link.tags), integer(link.updated_at_ms)?);
    let (id, revision) = (integer(link.id.as_u64())?, integer(link.revision)?);
    let before = revision - 1;
    let values: Vec<Value<'_>> = vec![
        &url,
        &redirect,
        &expires_at_ms,
        &tags,
        &updated,
        &revision,
        &details,
        &code,
        &id,
        &tenant,
        &before,
    ];
    let settled = call.conditional(&REPLACE, &values).await?;
    if settled.applied || !settled.repeated {
        return Ok(settled.applied);
    }
    // Refused by what an earlier try wrote, or by what somebody else did.
    let unknown = |what: &str| Err(StoreError::Unknown(format!("the link was {what} since")));
    match read(call, &SETTLE, &link.code).await {
        Ok(Some(Held::Live(now))) if now == *link => Ok(true),
        Ok(Some(Held::Live(now))) if now.id == link.id && now.revision > link.revision => {
            unknown("changed again")
        }
        Ok(Some(Held::Live(_))) => Ok(false),
        Ok(Some(Held::Dead(_)) | None) => unknown("deleted"),
        Err(error) => Err(StoreError::Unknown(error.to_string())),
    }
}

pub(super) async fn delete(call: &Call<'_>, tenant: &Tenant, code: &Code) -> Result<bool, StoreError> {
    let mut pauses = Pauses::new();
    loop {
        let id = match read(call, &SETTLE, code).await? {
            Some(Held::Live(link)) if link.tenant == *tenant => link.id,
            _ => return Ok(false),
        };
        let values = (code.as_str(), integer(id.as_u64())?);
        let settled = call.conditional(&DELETE, &values).await?;
        if settled.applied || settled.repeated {
            // What is left behind now is garbage that nobody sees.
            listing::leave(call, tenant, id).await;
            clicks::forget(call, tenant, id).await;
            statistics::forget(call, tenant, id).await;
            return Ok(true);
        }
        if !call.pause(&mut pauses).await {
            return Err(contended("a link"));
        }
    }
}

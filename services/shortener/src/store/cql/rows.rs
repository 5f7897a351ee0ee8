//! Between rows and domain types.

use wide::CurrentRow;

use super::StoreError;
use super::columns::ReadRedirect;
use crate::link::{Code, Link, TargetUrl};
use crate::store::stored::{natural, read_code, read_id, read_lifetime, read_tags, read_tenant};

/// `R` is what the column is read as that tells how the link redirects.
pub(super) type LinkRow<R> = (
    i64,
    bool,
    Option<String>,
    Option<String>,
    Option<R>,
    Option<i64>,
    Option<String>,
    Option<i64>,
    Option<i64>,
    Option<i64>,
);

/// What stands under a code.
#[derive(Debug)]
pub(super) enum Held {
    /// A link.
    Live(Link),
    /// What a deleted one left: its id.
    Dead(i64),
}

pub(super) fn held<R: ReadRedirect>(code: &Code, row: LinkRow<R>) -> Result<Held, StoreError> {
    let (id, live, tenant, url, redirect, expires_at_ms, tags, created_at_ms, updated_at_ms, revision) = row;
    if !live {
        return Ok(Held::Dead(id));
    }
    Ok(Held::Live(Link {
        code: *code,
        id: read_id(natural(id)?)?,
        tenant: read_tenant(&there(tenant)?)?,
        target: TargetUrl::from_store(there(url)?),
        lifetime: read_lifetime(
            R::is_permanent(redirect)?,
            expires_at_ms.map(natural).transpose()?,
        )?,
        tags: read_tags(&there(tags)?)?,
        created_at_ms: natural(there(created_at_ms)?)?,
        updated_at_ms: natural(there(updated_at_ms)?)?,
        revision: natural(there(revision)?)?,
    }))
}

pub(super) fn code(text: &str) -> Result<Code, StoreError> {
    read_code(text)
}

/// A column that is never null.
pub(super) fn there<T>(column: Option<T>) -> Result<T, StoreError> {
    column.ok_or_else(|| StoreError::Corrupt("a column is null that never is".to_owned()))
}

/// The id and the state of the row that refused a claim.
pub(super) fn in_the_way(row: Option<&CurrentRow>) -> Result<(i64, bool), StoreError> {
    let row = there(row)?;
    Ok((there(row.get("id")?)?, there(row.get("live")?)?))
}

//! Between rows and domain types.

use wide::CurrentRow;

use super::StoreError;
use crate::link::{Code, Link, TargetUrl};
use crate::store::stored::{
    natural, read_code, read_details, read_id, read_lifetime, read_tags, read_tenant,
};

/// In the order in which columns are selected.
pub(super) type LinkRow = (
    i64,
    bool,
    Option<String>,
    Option<String>,
    Option<i32>,
    Option<i64>,
    Option<String>,
    Option<i64>,
    Option<i64>,
    Option<i64>,
    Option<String>,
);

/// What stands under a code.
#[derive(Debug)]
#[expect(clippy::large_enum_variant, reason = "it is taken apart where it is read")]
pub(super) enum Held {
    /// A link.
    Live(Link),
    /// What a deleted one left: its id.
    Dead(i64),
}

pub(super) fn held(code: &Code, row: LinkRow) -> Result<Held, StoreError> {
    let (id, live, tenant, url, status, expires_at_ms, tags, created_at_ms, updated_at_ms, revision, details) =
        row;
    if !live {
        return Ok(Held::Dead(id));
    }
    let id = read_id(natural(id)?)?;
    Ok(Held::Live(Link {
        code: *code,
        id,
        tenant: read_tenant(&there(tenant)?)?,
        target: TargetUrl::from_store(there(url)?),
        lifetime: read_lifetime(is_permanent(status)?, expires_at_ms.map(natural).transpose()?)?,
        tags: read_tags(&there(tags)?)?,
        created_at_ms: natural(there(created_at_ms)?)?,
        updated_at_ms: natural(there(updated_at_ms)?)?,
        revision: natural(there(revision)?)?,
        details: read_details(id, details.as_deref())?,
    }))
}

/// A claim of an older program that was cut short may come true late: it brings no status, and promised none.
fn is_permanent(status: Option<i32>) -> Result<bool, StoreError> {
    match status {
        Some(301) => Ok(true),
        Some(302) | None => Ok(false),
        Some(other) => Err(StoreError::Corrupt(format!("{other} as a redirect's status"))),
    }
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

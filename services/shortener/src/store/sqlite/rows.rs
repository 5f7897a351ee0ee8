//! Between rows and domain types.

use sqlx::Row as _;
use sqlx::sqlite::SqliteRow;

use super::StoreError;
use crate::link::{Clicks, CountedLink, Link, TargetUrl};
use crate::store::stored::{
    natural, read_code, read_details, read_id, read_lifetime, read_tags, read_tenant,
};

/// From the columns in the order that `links::COLUMNS` has.
pub(super) fn link(row: &SqliteRow) -> Result<Link, StoreError> {
    let expires_at_ms: Option<i64> = row.try_get(5)?;
    let id = read_id(natural(row.try_get(1)?)?)?;
    Ok(Link {
        code: read_code(row.try_get(0)?)?,
        id,
        tenant: read_tenant(row.try_get(2)?)?,
        target: TargetUrl::from_store(row.try_get(3)?),
        lifetime: read_lifetime(row.try_get(4)?, expires_at_ms.map(natural).transpose()?)?,
        tags: read_tags(row.try_get(6)?)?,
        created_at_ms: natural(row.try_get(7)?)?,
        updated_at_ms: natural(row.try_get(8)?)?,
        revision: natural(row.try_get(9)?)?,
        details: read_details(id, row.try_get(10)?)?,
    })
}

/// A link with its two columns of counts behind it; both are null for a link without a row of counts.
pub(super) fn counted(row: &SqliteRow) -> Result<CountedLink, StoreError> {
    let count: Option<i64> = row.try_get(11)?;
    let last_at_ms: Option<i64> = row.try_get(12)?;
    let clicks = Clicks {
        count: natural(count.unwrap_or(0))?,
        last_at_ms: last_at_ms.map(natural).transpose()?,
    };
    Ok(CountedLink {
        link: link(row)?,
        clicks,
    })
}

//! Statements about a tenant's list, and links read together with their counts.

use futures::{StreamExt as _, TryStreamExt as _, stream};
use identity::Tenant;
use ids::Id;
use wide::{Level, Statement};

use super::call::Call;
use super::{StoreError, clicks, links, rows};
use crate::link::{Code, CountedLink, Link};
use crate::store::stored::integer;

/// Links of a page that are read at the same time.
const READS: usize = 16;

pub(super) const LIST: Statement = Statement::read(
    "list_links",
    "SELECT id, code FROM {keyspace}.links_by_tenant WHERE tenant = ? AND id <= ?",
    Level::Quorum,
);

pub(super) const LISTED: Statement = Statement::read(
    "find_listed_link",
    "SELECT id FROM {keyspace}.links_by_tenant WHERE tenant = ? AND id = ?",
    Level::Quorum,
);

pub(super) const ENTER: Statement = Statement::write(
    "enter_in_list",
    "INSERT INTO {keyspace}.links_by_tenant (tenant, id, code) VALUES (?, ?, ?)",
    Level::Quorum,
)
.idempotent();

pub(super) const LEAVE: Statement = Statement::write(
    "leave_list",
    "DELETE FROM {keyspace}.links_by_tenant WHERE tenant = ? AND id = ?",
    Level::Quorum,
)
.idempotent();

/// Enters a link that is about to be claimed.
pub(super) async fn enter(call: &Call<'_>, link: &Link) -> Result<(), StoreError> {
    let values = (
        link.tenant.as_str(),
        integer(link.id.as_u64())?,
        link.code.as_str(),
    );
    call.prepare(&ENTER, values).await
}

/// Takes out a link that will never stand (again). What cannot be taken out is skipped by every list.
pub(super) async fn leave(call: &Call<'_>, tenant: &Tenant, id: Id) {
    let left = match integer(id.as_u64()) {
        Ok(number) => call.prepare(&LEAVE, (tenant.as_str(), number)).await,
        Err(error) => Err(error),
    };
    if let Err(error) = left {
        tracing::debug!(%error, code = error.code(), "a row without its link stays in a list");
    }
}

/// Whether the tenant's list has a link of this id.
pub(super) async fn listed(call: &Call<'_>, tenant: &str, id: i64) -> Result<bool, StoreError> {
    let row: Option<(i64,)> = call.row(&LISTED, (tenant, id)).await?;
    Ok(row.is_some())
}

pub(super) async fn find(
    call: &Call<'_>,
    tenant: &Tenant,
    code: &Code,
) -> Result<Option<CountedLink>, StoreError> {
    match links::resolve(call, code).await? {
        Some(link) if link.tenant == *tenant => Ok(Some(counted(call, link).await?)),
        _ => Ok(None),
    }
}

async fn counted(call: &Call<'_>, link: Link) -> Result<CountedLink, StoreError> {
    let clicks = clicks::of(call, &link.tenant, link.id).await?;
    Ok(CountedLink { link, clicks })
}

pub(super) async fn list(
    call: &Call<'_>,
    tenant: &Tenant,
    before: Option<Id>,
    limit: u32,
) -> Result<Vec<CountedLink>, StoreError> {
    let newest = match before {
        Some(id) => integer(id.as_u64())? - 1,
        None => i64::MAX,
    };
    let wanted = usize::try_from(limit).unwrap_or(usize::MAX);
    let (mut found, mut from) = (Vec::new(), None);
    loop {
        let values = (tenant.as_str(), newest);
        let page = call
            .page::<(i64, String)>(&LIST, values, limit, from.as_ref())
            .await?;
        let links = stream::iter(page.rows)
            .map(|(id, code)| entry(call, tenant, id, code))
            .buffered(READS)
            .try_filter_map(async |link| Ok(link))
            .take(wanted - found.len())
            .try_collect::<Vec<_>>()
            .await?;
        found.extend(links);
        match page.next {
            Some(next) if found.len() < wanted => from = Some(next),
            _ => return Ok(found),
        }
    }
}

/// The link of a row, if it is there: it may not have been claimed yet, or never be, or be deleted.
async fn entry(
    call: &Call<'_>,
    tenant: &Tenant,
    id: i64,
    code: String,
) -> Result<Option<CountedLink>, StoreError> {
    match links::resolve(call, &rows::code(&code)?).await? {
        Some(link) if link.tenant == *tenant && integer(link.id.as_u64())? == id => {
            Ok(Some(counted(call, link).await?))
        }
        _ => Ok(None),
    }
}

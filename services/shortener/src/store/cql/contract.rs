//! The end of `permanent`, in a keyspace of a version that still had it: every link's `redirect_status` filled in from it, then the
//! old column dropped. Nobody may serve meanwhile. It may be cut short anywhere and begun again: rows that agree are left alone.

use futures::{StreamExt as _, TryStreamExt as _, stream};
use wide::{Level, Serial, Statement, Wide, WideError};

use super::call::{Call, Pauses, contended};
use super::{MIGRATIONS, StoreError};

/// Codes of one page.
const PAGE: u32 = 500;
/// Rows that are looked at at the same time.
const ROWS: usize = 16;

/// Asked of the server, for the schema's own version is recorded a moment after the column went.
const LOOK: Statement = Statement::read(
    "look_for_old_column",
    "SELECT column_name FROM system_schema.columns \
     WHERE keyspace_name = ? AND table_name = 'links' AND column_name = 'permanent'",
    Level::One,
);

pub(super) const SCAN: Statement =
    Statement::read("scan_codes", "SELECT code FROM {keyspace}.links", Level::Quorum);

/// Serial: what an older program proposed and did not live to see agreed on is agreed on before it is read.
pub(super) const FOUND: Statement = Statement::read(
    "find_redirect",
    "SELECT permanent, redirect_status FROM {keyspace}.links WHERE code = ?",
    Level::Serial,
);

pub(super) const FILL: Statement = Statement::conditional(
    "fill_redirect_status",
    "UPDATE {keyspace}.links SET redirect_status = ? WHERE code = ? IF permanent = ?",
    Level::Quorum,
    Serial::Global,
);

pub(super) async fn contract(wide: &Wide) -> Result<(), StoreError> {
    match wide.migrate(MIGRATIONS).await {
        // What stands behind the contract waits for it.
        Ok(()) | Err(WideError::ContractPending { .. }) => {}
        Err(error) => return Err(error.into()),
    }
    let old: Option<(String,)> = wide.row(&LOOK, (wide.keyspace(),)).await?;
    if old.is_some() {
        fill_all(wide).await?;
    }
    Ok(wide.migrate_contract(MIGRATIONS).await?)
}

async fn fill_all(wide: &Wide) -> Result<(), StoreError> {
    let mut from = None;
    loop {
        let page = wide.page::<(String,)>(&SCAN, (), PAGE, from.as_ref()).await?;
        stream::iter(page.rows)
            .map(Ok)
            .try_for_each_concurrent(ROWS, async |(code,)| fill(wide, &code).await)
            .await?;
        match page.next {
            Some(next) => from = Some(next),
            None => return Ok(()),
        }
    }
}

/// Makes one row's columns agree, whoever changes it meanwhile.
async fn fill(wide: &Wide, code: &str) -> Result<(), StoreError> {
    let call = Call::begin(wide);
    let mut pauses = Pauses::new();
    loop {
        let row: Option<(Option<bool>, Option<i32>)> = call.row(&FOUND, (code,)).await?;
        let Some((permanent, now)) = row else {
            return Ok(());
        };
        let wanted = permanent.map(|permanent| if permanent { 301 } else { 302 });
        if now == wanted {
            return Ok(());
        }
        // Read again in any case: an answer that was lost on the way may have been of either kind.
        let settled = call.conditional(&FILL, &(wanted, code, permanent)).await?;
        if !settled.applied && !call.pause(&mut pauses).await {
            return Err(contended("a link"));
        }
    }
}

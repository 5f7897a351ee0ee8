//! The entries of an account, page by page.

use std::collections::HashMap;
use std::ops::Range;

use identity::Tenant;
use ids::Id;

use super::{Books, Details, MOMENT_MS_MAX, cut};
use crate::error::{Invalid, LedgerError, Wrong};
use crate::ledger::{Account, Entry, JournalKind, RowSummary};
use crate::store::StoreError;
use crate::store::ledger::EntryCursor;

/// An entry, and what its row says.
#[derive(Clone, Debug)]
pub(crate) struct DescribedEntry {
    /// The entry.
    pub entry: Entry,
    /// Of its row.
    pub kind: JournalKind,
    /// Of its row.
    pub description: Option<String>,
    /// The other account, where its row has two postings.
    pub counter_account_id: Option<Id>,
}

/// A page of entries.
#[derive(Clone, Debug)]
pub(crate) struct ListedEntries {
    /// Whose.
    pub account: Account,
    /// In the order in which they happened.
    pub entries: Vec<DescribedEntry>,
    /// After which the next page begins; `None` on the last.
    pub next_after: Option<EntryCursor>,
}

impl Books {
    /// Entries with `from <= at < to`, in order.
    pub(crate) async fn list_entries(
        &self,
        tenant: &Tenant,
        id: Id,
        (from_ms, to_ms): (Option<u64>, Option<u64>),
        after: Option<EntryCursor>,
        limit: Option<u32>,
    ) -> Result<ListedEntries, LedgerError> {
        let limit = self.page_limit(limit)?;
        let range = range(from_ms, to_ms.unwrap_or(MOMENT_MS_MAX))?;
        let account = self.account(tenant, id).await?;
        let (entries, next_after) = self.page_of_entries(&account, range, after, limit).await?;
        Ok(ListedEntries {
            account,
            entries,
            next_after,
        })
    }

    /// An account's entries before `before`, the last that happened first, and before which the next page begins.
    pub(crate) async fn latest_entries(
        &self,
        account: &Account,
        before: Option<EntryCursor>,
        limit: Option<u32>,
    ) -> Result<(Vec<DescribedEntry>, Option<EntryCursor>), LedgerError> {
        let limit = self.page_limit(limit)?;
        let found = self
            .ledger
            .latest_entries(&account.tenant, account.id, before, limit + 1)
            .await?;
        let (entries, next) = cut(found, limit, cursor);
        Ok((self.described(account, entries).await?, next))
    }

    pub(super) async fn page_of_entries(
        &self,
        account: &Account,
        range: Range<u64>,
        after: Option<EntryCursor>,
        limit: u32,
    ) -> Result<(Vec<DescribedEntry>, Option<EntryCursor>), LedgerError> {
        let found = self
            .ledger
            .entries(&account.tenant, account.id, range, after, limit + 1)
            .await?;
        let (entries, next) = cut(found, limit, cursor);
        Ok((self.described(account, entries).await?, next))
    }

    /// All rows of a page are read at once; rows never change, so that it may be a moment later.
    async fn described(
        &self,
        account: &Account,
        entries: Vec<Entry>,
    ) -> Result<Vec<DescribedEntry>, LedgerError> {
        let mut journals: Vec<Id> = entries.iter().map(|entry| entry.journal_id).collect();
        journals.dedup();
        if journals.is_empty() {
            return Ok(Vec::new());
        }
        let found = self
            .ledger
            .row_summaries(&account.tenant, account.id, &journals)
            .await?;
        let by_id: HashMap<Id, RowSummary> = found.into_iter().map(|row| (row.journal_id, row)).collect();
        let described = |entry: Entry| {
            let row = by_id
                .get(&entry.journal_id)
                .ok_or(StoreError::Damaged("an entry of a row that is not there"))?;
            Ok(DescribedEntry {
                kind: row.kind,
                description: Details::read(&row.details).description,
                counter_account_id: row.counter_account_id,
                entry,
            })
        };
        entries.into_iter().map(described).collect()
    }
}

fn cursor(entry: &Entry) -> EntryCursor {
    EntryCursor {
        at_ms: entry.at_ms,
        part: entry.part,
        seq: entry.seq,
    }
}

pub(super) fn range(from_ms: Option<u64>, to_ms: u64) -> Result<Range<u64>, Wrong> {
    let from_ms = from_ms.unwrap_or_default();
    if from_ms >= to_ms {
        return Err(Wrong::at("from", Invalid::Range));
    }
    Ok(from_ms..to_ms)
}

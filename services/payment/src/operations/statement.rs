//! A statement: what an account held at the beginning, what happened, what it held at the end. All of it is sealed first, so the same
//! statement is the same for ever, and its numbers add up.

use std::ops::Range;

use identity::Tenant;
use ids::Id;

use super::list_entries::range;
use super::{Books, DescribedEntry, ListedEntries};
use crate::error::{Invalid, LedgerError, Wrong};
use crate::ledger::{Account, Balance};
use crate::operations::SEAL_EVERY;
use crate::store::ledger::EntryCursor;

/// The frame of a statement; its entries are read page by page.
#[derive(Clone, Debug)]
pub(crate) struct Statement {
    /// Whose.
    pub account: Account,
    /// From when, and until before when. Unix milliseconds.
    pub range: Range<u64>,
    /// Before its first moment.
    pub opening: Balance,
    /// At its last.
    pub closing: Balance,
}

impl Books {
    /// Of `from` (when the account was opened, unless given) until before `to` (now unless given, or up to a second ago where nothing happened
    /// since).
    pub(crate) async fn statement(
        &self,
        tenant: &Tenant,
        id: Id,
        from_ms: Option<u64>,
        to_ms: Option<u64>,
    ) -> Result<Statement, LedgerError> {
        let account = self.account(tenant, id).await?;
        let now_ms = self.clock.unix_ms();
        let begin_ms = from_ms.unwrap_or(account.created_at_ms);
        // What happens in this millisecond belongs to it: it ends before the next.
        let end_ms = match to_ms {
            Some(to_ms) => to_ms,
            None => self
                .end_without_a_seal(&account, begin_ms, now_ms)
                .await?
                .unwrap_or(now_ms + 1),
        };
        // Before there was the account, or by a clock that is behind the one it was opened by, nothing is to be told: that is no mistake.
        let begin_ms = match from_ms {
            Some(from_ms) => from_ms,
            None => begin_ms.min(end_ms.saturating_sub(1)),
        };
        let range = range(Some(begin_ms), end_ms)?;
        if range.end > now_ms + 1 {
            return Err(Wrong::at("to", Invalid::AsOfInFuture).into());
        }
        let last_ms = self.sealed(range.end - 1, "to").await?;
        let opening = match range.start.checked_sub(1) {
            Some(before_ms) => self.balance_at(&account, before_ms).await?,
            None => Balance::of(account.kind, &[], 0),
        };
        let closing = self.balance_at(&account, last_ms).await?;
        Ok(Statement {
            account,
            range,
            opening,
            closing,
        })
    }

    /// The end of a statement up to now that needs no seal: a moment which was sealed within the last second, and after which nothing
    /// came to the account.
    async fn end_without_a_seal(
        &self,
        account: &Account,
        begin_ms: u64,
        now_ms: u64,
    ) -> Result<Option<u64>, LedgerError> {
        let sealed_ms = self.seals.sealed_ms();
        let is_new = u128::from(now_ms.saturating_sub(sealed_ms)) <= SEAL_EVERY.as_millis();
        if !is_new || sealed_ms > now_ms || begin_ms > sealed_ms {
            return Ok(None);
        }
        let parts = self.ledger.balance(&account.tenant, account.id).await?;
        let is_quiet = parts.iter().all(|part| part.last_at_ms <= sealed_ms);
        Ok(is_quiet.then_some(sealed_ms + 1))
    }

    /// A page of its entries.
    pub(crate) async fn entries_of_statement(
        &self,
        statement: &Statement,
        after: Option<EntryCursor>,
        limit: Option<u32>,
    ) -> Result<ListedEntries, LedgerError> {
        let limit = self.page_limit(limit)?;
        let range = statement.range.clone();
        let (entries, next_after) = self
            .page_of_entries(&statement.account, range, after, limit)
            .await?;
        Ok(ListedEntries {
            account: statement.account.clone(),
            entries,
            next_after,
        })
    }

    /// The next entries of a statement that is written whole.
    pub(crate) async fn next_of_statement(
        &self,
        statement: &Statement,
        after: Option<EntryCursor>,
    ) -> Result<(Vec<DescribedEntry>, Option<EntryCursor>), LedgerError> {
        let rows = self.rules.books.statement_page_rows.max(1);
        self.page_of_entries(&statement.account, statement.range.clone(), after, rows)
            .await
    }
}

//! The use cases: the rules, no I/O of their own. A handler calls one of them; each works through the ports.

mod change_account;
mod claims;
mod create_account;
mod create_transaction;
mod create_transfer;
mod create_transfers;
mod details;
mod exchange;
mod fields;
mod group_commit;
mod holds;
mod list_accounts;
mod list_entries;
pub(crate) mod payments;
mod read_balance;
pub(crate) mod reconcile;
mod resolve_break;
mod reverse_transfer;
pub(crate) mod run_saga;
mod seals;
mod statement;
mod trial_balance;
pub(crate) mod webhooks;

pub(crate) use change_account::ChangeAccount;
pub(crate) use claims::{Asked, internal_claim};
pub(crate) use create_account::CreateAccount;
pub(crate) use create_transaction::{AskedPosting, CreateTransaction};
pub(crate) use create_transfer::CreateTransfer;
pub(crate) use create_transfers::BatchItem;
pub(crate) use details::{Details, Metadata};
pub(crate) use exchange::Exchange;
pub(crate) use group_commit::{Answer, GroupCommit};
pub(crate) use holds::{CaptureHold, PlaceHold};
pub(crate) use list_accounts::ListedAccounts;
pub(crate) use list_entries::{DescribedEntry, ListedEntries};
pub(crate) use read_balance::ShownBalance;
pub(crate) use seals::{SEAL_EVERY, Seals};
pub(crate) use statement::Statement;
pub(crate) use webhooks::{CreateEndpoint, HookError, HookRules, Hooks, WithSecret, open_secret};

use clock::SharedClock;
use ids::Id;
use leases::LeasedIds;

use crate::config::BookSettings;
use crate::error::{Invalid, LedgerError, Wrong};
use crate::ledger::Currency;
use crate::store::ledger::SharedLedger;

/// The latest moment there is: what the stores can hold.
pub(crate) const MOMENT_MS_MAX: u64 = i64::MAX.unsigned_abs();

/// The rules' numbers.
#[derive(Clone, Debug)]
pub(crate) struct Rules {
    /// Rows on a page when none is asked for.
    pub list_limit_default: u32,
    /// Most rows on a page.
    pub list_limit_max: u32,
    /// How long an idempotency record is kept, in milliseconds.
    pub record_ttl_ms: u64,
    /// The currencies there may be; `None`: all.
    pub currencies: Option<Vec<Currency>>,
    /// The most that moves at once, in minor units.
    pub transfer_minor_max: u64,
    /// How large what is written may be.
    pub books: BookSettings,
    /// How long a hold lasts, in seconds.
    pub hold_default_s: u64,
    /// How long it may last, in seconds.
    pub hold_max_s: u64,
}

/// The books of all tenants: everything the ledger's use cases stand on.
pub(crate) struct Books {
    /// What changes the ledger goes through it.
    pub commits: GroupCommit,
    /// The port.
    pub ledger: SharedLedger,
    /// Ids of rows that clients gave none.
    pub ids: LeasedIds,
    /// What time it is.
    pub clock: SharedClock,
    /// What of it is sealed.
    pub seals: Seals,
    /// The rules' numbers.
    pub rules: Rules,
}

impl Books {
    /// The client's id, or a fresh one.
    fn id_or_next(&self, asked: Option<&str>) -> Result<Id, LedgerError> {
        match asked {
            Some(text) => Ok(fields::id(text, "/id")?),
            None => Ok(self.ids.next()?),
        }
    }

    /// Rows of a page of ours: as many as wanted, unless lists are shorter here.
    #[expect(
        clippy::unnecessary_wraps,
        reason = "a page asks as a client does, who may leave it out"
    )]
    pub(crate) fn rows(&self, wanted: u32) -> Option<u32> {
        Some(wanted.min(self.rules.list_limit_max))
    }

    /// How many rows a page has, given what was asked for.
    fn page_limit(&self, limit: Option<u32>) -> Result<u32, LedgerError> {
        let most = self.rules.list_limit_max;
        let limit = limit.unwrap_or(self.rules.list_limit_default);
        if (1..=most).contains(&limit) {
            return Ok(limit);
        }
        let detail = format!("must be between 1 and {most}");
        Err(LedgerError::Parameter {
            name: "limit",
            detail,
        })
    }

    /// A moment that has been, and after which nothing of it changes any more.
    async fn sealed(&self, at_ms: u64, name: &'static str) -> Result<u64, LedgerError> {
        if at_ms > self.clock.unix_ms() {
            return Err(Wrong::at(name, Invalid::AsOfInFuture).into());
        }
        let seal = async {
            // Also should the clock step back right now.
            let now_ms = self.clock.unix_ms().max(at_ms);
            self.ledger.seal(now_ms).await?;
            Ok::<_, LedgerError>(now_ms)
        };
        self.seals.reach(at_ms, seal).await?;
        Ok(at_ms)
    }
}

/// Cuts off the row that was read to see whether there are more: the page, and by what its last is known where another one follows.
pub(crate) fn cut<T, K>(mut found: Vec<T>, limit: u32, key: impl Fn(&T) -> K) -> (Vec<T>, Option<K>) {
    let limit = usize::try_from(limit).unwrap_or(usize::MAX);
    let more = found.len() > limit;
    found.truncate(limit);
    let last = found.last().filter(|_| more).map(key);
    (found, last)
}

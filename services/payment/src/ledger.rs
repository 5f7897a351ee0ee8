//! The ledger's domain: what an account, a posting, a hold and a command are, and why a command is refused. No I/O.

mod account;
mod amount;
mod balance;
mod chained;
mod command;
mod currency;
pub mod decide;
mod journal;
mod refusal;

pub use account::{Account, AccountKind, Limits, NewAccount, PARTS_MAX, part_of};
pub use amount::{Amount, InvalidAmount};
pub use balance::{Balance, PartBalance, TrialBalanceLine};
pub use chained::{ChainHead, Link, LinkRow, SHARDS};
pub use command::{
    Action, Claim, Command, CommandOutcome, NewHold, NewTransaction, POSTINGS_MAX, Posting, Settled,
};
pub use currency::{Currency, UnknownCurrency};
pub use ids::Id;
pub use journal::{Direction, Entry, Hold, HoldState, Journal, JournalKind, RowSummary};
pub(crate) use refusal::REPLAYED;
pub use refusal::Refusal;

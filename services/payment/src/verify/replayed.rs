//! Entries added up again, part by part, beside the balances that are stored.

use std::collections::{BTreeMap, HashMap};

use super::{Check, VerifyReport};

/// Tenant, account, part.
pub(super) type Part = (String, i64, i64);

/// A balance as it is stored, with its account's currency; `None` where there is no account.
pub(super) struct StoredBalance {
    pub(super) part: Part,
    pub(super) posted: i64,
    pub(super) entries: i64,
    pub(super) last_at_ms: i64,
    pub(super) currency: Option<String>,
}

/// An entry as it is stored.
pub(super) struct StoredEntry {
    pub(super) part: Part,
    pub(super) seq: i64,
    pub(super) direction: i64,
    pub(super) amount: i64,
    pub(super) currency: String,
    pub(super) balance_after: i64,
    pub(super) at_ms: i64,
}

struct Running {
    stored: StoredBalance,
    seq: i64,
    posted: i128,
    at_ms: i64,
    broken: bool,
}

/// Goes over all balances, a page at a time.
#[derive(Default)]
pub(super) struct ReplayPass {
    page: HashMap<Part, Running>,
    sums: BTreeMap<String, i128>,
}

impl ReplayPass {
    /// Takes a page of balances; their entries come next, each part's in the order of their sequence.
    pub(super) fn balances(&mut self, page: Vec<StoredBalance>) {
        self.page = page
            .into_iter()
            .map(|stored| {
                let running = Running {
                    seq: 0,
                    posted: 0,
                    at_ms: 0,
                    broken: false,
                    stored,
                };
                (running.stored.part.clone(), running)
            })
            .collect();
    }

    pub(super) fn entry(&mut self, entry: &StoredEntry, report: &mut VerifyReport) {
        report.entries += 1;
        let Some(running) = self.page.get_mut(&entry.part) else {
            return;
        };
        // One finding a part; and where there is no account, that is it.
        if running.broken || running.stored.currency.is_none() {
            return;
        }
        let sign = if entry.direction == 0 { 1 } else { -1 };
        running.seq += 1;
        running.posted += i128::from(entry.amount) * sign;
        let trouble = if entry.seq != running.seq {
            format!("has sequence {} where {} follows", entry.seq, running.seq)
        } else if i128::from(entry.balance_after) != running.posted {
            format!("says {} is left, and {} is", entry.balance_after, running.posted)
        } else if entry.at_ms < running.at_ms {
            "is earlier than the entry before".to_owned()
        } else if let Some(currency) = &running.stored.currency
            && *currency != entry.currency
        {
            // The chain has the entry, and not the account.
            let (tenant, account, _) = &entry.part;
            let message = format!(
                "account {account} of tenant {tenant} is in {currency}, and its entries are not: entry {} is in {}",
                entry.seq, entry.currency
            );
            running.broken = true;
            report.find(Check::Replay, message);
            return;
        } else {
            running.at_ms = entry.at_ms;
            return;
        };
        running.broken = true;
        report.find(
            Check::Replay,
            format!("entry {} of {} {trouble}", entry.seq, named(&entry.part)),
        );
    }

    /// After the entries of a page.
    pub(super) fn end_of_page(&mut self, report: &mut VerifyReport) {
        let mut page: Vec<Running> = self.page.drain().map(|(_, running)| running).collect();
        page.sort_by(|one, other| one.stored.part.cmp(&other.stored.part));
        for running in page {
            let stored = running.stored;
            report.balances += 1;
            let Some(currency) = stored.currency else {
                report.find(
                    Check::Replay,
                    format!("the balance of {} has no account", named(&stored.part)),
                );
                continue;
            };
            *self.sums.entry(currency).or_default() += i128::from(stored.posted);
            let left = (i128::from(stored.posted), stored.entries, stored.last_at_ms);
            if !running.broken && left != (running.posted, running.seq, running.at_ms) {
                let message = format!(
                    "the balance of {} is stored as {} after {} entries (last at {}), and its entries leave {} after {} (last at {})",
                    named(&stored.part),
                    left.0,
                    left.1,
                    left.2,
                    running.posted,
                    running.seq,
                    running.at_ms
                );
                report.find(Check::Replay, message);
            }
        }
    }

    /// After the last page.
    pub(super) fn end(self, report: &mut VerifyReport) {
        for (currency, sum) in self.sums.into_iter().filter(|(_, sum)| *sum != 0) {
            report.find(
                Check::Sums,
                format!("all balances in {currency} sum to {sum} instead of zero"),
            );
        }
    }
}

fn named((tenant, account, part): &Part) -> String {
    format!("account {account} part {part} of tenant {tenant}")
}

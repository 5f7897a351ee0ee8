//! One shard's rows, as they come, put beside its links.

use std::collections::{BTreeMap, HashMap};

use super::{Check, Finding, VerifiedHead, VerifyReport, hex};
use crate::chain::{
    Broken, EntryRow, Hash, JournalRow, RowName, ShardVerifier, StoredHead, StoredLink, StoredRow, Trouble,
    digest,
};
use crate::store::ledger::CLOCK_AHEAD_MS_MAX;

/// Further than any clock by which the ledger lets itself be sealed.
const SEALED_AHEAD_MS_MAX: i64 = 2 * CLOCK_AHEAD_MS_MAX.cast_signed();

/// A row of the journal as a table may hold it, tampered with or not. `None` is what no text can be made of.
pub(super) struct JournalFields {
    pub(super) link: i64,
    pub(super) ord: i64,
    pub(super) tenant: Option<String>,
    pub(super) id: i64,
    pub(super) kind: i64,
    pub(super) at_ms: i64,
    pub(super) hold_id: Option<i64>,
    pub(super) refers_to: Option<i64>,
    pub(super) details: Option<String>,
}

/// An entry of it.
pub(super) struct EntryFields {
    pub(super) account_id: i64,
    pub(super) part: i64,
    pub(super) seq: i64,
    pub(super) line: i64,
    pub(super) direction: i64,
    pub(super) amount: i64,
    pub(super) currency: Option<String>,
    pub(super) balance_after: i64,
    pub(super) at_ms: i64,
}

/// Goes along one shard.
pub(super) struct ShardPass {
    shard: i16,
    verifier: ShardVerifier,
    /// The page of links at hand, the next one first.
    links: std::collections::VecDeque<StoredLink>,
    /// Rows of the link at hand.
    rows: Vec<StoredRow>,
    link: i64,
    /// The row of the journal at hand: whose entries come now.
    row: Option<JournalFields>,
    /// Of each row of the journal in the link at hand its place among the rows, and the number that it has.
    ords: Vec<(usize, i64)>,
    /// A row whose number is not its place, though its order is right.
    misplaced: Option<String>,
    sums: BTreeMap<String, i128>,
    /// Entries of the row at hand.
    lines: u64,
    broken: bool,
}

impl ShardPass {
    pub(super) fn new(shard: i16) -> Self {
        Self {
            shard,
            verifier: ShardVerifier::new(shard),
            links: std::collections::VecDeque::new(),
            rows: Vec::new(),
            link: 0,
            row: None,
            ords: Vec::new(),
            misplaced: None,
            sums: BTreeMap::new(),
            lines: 0,
            broken: false,
        }
    }

    /// Whether going on makes no sense.
    pub(super) const fn is_broken(&self) -> bool {
        self.broken
    }

    /// The number of the last link that is good.
    pub(super) const fn verified(&self) -> i64 {
        self.verifier.links()
    }

    /// Takes a page of links; their rows come next.
    pub(super) fn links(&mut self, links: Vec<StoredLink>) {
        self.links = links.into();
    }

    /// Takes the next row of a join of the journal and its entries, in order.
    pub(super) fn row(
        &mut self,
        journal: JournalFields,
        entry: Option<EntryFields>,
        report: &mut VerifyReport,
    ) {
        if self.broken {
            return;
        }
        let same = self
            .row
            .as_ref()
            .is_some_and(|row| (row.link, row.ord) == (journal.link, journal.ord));
        if !same {
            self.end_of_row(report);
            if journal.link != self.link {
                self.end_of_link(report);
                if self.broken {
                    return;
                }
                self.link = journal.link;
                self.ords.clear();
            }
            self.begin_row(&journal);
            self.row = Some(journal);
        }
        if let Some(entry) = entry {
            self.entry(&entry);
        }
    }

    fn begin_row(&mut self, journal: &JournalFields) {
        let name = RowName::Journal {
            tenant: journal.tenant.clone().unwrap_or_default(),
            id: journal.id,
        };
        let place = self.ords.len();
        if i64::try_from(place) != Ok(journal.ord) && self.misplaced.is_none() {
            self.misplaced = Some(format!("{name} has place {} instead of {place}", journal.ord));
        }
        self.ords.push((self.rows.len(), journal.ord));
        let digest = journal_bytes(journal).map(|bytes| digest(&bytes));
        self.rows.push(StoredRow { name, digest });
    }

    fn entry(&mut self, entry: &EntryFields) {
        let Some(journal) = &self.row else { return };
        let sign = if entry.direction == 0 { 1 } else { -1 };
        let currency = entry.currency.clone().unwrap_or_default();
        self.lines += 1;
        *self.sums.entry(currency).or_default() += i128::from(entry.amount) * sign;
        let tenant = journal.tenant.clone().unwrap_or_default();
        let digest = entry_bytes(&tenant, journal.id, entry).map(|bytes| digest(&bytes));
        let name = RowName::Entry {
            tenant,
            journal_id: journal.id,
            line: entry.line,
            account_id: entry.account_id,
            part: entry.part,
            seq: entry.seq,
        };
        self.rows.push(StoredRow { name, digest });
    }

    fn end_of_row(&mut self, report: &mut VerifyReport) {
        let sums = std::mem::take(&mut self.sums);
        let lines = std::mem::take(&mut self.lines);
        let Some(row) = self.row.take() else { return };
        if let Some(trouble) = super::shape::trouble(&row, lines) {
            let tenant = row.tenant.as_deref().unwrap_or_default();
            let message = format!("journal row {} of tenant {tenant} {trouble}", row.id);
            report.find(Check::Journal, message);
        }
        for (currency, sum) in sums.into_iter().filter(|(_, sum)| *sum != 0) {
            let tenant = row.tenant.as_deref().unwrap_or_default();
            let message = format!(
                "journal row {} of tenant {tenant} does not balance: debits less credits are {sum} {currency}",
                row.id
            );
            report.find(Check::Journal, message);
        }
    }

    fn end_of_link(&mut self, report: &mut VerifyReport) {
        let rows = std::mem::take(&mut self.rows);
        let misplaced = self.misplaced.take();
        if self.link == 0 || self.broken {
            return;
        }
        while let Some(stored) = self.links.pop_front() {
            let is_it = stored.link >= self.link;
            let rows = if is_it { rows.as_slice() } else { &[] };
            if let Err(mut broken) = self.verifier.link(&stored, rows) {
                if let Trouble::RowReordered { place, name } = &mut broken.trouble
                    && let Some(moved) = moved(&stored.digests, rows, &self.ords)
                {
                    (*place, *name) = moved;
                }
                self.broken(&broken, report);
                return;
            }
            if is_it {
                if let Some(message) = misplaced {
                    self.break_at(&message, report);
                }
                return;
            }
        }
    }

    /// After the rows of a page.
    pub(super) fn end_of_page(&mut self, report: &mut VerifyReport) {
        self.end_of_row(report);
        self.end_of_link(report);
        self.link = 0;
        while let Some(stored) = self.links.pop_front() {
            if self.broken {
                return;
            }
            if let Err(broken) = self.verifier.link(&stored, &[]) {
                self.broken(&broken, report);
            }
        }
    }

    /// What the head says is sealed. Nothing is committed at such a moment or before, so one that is far away stops the ledger; `now_ms` is
    /// the database's clock, or the time of the newest link where that is later.
    pub(super) fn seal(&self, sealed_ms: i64, now_ms: i64, report: &mut VerifyReport) {
        if sealed_ms > now_ms.saturating_add(SEALED_AHEAD_MS_MAX) {
            let shard = self.shard;
            report.findings.push(Finding {
                check: Check::Chain,
                follows: false,
                shard: Some(shard),
                link: None,
                message: format!(
                    "shard {shard} is sealed up to {sealed_ms} (Unix milliseconds), and it is {now_ms}: nothing is committed before then"
                ),
            });
        }
    }

    /// After the last page: what the head says, and whether rows claim links that are not there.
    pub(super) fn end(
        &mut self,
        head: Option<&StoredHead>,
        beyond: Option<(i64, i64)>,
        report: &mut VerifyReport,
    ) {
        if !self.broken {
            match head.map(|head| self.verifier.end(head)) {
                None => self.break_at("the head's record is missing", report),
                Some(Err(broken)) => self.broken(&broken, report),
                Some(Ok(())) => {}
            }
        }
        if let (false, Some((link, id))) = (self.broken, beyond) {
            self.link = link;
            self.break_at(
                &format!("journal row {id} was added: there is no such link"),
                report,
            );
        }
        report.links += self.verifier.links().unsigned_abs();
        report.rows += self.verifier.rows();
        report.heads.push(VerifiedHead {
            shard: self.shard,
            link: self.verifier.links(),
            hash: hex(self.verifier.hash()),
        });
    }

    fn break_at(&mut self, message: &str, report: &mut VerifyReport) {
        self.broken = true;
        report.findings.push(Finding {
            check: Check::Chain,
            follows: false,
            shard: Some(self.shard),
            link: Some(self.link),
            message: format!("shard {}, link {}: {message}", self.shard, self.link),
        });
    }

    fn broken(&mut self, broken: &Broken, report: &mut VerifyReport) {
        self.broken = true;
        report.findings.push(Finding {
            check: Check::Chain,
            follows: false,
            shard: Some(broken.shard),
            link: Some(broken.link),
            message: broken.to_string(),
        });
    }
}

/// Which of a link's rows of the journal moved: the first that has not the number of its place, and that place. Those that only made room
/// for it have theirs.
fn moved(committed: &[u8], rows: &[StoredRow], ords: &[(usize, i64)]) -> Option<(usize, RowName)> {
    let (committed, _) = committed.as_chunks::<32>();
    let places: HashMap<&Hash, usize> = committed.iter().zip(0..).collect();
    let mut was: Vec<(usize, i64, &RowName)> = Vec::with_capacity(ords.len());
    for (at, ord) in ords {
        let row = rows.get(*at)?;
        was.push((*places.get(row.digest.as_ref()?)?, *ord, &row.name));
    }
    was.sort_by_key(|(place, ..)| *place);
    let moved = was
        .iter()
        .zip(0..)
        .find(|((_, ord, _), expected)| ord != expected);
    moved.map(|((place, _, name), _)| (*place, (*name).clone()))
}

/// `None` where a field is outside of what was ever committed: then the row was changed.
fn journal_bytes(row: &JournalFields) -> Option<Vec<u8>> {
    // None is written as nothing, never as a zero: the canonical bytes would not tell them apart.
    let written = |id: Option<i64>| match id {
        Some(0) => None,
        other => Some(other.unwrap_or(0)),
    };
    let row = JournalRow {
        tenant: row.tenant.as_deref()?,
        id: row.id,
        kind: u8::try_from(row.kind).ok()?,
        at_ms: row.at_ms,
        hold_id: written(row.hold_id)?,
        refers_to: written(row.refers_to)?,
        details: row.details.as_deref()?,
    };
    row.bytes()
}

fn entry_bytes(tenant: &str, journal_id: i64, row: &EntryFields) -> Option<Vec<u8>> {
    let row = EntryRow {
        tenant,
        account_id: row.account_id,
        part: i16::try_from(row.part).ok()?,
        seq: row.seq,
        journal_id,
        line: i32::try_from(row.line).ok()?,
        direction: u8::try_from(row.direction).ok()?,
        amount: row.amount,
        currency: row.currency.as_deref()?.as_bytes().try_into().ok()?,
        balance_after: row.balance_after,
        at_ms: row.at_ms,
    };
    row.bytes()
}

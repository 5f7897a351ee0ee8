//! One shard's rows, as they come, put beside its links.

use std::collections::{BTreeMap, HashMap};

use super::{Check, Finding, UnreadLinks, VerifiedHead, VerifyReport, hex};
use crate::chain::{
    Broken, EntryName, EntryRow, Hash, JournalRow, RowName, ShardVerifier, StoredHead, StoredLink, StoredRow,
    Trouble, digest,
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
    /// Rows of the link at hand, and the number that each has.
    rows: Vec<StoredRow>,
    ords: Vec<i64>,
    link: i64,
    /// The row of the journal at hand, and its entries so far: the others come now.
    row: Option<JournalFields>,
    entries: Vec<EntryFields>,
    /// A row whose number is not its place, though its order is right.
    misplaced: Option<String>,
    /// The link at which it is broken.
    broken_at: Option<i64>,
}

impl ShardPass {
    pub(super) fn new(shard: i16) -> Self {
        Self {
            shard,
            verifier: ShardVerifier::new(shard),
            links: std::collections::VecDeque::new(),
            rows: Vec::new(),
            ords: Vec::new(),
            link: 0,
            row: None,
            entries: Vec::new(),
            misplaced: None,
            broken_at: None,
        }
    }

    /// The link at which it is broken: going on makes no sense.
    pub(super) const fn broken_at(&self) -> Option<i64> {
        self.broken_at
    }

    /// The number of the last link that is good.
    pub(super) const fn verified(&self) -> i64 {
        self.verifier.links()
    }

    /// So many links come after the one at which it is broken.
    pub(super) fn unread(&self, after: i64, links: u64, report: &mut VerifyReport) {
        if links > 0 {
            let shard = self.shard;
            report.unread.push(UnreadLinks { shard, after, links });
        }
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
        if self.broken_at.is_some() {
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
                if self.broken_at.is_some() {
                    return;
                }
                self.link = journal.link;
            }
            self.row = Some(journal);
        }
        self.entries.extend(entry);
    }

    /// All of a row's entries have come.
    fn end_of_row(&mut self, report: &mut VerifyReport) {
        let entries = std::mem::take(&mut self.entries);
        let Some(row) = self.row.take() else { return };
        let name = RowName {
            tenant: row.tenant.clone().unwrap_or_default(),
            id: row.id,
            entries: entries.iter().map(EntryFields::name).collect(),
        };
        if let Some(trouble) = super::shape::trouble(&row, entries.len()) {
            report.find(Check::Journal, format!("{name} {trouble}"));
        }
        for (currency, sum) in sums(&entries) {
            let message = format!("{name} does not balance: debits less credits are {sum} {currency}");
            report.find(Check::Journal, message);
        }
        let place = self.rows.len();
        if i64::try_from(place) != Ok(row.ord) && self.misplaced.is_none() {
            self.misplaced = Some(format!("{name} has place {} instead of {place}", row.ord));
        }
        self.ords.push(row.ord);
        let digest = canonical(&row, &entries).map(|bytes| digest(&bytes));
        self.rows.push(StoredRow { name, digest });
    }

    fn end_of_link(&mut self, report: &mut VerifyReport) {
        let (rows, ords) = (std::mem::take(&mut self.rows), std::mem::take(&mut self.ords));
        let misplaced = self.misplaced.take();
        if self.link == 0 || self.broken_at.is_some() {
            return;
        }
        while let Some(stored) = self.links.pop_front() {
            let is_it = stored.link >= self.link;
            let rows = if is_it { rows.as_slice() } else { &[] };
            if let Err(mut broken) = self.verifier.link(&stored, rows) {
                if let Trouble::RowReordered { place, name } = &mut broken.trouble
                    && let Some(moved) = moved(&stored.digests, rows, &ords)
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
            if self.broken_at.is_some() {
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
        if self.broken_at.is_none() {
            match head.map(|head| self.verifier.end(head)) {
                None => self.break_at("the head's record is missing", report),
                Some(Err(broken)) => self.broken(&broken, report),
                Some(Ok(())) => {}
            }
        }
        if let (false, Some((link, id))) = (self.broken_at.is_some(), beyond) {
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
        self.broken_at = Some(self.link);
        report.findings.push(Finding {
            check: Check::Chain,
            follows: false,
            shard: Some(self.shard),
            link: Some(self.link),
            message: format!("shard {}, link {}: {message}", self.shard, self.link),
        });
    }

    fn broken(&mut self, broken: &Broken, report: &mut VerifyReport) {
        self.broken_at = Some(broken.link);
        report.findings.push(Finding {
            check: Check::Chain,
            follows: false,
            shard: Some(broken.shard),
            link: Some(broken.link),
            message: broken.to_string(),
        });
    }
}

/// The currencies in which a row does not balance, and by how much.
fn sums(entries: &[EntryFields]) -> impl Iterator<Item = (&str, i128)> {
    let mut sums: BTreeMap<&str, i128> = BTreeMap::new();
    for entry in entries {
        let sign = if entry.direction == 0 { 1 } else { -1 };
        *sums
            .entry(entry.currency.as_deref().unwrap_or_default())
            .or_default() += i128::from(entry.amount) * sign;
    }
    sums.into_iter().filter(|(_, sum)| *sum != 0)
}

/// Which of a link's rows moved: the first that has not the number of its place, and that place. Those that only made room for it have theirs.
fn moved(committed: &[u8], rows: &[StoredRow], ords: &[i64]) -> Option<(usize, RowName)> {
    let (committed, _) = committed.as_chunks::<32>();
    let places: HashMap<&Hash, usize> = committed.iter().zip(0..).collect();
    let mut was: Vec<(usize, i64, &RowName)> = Vec::with_capacity(ords.len());
    for (row, ord) in rows.iter().zip(ords) {
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
fn canonical(row: &JournalFields, entries: &[EntryFields]) -> Option<Vec<u8>> {
    // None is written as nothing, never as a zero: the canonical bytes would not tell them apart.
    let written = |id: Option<i64>| match id {
        Some(0) => None,
        other => Some(other.unwrap_or(0)),
    };
    let entries: Option<Vec<EntryRow>> = entries
        .iter()
        .zip(0..)
        .map(|(entry, line)| entry.row(row.at_ms, line))
        .collect();
    let row = JournalRow {
        tenant: row.tenant.as_deref()?,
        id: row.id,
        kind: i16::try_from(row.kind).ok()?,
        at_ms: row.at_ms,
        hold_id: written(row.hold_id)?,
        refers_to: written(row.refers_to)?,
        details: row.details.as_deref()?,
    };
    row.bytes(&entries?)
}

impl EntryFields {
    fn name(&self) -> EntryName {
        EntryName {
            account_id: self.account_id,
            part: self.part,
            seq: self.seq,
        }
    }

    /// As it is digested with its row; `None` where it is not of its row's time, or not the line that comes next.
    fn row(&self, at_ms: i64, line: i64) -> Option<EntryRow> {
        if (self.at_ms, self.line) != (at_ms, line) || self.amount <= 0 {
            return None;
        }
        Some(EntryRow {
            account_id: self.account_id,
            part: i16::try_from(self.part).ok()?,
            currency: self.currency.as_deref()?.as_bytes().try_into().ok()?,
            seq: self.seq,
            signed: match self.direction {
                0 => self.amount,
                1 => -self.amount,
                _ => return None,
            },
            balance_after: self.balance_after,
        })
    }
}

//! A link of the chain as events, each of a bounded size.

use serde::Serialize;
use streams::{Event, StreamError};

use crate::ledger::{Entry, Link, LinkRow};

/// Bytes of rows in one event, about. Below what a stream takes, with room for one row's details.
const PIECE_BYTES: usize = 48 * 1_024;

/// One event's data: some rows of a link, in order.
#[derive(Serialize)]
#[expect(
    clippy::struct_field_names,
    reason = "which piece, and of how many: as readers of events have it"
)]
struct Piece<'r> {
    shard: i16,
    link: i64,
    at_ms: u64,
    /// The link's, in hex: what it is in the chain.
    hash: String,
    /// Rows of the journal in the whole link.
    rows_of_link: usize,
    /// This piece of how many; a row whose entries go on in the next piece stands in both.
    piece: usize,
    pieces: usize,
    rows: Vec<Row<'r>>,
}

/// A row of the journal, or a part of it.
#[derive(Serialize)]
struct Row<'r> {
    ord: i32,
    tenant: &'r str,
    id: String,
    kind: crate::ledger::JournalKind,
    at_ms: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    hold_id: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    refers_to: Option<String>,
    /// Where a row goes on, its details are not said again.
    #[serde(skip_serializing_if = "Option::is_none")]
    details: Option<&'r str>,
    entries: Vec<Posted<'r>>,
}

#[derive(Serialize)]
struct Posted<'r> {
    account_id: String,
    part: u16,
    seq: i64,
    line: u32,
    direction: crate::ledger::Direction,
    amount: String,
    currency: &'r str,
    balance_after: String,
}

fn begun(row: &LinkRow, goes_on: bool) -> Row<'_> {
    let journal = &row.journal;
    Row {
        ord: row.ord,
        tenant: journal.tenant.as_str(),
        id: journal.id.to_string(),
        kind: journal.kind,
        at_ms: journal.at_ms,
        hold_id: journal.hold_id.map(|id| id.to_string()),
        refers_to: journal.refers_to.map(|id| id.to_string()),
        details: (!goes_on).then_some(&*journal.details),
        entries: Vec::new(),
    }
}

fn posted(entry: &Entry) -> Posted<'_> {
    Posted {
        account_id: entry.account_id.to_string(),
        part: entry.part,
        seq: entry.seq,
        line: entry.line,
        direction: entry.direction,
        amount: entry.amount.to_string(),
        currency: entry.currency.code(),
        balance_after: entry.balance_after.to_string(),
    }
}

/// Bytes that a row without its entries, and an entry, take beside their texts: counted generously.
const ROW_BYTES: usize = 220;
const ENTRY_BYTES: usize = 230;

/// The events of a link. The same link makes the same events, whoever makes them.
pub(super) fn pieces(link: &Link, rows: &[LinkRow]) -> Result<Vec<Event>, StreamError> {
    let mut cut: Vec<Vec<Row<'_>>> = vec![Vec::new()];
    let mut bytes = 0;
    for row in rows {
        let size = ROW_BYTES + row.journal.details.len();
        if bytes > 0 && bytes + size > PIECE_BYTES {
            cut.push(Vec::new());
            bytes = 0;
        }
        bytes += size;
        let mut part = begun(row, false);
        for entry in &row.entries {
            if bytes + ENTRY_BYTES > PIECE_BYTES {
                let next = begun(row, true);
                let full = std::mem::replace(&mut part, next);
                if let Some(piece) = cut.last_mut() {
                    piece.push(full);
                }
                cut.push(Vec::new());
                bytes = ROW_BYTES;
            }
            bytes += ENTRY_BYTES;
            part.entries.push(posted(entry));
        }
        if let Some(piece) = cut.last_mut() {
            piece.push(part);
        }
    }
    let pieces = cut.len();
    let hash = hex::encode(link.hash);
    let event = |(place, rows): (usize, Vec<Row<'_>>)| {
        let piece = place + 1;
        let data = Piece {
            shard: link.shard,
            link: link.link,
            at_ms: link.at_ms,
            hash: hash.clone(),
            rows_of_link: link.digests.len(),
            piece,
            pieces,
            rows,
        };
        let id = format!("ledger-{}-{}-{piece}", link.shard, link.link);
        let key = format!("ledger/{}", link.shard);
        Event::new(id, "/payment", "ledger.committed", key, link.at_ms, &data)
    };
    cut.into_iter().enumerate().map(event).collect()
}

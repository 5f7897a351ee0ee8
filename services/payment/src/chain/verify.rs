//! Recomputes a shard's chain from what is stored, and says where it first differs. No I/O: links and rows are handed in, in order.

use std::collections::HashSet;
use std::fmt;

use super::{GENESIS, Hash, link_hash};

/// A link as it is stored, before anything of it is believed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredLink {
    /// Its number.
    pub link: i64,
    /// Unix milliseconds.
    pub at_ms: i64,
    /// What it says of the link before.
    pub prev_hash: Vec<u8>,
    /// How many rows it says it has.
    pub row_count: i64,
    /// 32 bytes a row.
    pub digests: Vec<u8>,
    /// What it says of itself.
    pub hash: Vec<u8>,
}

/// A row of the journal as it is stored with its entries: what it is called, and their digest; `None` where their fields make no canonical
/// bytes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredRow {
    /// How people find it.
    pub name: RowName,
    /// Recomputed.
    pub digest: Option<Hash>,
}

/// The newest link by its own record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredHead {
    /// Its number.
    pub link: i64,
    /// Its hash.
    pub hash: Vec<u8>,
    /// Its time, Unix milliseconds.
    pub at_ms: i64,
}

/// How people find a row of the journal.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RowName {
    /// Whose.
    pub tenant: String,
    /// Its id.
    pub id: i64,
    /// Its entries, by line.
    pub entries: Vec<EntryName>,
}

/// How people find an entry.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EntryName {
    /// Its account.
    pub account_id: i64,
    /// The part of that.
    pub part: i64,
    /// Its sequence in the part.
    pub seq: i64,
}

/// So many entries of a row are named.
const NAMED_MAX: usize = 8;

impl fmt::Display for RowName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "journal row {} of tenant {}", self.id, self.tenant)
    }
}

impl RowName {
    /// The row and what is digested with it.
    fn whole(&self) -> String {
        let named = |entry: &EntryName| {
            let EntryName {
                account_id,
                part,
                seq,
            } = entry;
            format!("{seq} of account {account_id} part {part}")
        };
        let entries: Vec<String> = self.entries.iter().take(NAMED_MAX).map(named).collect();
        let more = match self.entries.len() - entries.len() {
            0 => String::new(),
            more => format!(" and {more} more"),
        };
        if entries.is_empty() {
            return self.to_string();
        }
        format!("{self}, or an entry of it ({}{more})", entries.join(", "))
    }
}

/// Where a chain first differs from what is stored.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("shard {shard}, link {link}: {trouble}")]
pub struct Broken {
    /// Which chain.
    pub shard: i16,
    /// Which link of it.
    pub link: i64,
    /// What is wrong there.
    pub trouble: Trouble,
}

/// What is wrong.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Trouble {
    /// The row at this place, or an entry of it, is not as it was committed.
    #[error("row {place} was changed: {}", .name.whole())]
    RowChanged {
        /// Its place among the link's rows, from 0.
        place: usize,
        /// Which.
        name: RowName,
    },
    /// A row was taken away.
    #[error("row {place} is missing{}", before(.next.as_ref()))]
    RowMissing {
        /// The place where it was, from 0.
        place: usize,
        /// What stands there now.
        next: Option<RowName>,
    },
    /// A row was put in.
    #[error("row {place} was added: {name}")]
    RowAdded {
        /// Where it stands, from 0.
        place: usize,
        /// Which.
        name: RowName,
    },
    /// The rows are those that were committed, in another order from here on.
    #[error("row {place} is out of its place: {name}")]
    RowReordered {
        /// The first that is not at its place, from 0.
        place: usize,
        /// What stands there now.
        name: RowName,
    },
    /// The number before this one is not there.
    #[error("link {missing} is missing")]
    LinkMissing {
        /// Which.
        missing: i64,
    },
    /// It does not name the hash of the link before.
    #[error("it is not joined to link {}: the hash of the link before differs", .link - 1)]
    LinkNotJoined {
        /// Which.
        link: i64,
    },
    /// Its hash is not that of its fields.
    #[error("its own fields were changed: the hash differs from what they say")]
    LinkChanged,
    /// Its time is before that of the link before.
    #[error("its time is before that of the link before")]
    TimeBack,
    /// The head's record names another link, hash or time than the last link has.
    #[error("the head's record does not agree with the last link")]
    HeadDiffers,
}

fn before(next: Option<&RowName>) -> String {
    next.map_or_else(String::new, |name| format!(" before {name}"))
}

/// Goes along one shard's chain.
#[derive(Debug, Clone)]
pub struct ShardVerifier {
    shard: i16,
    link: i64,
    hash: Hash,
    at_ms: i64,
    rows: u64,
}

impl ShardVerifier {
    /// Before the first link.
    pub const fn new(shard: i16) -> Self {
        Self {
            shard,
            link: 0,
            hash: GENESIS,
            at_ms: 0,
            rows: 0,
        }
    }

    /// After a link that is taken for good as it is stored.
    pub const fn after(shard: i16, link: i64, hash: Hash, at_ms: i64) -> Self {
        Self {
            shard,
            link,
            hash,
            at_ms,
            rows: 0,
        }
    }

    /// The number of the last link that was good.
    pub const fn links(&self) -> i64 {
        self.link
    }

    /// How many rows were good so far.
    pub const fn rows(&self) -> u64 {
        self.rows
    }

    /// The hash of the last link that was good.
    pub const fn hash(&self) -> &Hash {
        &self.hash
    }

    /// Takes the next link with all rows that claim to be of it, in order.
    pub fn link(&mut self, stored: &StoredLink, rows: &[StoredRow]) -> Result<(), Broken> {
        let broken = |link, trouble| Broken {
            shard: self.shard,
            link,
            trouble,
        };
        let next = self.link + 1;
        if stored.link != next {
            return Err(broken(next, Trouble::LinkMissing { missing: next }));
        }
        if stored.prev_hash != self.hash {
            return Err(broken(next, Trouble::LinkNotJoined { link: next }));
        }
        let digests = split(stored).ok_or_else(|| broken(next, Trouble::LinkChanged))?;
        let hash = link_hash(self.shard, next, stored.at_ms, &self.hash, &digests);
        if stored.hash != hash {
            return Err(broken(next, Trouble::LinkChanged));
        }
        if stored.at_ms < self.at_ms {
            return Err(broken(next, Trouble::TimeBack));
        }
        if let Some(trouble) = first_difference(&digests, rows) {
            return Err(broken(next, trouble));
        }
        self.link = next;
        self.hash = hash;
        self.at_ms = stored.at_ms;
        self.rows += rows.len() as u64;
        Ok(())
    }

    /// After the last link: what the head's record says must be it.
    pub fn end(&self, head: &StoredHead) -> Result<(), Broken> {
        if head.link > self.link {
            let missing = self.link + 1;
            return Err(Broken {
                shard: self.shard,
                link: missing,
                trouble: Trouble::LinkMissing { missing },
            });
        }
        if head.link != self.link || head.hash != self.hash || head.at_ms != self.at_ms {
            return Err(Broken {
                shard: self.shard,
                link: self.link,
                trouble: Trouble::HeadDiffers,
            });
        }
        Ok(())
    }
}

fn split(stored: &StoredLink) -> Option<Vec<Hash>> {
    let (digests, rest) = stored.digests.as_chunks::<32>();
    let counted = i64::try_from(digests.len()).ok()? == stored.row_count;
    (rest.is_empty() && counted).then(|| digests.to_vec())
}

fn first_difference(committed: &[Hash], rows: &[StoredRow]) -> Option<Trouble> {
    let is =
        |place: usize, digest: &Hash| rows.get(place).and_then(|row| row.digest.as_ref()) == Some(digest);
    let place = (0..committed.len().max(rows.len()))
        .find(|place| committed.get(*place).is_none_or(|digest| !is(*place, digest)))?;
    let name = |place: usize| rows.get(place).map(|row| row.name.clone());
    if let Some(changed) = one_changed(committed, rows) {
        return Some(changed);
    }
    let Some(found) = name(place) else {
        return Some(Trouble::RowMissing { place, next: None });
    };
    let Some(digest) = committed.get(place) else {
        return Some(Trouble::RowAdded { place, name: found });
    };
    let elsewhere = (place + 1..rows.len()).any(|other| is(other, digest));
    let was_later = committed[place + 1..].iter().any(|later| is(place, later));
    Some(match (elsewhere, was_later) {
        // Both the row that belongs here and the one that stands here belong to the link.
        (true, true) => Trouble::RowReordered { place, name: found },
        (true, false) => Trouble::RowAdded { place, name: found },
        (false, true) => Trouble::RowMissing {
            place,
            next: Some(found),
        },
        (false, false) => Trouble::RowChanged { place, name: found },
    })
}

/// Where a single row is not one of those that were committed, and a single one of those is not there: it was changed, wherever it stands
/// now.
fn one_changed(committed: &[Hash], rows: &[StoredRow]) -> Option<Trouble> {
    let known: HashSet<&Hash> = committed.iter().collect();
    let there: HashSet<&Hash> = rows.iter().filter_map(|row| row.digest.as_ref()).collect();
    let is_stranger = |row: &&StoredRow| row.digest.as_ref().is_none_or(|digest| !known.contains(digest));
    let mut strangers = rows.iter().filter(is_stranger);
    let mut gone = (0..).zip(committed).filter(|(_, digest)| !there.contains(digest));
    match (strangers.next(), strangers.next(), gone.next(), gone.next()) {
        (Some(stranger), None, Some((place, _)), None) => Some(Trouble::RowChanged {
            place,
            name: stranger.name.clone(),
        }),
        _ => None,
    }
}

//! Holds the books against their chain while they are written: the new links of every chain are recomputed, and the trial balance of
//! every tenant in them is zero. Every process does it, with what it reads itself.
//!
//! A link that does not verify is not passed: each later audit begins at it again, so the books stay broken until they are whole.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use identity::Tenant;
use server::Drain;
use tokio::time::Instant;

use crate::chain::{
    Broken, EntryName, RowName, ShardVerifier, StoredHead, StoredLink, StoredRow, Trouble, digest_of,
};
use crate::config::AuditSettings;
use crate::ledger::{ChainHead, Currency, Link, LinkRow, TrialBalanceLine};
use crate::metrics::{AuditMetrics, Audited};
use crate::store::StoreError;
use crate::store::ledger::SharedLedger;

/// Links in memory at once, without their rows.
const PAGE: u32 = 50;

/// So many times as long as it took to read a link the audit rests: a ledger at its limit keeps most of the machine, and is followed later.
const REST: u32 = 4;

/// The auditor.
pub(crate) struct AuditBooks {
    ledger: SharedLedger,
    metrics: AuditMetrics,
    settings: AuditSettings,
    /// How far each chain is whole.
    places: BTreeMap<i16, ShardVerifier>,
    /// Whose trial balance is due: seen in a link, or not zero when it was last made.
    tenants: BTreeSet<Tenant>,
}

/// What does not verify.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Finding {
    /// A chain, and where.
    Chain(Broken),
    /// A chain that was there has no head any more.
    ChainGone { shard: i16 },
    /// Rows that cannot be read as what they should be.
    Unreadable { shard: i16, what: &'static str },
    /// A trial balance.
    Unbalanced {
        tenant: Tenant,
        currency: Currency,
        debits: i128,
        credits: i128,
    },
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Chain(broken) => write!(f, "{broken}"),
            Self::ChainGone { shard } => write!(f, "shard {shard}: the whole chain is gone"),
            Self::Unreadable { shard, what } => write!(f, "shard {shard}: the database holds {what}"),
            Self::Unbalanced {
                tenant,
                currency,
                debits,
                credits,
            } => write!(
                f,
                "the books of tenant {tenant} do not balance: debits {debits}, credits {credits} {currency}"
            ),
        }
    }
}

impl AuditBooks {
    pub(crate) fn new(ledger: SharedLedger, metrics: AuditMetrics, settings: AuditSettings) -> Self {
        Self {
            ledger,
            metrics,
            settings,
            places: BTreeMap::new(),
            tenants: BTreeSet::new(),
        }
    }

    /// Until the drain begins. An audit only reads, so it may be given up anywhere.
    pub(crate) async fn run(mut self, drain: Drain) {
        loop {
            let round = async {
                self.round().await;
                tokio::time::sleep(self.settings.interval()).await;
            };
            tokio::select! {
                () = drain.begun() => return,
                () = round => {}
            }
        }
    }

    /// One audit, counted and said.
    pub(super) async fn round(&mut self) -> Vec<Finding> {
        let mut findings = Vec::new();
        let ended = self.audit(&mut findings).await;
        for finding in &findings {
            tracing::error!(%finding, "the books do not verify");
        }
        if let Err(error) = &ended {
            tracing::warn!(%error, code = error.code(), "the books were not audited to the end; the next audit goes on");
        }
        // What was found stands, whether or not the rest could be read.
        let is_broken = !findings.is_empty() || matches!(ended, Err(StoreError::Damaged(_)));
        self.metrics.ended(match ended {
            _ if is_broken => Audited::Broken,
            Ok(()) => Audited::Sound,
            Err(_) => Audited::Failed,
        });
        findings
    }

    async fn audit(&mut self, findings: &mut Vec<Finding>) -> Result<(), StoreError> {
        let heads = self.ledger.chain_heads().await?;
        for known in self.places.keys() {
            if heads.iter().all(|head| head.shard != *known) {
                findings.push(Finding::ChainGone { shard: *known });
            }
        }
        let followed = self.follow_all(&heads, findings).await;
        self.metrics.behind.set(self.behind(&heads));
        followed?;
        self.balance(findings).await
    }

    /// Goes along every chain.
    async fn follow_all(
        &mut self,
        heads: &[ChainHead],
        findings: &mut Vec<Finding>,
    ) -> Result<(), StoreError> {
        for head in heads {
            match self.follow(head).await {
                Ok(None) => {}
                Ok(Some(broken)) => findings.push(Finding::Chain(broken)),
                Err(StoreError::Damaged(what)) => findings.push(Finding::Unreadable {
                    shard: head.shard,
                    what,
                }),
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    /// Links that later audits have still to read, of chains whose begin is known.
    fn behind(&self, heads: &[ChainHead]) -> i64 {
        let of = |head: &ChainHead| Some((head.link - self.places.get(&head.shard)?.links()).max(0));
        heads.iter().filter_map(of).sum()
    }

    /// Goes along one chain up to its head, or as far as one audit may; says where it is broken.
    async fn follow(&mut self, head: &ChainHead) -> Result<Option<Broken>, StoreError> {
        let mut place = match self.places.remove(&head.shard) {
            Some(place) => place,
            None => self.begin(head).await?,
        };
        let found = self.walk(&mut place, head).await;
        self.places.insert(head.shard, place);
        found
    }

    async fn walk(
        &mut self,
        place: &mut ShardVerifier,
        head: &ChainHead,
    ) -> Result<Option<Broken>, StoreError> {
        let until = place
            .links()
            .saturating_add(i64::from(self.settings.links_max))
            .min(head.link);
        let mut read = 0;
        while place.links() < until {
            let links = self.ledger.links(head.shard, place.links(), PAGE).await?;
            // What was committed since the head was read is for the next audit.
            let links: Vec<Link> = links.into_iter().filter(|link| link.link <= until).collect();
            if links.is_empty() {
                let missing = place.links() + 1;
                return Ok(Some(Broken {
                    shard: head.shard,
                    link: missing,
                    trouble: Trouble::LinkMissing { missing },
                }));
            }
            for link in links {
                // One link is always read: a chain that is broken there must not look whole because many tenants wait.
                if read > 0 && self.tenants.len() >= self.settings.tenants_max {
                    return Ok(None);
                }
                read += 1;
                let begun = Instant::now();
                let rows = self.ledger.link_rows(head.shard, link.link).await?;
                self.tenants
                    .extend(rows.iter().map(|row| row.journal.tenant.clone()));
                let rows: Vec<StoredRow> = rows.iter().map(stored_row).collect();
                if let Err(broken) = place.link(&stored_link(&link), &rows) {
                    return Ok(Some(broken));
                }
                tokio::time::sleep(begun.elapsed() * REST).await;
            }
        }
        // A head behind the place is a chain that was cut.
        if until < head.link {
            return Ok(None);
        }
        Ok(place.end(&stored_head(head)).err())
    }

    /// Where a chain is followed from: a bounded number of links before its head.
    async fn begin(&self, head: &ChainHead) -> Result<ShardVerifier, StoreError> {
        let start = head.link - i64::from(self.settings.links_before_start);
        if start <= 0 {
            return Ok(ShardVerifier::new(head.shard));
        }
        let before = self.ledger.links(head.shard, start - 1, 1).await?;
        Ok(match before.first() {
            Some(link) if link.link == start => {
                ShardVerifier::after(head.shard, start, link.hash, signed(link.at_ms))
            }
            // It is missing: from the first link on that will be found.
            _ => ShardVerifier::new(head.shard),
        })
    }

    /// Makes the trial balances that are due. One that is not zero stays due.
    async fn balance(&mut self, findings: &mut Vec<Finding>) -> Result<(), StoreError> {
        let due: Vec<Tenant> = self
            .tenants
            .iter()
            .take(self.settings.tenants_max)
            .cloned()
            .collect();
        for tenant in due {
            let lines = self.ledger.trial_balance(&tenant, None).await?;
            let unbalanced = unbalanced(&tenant, &lines);
            if unbalanced.is_empty() {
                self.tenants.remove(&tenant);
            }
            findings.extend(unbalanced);
        }
        Ok(())
    }
}

/// The currencies in which debits and credits differ.
fn unbalanced(tenant: &Tenant, lines: &[TrialBalanceLine]) -> Vec<Finding> {
    let mut sums: BTreeMap<&str, (Currency, i128, i128)> = BTreeMap::new();
    for line in lines {
        let sum = sums.entry(line.currency.code()).or_insert((line.currency, 0, 0));
        sum.1 += line.debits;
        sum.2 += line.credits;
    }
    sums.into_values()
        .filter(|(_, debits, credits)| debits != credits)
        .map(|(currency, debits, credits)| Finding::Unbalanced {
            tenant: tenant.clone(),
            currency,
            debits,
            credits,
        })
        .collect()
}

fn signed(at_ms: u64) -> i64 {
    i64::try_from(at_ms).unwrap_or(i64::MAX)
}

fn stored_head(head: &ChainHead) -> StoredHead {
    StoredHead {
        link: head.link,
        hash: head.hash.to_vec(),
        at_ms: signed(head.at_ms),
    }
}

fn stored_link(link: &Link) -> StoredLink {
    StoredLink {
        link: link.link,
        at_ms: signed(link.at_ms),
        prev_hash: link.prev_hash.to_vec(),
        row_count: i64::try_from(link.digests.len()).unwrap_or(i64::MAX),
        digests: link.digests.concat(),
        hash: link.hash.to_vec(),
    }
}

/// A row of the journal with its entries, their digest recomputed.
fn stored_row(row: &LinkRow) -> StoredRow {
    let wide = |id: ids::Id| i64::try_from(id.as_u64()).unwrap_or(i64::MAX);
    let entries = row.entries.iter().map(|entry| EntryName {
        account_id: wide(entry.account_id),
        part: i64::from(entry.part),
        seq: entry.seq,
    });
    StoredRow {
        name: RowName {
            tenant: row.journal.tenant.as_str().to_owned(),
            id: wide(row.journal.id),
            entries: entries.collect(),
        },
        digest: digest_of(&row.journal, &row.entries),
    }
}

//! Looks at a ledger's tables from outside, without the service: is everything there that was committed, and only that?
//!
//! One read-only transaction, so it may run beside the service; rows are streamed, and of those only one link's and one page of balances
//! are held at a time.
//!
//! - **Chain**: every link and every row of every shard, recomputed ([`crate::chain`]).
//! - **Journal**: every row balances in each currency and has the lines that its kind has; no entry is without its row.
//! - **Replay**: each part's entries follow one another, and the stored balance is what they leave; all balances sum to zero.
//! - **Projections**: holds, what is held, and what was reversed are what the journal says; no account is beyond its limits.
//!   A capture is as its hold says, a reversal the opposite of its row and no more of it, and nothing comes to an account that is closed.
//!
//! Of each chain the first row that differs is named, and the chain is not followed further: the report says how many links were not read for
//! it. What later checks find then is told apart, for it may follow from that: a balance that is right differs from entries of which one is gone.
//!
//! Whoever can rewrite every table can also rewrite the chain to its end: then only a head that was kept elsewhere tells. The report
//! prints the heads for that, and [`verify_against`] is given them.

mod chained;
mod kept;
mod passes;
mod place;
mod pointing;
mod projections;
mod replayed;
mod shape;

use std::collections::HashSet;

use serde::Serialize;
use sql::{DatabaseUrl, DatabaseUrlError, PostgresUrl};
use sqlx::postgres::{PgConnectOptions, PgSslMode};
use sqlx::sqlite::SqliteConnectOptions;
use sqlx::{ConnectOptions as _, Connection as _};

use crate::ledger::SHARDS;
pub use kept::{InvalidHead, KeptHead};
pub use place::{NoLedger, find};

/// Of each check at most so many findings are listed; one is enough to know.
pub const FINDINGS_MAX: usize = 20;

/// Why a ledger could not be verified.
#[derive(Debug, thiserror::Error)]
pub enum VerifyError {
    /// Not a URL of an engine that holds ledgers.
    #[error("the ledger's database {0}")]
    Url(#[from] DatabaseUrlError),
    /// It cannot be read: it is not there, not answering, or holds no ledger.
    #[error("the ledger cannot be read: {}", said(.0))]
    Unreadable(#[from] sqlx::Error),
}

impl VerifyError {
    /// The stable code.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Url(_) => "verify_url",
            Self::Unreadable(_) => "verify_unreadable",
        }
    }
}

/// What was looked at when something was found.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Check {
    /// Links and their rows.
    Chain,
    /// Rows of the journal by themselves.
    Journal,
    /// Entries in their order, and stored balances.
    Replay,
    /// What is derived of the journal, row by row.
    Projections,
    /// What is derived of many rows.
    Sums,
    /// Heads that were kept elsewhere.
    Heads,
}

impl Check {
    /// How far from the chain: what is found further off may follow from what is found before. Heads that were kept stand by themselves.
    const fn distance(self) -> u8 {
        match self {
            Self::Heads => 0,
            Self::Chain => 1,
            Self::Journal => 2,
            Self::Replay | Self::Projections => 3,
            Self::Sums => 4,
        }
    }
}

/// Something that is not as it was committed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// Where it was found.
    pub check: Check,
    /// Whether it may follow from another finding, which names the row that was touched: then this one may be innocent.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub follows: bool,
    /// Which chain, where it is about one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub shard: Option<i16>,
    /// Which link of it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub link: Option<i64>,
    /// Which row, and what is wrong with it.
    pub message: String,
}

/// The newest link of a shard, to be kept elsewhere and compared.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct VerifiedHead {
    /// Which chain.
    pub shard: i16,
    /// The number of its newest link.
    pub link: i64,
    /// Its hash in hexadecimal.
    pub hash: String,
}

/// Links behind the one at which a chain is broken.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct UnreadLinks {
    /// Which chain.
    pub shard: i16,
    /// The link at which it is broken.
    pub after: i64,
    /// How many there are.
    pub links: u64,
}

/// What was looked at, and what was found.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize)]
pub struct VerifyReport {
    /// Links that are good.
    pub links: u64,
    /// Rows of the journal in them, each with its entries.
    pub rows: u64,
    /// Entries that were replayed.
    pub entries: u64,
    /// Balances that were compared.
    pub balances: u64,
    /// As far as each chain is good.
    pub heads: Vec<VerifiedHead>,
    /// What was not looked at, for a chain is followed to its first break only.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub unread: Vec<UnreadLinks>,
    /// What is wrong; empty where nothing is.
    pub findings: Vec<Finding>,
}

impl VerifyReport {
    /// Whether nothing was found.
    pub const fn is_sound(&self) -> bool {
        self.findings.is_empty()
    }

    /// What was touched: findings that follow from no other.
    pub fn broken(&self) -> impl Iterator<Item = &Finding> {
        self.findings.iter().filter(|finding| !finding.follows)
    }

    /// After all checks: what was found nearest to the chain first, then what may follow from it.
    fn settle(&mut self) {
        let distances = self.findings.iter().map(|finding| finding.check.distance());
        let nearest = distances.filter(|distance| *distance > 0).min();
        for finding in &mut self.findings {
            finding.follows = nearest.is_some_and(|nearest| finding.check.distance() > nearest);
        }
        self.findings.sort_by_key(|finding| finding.follows);
        // Two checks may come upon the same thing: the first says it.
        let mut said = HashSet::new();
        self.findings
            .retain(|finding| said.insert(finding.message.clone()));
    }

    fn find(&mut self, check: Check, message: String) {
        let listed = self
            .findings
            .iter()
            .filter(|finding| finding.check == check)
            .count();
        if listed < FINDINGS_MAX {
            self.findings.push(Finding {
                check,
                follows: false,
                shard: None,
                link: None,
                message,
            });
        }
    }
}

impl std::fmt::Display for VerifyReport {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        writeln!(
            f,
            "{} links, {} rows, {} entries, {} balances",
            self.links, self.rows, self.entries, self.balances
        )?;
        for head in self.heads.iter().filter(|head| head.link > 0) {
            writeln!(f, "head {}:{}:{}", head.shard, head.link, head.hash)?;
        }
        for finding in &self.findings {
            let word = if finding.follows { "FOLLOWS" } else { "BROKEN " };
            writeln!(f, "{word} {}", finding.message)?;
        }
        for UnreadLinks { shard, after, links } in &self.unread {
            writeln!(
                f,
                "UNREAD  shard {shard}: {links} links after link {after}, at which its chain is broken"
            )?;
        }
        let broken = self.broken().count();
        let (findings, them) = if broken == 1 {
            ("finding", "it")
        } else {
            ("findings", "them")
        };
        match (broken, self.findings.len() - broken) {
            (0, _) => write!(f, "the ledger is as it was committed"),
            (many, 0) => write!(f, "the ledger is NOT as it was committed: {many} {findings}"),
            (many, more) => write!(
                f,
                "the ledger is NOT as it was committed: {many} {findings}, and {more} that may follow from {them}"
            ),
        }
    }
}

/// Verifies the ledger in what `url` names: `sqlite:PATH`, or `postgres://..?schema=NAME`. Nothing is changed there.
pub async fn verify(url: &str) -> Result<VerifyReport, VerifyError> {
    verify_against(url, &[]).await
}

/// As [`verify`], and each of these heads, which were kept elsewhere, must be a link still.
pub async fn verify_against(url: &str, heads: &[KeptHead]) -> Result<VerifyReport, VerifyError> {
    let mut report = VerifyReport::default();
    match DatabaseUrl::parse(url)? {
        DatabaseUrl::Sqlite(path) => {
            let options = SqliteConnectOptions::new()
                .filename(path)
                .read_only(true)
                .busy_timeout(std::time::Duration::from_secs(5))
                .disable_statement_logging();
            let mut connection = options.connect().await?;
            sqlx::query("BEGIN").execute(&mut connection).await?;
            passes::sqlite::run(&mut connection, heads, &mut report).await?;
            connection.close().await?;
        }
        DatabaseUrl::Postgres(url) => {
            let mut connection = postgres(&url).connect().await?;
            sqlx::query("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY")
                .execute(&mut connection)
                .await?;
            passes::postgres::run(&mut connection, heads, &mut report).await?;
            connection.close().await?;
        }
    }
    report.settle();
    Ok(report)
}

fn postgres(url: &PostgresUrl) -> PgConnectOptions {
    PgConnectOptions::new_without_pgpass()
        .host(&url.host)
        .port(url.port)
        .username(&url.user)
        .password(url.password.as_deref().unwrap_or_default())
        .database(&url.database)
        .ssl_mode(PgSslMode::Disable)
        .application_name("orrery ledger verify")
        .options([("search_path", &*url.schema)])
        .disable_statement_logging()
}

/// What an engine says is wrong, without the line of its own source that PostgreSQL says it from.
fn said(error: &sqlx::Error) -> String {
    error
        .as_database_error()
        .map_or_else(|| error.to_string(), |error| error.message().to_owned())
}

/// All shards there are.
fn shards() -> std::ops::Range<i16> {
    0..SHARDS
}

/// Lowercase hexadecimal.
fn hex(bytes: &[u8]) -> String {
    use std::fmt::Write as _;
    bytes.iter().fold(String::new(), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_finding_is_told_once_and_counted_as_what_it_is() {
        let mut report = VerifyReport::default();
        for check in [Check::Replay, Check::Journal, Check::Journal] {
            report.find(check, "journal row 8 was changed".to_owned());
        }
        report.settle();
        let said = report.to_string();
        assert_eq!(said.matches("journal row 8 was changed").count(), 1, "{said}");
        assert!(said.ends_with("NOT as it was committed: 1 finding"), "{said}");
        report.find(Check::Sums, "the sums differ".to_owned());
        report.settle();
        assert!(
            report
                .to_string()
                .ends_with("1 finding, and 1 that may follow from it")
        );
        report.find(Check::Journal, "journal row 9 was changed".to_owned());
        report.settle();
        assert!(
            report
                .to_string()
                .ends_with("2 findings, and 1 that may follow from them")
        );
    }
}

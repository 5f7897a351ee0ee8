//! Many payers, one merchant: four ways for transfers to share an account.

mod ways;

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use lab::{Bench, Figure, Lab, LabError, Report, count, milliseconds};
use load::Latencies;
use tokio::task::JoinSet;

use self::ways::{Folder, GROUP, Tally, Way};
use super::scratch::Scratch;

pub(super) struct HotAccount;

const TABLES: &str = "
CREATE TABLE account (id int PRIMARY KEY, balance bigint NOT NULL, version bigint NOT NULL DEFAULT 0);
CREATE TABLE entry (id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, payer int NOT NULL, amount bigint NOT NULL);
INSERT INTO account SELECT id, 0 FROM generate_series(0, 32) AS id;
";

/// Payers, each with a connection of its own; they all pay account 0.
const PAYERS: u32 = 32;

/// What came of one arm.
struct Seen {
    tally: Tally,
    latencies: Latencies,
    took: Duration,
}

#[async_trait]
impl Lab for HotAccount {
    fn name(&self) -> &'static str {
        "hot-account"
    }

    fn about(&self) -> &'static str {
        "32 payers pay one merchant: row locks, optimistic versions, serializable transactions, and group commit"
    }

    fn pattern(&self) -> &'static str {
        "group commit of transfers"
    }

    async fn run(&self, bench: &Bench) -> Result<Report, LabError> {
        let each = bench.either(60, 8);
        let columns = [
            ("transfers", ""),
            ("transactions", ""),
            ("tried in vain", ""),
            ("per second", ""),
            ("p50", "ms"),
            ("p99", "ms"),
        ];
        let mut report = Report::new(self, bench, &columns);
        report.setting.push(format!(
            "{PAYERS} payers make {each} transfers each to one account, the next as soon as the last is durable; PostgreSQL, synchronous_commit=on"
        ));
        let mut bars = Vec::new();
        for way in Way::ALL {
            let seen = run_arm(bench, way, each).await?;
            let per_second = count(seen.tally.transfers) / seen.took.as_secs_f64();
            report.arm(
                way.name(),
                vec![
                    count(seen.tally.transfers),
                    count(seen.tally.transactions),
                    count(seen.tally.in_vain),
                    per_second,
                    milliseconds(seen.latencies.quantile(0.5)),
                    milliseconds(seen.latencies.quantile(0.99)),
                ],
            );
            bars.push((way.name().to_owned(), vec![per_second]));
        }
        report.figure = Figure::bars("One hot account", "transfers a second", &["all payers"], bars);
        report.sentence = sentence(&report);
        Ok(report)
    }
}

async fn run_arm(bench: &Bench, way: Way, each: u32) -> Result<Seen, LabError> {
    let scratch = Scratch::begin(bench, TABLES).await?;
    let began = bench.clock.monotonic();
    let (mut tally, mut latencies) = (Tally::default(), Latencies::default());
    let mut payers = JoinSet::new();
    let folder = match way {
        Way::GroupCommit => Some(Arc::new(Folder::start(scratch.connect().await?))),
        _ => None,
    };
    for payer in 1..=PAYERS {
        let (clock, folder) = (bench.clock.clone(), folder.clone());
        let mut connection = match folder {
            Some(_) => None,
            None => Some(scratch.connect().await?),
        };
        payers.spawn(async move {
            let (mut tally, mut latencies) = (Tally::default(), Latencies::default());
            for _ in 0..each {
                let began = clock.monotonic();
                match (&mut connection, &folder) {
                    (Some(connection), _) => way.transfer(connection, payer, &mut tally).await?,
                    (None, Some(folder)) => folder.transfer(payer).await?,
                    (None, None) => {}
                }
                tally.transfers += 1;
                latencies.record(clock.monotonic().saturating_sub(began));
            }
            Ok::<_, LabError>((tally, latencies))
        });
    }
    while let Some(done) = payers.join_next().await {
        let (of_one, times) = done.map_err(LabError::while_("paying"))??;
        tally.add(of_one);
        latencies.add(&times);
    }
    let took = bench.clock.monotonic().saturating_sub(began);
    if let Some(folder) = folder {
        tally.transactions += folder.commits();
    }
    conserved(&scratch, tally.transfers).await?;
    scratch.end().await?;
    Ok(Seen {
        tally,
        latencies,
        took,
    })
}

/// Fast and wrong would be no result: the merchant has what was paid, entry by entry, and the sum over all is zero.
async fn conserved(scratch: &Scratch, transfers: u64) -> Result<(), LabError> {
    let mut connection = scratch.connect().await?;
    let (sum, merchant, entries): (i64, i64, i64) = sqlx::query_as(
        "SELECT (SELECT sum(balance) FROM account)::bigint, (SELECT balance FROM account WHERE id = 0), (SELECT count(*) FROM entry)",
    )
    .fetch_one(&mut connection)
    .await
    .map_err(LabError::while_("reading the accounts"))?;
    let expected = i64::try_from(transfers).unwrap_or_default();
    if (sum, merchant, entries) == (0, expected, expected) {
        return Ok(());
    }
    Err(LabError::while_("counting the money")(format!(
        "{transfers} transfers of 1 left {merchant} at the merchant, {entries} entries, and {sum} in all"
    )))
}

fn sentence(report: &Report) -> String {
    let of = |way: Way, column| report.value(way.name(), column).unwrap_or_default();
    format!(
        "The same {:.0} transfers took {:.0} transactions with row locks and {:.0} in groups, {:.1} times as many transfers a second; versions failed \
         {:.0} times and serializable transactions {:.0} times before they had all made theirs.",
        of(Way::RowLocks, "transfers"),
        of(Way::RowLocks, "transactions"),
        of(GROUP, "transactions"),
        of(GROUP, "per second") / of(Way::RowLocks, "per second"),
        of(Way::Optimistic, "tried in vain"),
        of(Way::Serializable, "tried in vain"),
    )
}

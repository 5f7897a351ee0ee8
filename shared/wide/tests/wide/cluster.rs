//! Three nodes with three copies, and one of them killed.

use testkit::engines::OwnCluster;
use testkit::skips;
use wide::{Level, Serial, Statement, Wide, WideError, WideSettings};

use crate::{connect, eventually};

const CLAIM: Statement = Statement::conditional(
    "claim_thing",
    "INSERT INTO {keyspace}.things (part, item, note) VALUES (?, ?, ?) IF NOT EXISTS",
    Level::Quorum,
    Serial::Global,
);
const PUT: Statement = Statement::write(
    "put_thing",
    "INSERT INTO {keyspace}.things (part, item, note) VALUES (?, ?, ?)",
    Level::Quorum,
)
.idempotent();
const PUT_ALL: Statement = Statement::write(
    "put_thing_everywhere",
    "INSERT INTO {keyspace}.things (part, item, note) VALUES (?, ?, ?)",
    Level::All,
);
const NOW: Statement = Statement::read(
    "thing_now",
    "SELECT note FROM {keyspace}.things WHERE part = ? AND item = ?",
    Level::Serial,
);

/// Partitions to try: with as many, each node is the first of some.
const PARTITIONS: i64 = 20;

#[tokio::test]
async fn with_one_of_three_nodes_killed_quorums_go_on_and_with_two_the_loss_is_certain() {
    let test = "with_one_of_three_nodes_killed";
    if !skips::nightly() {
        return;
    }
    let Some(mut cluster) = OwnCluster::start(test).await else {
        return;
    };
    let settings = WideSettings {
        speculate_after_ms: 200,
        ..crate::settings()
    };
    let url = format!("{}/cluster?replication=3", cluster.url());
    let wide = connect(&url, settings).await.unwrap();
    // Nodes find each other after they answer: three copies need three nodes that agree.
    eventually("the schema is agreed on", || async {
        wide.migrate(crate::MIGRATIONS).await.is_ok()
    })
    .await;
    eventually("all three are up", || async {
        wide.execute(&PUT_ALL, ("all", 0_i64, "x")).await.is_ok()
    })
    .await;
    claim_all(&wide, "before").await;

    cluster.kill(1);
    claim_all(&wide, "after").await;
    for part in ["before", "after"] {
        for item in 0..PARTITIONS {
            let row: Option<(Option<String>,)> =
                wide.row(&NOW, (format!("{part}-{item}"), item)).await.unwrap();
            assert_eq!(row, Some((Some("mine".to_owned()),)), "{part} {item}");
        }
    }
    eventually(
        "the level of all is refused before anything is written",
        || async {
            let refused = wide.execute(&PUT_ALL, ("all", 1_i64, "x")).await;
            matches!(refused, Err(WideError::Unavailable(_)))
        },
    )
    .await;
    wide.probe().await.unwrap();

    cluster.kill(2);
    eventually("a quorum is refused before anything is written", || async {
        let refused = wide.conditional(&CLAIM, ("late", 1_i64, "x")).await;
        matches!(refused, Err(WideError::Unavailable(_)))
    })
    .await;
    assert!(wide.probe().await.is_err());
}

/// Claims in many partitions. A try that the killed node took with it is repeated, and told its own row.
async fn claim_all(wide: &Wide, part: &str) {
    for item in 0..PARTITIONS {
        let part = format!("{part}-{item}");
        eventually("the claim stands", || async {
            match wide.conditional(&CLAIM, (part.as_str(), item, "mine")).await {
                Ok(answer) => {
                    answer.applied || answer.row().unwrap().get("note").unwrap() == Some("mine".to_owned())
                }
                Err(error) => {
                    assert!(error.is_unknown() || error.retryable(), "{error:?}");
                    false
                }
            }
        })
        .await;
        wide.execute(&PUT, (part.as_str(), -1_i64, "x")).await.unwrap();
    }
}

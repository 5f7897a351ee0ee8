//! Three nodes with three copies, and one of them killed.

use std::fs::File;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use engines::{Answer, Kind, Process};
use testkit::platform::PortBlock;
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

/// Equal parts of the ring: nobody has to ask for a place in it.
const TOKENS: [&str; 3] = [
    "-9223372036854775807",
    "-3074457345618258602",
    "3074457345618258603",
];
/// Partitions to try: with as many, each node is the first of some.
const PARTITIONS: i64 = 20;
const ASK_TIMEOUT: Duration = Duration::from_secs(2);

/// Three private nodes; dropping them kills them and removes their data.
struct Cluster {
    nodes: Vec<(PathBuf, Child)>,
    ports: PortBlock,
}

impl Cluster {
    /// Starts the nodes and waits until each answers; `None` after skipping `test` aloud.
    async fn start(test: &str) -> Option<Self> {
        let script = engines::scripts().join("cql/start.sh");
        let found = Command::new("bash").arg(&script).arg("--found").output().unwrap();
        if !found.status.success() {
            let why = String::from_utf8_lossy(&found.stderr).trim().to_owned();
            skips::skip_engine(test, &why);
            return None;
        }
        let own = engines::state().join("own");
        std::fs::create_dir_all(&own).unwrap();
        let mut cluster = Self {
            nodes: Vec::new(),
            ports: PortBlock::reserve(),
        };
        let storage = cluster.ports.base() + 1;
        // All are seeds: they start together, and none can wait for another.
        let seeds: Vec<String> = (1..=3).map(|node| format!("127.0.0.{node}:{storage}")).collect();
        for (node, token) in (1_u8..).zip(TOKENS) {
            let folder = own.join(testkit::engines::fresh_name("cluster"));
            std::fs::create_dir(&folder).unwrap();
            let log = File::create(folder.join("log")).unwrap();
            let child = Command::new("bash")
                .arg(&script)
                .arg(&folder)
                .arg(cluster.ports.base().to_string())
                .args([
                    &format!("127.0.0.{node}"),
                    &storage.to_string(),
                    &seeds.join(","),
                    token,
                ])
                .env("ORRERY_ENGINES_TOOLS", engines::tools())
                .stdin(Stdio::null())
                .stderr(log.try_clone().unwrap())
                .stdout(log)
                .spawn()
                .unwrap();
            // The next run kills what a killed one leaves behind.
            let pids = [Process::of(child.id()), Process::own()].map(|process| process.unwrap().to_string());
            std::fs::write(folder.join("pids"), pids.join(" ")).unwrap();
            cluster.nodes.push((folder, child));
        }
        for node in 0..3 {
            let address = cluster.address(node);
            eventually("the node answers", || async {
                matches!(
                    engines::ask(Kind::Cql, address, ASK_TIMEOUT),
                    Ok(Answer::Ready(_))
                )
            })
            .await;
        }
        Some(cluster)
    }

    fn address(&self, node: u8) -> SocketAddr {
        SocketAddr::from(([127, 0, 0, node + 1], self.ports.base()))
    }

    fn url(&self) -> String {
        let nodes: Vec<String> = (0..3).map(|node| self.address(node).to_string()).collect();
        format!("scylla://{}/cluster?replication=3", nodes.join(","))
    }

    fn kill(&mut self, node: usize) {
        let child = &mut self.nodes[node].1;
        let _ = child.kill();
        let _ = child.wait();
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        for node in 0..self.nodes.len() {
            self.kill(node);
            engines::remove(&self.nodes[node].0);
        }
    }
}

#[tokio::test]
async fn with_one_of_three_nodes_killed_quorums_go_on_and_with_two_the_loss_is_certain() {
    let test = "with_one_of_three_nodes_killed";
    if !skips::nightly() {
        return;
    }
    let Some(mut cluster) = Cluster::start(test).await else {
        return;
    };
    let settings = WideSettings {
        speculate_after_ms: 200,
        ..crate::settings()
    };
    let wide = connect(&cluster.url(), settings).await.unwrap();
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

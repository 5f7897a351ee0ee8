//! Sessions on a real CQL server.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on says where")]

mod cluster;
mod conditions;
mod faults;
mod levels;
mod migrations;
mod queries;

use std::sync::OnceLock;
use std::time::Duration;

use clock::SystemClock;
use telemetry::{Telemetry, TelemetrySettings};
use testkit::engines::{self, Kind};
use tokio::time::{Instant, sleep};
use wide::{Level, Migration, Statement, Wide, WideError, WideSettings};

/// The tables of all tests here. A test keeps to partitions of its own.
pub(crate) const MIGRATIONS: &[Migration] = &[Migration::expand(
    1,
    "things",
    "CREATE TABLE IF NOT EXISTS {keyspace}.things \
     (part text, item bigint, owner bigint static, note text, PRIMARY KEY (part, item));",
)];

pub(crate) fn telemetry() -> Telemetry {
    Telemetry::new(
        "wide-test",
        "1",
        &TelemetrySettings::default(),
        SystemClock::shared(),
    )
    .unwrap()
}

pub(crate) fn settings() -> WideSettings {
    WideSettings {
        read_deadline_ms: 20_000,
        write_deadline_ms: 20_000,
        probe_timeout_ms: 10_000,
        connect_timeout_ms: 60_000,
        ..WideSettings::default()
    }
}

/// A handle on whatever `url` names.
pub(crate) async fn connect(url: &str, settings: WideSettings) -> Result<Wide, WideError> {
    Wide::connect(url, settings, telemetry(), SystemClock::shared()).await
}

/// The keyspace of this run, which all tests share: a schema change is slow, and each table costs the server memory. It is
/// named after the process, and the next run drops what is left of those that have ended.
pub(crate) fn keyspace() -> &'static str {
    static NAME: OnceLock<String> = OnceLock::new();
    NAME.get_or_init(|| engines::fresh_name(&format!("wide{}_", std::process::id())))
}

/// A handle on the run's keyspace with its tables, and the server's base URL; `None` if there is no server.
pub(crate) async fn on_engine(test: &str) -> Option<(String, Wide)> {
    let base = engines::url(Kind::Cql, test)?;
    let wide = connect(&format!("{base}/{}", keyspace()), settings())
        .await
        .unwrap();
    sweep(&base, &wide).await;
    wide.migrate(MIGRATIONS).await.unwrap();
    Some((base, wide))
}

/// Drops the keyspaces of runs whose process has ended, once in a run.
async fn sweep(base: &str, wide: &Wide) {
    const KEYSPACES: Statement = Statement::read(
        "keyspaces",
        "SELECT keyspace_name FROM system_schema.keyspaces",
        Level::One,
    );
    static SWEPT: OnceLock<()> = OnceLock::new();
    if SWEPT.set(()).is_err() {
        return;
    }
    for (name,) in wide.rows::<(String,)>(&KEYSPACES, ()).await.unwrap() {
        let process = name.strip_prefix("wide").and_then(|rest| rest.split('_').next());
        let Some(process) = process.and_then(|process| process.parse::<u32>().ok()) else {
            continue;
        };
        if !std::path::Path::new(&format!("/proc/{process}")).exists() {
            let left = connect(&format!("{base}/{name}"), settings()).await.unwrap();
            // Another run may sweep at the same time.
            let _ = left.drop_keyspace(&name).await;
        }
    }
}

/// Asks until the answer is yes, and fails after a minute.
pub(crate) async fn eventually<F: Future<Output = bool>>(what: &str, mut ask: impl FnMut() -> F) {
    let deadline = Instant::now() + Duration::from_mins(1);
    while !ask().await {
        assert!(Instant::now() < deadline, "never came true: {what}");
        sleep(Duration::from_millis(50)).await;
    }
}

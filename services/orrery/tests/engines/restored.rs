//! A backup and the log since bring the ledger back as it was at a moment, as a server of its own: the chain verifies, and the trial balance is what it
//! was then.

mod server;

use std::path::Path;
use std::time::Duration;

use http::Method;
use serde_json::{Value, json};
use sqlx::ConnectOptions as _;
use sqlx::postgres::PgConnectOptions;
use testkit::engines::{Kind, OwnEngine, fresh_name};
use tokio::process::Command;

use super::client::Api;
use super::money_fleet::MoneyFleet;
use super::standby::verified;
use crate::payment::PAYMENT;
use crate::payment::money::Clients;
use server::Server;

/// How long clients go on at a time.
const BUSY: Duration = Duration::from_secs(4);
/// Nothing is written for so long around the moment that is restored.
const QUIET: Duration = Duration::from_millis(1_500);
/// A finished piece of the log is in the archive within this; a backup is made within it too.
const WITHIN: Duration = Duration::from_mins(2);
const LOOK_AGAIN: Duration = Duration::from_millis(100);

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nightly_a_backup_and_its_log_bring_back_the_ledger_of_a_moment() {
    let test = "nightly_a_backup_and_its_log_bring_back_the_ledger_of_a_moment";
    if !testkit::skips::nightly() {
        println!("skipped: set ORRERY_NIGHTLY=1 to restore a backup");
        return;
    }
    let _turn = crate::turn::shared().await;
    let Some(nats) = OwnEngine::start(Kind::Nats, test).await else {
        return;
    };
    let folder = open_folder();
    let archive = folder.path().join("log");
    std::fs::create_dir(&archive).expect("a folder for the log");
    everybodys(&archive);
    let Some(postgres) = Server::archived(test, &archive).await else {
        return;
    };
    let schema = fresh_name("payment");
    let database = |server: &Server| format!("{}?schema={schema}", server.url());
    let fleet = MoneyFleet::start(&database(&postgres), &nats.url()).await;
    let token = fleet.token().await;

    let clients = Clients::start(&fleet.gateway.url(), &token, "restored-first", 1).await;
    tokio::time::sleep(BUSY / 2).await;
    // While they go on.
    let backup = folder.path().join("backup");
    postgres.back_up(&backup).await;
    tokio::time::sleep(BUSY / 2).await;
    clients.stop().await;
    paid(&postgres, &schema).await;
    tokio::time::sleep(QUIET).await;
    let moment = now(&postgres).await;
    let then = trial_balance(&fleet.gateway.url(), &token, Some(&moment)).await;
    assert_eq!(then["totals"][0]["balanced"], true, "{then}");
    tokio::time::sleep(QUIET).await;

    // What comes later is in the log too, and must not come back.
    let clients = Clients::start(&fleet.gateway.url(), &token, "restored-later", 2).await;
    tokio::time::sleep(BUSY).await;
    clients.stop().await;
    let later = trial_balance(&fleet.gateway.url(), &token, None).await;
    assert_ne!(later["lines"], then["lines"], "something was moved later");
    archived(&postgres).await;

    // As `docs/backup.md` writes it: the server takes no `Z`.
    let to = moment.replace('T', " ").replace('Z', "+00");
    let restored = Server::restored(&backup, &archive, &to).await;
    verified(&fleet, &database(&restored)).await;
    let (payment, _ports) = fleet.another_payment(&database(&restored)).await;
    let url = payment.api_url(PAYMENT);
    assert_eq!(trial_balance(&url, &token, Some(&moment)).await, then);
    let newest = trial_balance(&url, &token, None).await;
    assert_eq!(
        newest["lines"], then["lines"],
        "nothing of what came later is there"
    );
    // And it goes on from there.
    let api = Api::new(&url, &token);
    let account = json!({"currency": "EUR", "kind": "asset"});
    let (status, body) = api
        .send(Method::POST, "/v1/accounts", Some(&account), Some("after"))
        .await;
    assert_eq!(status, http::StatusCode::CREATED, "{body}");
}

/// The server may run as a user of its own, which must reach it.
fn open_folder() -> tempfile::TempDir {
    let folder = tempfile::tempdir().expect("a temporary folder");
    everybodys(folder.path());
    folder
}

fn everybodys(folder: &Path) {
    use std::os::unix::fs::PermissionsExt as _;
    std::fs::set_permissions(folder, std::fs::Permissions::from_mode(0o777)).expect("our own folder");
}

async fn asked(server: &Server, schema: &str, query: &'static str) -> String {
    let mut connection = server
        .url()
        .parse::<PgConnectOptions>()
        .expect("a URL")
        .options([("search_path", schema)])
        .connect()
        .await
        .expect("the server takes a connection");
    sqlx::query_scalar(query)
        .fetch_one(&mut connection)
        .await
        .expect("the server answers")
}

/// Waits until it answers `true`.
async fn until(server: &Server, schema: &str, query: &'static str, what: &str) {
    let waiting = async {
        while asked(server, schema, query).await != "true" {
            tokio::time::sleep(LOOK_AGAIN).await;
        }
    };
    assert!(
        tokio::time::timeout(WITHIN, waiting).await.is_ok(),
        "{what}: not within {WITHIN:?}"
    );
}

/// Every payment has come to its end.
async fn paid(server: &Server, schema: &str) {
    let query = "SELECT (count(*) = 0)::text FROM payment WHERE due_ms IS NOT NULL";
    until(server, schema, query, "every payment ends").await;
}

async fn now(server: &Server) -> String {
    let query = "SELECT to_char(clock_timestamp() AT TIME ZONE 'UTC', 'YYYY-MM-DD\"T\"HH24:MI:SS.MS\"Z\"')";
    asked(server, "public", query).await
}

/// The log to here is in the archive.
async fn archived(server: &Server) {
    let query = "SELECT pg_walfile_name(pg_switch_wal())";
    let newest = asked(server, "public", query).await;
    let waiting = async {
        loop {
            let query = "SELECT coalesce(max(last_archived_wal), '') FROM pg_stat_archiver";
            if asked(server, "public", query).await >= newest {
                return;
            }
            tokio::time::sleep(LOOK_AGAIN).await;
        }
    };
    assert!(
        tokio::time::timeout(WITHIN, waiting).await.is_ok(),
        "{newest} is not archived within {WITHIN:?}"
    );
}

async fn trial_balance(url: &str, token: &str, as_of: Option<&str>) -> Value {
    let query = as_of.map(|moment| format!("?as_of={moment}")).unwrap_or_default();
    let path = format!("/v1/trial-balance{query}");
    let (status, body) = Api::new(url, token).send(Method::GET, &path, None, None).await;
    assert_eq!(status, http::StatusCode::OK, "{body}");
    body
}

/// Runs a script of `infra/engines/postgres` to its end.
async fn script(name: &str, arguments: &[String]) {
    let path = ::engines::scripts().join("postgres").join(name);
    let running = Command::new("bash")
        .arg(path)
        .args(arguments)
        .env("ORRERY_ENGINES_TOOLS", ::engines::tools())
        .kill_on_drop(true)
        .output();
    let output = tokio::time::timeout(WITHIN, running)
        .await
        .expect("the script ended")
        .expect("bash starts");
    assert!(
        output.status.success(),
        "{name}: {}{}",
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    );
}

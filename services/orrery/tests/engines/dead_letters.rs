//! `orrery dlq`, as an operator meets it: on both engines of the stream, beside running processes and without them.

use std::time::Duration;

use clock::{Clock as _, SystemClock};
use http::Method;
use nats::{Nats, NatsSettings};
use serde_json::{Value, json};
use sql::SqliteSettings;
use streams::{Event, Group, NatsStreamLog, SqliteStreamLog, StreamLog, StreamSettings};
use telemetry::{Telemetry, TelemetrySettings};
use testkit::platform::{Options, Platform};
use tokio::process::Command;

use super::client::Api;
use super::fleet::{EngineUrls, Fleet};
use crate::platform::binary;

const STREAM: &str = "visits";
/// Where an embedded shortener keeps it.
const FILE: &str = "streams.db";
/// The consumer that counts clicks.
const GROUP: &str = "statistics";
/// How long any condition may take to come true.
const PATIENCE: Duration = Duration::from_secs(20);

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn poison_is_listed_shown_and_replayed_once_while_the_fleet_runs() {
    let test = "poison_is_listed_shown_and_replayed_once_while_the_fleet_runs";
    let Some(engines) = EngineUrls::shared(test) else {
        return;
    };
    let _turn = crate::turn::shared().await;
    let fleet = Fleet::start(&engines).await;
    let (settings, telemetry, clock) = (NatsSettings::default(), telemetry(), SystemClock::shared());
    let nats = Nats::connect(&engines.nats, settings, telemetry.clone(), clock.clone())
        .await
        .unwrap();
    let log = NatsStreamLog::open(nats, StreamSettings::default(), telemetry, clock)
        .await
        .unwrap();
    poison_dies_and_dies_again(&fleet.shorteners[1], &log).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn poison_is_listed_shown_and_replayed_once_beside_the_embedded_platform() {
    let _turn = crate::turn::shared().await;
    let platform = Platform::start(binary(), eager()).await;
    let log = attach(&platform, FILE).await;
    poison_dies_and_dies_again(&platform, &log).await;
}

/// A poison event falls out of the stream; so does its replay, once.
async fn poison_dies_and_dies_again(platform: &Platform, log: &dyn StreamLog) {
    let none = dlq(platform, &["list"]).await;
    assert!(none.ok && none.out.contains("no dead letters wait"), "{none:?}");
    let none = dlq(platform, &["replay", "--all"]).await;
    assert!(none.ok && none.out.contains("no dead letters wait"), "{none:?}");

    let now_ms = SystemClock.unix_ms();
    let event = Event::new(
        "poison",
        "/test",
        "link.clicked",
        "0aB3xYz",
        now_ms,
        &json!({"no": "click"}),
    );
    log.publish(STREAM, &[event.unwrap()]).await.unwrap();
    let line = listed(platform, 1).await.remove(0);
    assert!(
        line.contains("waiting")
            && line.contains("event=poison")
            && line.contains("reason=no event of visits"),
        "{line}"
    );
    let id = id_of(&line);
    shows(platform, &id).await;
    refuses_what_is_not_there(platform, &id).await;

    let replayed = dlq(platform, &["replay", &id]).await;
    assert!(
        replayed.ok && replayed.out.contains(&format!("{id} replayed")),
        "{replayed:?}"
    );
    // Poison it stays: the consumer sets the replayed one aside as well.
    let lines = listed_with(platform, &["list", "--all"], 2).await;
    assert!(
        lines[0].starts_with(&id) && lines[0].contains("replayed"),
        "{lines:?}"
    );
    assert!(
        lines[1].contains("waiting") && lines[1].contains("event=poison"),
        "{lines:?}"
    );

    let again = dlq(platform, &["replay", &id]).await;
    assert!(
        !again.ok && again.err.contains(&format!("no dead letter {id} that waits")),
        "{again:?}"
    );
    until("every event is handled", async || {
        let lag = log.lag(STREAM).await.unwrap();
        lag.groups.iter().all(|group| group.events == 0)
    })
    .await;
    let all = dlq(platform, &["list", "--all"]).await;
    assert_eq!(all.out.lines().count(), 2, "one replay, one more letter: {all:?}");

    let rest = dlq(platform, &["replay", "--all"]).await;
    assert!(rest.ok && rest.out.lines().count() == 1, "{rest:?}");
    listed_with(platform, &["list", "--all"], 3).await;
}

async fn shows(platform: &Platform, id: &str) {
    let shown = dlq(platform, &["show", id]).await;
    let letter: Value = serde_json::from_str(&shown.out).unwrap();
    assert_eq!(
        (
            letter["id"].to_string(),
            &letter["stream"],
            &letter["group"],
            &letter["replayed_ms"],
            &letter["event"]["id"],
            &letter["event"]["data"]
        ),
        (
            id.to_owned(),
            &json!(STREAM),
            &json!(GROUP),
            &Value::Null,
            &json!("poison"),
            &json!({"no": "click"})
        ),
        "{letter}"
    );
}

async fn refuses_what_is_not_there(platform: &Platform, id: &str) {
    for (arguments, said) in [
        (&["show", "999999"][..], "no dead letter 999999"),
        (&["show", "0"], "count from 1"),
        (&["replay", "999999"], "no dead letter 999999"),
        (&["show", id, "--stream", "others"], "in `others`"),
        (&["replay"], "<IDS>"),
    ] {
        let refused = dlq(platform, arguments).await;
        assert!(
            !refused.ok && refused.out.is_empty() && refused.err.contains(said),
            "{arguments:?}: {refused:?}"
        );
    }
    let others = dlq(platform, &["list", "--stream", "others"]).await;
    assert!(others.ok && others.out.contains("`others`"), "{others:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn dead_clicks_of_a_stopped_platform_are_listed_and_count_once_replayed() {
    let _turn = crate::turn::shared().await;
    let mut platform = Platform::start(binary(), eager()).await;
    let token = platform
        .token("acme", "ada", &["links:read", "links:write"])
        .await;
    let api = Api::new(&platform.url(), &token);
    let link = json!({ "url": "https://example.com/", "alias": "popular" });
    let (_, link) = api.send(Method::POST, "/v1/links", Some(&link), Some("k1")).await;
    let link = link["id"].as_str().expect("a link has an id").to_owned();
    platform.terminate().await;

    for said in ["kept", "gone"] {
        give_up_clicks(&platform, &link, said).await;
    }
    let lines = listed(&platform, 2).await;
    assert!(
        lines[0].contains("reason=kept") && lines[1].contains("reason=gone"),
        "{lines:?}"
    );
    // One before the platform runs again, one while it does.
    assert!(dlq(&platform, &["replay", &id_of(&lines[0])]).await.ok);
    platform.restart().await;
    counted(&api, 3).await;
    assert!(dlq(&platform, &["replay", &id_of(&lines[1])]).await.ok);
    counted(&api, 6).await;
    // Its claims stood all the while: what comes now is counted too.
    api.follow("popular").await;
    counted(&api, 7).await;
    let all = dlq(&platform, &["list", "--all"]).await;
    assert_eq!(all.out.matches("replayed").count(), 2, "{all:?}");
}

#[tokio::test]
async fn a_look_where_no_platform_was_makes_no_file_and_says_what_to_do() {
    let folder = tempfile::tempdir().unwrap();
    for arguments in [&["list"][..], &["show", "1"], &["replay", "--all"]] {
        let mut command = Command::new(binary());
        for (name, _) in std::env::vars().filter(|(name, _)| name.starts_with("ORRERY_")) {
            command.env_remove(name);
        }
        command
            .arg("dlq")
            .args(arguments)
            .arg("--data")
            .arg(folder.path());
        let refused = run(command).await;
        assert!(!refused.ok && refused.err.contains("--data"), "{refused:?}");
    }
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0);
}

/// Three clicks on a link that a consumer gave up.
async fn give_up_clicks(platform: &Platform, link: &str, reason: &str) {
    let log = attach(platform, FILE).await;
    let now_ms = SystemClock.unix_ms();
    let visits = json!({ "producer": reason, "lane": 0, "seq": 1, "kinds": [{}], "links": [{
        "tenant": "acme", "link": link, "code": "popular", "from_ms": now_ms, "visits": [[0, 1, 7, 0], [5, 2, 8, 0]]
    }] });
    let event = Event::new(
        reason,
        "/shortener",
        "orrery.links.visited.v2",
        "lane-0",
        now_ms,
        &visits,
    )
    .unwrap();
    let partition = event.partition();
    log.publish(STREAM, &[event]).await.unwrap();
    let claims = log.claim(&Group::new(STREAM, GROUP), "test").await.unwrap();
    let claim = claims.iter().find(|claim| claim.partition == partition);
    let claim = claim.expect("the platform gave its claims back when it stopped");
    let delivered = log.next(claim, None, 1).await.unwrap();
    log.dead_letter(claim, &delivered[0], reason).await.unwrap();
    for claim in claims {
        log.release(&claim).await.unwrap();
    }
    log.sql().close().await;
}

async fn counted(api: &Api, clicks: u64) {
    until(&format!("{clicks} clicks are counted"), async || {
        let (_, link) = api.send(Method::GET, "/v1/links/popular", None, None).await;
        link["clicks"].as_u64() == Some(clicks)
    })
    .await;
}

/// An embedded platform that looks often for what others published: nobody wakes it.
pub(crate) fn eager() -> Options {
    Options::default().env("ORRERY_SHORTENER_CONSUMER_POLL_MS", "100")
}

/// Publishes events to an embedded platform that nobody there can handle: one of links, and one of a payment that nobody made.
pub(crate) async fn poison(platform: &Platform) {
    let now_ms = SystemClock.unix_ms();
    for (file, stream, kind) in [
        (FILE, STREAM, "link.clicked"),
        ("payment-streams.db", "payment", "payment.captured"),
    ] {
        let event = Event::new(
            "poison",
            "/test",
            kind,
            "0aB3xYz",
            now_ms,
            &json!({"no": "click"}),
        );
        let log = attach(platform, file).await;
        log.publish(stream, &[event.unwrap()]).await.unwrap();
    }
}

async fn attach(platform: &Platform, file: &str) -> SqliteStreamLog {
    SqliteStreamLog::attach(
        platform.data().join(file),
        SqliteSettings::default(),
        StreamSettings::default(),
        telemetry(),
        SystemClock::shared(),
    )
    .await
    .unwrap()
}

fn telemetry() -> Telemetry {
    let settings = TelemetrySettings::default();
    Telemetry::new("test", "1", &settings, SystemClock::shared()).unwrap()
}

#[derive(Debug)]
struct Said {
    out: String,
    err: String,
    ok: bool,
}

/// With the settings and the folder of this process.
async fn dlq(platform: &Platform, arguments: &[&str]) -> Said {
    let mut command = platform.command(&[&["dlq"], arguments].concat());
    command.arg("--data").arg(platform.data());
    run(command).await
}

async fn run(mut command: Command) -> Said {
    let output = command.output().await.unwrap();
    Said {
        out: String::from_utf8(output.stdout).unwrap(),
        err: String::from_utf8(output.stderr).unwrap(),
        ok: output.status.success(),
    }
}

async fn listed(platform: &Platform, letters: usize) -> Vec<String> {
    listed_with(platform, &["list"], letters).await
}

/// The lines, once there are as many letters.
async fn listed_with(platform: &Platform, arguments: &[&str], letters: usize) -> Vec<String> {
    let mut lines = Vec::new();
    until(&format!("{letters} letters are listed"), async || {
        let said = dlq(platform, arguments).await;
        assert!(said.ok, "{said:?}");
        lines = said
            .out
            .lines()
            .filter(|line| line.contains("group="))
            .map(str::to_owned)
            .collect();
        lines.len() >= letters
    })
    .await;
    assert_eq!(lines.len(), letters, "{lines:?}");
    lines
}

fn id_of(line: &str) -> String {
    line.split_whitespace()
        .next()
        .expect("a line begins with the id")
        .to_owned()
}

async fn until(what: &str, mut is_so: impl AsyncFnMut() -> bool) {
    let waited = tokio::time::timeout(PATIENCE, async {
        while !is_so().await {
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    });
    assert!(waited.await.is_ok(), "{what}: not within {PATIENCE:?}");
}

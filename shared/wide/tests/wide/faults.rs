//! The cluster goes away and comes back.

use std::time::Duration;

use testkit::engines::{self, Kind, OwnEngine};
use testkit::proxy::FaultProxy;
use tokio::net::TcpListener;
use wide::{Level, Serial, Statement, Wide, WideError, WideSettings};

use crate::{connect, eventually, on_engine};

const PUT: Statement = Statement::write(
    "put_thing",
    "INSERT INTO {keyspace}.things (part, item, note) VALUES (?, ?, ?)",
    Level::Quorum,
);
const PUT_AGAIN: Statement = PUT.idempotent();
const CLAIM: Statement = Statement::conditional(
    "claim_thing",
    "INSERT INTO {keyspace}.things (part, item, note) VALUES (?, ?, ?) IF NOT EXISTS",
    Level::Quorum,
    Serial::Global,
);
const NOW: Statement = Statement::read(
    "thing_now",
    "SELECT note FROM {keyspace}.things WHERE part = ? AND item = ?",
    Level::Serial,
);

/// A handle that reaches the engine through a proxy only, and one beside it.
async fn through_a_proxy(test: &str, settings: WideSettings) -> Option<(FaultProxy, Wide, Wide)> {
    let (_, direct) = on_engine(test).await?;
    let proxy = FaultProxy::to(engines::address(Kind::Cql, test)?).await;
    let url = format!("scylla://{}/{}", proxy.address(), direct.keyspace());
    let wide = connect(&url, settings).await.unwrap();
    wide.prepare(&[&PUT, &PUT_AGAIN, &CLAIM, &NOW]).await.unwrap();
    wide.probe().await.unwrap();
    Some((proxy, wide, direct))
}

fn hasty() -> WideSettings {
    WideSettings {
        read_deadline_ms: 1_000,
        write_deadline_ms: 1_000,
        probe_timeout_ms: 1_000,
        ..crate::settings()
    }
}

async fn note(wide: &Wide, part: &str, item: i64) -> Option<String> {
    let row: Option<(Option<String>,)> = wide.row(&NOW, (part, item)).await.unwrap();
    row.and_then(|(note,)| note)
}

#[tokio::test]
async fn a_cluster_that_is_away_at_the_start_is_an_error_and_not_a_wait() {
    // Bound and closed again: nothing listens there.
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    drop(listener);
    let away = connect(&format!("scylla://{address}/k"), hasty())
        .await
        .unwrap_err();
    assert!(
        matches!(away, WideError::Unavailable(_)) && away.retryable(),
        "{away:?}"
    );

    // One that takes the connection and says nothing.
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let settings = WideSettings {
        connect_timeout_ms: 300,
        ..hasty()
    };
    let mute = connect(&format!("scylla://{address}/k"), settings)
        .await
        .unwrap_err();
    assert!(mute.retryable(), "{mute:?}");
}

#[tokio::test]
async fn a_stalled_cluster_is_a_deadline_for_reads_and_unknown_for_writes() {
    let test = "a_stalled_cluster";
    let Some((proxy, wide, _)) = through_a_proxy(test, hasty()).await else {
        return;
    };
    proxy.stall();
    let read = wide
        .row::<(Option<String>,)>(&NOW, ("stall", 1_i64))
        .await
        .unwrap_err();
    assert!(
        matches!(read, WideError::Deadline) && read.retryable(),
        "{read:?}"
    );
    let write = wide.execute(&PUT, ("stall", 1_i64, "x")).await.unwrap_err();
    assert!(write.is_unknown() && !write.retryable(), "{write:?}");
    let claim = wide.conditional(&CLAIM, ("stall", 2_i64, "x")).await.unwrap_err();
    assert!(claim.is_unknown(), "{claim:?}");
    let probe = wide.probe().await.unwrap_err();
    assert!(probe.retryable(), "{probe:?}");
    proxy.heal();
    eventually("the healed cluster is healthy", || async {
        wide.probe().await.is_ok()
    })
    .await;
}

#[tokio::test]
async fn a_lost_cluster_refuses_and_is_found_again_without_a_restart() {
    let test = "a_lost_cluster";
    let Some((proxy, wide, _)) = through_a_proxy(test, hasty()).await else {
        return;
    };
    proxy.cut();
    eventually("a read is refused for want of a connection", || async {
        let read = wide.row::<(Option<String>,)>(&NOW, ("lost", 1_i64)).await;
        matches!(read, Err(WideError::Unavailable(_)))
    })
    .await;
    // Nothing was sent, and the error says so.
    let write = wide.execute(&PUT, ("lost", 1_i64, "x")).await.unwrap_err();
    assert!(matches!(write, WideError::Unavailable(_)), "{write:?}");
    assert!(wide.probe().await.is_err());
    proxy.heal();
    eventually("the cluster is found again", || async {
        wide.probe().await.is_ok()
    })
    .await;
    wide.execute(&PUT, ("lost", 1_i64, "x")).await.unwrap();
}

#[tokio::test]
async fn a_claim_whose_answer_is_lost_is_unknown_and_a_serial_read_settles_it() {
    let test = "a_claim_whose_answer_is_lost";
    let Some((proxy, wide, direct)) = through_a_proxy(test, crate::settings()).await else {
        return;
    };
    proxy.cut_after(b"done-unseen");
    let claim = wide
        .conditional(&CLAIM, ("unseen", 1_i64, "done-unseen"))
        .await
        .unwrap_err();
    assert!(claim.is_unknown(), "{claim:?}");
    assert_eq!(note(&direct, "unseen", 1).await.as_deref(), Some("done-unseen"));
    // Repeating it is refused by its own row: that is how the caller learns that it was done.
    proxy.heal();
    eventually("the cluster is found again", || async {
        wide.probe().await.is_ok()
    })
    .await;
    let again = wide
        .conditional(&CLAIM, ("unseen", 1_i64, "done-unseen"))
        .await
        .unwrap();
    let told: Option<String> = again.row().unwrap().get("note").unwrap();
    assert_eq!(told.as_deref(), Some("done-unseen"));

    proxy.cut_before(b"never-came");
    let claim = wide
        .conditional(&CLAIM, ("unseen", 2_i64, "never-came"))
        .await
        .unwrap_err();
    assert!(claim.is_unknown(), "{claim:?}");
    assert_eq!(note(&direct, "unseen", 2).await, None);
}

#[tokio::test]
async fn an_idempotent_write_is_repeated_until_it_is_known_to_stand_and_no_other_is() {
    let test = "an_idempotent_write_is_repeated";
    let settings = WideSettings {
        write_deadline_ms: 60_000,
        ..crate::settings()
    };
    let Some((proxy, wide, direct)) = through_a_proxy(test, settings).await else {
        return;
    };
    proxy.cut_before(b"only-once");
    let once = wide
        .execute(&PUT, ("repeat", 1_i64, "only-once"))
        .await
        .unwrap_err();
    assert!(once.is_unknown(), "{once:?}");
    proxy.heal();
    eventually("the cluster is found again", || async {
        wide.probe().await.is_ok()
    })
    .await;
    assert_eq!(note(&direct, "repeat", 1).await, None);

    proxy.cut_before(b"until-it-stands");
    let healed = async {
        eventually("the first try is lost", || async { proxy.is_cut() }).await;
        proxy.heal();
    };
    let (written, ()) = tokio::join!(
        wide.execute(&PUT_AGAIN, ("repeat", 2_i64, "until-it-stands")),
        healed
    );
    written.unwrap();
    assert_eq!(
        note(&direct, "repeat", 2).await.as_deref(),
        Some("until-it-stands")
    );
}

#[tokio::test]
async fn a_write_that_may_stand_stays_unknown_when_its_repetitions_are_refused() {
    let test = "a_write_that_may_stand_stays_unknown";
    let settings = WideSettings {
        write_deadline_ms: 2_000,
        ..crate::settings()
    };
    let Some((proxy, wide, direct)) = through_a_proxy(test, settings).await else {
        return;
    };
    proxy.cut_after(b"stands-unseen");
    let write = wide
        .execute(&PUT_AGAIN, ("stands", 1_i64, "stands-unseen"))
        .await
        .unwrap_err();
    assert!(write.is_unknown(), "{write:?}");
    assert_eq!(note(&direct, "stands", 1).await.as_deref(), Some("stands-unseen"));
}

#[tokio::test]
async fn answers_that_vanish_are_noticed_and_the_connection_given_up() {
    let test = "answers_that_vanish";
    let settings = WideSettings {
        keepalive_ms: 200,
        ..hasty()
    };
    let Some((proxy, wide, _)) = through_a_proxy(test, settings).await else {
        return;
    };
    proxy.half_open();
    let claim = wide.conditional(&CLAIM, ("half", 1_i64, "x")).await.unwrap_err();
    assert!(claim.is_unknown(), "{claim:?}");
    proxy.heal();
    eventually("the cluster is found again", || async {
        wide.probe().await.is_ok()
    })
    .await;
}

#[tokio::test]
async fn an_address_that_a_node_gives_is_translated() {
    let test = "an_address_that_a_node_gives";
    let Some((_, direct)) = on_engine(test).await else {
        return;
    };
    let engine = engines::address(Kind::Cql, test).unwrap();
    let proxy = FaultProxy::to(engine).await;
    // The first contact is direct; the node is then reached where the rule says.
    let url = format!(
        "scylla://{engine}/{}?translate={engine}={}",
        direct.keyspace(),
        proxy.address()
    );
    let wide = connect(&url, hasty()).await.unwrap();
    wide.probe().await.unwrap();
    assert!(proxy.accepted() > 0);
    proxy.cut();
    eventually("requests take the translated way", || async {
        let read = tokio::time::timeout(Duration::from_secs(5), wide.probe()).await;
        matches!(read, Ok(Err(_)))
    })
    .await;
}

#[tokio::test]
async fn a_slow_or_narrow_way_is_still_a_way() {
    let test = "a_slow_or_narrow_way";
    let Some((proxy, wide, _)) = through_a_proxy(test, crate::settings()).await else {
        return;
    };
    proxy.slow(Duration::from_millis(100));
    wide.execute(&PUT, ("slow", 1_i64, "x")).await.unwrap();
    proxy.throttle(2_000);
    let long = "y".repeat(4_000);
    wide.execute(&PUT, ("slow", 2_i64, long.as_str())).await.unwrap();
    proxy.heal();
    assert_eq!(note(&wide, "slow", 2).await, Some(long));
}

#[tokio::test]
async fn requests_under_way_are_bounded_and_the_next_one_is_refused_at_its_deadline() {
    let test = "requests_under_way_are_bounded";
    let settings = WideSettings {
        requests_max: 1,
        read_deadline_ms: 500,
        write_deadline_ms: 30_000,
        ..crate::settings()
    };
    let Some((proxy, wide, _)) = through_a_proxy(test, settings).await else {
        return;
    };
    proxy.stall();
    let holder = wide.clone();
    let held = tokio::spawn(async move { holder.execute(&PUT, ("room", 1_i64, "x")).await });
    eventually("the one place is taken", || async {
        let read = wide.row::<(Option<String>,)>(&NOW, ("room", 1_i64)).await;
        matches!(read, Err(WideError::Overloaded))
    })
    .await;
    proxy.heal();
    held.await.unwrap().unwrap();
}

#[tokio::test]
async fn nothing_acknowledged_is_gone_after_the_server_was_killed_and_it_is_found_again() {
    let test = "nothing_acknowledged_is_gone";
    let Some(mut engine) = OwnEngine::start(Kind::Cql, test).await else {
        return;
    };
    let settings = WideSettings {
        write_deadline_ms: 2_000,
        ..crate::settings()
    };
    let wide = connect(&format!("{}/kill", engine.url()), settings)
        .await
        .unwrap();
    wide.migrate(crate::MIGRATIONS).await.unwrap();
    let writers = (0..4_i64).map(|writer| tokio::spawn(claim_until_refused(wide.clone(), writer)));
    let writers: Vec<_> = writers.collect();
    eventually("some claims are acknowledged", || async {
        note(&wide, "kill-3", 20).await.is_some()
    })
    .await;
    engine.kill();
    let mut acknowledged = Vec::new();
    for (writer, claims) in (0..).zip(writers) {
        acknowledged.push((writer, claims.await.unwrap()));
    }
    engine.restart().await;
    eventually("the server is found again", || async {
        wide.probe().await.is_ok()
    })
    .await;
    for (writer, claims) in acknowledged {
        for item in claims {
            let kept = note(&wide, &format!("kill-{writer}"), item).await;
            assert_eq!(kept.as_deref(), Some("mine"), "claim {item} of writer {writer}");
        }
    }
}

/// Claims one item after another until the server is gone; those that were acknowledged.
async fn claim_until_refused(wide: Wide, writer: i64) -> Vec<i64> {
    let part = format!("kill-{writer}");
    let mut acknowledged = Vec::new();
    for item in 0.. {
        match wide.conditional(&CLAIM, (part.as_str(), item, "mine")).await {
            Ok(answer) => {
                assert!(answer.applied);
                acknowledged.push(item);
            }
            Err(error) => {
                assert!(error.is_unknown() || error.retryable(), "{error:?}");
                break;
            }
        }
    }
    acknowledged
}

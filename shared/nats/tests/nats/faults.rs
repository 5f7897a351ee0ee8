use std::time::Duration;

use nats::{Bucket, Expect, Nats, NatsError, NatsSettings, Swap};
use testkit::engines::{self, Kind, OwnEngine};
use testkit::proxy::FaultProxy;

use crate::{connect_to, healthy, limits, message, stream};

fn impatient() -> NatsSettings {
    NatsSettings {
        request_timeout_ms: 1_500,
        ..NatsSettings::default()
    }
}

async fn behind_a_proxy(test: &str) -> Option<(FaultProxy, Nats)> {
    let proxy = FaultProxy::to(engines::address(Kind::Nats, test)?).await;
    let url = format!("nats://{}?prefix={}", proxy.address(), engines::fresh_name(test));
    let nats = connect_to(&url, impatient()).await.unwrap();
    Some((proxy, nats))
}

async fn rid(nats: &Nats, bucket: &Bucket) {
    nats.delete_stream(bucket.stream()).await.unwrap();
    nats.delete_stream(&nats.stream_name("probe")).await.unwrap();
}

#[tokio::test]
async fn a_cut_refuses_at_once_and_the_connection_comes_back_by_itself() {
    let Some((proxy, nats)) = behind_a_proxy("a_cut_refuses").await else {
        return;
    };
    let bucket = nats.bucket("b").await.unwrap();
    let Swap::Done(revision) = bucket.create("k", "1".into()).await.unwrap() else {
        panic!("it is new");
    };
    healthy(&nats).await;
    let mut connects = nats.connects();
    connects.mark_unchanged();

    proxy.cut();
    let patience = tokio::time::timeout(Duration::from_secs(10), async {
        while nats.probe().await != Err(NatsError::Unavailable("not connected".to_owned())) {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    });
    patience.await.expect("the loss is noticed");
    let refused = bucket.update("k", "2".into(), revision).await.unwrap_err();
    assert!(refused.retryable(), "{refused:?}");

    proxy.heal();
    healthy(&nats).await;
    assert!(connects.has_changed().unwrap());
    // What was refused was not kept for later either.
    assert_eq!(bucket.get("k").await.unwrap().unwrap().value, "1");
    assert!(matches!(
        bucket.update("k", "2".into(), revision).await,
        Ok(Swap::Done(_))
    ));
    rid(&nats, &bucket).await;
}

#[tokio::test]
async fn a_write_whose_answer_is_lost_is_unknown_and_a_read_settles_it() {
    let Some((proxy, nats)) = behind_a_proxy("answer_is_lost").await else {
        return;
    };
    let bucket = nats.bucket("b").await.unwrap();
    let (name, subject) = stream(&nats, &limits()).await;
    proxy.half_open();
    let unknown = bucket.create("k", "1".into()).await.unwrap_err();
    assert!(unknown.is_unknown() && !unknown.retryable(), "{unknown:?}");
    let sent = message(&subject, "a", Expect::Anything);
    assert!(nats.append("test", sent.clone()).await.unwrap_err().is_unknown());
    assert!(nats.probe().await.is_err());
    let read = bucket.get("k").await.unwrap_err();
    assert!(!read.is_unknown() && read.retryable(), "{read:?}");

    proxy.heal();
    healthy(&nats).await;
    assert_eq!(bucket.get("k").await.unwrap().unwrap().value, "1");
    assert!(nats.append("test", sent).await.unwrap().duplicate);
    nats.delete_stream(&name).await.unwrap();
    rid(&nats, &bucket).await;
}

#[tokio::test]
async fn a_stall_ends_at_the_deadline_and_a_slow_line_is_only_slow() {
    let Some((proxy, nats)) = behind_a_proxy("a_stall_ends").await else {
        return;
    };
    let bucket = nats.bucket("b").await.unwrap();
    healthy(&nats).await;
    proxy.slow(Duration::from_millis(20));
    assert!(matches!(bucket.create("k", "1".into()).await, Ok(Swap::Done(_))));
    proxy.stall();
    assert!(nats.probe().await.is_err());
    assert!(bucket.create("l", "1".into()).await.unwrap_err().is_unknown());
    proxy.heal();
    healthy(&nats).await;
    rid(&nats, &bucket).await;
}

#[tokio::test]
async fn a_killed_server_loses_nothing_that_it_answered() {
    let Some(mut server) = OwnEngine::start(Kind::Nats, "a_killed_server").await else {
        return;
    };
    let nats = connect_to(&server.url(), impatient()).await.unwrap();
    let bucket = nats.bucket("b").await.unwrap();
    let (name, subject) = stream(&nats, &limits()).await;
    let Ok(Swap::Done(revision)) = bucket.create("k", "1".into()).await else {
        panic!("it is new");
    };
    let sent = message(&subject, "a", Expect::Anything);
    nats.append("test", sent.clone()).await.unwrap();
    server.kill();
    assert!(nats.probe().await.is_err());
    server.restart().await;
    healthy(&nats).await;
    let entry = bucket.get("k").await.unwrap().unwrap();
    assert_eq!((entry.value, entry.revision), ("1".into(), revision));
    // The ids of the window are remembered too.
    assert!(nats.append("test", sent).await.unwrap().duplicate);
    assert_eq!(nats.stream_state(&name).await.unwrap().messages, 1);
}

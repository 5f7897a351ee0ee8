//! One load a key, whatever becomes of who began it.

use crate::{CALM, Links, Loaded, World, found, settle, url};
use cache::{LoadError, Lookup};
use futures::future::join_all;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use telemetry::TraceContext;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

type Read = JoinHandle<Result<Option<Arc<str>>, LoadError<&'static str>>>;

/// A reader whose load answers when the test sends the answer, and panics when the test drops the sender.
pub(crate) fn held(links: &Links, key: &str) -> (Read, oneshot::Sender<Loaded>) {
    let (answer, gate) = oneshot::channel::<Loaded>();
    let (links, key) = (links.clone(), key.to_owned());
    let load = || async move { gate.await.expect("the test answers") };
    (
        tokio::spawn(async move { links.get_or_load(key, load).await }),
        answer,
    )
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_thousand_cold_readers_make_one_call() {
    let world = Arc::new(World::new(CALM));
    let (say_begun, begin) = oneshot::channel();
    let (open, gate) = oneshot::channel::<()>();
    let first = {
        let (links, calls) = (world.links.clone(), Arc::clone(&world.calls));
        let load = move || async move {
            calls.fetch_add(1, Ordering::SeqCst);
            say_begun.send(()).expect("the test listens");
            gate.await.expect("the test opens the gate");
            found("a")
        };
        tokio::spawn(async move { links.get_or_load("k".to_owned(), load).await })
    };
    begin.await.expect("the load begins");
    let others: Vec<_> = (1..1_000)
        .map(|_| {
            let world = Arc::clone(&world);
            tokio::spawn(async move { world.read("k", found("b")).await })
        })
        .collect();
    // All have missed before the first answer comes.
    while world.metric("cache_lookups_total{cache=\"links\",outcome=\"miss\"} ") < 1_000 {
        tokio::task::yield_now().await;
    }
    open.send(()).expect("the load waits");
    assert_eq!(first.await.expect("no panic").expect("loaded"), Some(url("a")));
    for other in join_all(others).await {
        assert_eq!(other.expect("no panic").expect("loaded"), Some(url("a")));
    }
    assert_eq!(world.calls(), 1);
    assert_eq!(
        world.metric("cache_loads_total{cache=\"links\",outcome=\"found\"} "),
        1
    );
}

#[tokio::test]
async fn different_keys_load_side_by_side() {
    let world = World::new(CALM);
    let (_slow, _held) = held(&world.links, "slow");
    settle().await;
    assert_eq!(
        world.read("fast", found("f")).await.expect("loaded"),
        Some(url("f"))
    );
}

#[tokio::test]
async fn a_failing_load_fails_all_who_joined_and_is_not_remembered() {
    let world = World::new(CALM);
    let (first, answer) = held(&world.links, "k");
    settle().await;
    let (second, _) = held(&world.links, "k");
    settle().await;
    answer.send(Err("the disk is gone")).expect("the load waits");
    let (first, second) = (first.await.expect("no panic"), second.await.expect("no panic"));
    let (Err(LoadError::Origin(one)), Err(LoadError::Origin(two))) = (first, second) else {
        panic!("both get the origin's error");
    };
    assert!(Arc::ptr_eq(&one, &two) && *one == "the disk is gone");
    assert_eq!(world.links.peek("k"), None);
    assert_eq!(
        world.read("k", found("back")).await.expect("tried again"),
        Some(url("back"))
    );
    assert_eq!(
        world.metric("cache_loads_total{cache=\"links\",outcome=\"origin_failed\"} "),
        1
    );
}

#[tokio::test]
async fn a_first_caller_that_goes_away_strands_nobody() {
    let world = World::new(CALM);
    let (first, answer) = held(&world.links, "k");
    settle().await;
    let (second, _) = held(&world.links, "k");
    settle().await;
    first.abort();
    assert!(first.await.expect_err("aborted").is_cancelled());
    answer
        .send(found("a"))
        .expect("the load goes on without its first caller");
    assert_eq!(second.await.expect("no panic").expect("loaded"), Some(url("a")));
    assert_eq!(world.links.peek("k"), Some(Lookup::Hit(url("a"))));
}

#[tokio::test]
async fn a_load_that_panics_strands_nobody() {
    let world = World::new(CALM);
    let (first, answer) = held(&world.links, "k");
    settle().await;
    let (second, _) = held(&world.links, "k");
    settle().await;
    drop(answer); // the load's `expect` panics
    for reader in [first, second] {
        let refused = reader.await.expect("readers do not panic");
        assert!(matches!(refused, Err(LoadError::Abandoned)), "{refused:?}");
    }
    assert_eq!(
        world.metric("cache_loads_total{cache=\"links\",outcome=\"abandoned\"} "),
        1
    );
    assert_eq!(
        world.read("k", found("again")).await.expect("tried again"),
        Some(url("again"))
    );
}

#[tokio::test]
async fn a_load_runs_inside_its_first_callers_trace() {
    let world = World::new(CALM);
    let context =
        TraceContext::parse("00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01").expect("well formed");
    let (tell, told) = oneshot::channel();
    let load = || async move {
        tell.send(TraceContext::current().map(|context| context.traceparent()))
            .expect("the test listens");
        found("a")
    };
    context
        .scope(world.links.get_or_load("k".to_owned(), load))
        .await
        .expect("loaded");
    assert_eq!(told.await.expect("told"), Some(context.traceparent()));
}

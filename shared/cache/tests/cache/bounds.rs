//! Everything has a limit.

use crate::flights::held;
use crate::{CALM, World, found, settle, url};
use cache::{CacheSettings, LoadError, Lookup};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use tokio::sync::{Semaphore, oneshot};

#[tokio::test]
async fn no_more_entries_than_its_capacity_are_held() {
    for capacity in [1, 7, 16, 100] {
        let world = World::new(CacheSettings { capacity, ..CALM });
        for i in 0..1_000 {
            world.read(&format!("k{i}"), found("a")).await.expect("loaded");
            assert!(world.links.len() <= capacity);
        }
        let (held, evicted) = (
            world.metric("cache_entries{cache=\"links\"} "),
            world.metric("cache_evictions_total{cache=\"links\"} "),
        );
        assert_eq!(held + evicted, 1_000);
        assert_eq!(held, world.links.len() as u64);
    }
}

#[tokio::test]
async fn what_is_read_outlives_what_is_not() {
    let world = World::new(CacheSettings {
        capacity: 320,
        ..CALM
    });
    world.read("hot", found("hot")).await.expect("loaded");
    for i in 0..5_000 {
        world
            .read(&format!("cold{i}"), found("cold"))
            .await
            .expect("loaded");
        assert_eq!(
            world.links.peek("hot"),
            Some(Lookup::Hit(url("hot"))),
            "after {i} others"
        );
    }
}

#[tokio::test]
async fn a_deleted_entry_makes_room_without_an_eviction() {
    let world = World::new(CacheSettings { capacity: 1, ..CALM });
    for i in 0..10 {
        let key = format!("k{i}");
        world.read(&key, found("a")).await.expect("loaded");
        world.links.invalidate(&key);
    }
    assert_eq!(world.metric("cache_evictions_total{cache=\"links\"} "), 0);
    assert!(world.links.is_empty());
}

#[tokio::test]
async fn only_so_many_loads_run_at_once() {
    let world = World::new(CacheSettings { loads_max: 3, ..CALM });
    let (running, most) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
    let gate = Arc::new(Semaphore::new(0));
    let readers: Vec<_> = (0..20)
        .map(|i| {
            let (running, most, gate) = (Arc::clone(&running), Arc::clone(&most), Arc::clone(&gate));
            let links = world.links.clone();
            let load = move || async move {
                most.fetch_max(running.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
                gate.acquire().await.expect("the gate stays").forget();
                running.fetch_sub(1, Ordering::SeqCst);
                found("a")
            };
            tokio::spawn(async move { links.get_or_load(format!("k{i}"), load).await })
        })
        .collect();
    settle().await;
    assert_eq!(running.load(Ordering::SeqCst), 3);
    gate.add_permits(20);
    for reader in readers {
        reader.await.expect("no panic").expect("loaded in turn");
    }
    assert_eq!(most.load(Ordering::SeqCst), 3);
}

#[tokio::test]
async fn more_loads_than_may_wait_are_refused_and_readers_of_those_under_way_are_not() {
    let world = World::new(CacheSettings {
        loads_max: 1,
        loads_waiting_max: 1,
        ..CALM
    });
    let (running, first) = held(&world.links, "running");
    let (waiting, second) = held(&world.links, "waiting");
    settle().await;
    let refused = world.read("refused", found("a")).await;
    assert!(matches!(refused, Err(LoadError::Busy)), "{refused:?}");
    assert_eq!(
        world.metric("cache_loads_total{cache=\"links\",outcome=\"busy\"} "),
        1
    );
    let (joined, _) = held(&world.links, "running");
    settle().await;
    first.send(found("a")).expect("the load waits");
    second.send(found("b")).expect("the load gets its turn");
    for reader in [running, waiting, joined] {
        reader.await.expect("no panic").expect("loaded");
    }
    world
        .read("refused", found("a"))
        .await
        .expect("there is room again");
}

#[tokio::test(start_paused = true)]
async fn a_load_that_takes_too_long_is_given_up_and_its_turn_passed_on() {
    let world = World::new(CacheSettings { loads_max: 1, ..CALM });
    let (stuck, never) = held(&world.links, "stuck");
    let refused = stuck.await.expect("no panic");
    assert!(matches!(refused, Err(LoadError::TimedOut)), "{refused:?}");
    assert!(never.is_closed(), "the load was dropped");
    assert_eq!(
        world.read("next", found("a")).await.expect("its turn"),
        Some(url("a"))
    );
}

#[tokio::test]
async fn a_runtime_that_stops_mid_load_tells_its_readers() {
    let world = World::new(CALM);
    let links = world.links.clone();
    let (tell, told) = oneshot::channel();
    std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_time()
            .build()
            .expect("a runtime");
        let reader = async {
            let load = || futures::future::pending();
            tokio::select! {
                biased;
                _ = links.get_or_load("k".to_owned(), load) => unreachable!("the load is pending"),
                () = settle() => {}
            }
        };
        runtime.block_on(reader);
        drop(runtime); // and with it the task of the load
        tell.send(()).expect("the test listens");
    });
    told.await.expect("no panic");
    assert_eq!(
        world.read("k", found("a")).await.expect("loaded anew"),
        Some(url("a"))
    );
}

//! Processes that share a level: what one writes binds them all. Each case takes an engine of the shared level.

use crate::contract::{Engine, LONG, MS};
use crate::processes::{Faulty, Origin, Process};
use crate::url;
use cache::{Look, WriteMark};
use std::sync::Arc;
use std::time::Duration;
use tokio::time::{sleep, timeout};

const NEAR: Duration = Duration::from_millis(900);

/// The cases, as tests of an engine.
macro_rules! two_level_suite {
    ($start:expr) => {
        engine_suite!(two_levels, $start;
            what_one_process_loaded_another_finds_without_the_origin,
            a_change_is_seen_at_once_by_who_hears_of_it,
            a_change_whose_message_is_lost_is_seen_when_the_near_time_is_over,
            the_near_time_counts_from_when_asking_began,
            a_deletion_whose_message_is_lost_is_seen_when_the_near_time_is_over,
            an_acknowledged_creation_is_found_by_every_process_at_once,
            a_reader_does_not_join_a_load_that_missed_an_acknowledged_creation,
            a_reader_does_not_join_a_load_that_hangs_for_longer_than_the_near_time,
            a_load_from_before_a_change_that_ends_after_it_leaves_nothing_old,
            a_load_during_a_change_that_ends_after_it_leaves_nothing_old,
            a_load_from_before_a_deletion_that_ends_during_it_leaves_nothing_old,
            a_wipe_during_a_change_leaves_nothing_old,
            a_write_whose_outcome_is_unknown_keeps_the_key_out_of_the_shared_level,
            a_thousand_cold_readers_of_two_processes_make_two_calls_at_most,
        );
    };
}

struct Two {
    writer: Process,
    reader: Process,
    origin: Arc<Origin>,
}

/// Two processes over one level; the reader hears no message.
async fn two_with_a_deaf_reader(engine: &dyn Engine) -> Two {
    let origin = Arc::new(Origin::default());
    Two {
        writer: Process::new(engine.handle().await, &origin),
        reader: Process::new(Faulty::deaf(engine.handle().await), &origin),
        origin,
    }
}

/// Waits for what happens behind the readers' backs.
pub(crate) async fn until(what: &str, mut holds: impl AsyncFnMut() -> bool) {
    let waiting = async {
        while !holds().await {
            sleep(MS).await;
        }
    };
    assert!(timeout(LONG, waiting).await.is_ok(), "in vain: {what}");
}

/// Waits until what was loaded is in the shared level.
async fn until_filled(process: &Process, fills: u64) {
    let line = "cache_shared_operations_total{cache=\"links\",operation=\"fill\",outcome=\"done\"} ";
    until("filled in", async || process.metric(line) >= fills).await;
}

pub(crate) async fn what_one_process_loaded_another_finds_without_the_origin(engine: &dyn Engine) {
    let Two {
        writer,
        reader,
        origin,
    } = two_with_a_deaf_reader(engine).await;
    origin.set("k", "a");
    assert_eq!(writer.sees("k").await.as_deref(), Some("a"));
    assert_eq!(writer.sees("none").await, None);
    until_filled(&writer, 2).await;
    assert_eq!(origin.take_reads(), 2);
    assert_eq!(reader.sees("k").await.as_deref(), Some("a"));
    assert_eq!(reader.sees("none").await, None);
    assert_eq!(origin.take_reads(), 0);
    assert!(reader.links.peek("k").is_some());
    assert_eq!(
        reader.links.peek("none"),
        None,
        "absence is remembered where its creator can take it back"
    );
}

pub(crate) async fn a_change_is_seen_at_once_by_who_hears_of_it(engine: &dyn Engine) {
    let origin = Arc::new(Origin::default());
    let writer = Process::new(engine.handle().await, &origin);
    let reader = Process::new(engine.handle().await, &origin);
    origin.set("k", "old");
    // The clocks stand still: nothing but a message makes the reader forget. The first ones may come too early for it.
    let mut round = 0;
    until("a message is heard", async || {
        round += 1;
        assert!(reader.sees("k").await.is_some());
        writer.change("k", &format!("new {round}")).await;
        let heard = async {
            while reader.links.peek("k").is_some() {
                sleep(MS).await;
            }
        };
        timeout(MS * 200, heard).await.is_ok()
    })
    .await;
    assert_eq!(reader.sees("k").await, Some(format!("new {round}")));
}

pub(crate) async fn a_change_whose_message_is_lost_is_seen_when_the_near_time_is_over(engine: &dyn Engine) {
    let Two {
        writer,
        reader,
        origin,
    } = two_with_a_deaf_reader(engine).await;
    origin.set("k", "old");
    assert_eq!(reader.sees("k").await.as_deref(), Some("old"));
    until_filled(&reader, 1).await;
    writer.change("k", "new").await;
    assert_eq!(writer.sees("k").await.as_deref(), Some("new"));
    reader.clock.advance(NEAR.saturating_sub(MS));
    assert_eq!(
        reader.sees("k").await.as_deref(),
        Some("old"),
        "the message is lost"
    );
    reader.clock.advance(MS);
    assert_eq!(reader.sees("k").await.as_deref(), Some("new"));
}

pub(crate) async fn the_near_time_counts_from_when_asking_began(engine: &dyn Engine) {
    let Two {
        writer,
        reader,
        origin,
    } = two_with_a_deaf_reader(engine).await;
    origin.set("k", "old");
    let (slow, go_on) = reader.slow_read("k").await;
    writer.change("k", "new").await;
    reader.clock.advance(NEAR.saturating_sub(MS));
    go_on.send(()).expect("the load waits");
    assert_eq!(slow.await.expect("no panic").expect("loaded"), Some(url("old")));
    reader.clock.advance(MS);
    assert_eq!(reader.sees("k").await.as_deref(), Some("new"));
}

pub(crate) async fn a_deletion_whose_message_is_lost_is_seen_when_the_near_time_is_over(engine: &dyn Engine) {
    let Two {
        writer,
        reader,
        origin,
    } = two_with_a_deaf_reader(engine).await;
    origin.set("k", "old");
    assert_eq!(reader.sees("k").await.as_deref(), Some("old"));
    let guard = writer.links.write("k".to_owned()).await.expect("begun");
    origin.delete("k");
    guard.done().await.expect("ended");
    assert_eq!(writer.sees("k").await, None);
    reader.clock.advance(NEAR);
    assert_eq!(reader.sees("k").await, None);
}

pub(crate) async fn an_acknowledged_creation_is_found_by_every_process_at_once(engine: &dyn Engine) {
    let Two {
        writer,
        reader,
        origin,
    } = two_with_a_deaf_reader(engine).await;
    // Everybody believes that it is not there.
    assert_eq!(reader.sees("k").await, None);
    until_filled(&reader, 1).await;
    assert_eq!(writer.sees("k").await, None);
    assert_eq!(origin.take_reads(), 1);
    let guard = writer.links.write_new("k".to_owned()).await;
    origin.set("k", "created");
    guard.done_with(url("created")).await.expect("ended");
    assert_eq!(writer.sees("k").await.as_deref(), Some("created"));
    assert_eq!(origin.take_reads(), 0, "the writer keeps what it wrote");
    assert_eq!(reader.sees("k").await.as_deref(), Some("created"));
}

pub(crate) async fn a_reader_does_not_join_a_load_that_missed_an_acknowledged_creation(engine: &dyn Engine) {
    let Two {
        writer,
        reader,
        origin,
    } = two_with_a_deaf_reader(engine).await;
    let (early, go_on) = reader.slow_read("k").await;
    let guard = writer.links.write_new("k".to_owned()).await;
    origin.set("k", "created");
    guard.done().await.expect("ended");
    let reader = Arc::new(reader);
    let late = {
        let reader = Arc::clone(&reader);
        tokio::spawn(async move { reader.sees("k").await })
    };
    // Two have missed: the late one joined what it found.
    let misses = "cache_lookups_total{cache=\"links\",outcome=\"miss\"} ";
    until("joined", async || reader.metric(misses) >= 2).await;
    go_on.send(()).expect("the load waits");
    assert_eq!(early.await.expect("no panic").expect("loaded"), None);
    assert_eq!(late.await.expect("no panic").as_deref(), Some("created"));
}

pub(crate) async fn a_reader_does_not_join_a_load_that_hangs_for_longer_than_the_near_time(
    engine: &dyn Engine,
) {
    let Two {
        writer,
        reader,
        origin,
    } = two_with_a_deaf_reader(engine).await;
    origin.set("k", "old");
    let (hanging, go_on) = reader.slow_read("k").await;
    writer.change("k", "new").await;
    reader.clock.advance(NEAR);
    assert_eq!(reader.sees("k").await.as_deref(), Some("new"));
    go_on.send(()).expect("the load waits");
    assert_eq!(
        hanging.await.expect("no panic").expect("loaded"),
        Some(url("old"))
    );
    assert_eq!(
        reader.sees("k").await.as_deref(),
        Some("new"),
        "the older load overwrites nothing"
    );
}

/// After whatever happened, a process that comes fresh sees what is.
async fn nothing_old_is_left(engine: &dyn Engine, origin: &Arc<Origin>) {
    for _ in 0..2 {
        let fresh = Process::new(engine.handle().await, origin);
        assert_eq!(
            fresh.sees("k").await.as_deref(),
            origin.get("k").as_deref(),
            "in the shared level"
        );
    }
}

pub(crate) async fn a_load_from_before_a_change_that_ends_after_it_leaves_nothing_old(engine: &dyn Engine) {
    let Two {
        writer,
        reader,
        origin,
    } = two_with_a_deaf_reader(engine).await;
    origin.set("k", "old");
    let (slow, go_on) = reader.slow_read("k").await;
    writer.change("k", "new").await;
    go_on.send(()).expect("the load waits");
    slow.await.expect("no panic").expect("loaded");
    let refused = "cache_shared_operations_total{cache=\"links\",operation=\"fill\",outcome=\"refused\"} ";
    until("tried to fill in", async || reader.metric(refused) == 1).await;
    nothing_old_is_left(engine, &origin).await;
}

pub(crate) async fn a_load_during_a_change_that_ends_after_it_leaves_nothing_old(engine: &dyn Engine) {
    let Two {
        writer,
        reader,
        origin,
    } = two_with_a_deaf_reader(engine).await;
    origin.set("k", "old");
    let guard = writer.links.write("k".to_owned()).await.expect("begun");
    let (slow, go_on) = reader.slow_read("k").await;
    origin.set("k", "new");
    guard.done().await.expect("ended");
    go_on.send(()).expect("the load waits");
    slow.await.expect("no panic").expect("loaded");
    nothing_old_is_left(engine, &origin).await;
}

pub(crate) async fn a_load_from_before_a_deletion_that_ends_during_it_leaves_nothing_old(
    engine: &dyn Engine,
) {
    let Two {
        writer,
        reader,
        origin,
    } = two_with_a_deaf_reader(engine).await;
    origin.set("k", "old");
    let (slow, go_on) = reader.slow_read("k").await;
    let guard = writer.links.write("k".to_owned()).await.expect("begun");
    go_on.send(()).expect("the load waits");
    slow.await.expect("no panic").expect("loaded");
    let refused = "cache_shared_operations_total{cache=\"links\",operation=\"fill\",outcome=\"refused\"} ";
    until("tried to fill in", async || reader.metric(refused) == 1).await;
    origin.delete("k");
    guard.done().await.expect("ended");
    nothing_old_is_left(engine, &origin).await;
}

pub(crate) async fn a_wipe_during_a_change_leaves_nothing_old(engine: &dyn Engine) {
    let Two {
        writer,
        reader,
        origin,
    } = two_with_a_deaf_reader(engine).await;
    origin.set("k", "old");
    let guard = writer.links.write("k".to_owned()).await.expect("begun");
    engine.wipe().await;
    // The level knows of no write any more, and takes the old value.
    assert_eq!(reader.sees("k").await.as_deref(), Some("old"));
    until_filled(&reader, 1).await;
    origin.set("k", "new");
    guard.done().await.expect("ended");
    nothing_old_is_left(engine, &origin).await;
}

pub(crate) async fn a_write_whose_outcome_is_unknown_keeps_the_key_out_of_the_shared_level(
    engine: &dyn Engine,
) {
    let Two {
        writer,
        reader,
        origin,
    } = two_with_a_deaf_reader(engine).await;
    origin.set("k", "old");
    writer.sees("k").await;
    until_filled(&writer, 1).await;
    drop(writer.links.write("k".to_owned()).await.expect("begun"));
    assert_eq!(writer.links.peek("k"), None);
    // It may still come; until then everybody asks the origin again when its near time is over.
    for value in ["old", "late"] {
        origin.set("k", value);
        for process in [&writer, &reader] {
            process.clock.advance(NEAR);
            assert_eq!(process.sees("k").await.as_deref(), Some(value));
        }
    }
    let level = engine.handle().await;
    assert_eq!(level.look("k", LONG).await, Ok(Look::Load));
    level
        .end_write("k", WriteMark::random())
        .await
        .expect("another write");
    assert_eq!(
        level.look("k", LONG).await,
        Ok(Look::Load),
        "only its hold ends it"
    );
}

pub(crate) async fn a_thousand_cold_readers_of_two_processes_make_two_calls_at_most(engine: &dyn Engine) {
    let origin = Arc::new(Origin::default());
    origin.set("k", "a");
    let mut processes = Vec::new();
    for _ in 0..2 {
        processes.push(Arc::new(Process::new(engine.handle().await, &origin)));
    }
    let readers: Vec<_> = processes
        .iter()
        .cycle()
        .take(1_000)
        .map(|process| {
            let process = Arc::clone(process);
            tokio::spawn(async move { process.sees("k").await })
        })
        .collect();
    for reader in readers {
        assert_eq!(reader.await.expect("no panic").as_deref(), Some("a"));
    }
    assert!((1..=2).contains(&origin.take_reads()));
}

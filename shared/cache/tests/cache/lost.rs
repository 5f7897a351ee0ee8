//! Without the shared level: reads go on within what the origin bears, writes bind or are refused.

use crate::contract::{Engine, MS};
use crate::memory::MemoryEngine;
use crate::processes::{Faulty, Origin, PATIENT, Process};
use crate::two_levels::until;
use crate::{CALM, settle};
use cache::{LoadError, SharedCacheSettings, SharedError, WhenSharedLost, WritesWithoutShared};
use std::sync::Arc;
use std::time::Duration;

const SECOND: Duration = Duration::from_secs(1);

fn settings() -> SharedCacheSettings {
    SharedCacheSettings {
        origin_reads_per_s_min: 0,
        ..PATIENT.clone()
    }
}

fn limited(outcome: &str) -> String {
    format!("cache_limited_reads_total{{cache=\"links\",outcome=\"{outcome}\"}} ")
}

struct World {
    engine: MemoryEngine,
    process: Process,
    origin: Arc<Origin>,
}

impl World {
    async fn new(settings: SharedCacheSettings) -> Self {
        let engine = MemoryEngine::new();
        let origin = Arc::new(Origin::default());
        let process = Process::with(engine.handle().await, &origin, CALM, settings);
        Self {
            engine,
            process,
            origin,
        }
    }

    async fn pass(&self, time: Duration) {
        self.process.clock.advance(time);
        self.engine.pass(time).await;
    }

    /// A minute in which ten links a second are read that nobody knew.
    async fn good_minute(&self) {
        for i in 0..600 {
            let key = format!("k{i}");
            self.origin.set(&key, "known");
            assert_eq!(self.process.sees(&key).await.as_deref(), Some("known"));
            settle().await;
            self.pass(MS * 100).await;
        }
        assert_eq!(self.origin.take_reads(), 600);
    }

    /// Ten seconds in which each of the last hundred links is read every second; gives how many reads were answered and
    /// how many of them were asked of the origin.
    async fn bad_ten_seconds(&self) -> (u32, u32) {
        let mut answered = 0;
        for _ in 0..10 {
            for i in 500..600 {
                match self.process.read(&format!("k{i}")).await {
                    Ok(found) => {
                        assert_eq!(found.as_deref(), Some("known"));
                        answered += 1;
                    }
                    Err(error) => assert!(matches!(error, LoadError::Limited), "{error:?}"),
                }
                settle().await;
                self.pass(MS * 10).await;
            }
        }
        (answered, self.origin.take_reads())
    }
}

/// Twice ten a second for ten seconds, what a bucket of a tenth of a second holds, and a read of rounding.
const READS_MAX: u32 = 2 * 10 * 10 + 3;

#[tokio::test]
async fn without_the_level_the_origin_is_read_twice_as_often_as_usual_at_most_and_the_rest_is_stale() {
    let world = World::new(settings()).await;
    world.good_minute().await;
    world.process.level.fail();
    let (answered, reads) = world.bad_ten_seconds().await;
    assert_eq!(answered, 1_000, "everything is known from before");
    assert!((150..=READS_MAX).contains(&reads), "{reads}");
    assert_eq!(world.process.metric(&limited("origin")), u64::from(reads));
    assert!(world.process.metric(&limited("stale")) > 100);
    assert_eq!(world.process.metric(&limited("refused")), 0);
}

#[tokio::test]
async fn where_stale_is_not_wanted_the_rest_is_refused() {
    let world = World::new(SharedCacheSettings {
        when_lost: WhenSharedLost::Refuse,
        ..settings()
    })
    .await;
    world.good_minute().await;
    world.process.level.fail();
    let (answered, reads) = world.bad_ten_seconds().await;
    // What the origin told is near for most of a second and spares it the next reads.
    assert!((150..=READS_MAX).contains(&reads), "{reads}");
    assert!(answered < 500, "{answered}");
    assert_eq!(
        world.process.metric(&limited("refused")),
        u64::from(1_000 - answered)
    );
    let error = world.process.read("never seen").await.expect_err("no room");
    assert_eq!((error.code(), error.retryable()), ("cache_origin_limited", true));
}

#[tokio::test]
async fn a_wiped_level_costs_the_origin_no_more_until_it_is_filled_again() {
    let world = World::new(settings()).await;
    world.good_minute().await;
    world.engine.wipe().await;
    let (answered, reads) = world.bad_ten_seconds().await;
    assert_eq!(answered, 1_000);
    // Each read fills the shared level again, so a hundred links take a hundred reads.
    assert!((99..=READS_MAX).contains(&reads), "{reads}");
    assert!(world.process.metric(&limited("stale")) > 0);
    assert_eq!(
        world
            .process
            .metric("cache_shared_notices_total{cache=\"links\",notice=\"wiped\"} "),
        1
    );
    // Other links, all at once: limited while the level refills, and not after.
    for i in 0..200 {
        world.origin.set(&format!("n{i}"), "new");
    }
    for (moment, is_limited) in [("while it refills", true), ("afterwards", false)] {
        let mut refused = 0;
        for i in 0..100 {
            let key = format!("n{}", if is_limited { i } else { 100 + i });
            refused += u32::from(world.process.read(&key).await.is_err());
        }
        assert_eq!(refused > 50, is_limited, "{refused} refused {moment}");
        assert_eq!(refused > 0, is_limited, "{refused} refused {moment}");
        world.pass(SECOND * 60).await;
    }
}

#[tokio::test]
async fn what_is_served_stale_has_a_greatest_age() {
    let world = World::new(SharedCacheSettings {
        stale_max_ms: 5_000,
        ..settings()
    })
    .await;
    world.origin.set("k", "a");
    assert_eq!(world.process.sees("k").await.as_deref(), Some("a"));
    world.process.level.fail();
    // Nobody watched what is usual for a second, so this one read is; the bucket is empty after two more.
    for i in 0..5 {
        let _: Result<_, _> = world.process.read(&format!("other {i}")).await;
    }
    world.process.clock.advance(MS * 900);
    for i in 0..5 {
        let _: Result<_, _> = world.process.read(&format!("another {i}")).await;
    }
    assert_eq!(world.process.sees("k").await.as_deref(), Some("a"));
    assert_eq!(world.process.metric(&limited("stale")), 1);
    world.process.clock.advance(MS * 4_100);
    for i in 0..50 {
        let _: Result<_, _> = world.process.read(&format!("yet another {i}")).await;
    }
    let error = world.process.read("k").await.expect_err("too old");
    assert!(matches!(error, LoadError::Limited), "{error:?}");
}

/// Reads what nobody knows until the process may not ask the origin any more.
async fn use_up_the_cap(process: &Process, what: &str) {
    let mut refused = false;
    for i in 0..20 {
        refused |= process.read(&format!("{what} {i}")).await.is_err();
    }
    assert!(refused, "there is room still");
}

#[tokio::test]
async fn who_missed_a_change_and_finds_the_level_wiped_does_not_serve_stale_what_was_there_before() {
    let (engine, origin) = (MemoryEngine::new(), Arc::new(Origin::default()));
    let writer = Process::new(engine.handle().await, &origin);
    let deaf = Faulty::deaf(engine.handle().await);
    let reader = Process::with(deaf, &origin, CALM, settings());
    origin.set("k", "old");
    reader.clock.advance(SECOND);
    assert_eq!(reader.sees("k").await.as_deref(), Some("old"));
    settle().await;
    engine.wipe().await;
    writer.change("k", "new").await;
    reader.clock.advance(SECOND);
    use_up_the_cap(&reader, "other").await;
    let error = reader
        .read("k")
        .await
        .expect_err("no room, and it may have changed");
    assert!(matches!(error, LoadError::Limited), "{error:?}");
    assert_eq!(reader.metric(&limited("stale")), 0);
    // The first who has room fills it in for all.
    assert_eq!(writer.sees("k").await.as_deref(), Some("new"));
    settle().await;
    engine.pass(SECOND * 10).await;
    writer.clock.advance(SECOND);
    assert_eq!(writer.sees("k").await.as_deref(), Some("new"));
    settle().await;
    use_up_the_cap(&reader, "another").await;
    assert_eq!(reader.sees("k").await.as_deref(), Some("new"));
}

#[tokio::test]
async fn what_is_from_before_a_break_in_hearing_is_served_stale_only_where_the_level_does_not_answer() {
    let world = World::new(settings()).await;
    let Process { clock, level, .. } = &world.process;
    for key in ["before", "after"] {
        world.origin.set(key, "known");
    }
    level.hears_in(1);
    clock.advance(SECOND);
    world.process.sees("before").await;
    // Nobody asks while nothing is heard: only the number tells.
    level.hears_in(3);
    clock.advance(SECOND);
    world.process.sees("other").await;
    clock.advance(SECOND);
    world.process.sees("after").await;
    settle().await;
    world.engine.wipe().await;
    clock.advance(SECOND);
    use_up_the_cap(&world.process, "any").await;
    assert_eq!(world.process.sees("after").await.as_deref(), Some("known"));
    let error = world
        .process
        .read("before")
        .await
        .expect_err("it may have changed");
    assert!(matches!(error, LoadError::Limited), "{error:?}");
    assert_eq!(world.process.metric(&limited("stale")), 1);
    level.fail();
    for key in ["before", "after"] {
        assert_eq!(world.process.sees(key).await.as_deref(), Some("known"));
    }
    assert_eq!(world.process.metric(&limited("stale")), 3);
}

#[tokio::test]
async fn what_was_deleted_is_not_served_stale() {
    let world = World::new(settings()).await;
    world.good_minute().await;
    let guard = world.process.links.write("k500".to_owned()).await.expect("begun");
    world.origin.delete("k500");
    guard.done().await.expect("ended");
    // What other processes deleted is known after the next look.
    world.origin.delete("k501");
    world.engine.wipe().await;
    world.pass(SECOND).await;
    assert_eq!(world.process.sees("k501").await, None);
    world.process.level.fail();
    for i in 0..50 {
        let _: Result<_, _> = world.process.read(&format!("other {i}")).await;
    }
    for key in ["k500", "k501"] {
        let error = world.process.read(key).await.expect_err("nothing is known");
        assert!(matches!(error, LoadError::Limited), "{error:?}");
    }
}

#[tokio::test]
async fn a_level_that_fails_is_left_alone_and_asked_again_after_a_pause() {
    let world = World::new(SharedCacheSettings {
        origin_reads_per_s_min: 1_000_000,
        ..settings()
    })
    .await;
    world.origin.set("k", "a");
    world.process.level.fail();
    for i in 0..100 {
        world
            .process
            .read(&format!("k{i}"))
            .await
            .expect("the origin is there");
    }
    let asked = world.process.level.take_calls();
    let breaker = settings().breaker;
    assert_eq!(asked, breaker.failures_max);
    assert_eq!(world.process.metric("cache_shared_up{cache=\"links\"} "), 0);
    world.process.level.heal();
    assert_eq!(world.process.sees("k").await.as_deref(), Some("a"));
    assert_eq!(world.process.level.take_calls(), 0, "not yet");
    world
        .process
        .clock
        .advance(MS * u32::try_from(breaker.open_ms).expect("short"));
    world.process.sees("k again").await;
    settle().await;
    assert_eq!(world.process.metric("cache_shared_up{cache=\"links\"} "), 1);
    assert_eq!(world.process.level.take_calls(), 2, "look and fill");
}

#[tokio::test(start_paused = true)]
async fn a_level_that_stalls_holds_up_no_more_reads_than_it_takes_to_notice() {
    let world = World::new(SharedCacheSettings {
        read_timeout_ms: 100,
        origin_reads_per_s_min: 1_000_000,
        ..settings()
    })
    .await;
    world.origin.set("k", "a");
    world.process.level.stall();
    let began = tokio::time::Instant::now();
    for i in 0..100 {
        world
            .process
            .read(&format!("k{i}"))
            .await
            .expect("the origin is there");
    }
    // Simulated time: it passes only where somebody waits.
    assert_eq!(
        began.elapsed().as_millis() / 100,
        u128::from(settings().breaker.failures_max),
        "each of the first reads waited its deadline"
    );
}

#[tokio::test]
async fn a_change_is_refused_without_the_level_unless_the_settings_allow_it() {
    for (choice, is_refused) in [
        (WritesWithoutShared::Refuse, true),
        (WritesWithoutShared::Allow, false),
    ] {
        let world = World::new(SharedCacheSettings {
            writes_without_shared: choice,
            ..settings()
        })
        .await;
        world.process.level.fail();
        let begun = world.process.links.write("k".to_owned()).await;
        assert_eq!(
            begun.as_ref().err(),
            is_refused
                .then(|| SharedError::Failed("the test says so".to_owned()))
                .as_ref()
        );
        if let Ok(guard) = begun {
            world.origin.set("k", "a");
            guard.done().await.expect_err("nobody could be told");
        }
    }
}

#[tokio::test]
async fn a_change_that_is_refused_takes_nothing_away() {
    let world = World::new(settings()).await;
    world.good_minute().await;
    assert!(world.process.sees("k500").await.is_some());
    world.process.level.fail();
    world.pass(SECOND).await;
    let refused = world.process.links.write("k500".to_owned()).await;
    refused.expect_err("other processes could not be told");
    for i in 0..50 {
        let _: Result<_, _> = world.process.read(&format!("other {i}")).await;
    }
    let served = world.process.read("k500").await.expect("it is served stale");
    assert!(served.is_some());
}

#[tokio::test]
async fn a_write_that_could_not_be_told_is_told_when_the_level_is_back() {
    let world = World::new(settings()).await;
    let other = Process::new(world.engine.handle().await, &world.origin);
    world.origin.set("k", "old");
    let guard = world.process.links.write("k".to_owned()).await.expect("begun");
    // The level dies and comes back, and another process is the first to reach it.
    world.engine.wipe().await;
    assert_eq!(other.sees("k").await.as_deref(), Some("old"));
    settle().await;
    world.origin.set("k", "new");
    world.process.level.fail();
    guard.done().await.expect_err("not told yet");
    assert_eq!(
        world
            .process
            .metric("cache_shared_untold_writes_total{cache=\"links\"} "),
        1
    );
    other.clock.advance(SECOND);
    assert_eq!(other.sees("k").await.as_deref(), Some("old"), "of a wiped level");
    world.process.level.heal();
    let level = world.engine.handle().await;
    until("told behind", async || {
        world.process.clock.advance(SECOND);
        !matches!(level.look("k", MS).await, Ok(cache::Look::Hit(_)))
    })
    .await;
    other.clock.advance(SECOND);
    assert_eq!(other.sees("k").await.as_deref(), Some("new"));
}

#[tokio::test(start_paused = true)]
async fn a_creation_without_the_level_is_acknowledged_when_nobody_can_believe_any_more_that_it_is_not_there()
{
    let world = World::new(settings()).await;
    let other = Process::new(world.engine.handle().await, &world.origin);
    assert_eq!(other.sees("k").await, None);
    settle().await;
    world.process.level.fail();
    let guard = world.process.links.write_new("k".to_owned()).await;
    world.origin.set("k", "created");
    assert_eq!(other.sees("k").await, None, "the others were not told");
    let before = tokio::time::Instant::now();
    guard.done().await.expect("acknowledged");
    let waited = before.elapsed();
    assert_eq!(waited, Duration::from_millis(settings().absent_ttl_ms));
    world.pass(waited).await;
    assert_eq!(other.sees("k").await.as_deref(), Some("created"));
}

#[tokio::test(start_paused = true)]
async fn a_creation_that_finds_no_place_to_be_told_from_waits_all_the_same() {
    let world = World::new(SharedCacheSettings {
        untold_max: 0,
        ..settings()
    })
    .await;
    world.process.level.fail();
    let guard = world.process.links.write_new("k".to_owned()).await;
    world.origin.set("k", "created");
    let before = tokio::time::Instant::now();
    guard.done().await.expect("acknowledged");
    assert_eq!(before.elapsed(), Duration::from_millis(settings().absent_ttl_ms));
}

#[tokio::test(start_paused = true)]
async fn a_creation_that_is_told_late_waits_no_longer_than_that() {
    let world = World::new(SharedCacheSettings {
        absent_ttl_ms: 3_600_000,
        ..settings()
    })
    .await;
    let other = Process::new(world.engine.handle().await, &world.origin);
    assert_eq!(other.sees("k").await, None);
    settle().await;
    world.process.level.fail();
    let guard = world.process.links.write_new("k".to_owned()).await;
    world.origin.set("k", "created");
    let ending = tokio::spawn(guard.done());
    settle().await;
    assert!(!ending.is_finished());
    world.process.level.heal();
    ending.await.expect("no panic").expect("acknowledged");
    assert_eq!(other.sees("k").await.as_deref(), Some("created"));
}

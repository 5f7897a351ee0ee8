//! What both engines must do, written once; one line an engine at the end.

use std::time::Duration;

use futures::future::join_all;
use leases::{LEADERSHIP_MS_MAX, Leadership, LeadershipError, guard_postgres};
use sql::scoped;
use tokio::sync::oneshot;

use super::Database;
use crate::NOON;

const TTL: u64 = 10_000;

async fn take(database: &Database, holder: &str, now_ms: u64) -> Option<Leadership> {
    let store = database.leaderships();
    store
        .try_take("relay", holder, now_ms, TTL)
        .await
        .expect("the database answers")
}

#[expect(clippy::needless_pass_by_value, reason = "an outcome is looked at once")]
fn assert_lost<T: std::fmt::Debug>(outcome: Result<T, LeadershipError>) {
    assert!(
        matches!(outcome, Err(LeadershipError::Lost { ref name }) if name == "relay"),
        "{outcome:?}"
    );
}

async fn of_racing_takers_one_leads(database: Database) {
    for round in 0..5 {
        let now_ms = NOON + round * TTL;
        let takers = (0..16).map(|taker| {
            let database = database.clone();
            tokio::spawn(async move { take(&database, &format!("{round}-{taker}"), now_ms).await })
        });
        let led: Vec<Leadership> = join_all(takers)
            .await
            .into_iter()
            .filter_map(|led| led.expect("no panic"))
            .collect();
        assert_eq!(led.len(), 1, "{led:?}");
        assert_eq!((led[0].fence, led[0].until_ms), (round + 1, now_ms + TTL));
    }
}

async fn it_is_another_holders_only_when_its_time_is_over(database: Database) {
    let led = take(&database, "a", NOON).await.expect("nobody led");
    assert_eq!(take(&database, "b", led.until_ms - 1).await, None);
    let next = take(&database, "b", led.until_ms)
        .await
        .expect("its time is over");
    assert!(next.fence > led.fence);
    let other = database
        .leaderships()
        .try_take("another duty", "a", NOON, TTL)
        .await;
    assert_eq!(
        other.expect("the database answers").map(|led| led.fence),
        Some(1),
        "duties are apart"
    );
}

async fn a_renewal_makes_it_last_longer_under_the_same_fence(database: Database) {
    let led = take(&database, "a", NOON).await.expect("nobody led");
    let renewed = database
        .leaderships()
        .renew(&led, NOON + 6_000, TTL)
        .await
        .expect("still led");
    assert_eq!((renewed.fence, renewed.until_ms), (led.fence, NOON + 16_000));
    assert_eq!(take(&database, "b", led.until_ms).await, None);
    database
        .write_as(&led, led.until_ms)
        .await
        .expect("the record's time counts, not the copy's");
    // Its time may even be over, as long as nobody took it.
    let late = database
        .leaderships()
        .renew(&led, NOON + 60_000, TTL)
        .await
        .expect("nobody took it");
    assert_eq!(late.until_ms, NOON + 60_000 + TTL);
}

async fn a_leader_that_slept_past_its_time_writes_nothing(database: Database) {
    let former = take(&database, "a", NOON).await.expect("nobody led");
    database
        .write_as(&former, NOON + TTL - 1)
        .await
        .expect("it leads");
    assert_lost(database.write_as(&former, NOON + TTL).await);
    let next = take(&database, "b", NOON + TTL).await.expect("its time is over");
    // It wakes up with a clock that stood still: its own time is not over, but the fence is another.
    assert_lost(database.write_as(&former, NOON + 1).await);
    assert_lost(database.leaderships().renew(&former, NOON + 1, TTL).await);
    assert_lost(database.leaderships().release(&former).await);
    database
        .write_as(&next, NOON + TTL)
        .await
        .expect("the successor is not disturbed");
    assert_eq!(database.written().await, [1, 2]);
}

async fn a_release_hands_over_at_once_and_ends_the_fence(database: Database) {
    let former = take(&database, "a", NOON).await.expect("nobody led");
    database.leaderships().release(&former).await.expect("it leads");
    assert_lost(database.write_as(&former, NOON + 1).await);
    assert_lost(database.leaderships().renew(&former, NOON + 1, TTL).await);
    assert_lost(database.leaderships().release(&former).await);
    let next = take(&database, "b", NOON + 1).await.expect("it was given up");
    assert!(next.fence > former.fence);
    assert_lost(database.write_as(&former, NOON + 2).await);
    assert_eq!(database.written().await, [0_i64; 0]);
}

async fn asking_again_settles_a_taking_that_nobody_heard_of(database: Database) {
    let unheard = take(&database, "a", NOON).await.expect("nobody led");
    let again = take(&database, "a", NOON + 1).await.expect("it is its own");
    assert!(again.fence > unheard.fence);
    assert_lost(database.write_as(&unheard, NOON + 2).await);
    database.write_as(&again, NOON + 2).await.expect("it leads");
}

async fn clocks_that_step_keep_nobody_out_and_let_nobody_in(database: Database) {
    // A clock that is a day ahead: its record keeps nobody out for a day.
    let day_ms = 86_400_000;
    let ahead = take(&database, "ahead", NOON + day_ms).await.expect("nobody led");
    let right = take(&database, "right", NOON)
        .await
        .expect("no honest record reaches so far ahead");
    assert_lost(database.write_as(&ahead, NOON + day_ms).await);
    // The leader's clock steps back: it believes for longer, and others do not ask it.
    let next = take(&database, "next", right.until_ms)
        .await
        .expect("its time is over");
    assert_lost(database.write_as(&right, NOON - day_ms).await);
    // A renewal after a step back shortens the record, so that it does not outlive a dead leader by the step.
    let renewed = database
        .leaderships()
        .renew(&next, NOON, TTL)
        .await
        .expect("it leads");
    assert_eq!(renewed.until_ms, NOON + TTL);
    // Nobody gets it for longer than an honest record reaches.
    let longest = database
        .leaderships()
        .renew(&next, NOON, u64::MAX)
        .await
        .expect("it leads");
    assert_eq!(longest.until_ms, NOON + LEADERSHIP_MS_MAX);
    assert_eq!(take(&database, "other", NOON).await, None);
    assert_eq!(database.written().await, [0_i64; 0]);
}

async fn what_was_never_led_is_not_guarded_by_a_made_up_fence(database: Database) {
    let made_up = Leadership {
        name: "relay".to_owned(),
        fence: 1,
        until_ms: NOON + TTL,
    };
    assert_lost(database.write_as(&made_up, NOON).await);
    assert_lost(database.leaderships().renew(&made_up, NOON, TTL).await);
    assert_eq!(database.written().await, [0_i64; 0]);
}

macro_rules! suite {
    ($engine:ident: $($case:ident),* $(,)?) => {
        mod $engine {$(
            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $case() {
                let Some(database) = crate::leadership::Database::$engine(stringify!($case)).await else { return };
                super::$case(database.clone()).await;
                database.drop_all().await;
            }
        )*}
    };
    ($($engine:ident),*) => {$(suite!($engine:
        of_racing_takers_one_leads,
        it_is_another_holders_only_when_its_time_is_over,
        a_renewal_makes_it_last_longer_under_the_same_fence,
        a_leader_that_slept_past_its_time_writes_nothing,
        a_release_hands_over_at_once_and_ends_the_fence,
        asking_again_settles_a_taking_that_nobody_heard_of,
        clocks_that_step_keep_nobody_out_and_let_nobody_in,
        what_was_never_led_is_not_guarded_by_a_made_up_fence,
    );)*};
}

suite!(on_sqlite, on_postgres);

/// On one writer at a time there is nothing to interleave; on PostgreSQL the guard's lock does it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_takeover_waits_for_the_guarded_write_that_is_under_way_and_a_renewal_does_not() {
    let Some(database) = Database::on_postgres("takeover waits").await else {
        return;
    };
    let Database::Postgres(sql) = database.clone() else {
        unreachable!()
    };
    let led = take(&database, "a", NOON).await.expect("nobody led");
    let (guarded, is_guarded) = oneshot::channel();
    let (go_on, told) = oneshot::channel();
    let write = tokio::spawn({
        let (led, mut channels) = (led.clone(), Some((guarded, told)));
        async move {
            sql.write("guarded", |tx| {
                let (led, channels) = (led.clone(), channels.take());
                scoped(async move {
                    guard_postgres(&mut *tx, &led, NOON).await?;
                    let (guarded, told) = channels.expect("the body runs once");
                    guarded.send(()).expect("it is waited for");
                    told.await.expect("it is told");
                    sqlx::query("INSERT INTO written (fence) VALUES ($1)")
                        .bind(1_i64)
                        .execute(tx)
                        .await?;
                    Ok::<_, LeadershipError>(())
                })
            })
            .await
        }
    });
    is_guarded.await.expect("it is guarded");
    let renewed = database.leaderships().renew(&led, NOON, TTL).await;
    renewed.expect("a renewal does not wait for a guarded write");
    let mut takeover = tokio::spawn({
        let database = database.clone();
        async move { take(&database, "b", NOON + TTL).await }
    });
    let early = tokio::time::timeout(Duration::from_millis(200), &mut takeover).await;
    assert!(
        early.is_err(),
        "nobody takes over while a guarded write may still commit: {early:?}"
    );
    go_on.send(()).expect("it waits");
    write
        .await
        .expect("no panic")
        .expect("it led when it was guarded, and nobody did since");
    let next = takeover.await.expect("no panic").expect("its time is over");
    assert_eq!((next.fence, database.written().await), (led.fence + 1, vec![1]));
    database.drop_all().await;
}

//! When a command goes at once, when it waits for the next commit, and when another lane opens. The clock stands still until it is moved.

use tokio::time::advance;

use super::*;

/// Longer than a lane is waited for: timers round up.
const PATIENCE: Duration = Duration::from_millis(60);

/// So long that whoever watches has looked.
async fn a_lane_was_waited_for() {
    advance(PATIENCE).await;
    for _ in 0..1_000 {
        tokio::task::yield_now().await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_lone_command_waits_for_nobody_and_what_comes_meanwhile_goes_together_next() {
    let bench = Bench::new(0, |settings| settings.lanes = 2);
    let first = bench.send(vec![command(1)], false);
    bench.until(1, 0).await;
    let others: Vec<_> = (2..=50).map(|id| bench.send(vec![command(id)], false)).collect();
    bench.until(1, 49).await;
    bench.ledger.gate.add_permits(2);
    assert_eq!(ids(&first.await.unwrap().unwrap()), [1]);
    for (id, other) in (2..).zip(others) {
        assert_eq!(ids(&other.await.unwrap().unwrap()), [id]);
    }
    assert_eq!(bench.sizes(), [1, 49]);
}

#[tokio::test(start_paused = true)]
async fn a_further_lane_opens_for_as_much_as_a_commit_is_worth_and_has_a_chain_of_its_own() {
    let bench = Bench::new(0, |settings| {
        settings.lanes = 2;
        settings.lane_opens_from = 10;
    });
    let mut sent = vec![bench.send(vec![command(1)], false)];
    bench.until(1, 0).await;
    for id in 2..11 {
        sent.push(bench.send(vec![command(id)], false));
    }
    bench.until(1, 9).await;
    sent.push(bench.send(vec![command(11)], false));
    bench.until(2, 0).await;
    bench.ledger.gate.add_permits(2);
    for sent in sent {
        sent.await.unwrap().unwrap();
    }
    let batches = bench.ledger.batches.lock().unwrap();
    assert_ne!(batches[0].shard, batches[1].shard);
}

#[tokio::test(start_paused = true)]
async fn a_slow_commit_stops_others_no_longer_than_a_lane_is_waited_for() {
    let bench = Bench::new(0, |settings| settings.lanes = 2);
    let stuck = bench.send(vec![command(1)], false);
    bench.until(1, 0).await;
    let behind = bench.send(vec![command(2)], false);
    bench.until(1, 1).await;
    a_lane_was_waited_for().await;
    bench.until(2, 0).await;
    bench.ledger.gate.add_permits(2);
    assert_eq!(ids(&behind.await.unwrap().unwrap()), [2]);
    assert_eq!(ids(&stuck.await.unwrap().unwrap()), [1]);
}

#[tokio::test(start_paused = true)]
async fn nor_does_a_slow_commit_that_came_after_the_first() {
    let bench = Bench::new(0, |settings| settings.lanes = 2);
    let first = bench.send(vec![command(1)], false);
    bench.until(1, 0).await;
    // All or nothing goes alone: what comes after it is left behind when it is taken.
    let alone = bench.send(vec![command(2), command(3)], true);
    bench.until(1, 2).await;
    let behind = bench.send(vec![command(4)], false);
    bench.until(1, 3).await;
    bench.ledger.gate.add_permits(1);
    first.await.unwrap().unwrap();
    bench.until(2, 1).await;
    a_lane_was_waited_for().await;
    bench.until(2, 1).await;
    a_lane_was_waited_for().await;
    bench.until(3, 0).await;
    bench.ledger.gate.add_permits(2);
    alone.await.unwrap().unwrap();
    behind.await.unwrap().unwrap();
}

//! Many at once.

use super::{Engine, LONG, bytes, lease, look};
use cache::{Look, SharedCache, WriteMark};
use futures::future::join_all;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use tokio::task::yield_now;

pub(crate) async fn of_racing_lookers_one_may_fill(engine: &dyn Engine) {
    let mut handles = Vec::new();
    for _ in 0..4 {
        handles.push(engine.handle().await);
    }
    for round in 0..10 {
        let key = format!("k{round}");
        let looks = handles.iter().cycle().take(32).map(|level| {
            let (level, key) = (Arc::clone(level), key.clone());
            tokio::spawn(async move { look(&level, &key).await })
        });
        let looks = join_all(looks.collect::<Vec<_>>()).await;
        let granted = looks
            .iter()
            .filter(|look| matches!(look, Ok(Look::Fill(_))))
            .count();
        assert_eq!(granted, 1);
    }
}

/// An origin that counts its writes, and what of them was acknowledged.
#[derive(Default)]
struct Origin {
    written: AtomicU64,
    acknowledged: AtomicU64,
}

async fn write(level: &Arc<dyn SharedCache>, origin: &Origin) {
    let mark = WriteMark::random();
    level.begin_write("k", mark, LONG).await.expect("begun");
    let written = origin.written.fetch_add(1, Ordering::SeqCst) + 1;
    level.end_write("k", mark).await.expect("ended");
    origin.acknowledged.fetch_max(written, Ordering::SeqCst);
}

/// Reads through the level and gives what it saw, and what it had to see.
async fn read(level: &Arc<dyn SharedCache>, origin: &Origin) -> (u64, u64) {
    let due = origin.acknowledged.load(Ordering::SeqCst);
    let seen = match level.look("k", LONG).await.expect("an answer") {
        Look::Hit(bytes) => std::str::from_utf8(&bytes)
            .expect("text")
            .parse()
            .expect("a number"),
        Look::Fill(lease) => {
            let seen = origin.written.load(Ordering::SeqCst);
            // Time for a write to come in between.
            for _ in 0..seen % 5 {
                yield_now().await;
            }
            let value = Some(bytes(&seen.to_string()));
            level.fill("k", lease, value, LONG).await.expect("an answer");
            seen
        }
        Look::Absent => panic!("nobody said so"),
        Look::Load => origin.written.load(Ordering::SeqCst),
    };
    (seen, due)
}

pub(crate) async fn racing_writers_and_fillers_never_leave_an_acknowledged_write_unseen(engine: &dyn Engine) {
    const WRITES: u64 = 100;
    let origin = Arc::new(Origin::default());
    let mut tasks = Vec::new();
    for is_writer in [true, true, false, false, false, false] {
        let (level, origin) = (engine.handle().await, Arc::clone(&origin));
        tasks.push(tokio::spawn(async move {
            let mut hits = 0_u64;
            while origin.acknowledged.load(Ordering::SeqCst) < WRITES {
                if is_writer {
                    write(&level, &origin).await;
                    // A pause in which values are filled in and found.
                    for _ in 0..3 {
                        look(&level, "pause").await;
                    }
                } else {
                    let (seen, due) = read(&level, &origin).await;
                    assert!(seen >= due, "saw write {seen} after {due} was acknowledged");
                    hits += 1;
                }
            }
            hits
        }));
    }
    for task in tasks {
        task.await.expect("every read saw what it had to");
    }
    let level = engine.handle().await;
    let last = origin.written.load(Ordering::SeqCst);
    if let Look::Hit(found) = look(&level, "k").await {
        assert_eq!(found, bytes(&last.to_string()));
    } else {
        // Whatever was being filled in, a write's end makes room again.
        let mark = WriteMark::random();
        level.end_write("k", mark).await.expect("ended");
        lease(&level, "k").await;
    }
}

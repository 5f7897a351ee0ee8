//! Keeps processors busy and memory full, within bounds, and lets go of both.

use std::time::Duration;

use clock::SharedClock;
use tokio::task::JoinSet;

use crate::Fault;

/// A burner works and rests within this: short, so that a share of a processor is one at any moment.
const CYCLE: Duration = Duration::from_millis(20);
/// One byte in each makes the whole page real.
const PAGE_BYTES: usize = 4096;

/// Returns when `lasting` is over.
pub(super) async fn run(fault: &Fault, lasting: Duration, clock: &SharedClock) {
    let mut threads = JoinSet::new();
    let until = clock.monotonic() + lasting;
    match *fault {
        Fault::BurnCpu {
            workers,
            load_percent,
        } => {
            for _ in 0..workers {
                let clock = clock.clone();
                threads.spawn_blocking(move || burn(load_percent, until, &clock));
            }
        }
        Fault::FillMemory { bytes } => {
            let bytes = usize::try_from(bytes).unwrap_or(usize::MAX);
            threads.spawn_blocking(move || {
                let mut filled = vec![0_u8; bytes];
                filled.iter_mut().step_by(PAGE_BYTES).for_each(|byte| *byte = 1);
                rest(lasting);
                std::hint::black_box(&filled);
            });
        }
        _ => {}
    }
    while threads.join_next().await.is_some() {}
}

fn burn(load_percent: u32, until: Duration, clock: &SharedClock) {
    let work = CYCLE * load_percent.min(100) / 100;
    loop {
        let begun = clock.monotonic();
        if begun >= until {
            return;
        }
        let mut turns = 0_u64;
        while clock.monotonic().saturating_sub(begun) < work {
            turns = std::hint::black_box(turns.wrapping_add(1));
        }
        rest(CYCLE.saturating_sub(work));
    }
}

#[expect(
    clippy::disallowed_methods,
    reason = "a burner has a thread to itself, and resting is what it is for"
)]
fn rest(time: Duration) {
    std::thread::sleep(time);
}

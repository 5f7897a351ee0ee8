//! How long the machine itself stood still: no platform can append clicks while the disk or the processor is away.

use std::fs::OpenOptions;
use std::io::Write as _;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use clock::{Clock as _, SystemClock};

const PAUSE: Duration = Duration::from_millis(10);
/// An ordinary sync on an ordinary disk; only what goes beyond is a stall.
const ORDINARY: Duration = Duration::from_millis(20);

/// Syncs a small file beside the platform's own until it is `over`, and gives by how much the slowest round was too slow.
pub(super) async fn longest_stall(folder: PathBuf, over: Arc<AtomicBool>) -> Duration {
    let path = folder.join("probe");
    let mut file = OpenOptions::new()
        .create(true)
        .append(true)
        .open(&path)
        .expect("a file beside the data");
    let mut longest = Duration::ZERO;
    while !over.load(Ordering::Relaxed) {
        let start = SystemClock.monotonic();
        tokio::time::sleep(PAUSE).await;
        let sync = tokio::task::spawn_blocking(move || {
            file.write_all(&[0; 4_096])
                .and_then(|()| file.sync_data())
                .expect("the disk takes a page");
            file
        });
        file = sync.await.expect("the sync ended");
        longest = longest.max(SystemClock.monotonic().saturating_sub(start));
    }
    longest.saturating_sub(PAUSE + ORDINARY)
}

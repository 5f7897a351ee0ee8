//! The wish to stop, seen by every part of a role.

use tokio_util::sync::CancellationToken;

/// Asked for once, by a signal; clones share it. Workers stop taking work when it has begun, `/readyz` turns 503,
/// and [`Role::serve`](crate::Role::serve) returns once what is in flight has ended.
#[derive(Clone, Debug, Default)]
pub struct Drain(CancellationToken);

impl Drain {
    /// Not begun.
    pub fn new() -> Self {
        Self::default()
    }

    /// Begins it. Beginning twice is beginning once.
    pub fn begin(&self) {
        self.0.cancel();
    }

    /// Whether it has begun.
    pub fn is_draining(&self) -> bool {
        self.0.is_cancelled()
    }

    /// Waits until it begins; safe to drop and call again.
    pub async fn begun(&self) {
        self.0.cancelled().await;
    }
}

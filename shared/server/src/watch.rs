//! Notices a worker that ends before it was told to: a panic must not leave a service that looks well and does half its work.

use std::future::Future;

use tokio::sync::watch;
use tokio::task::JoinHandle;

use crate::Drain;

/// Watches over workers, and remembers the first that ended unasked. Clones share it.
#[derive(Clone, Debug, Default)]
pub struct WorkerWatch {
    first_lost: watch::Sender<Option<&'static str>>,
}

impl WorkerWatch {
    /// Nothing is lost yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// Runs `work`, which may end once `stop` has begun and not before.
    pub(crate) fn spawn<F>(&self, name: &'static str, stop: &Drain, work: F) -> JoinHandle<()>
    where
        F: Future<Output = ()> + Send + 'static,
    {
        let watched = Watched {
            name,
            stop: stop.clone(),
            first_lost: self.first_lost.clone(),
        };
        tokio::spawn(async move {
            let _watched = watched;
            work.await;
        })
    }

    /// Waits until a worker has ended unasked, and names it.
    pub async fn lost(&self) -> &'static str {
        let mut first_lost = self.first_lost.subscribe();
        match first_lost.wait_for(Option::is_some).await.map(|lost| *lost) {
            Ok(Some(name)) => name,
            // Not while `self` holds the sender.
            _ => std::future::pending().await,
        }
    }
}

/// Tells in its drop, so that a panic is told too.
struct Watched {
    name: &'static str,
    stop: Drain,
    first_lost: watch::Sender<Option<&'static str>>,
}

impl Drop for Watched {
    fn drop(&mut self) {
        if !self.stop.is_draining() {
            self.first_lost
                .send_if_modified(|lost| lost.is_none() && lost.replace(self.name).is_none());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_worker_that_panics_is_named_and_one_that_was_told_to_end_is_not() {
        let (watch, stop) = (WorkerWatch::new(), Drain::new());
        let told = Drain::new();
        told.begin();
        watch.spawn("told to end", &told, async {}).await.unwrap();
        watch.spawn("at work", &stop, std::future::pending());
        let panicked = watch.spawn("panicked", &stop, async { panic!("a defect") });
        assert!(panicked.await.is_err());
        watch.spawn("ended later", &stop, async {}).await.unwrap();
        assert_eq!(watch.lost().await, "panicked");
    }
}

//! What runs beside the requests, from the start of a role to its end.

use std::future::Future;
use std::pin::pin;

use tokio::task::JoinHandle;

use crate::{Drain, ServeError, WorkerWatch};

/// Workers that are told to stop together, once what needs them has ended.
#[derive(Debug)]
pub struct Workers {
    watch: WorkerWatch,
    running: Vec<(&'static str, JoinHandle<()>)>,
    stop: Drain,
}

impl Workers {
    /// None yet; `watch` will know of each that is started.
    pub fn new(watch: &WorkerWatch) -> Self {
        Self {
            watch: watch.clone(),
            running: Vec::new(),
            stop: Drain::new(),
        }
    }

    /// Starts what runs until the drain it is given begins.
    pub fn start<F>(&mut self, name: &'static str, work: impl FnOnce(Drain) -> F)
    where
        F: Future<Output = ()> + Send + 'static,
    {
        let running = self.watch.spawn(name, &self.stop, work(self.stop.clone()));
        self.running.push((name, running));
    }

    /// Tells all to stop, and waits until the last has.
    pub async fn stop(self) {
        self.stop.begin();
        for (worker, running) in self.running {
            if let Err(error) = running.await {
                tracing::error!(worker, %error, "a worker ended badly");
            }
        }
    }
}

impl WorkerWatch {
    /// Serves until the drain is done, which begins at once when a worker ends unasked: half a service is not to look well. That is
    /// [`ServeError::WorkerLost`] then.
    pub async fn while_all_work(
        &self,
        drain: &Drain,
        serving: impl Future<Output = Result<(), ServeError>>,
    ) -> Result<(), ServeError> {
        let mut serving = pin!(serving);
        let worker = tokio::select! {
            served = &mut serving => return served,
            worker = self.lost() => worker,
        };
        tracing::error!(worker, "a worker ended unasked: the service stops");
        drain.begin();
        serving.await?;
        Err(ServeError::WorkerLost { worker })
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicBool, Ordering};

    use super::*;

    #[tokio::test]
    async fn when_a_worker_panics_the_service_drains_and_ends_with_its_name() {
        let (watch, drain) = (WorkerWatch::new(), Drain::new());
        let mut workers = Workers::new(&watch);
        workers.start("hold expiry", |_stop| async { panic!("a defect") });
        let serving = async {
            drain.begun().await;
            Ok(())
        };
        let ended = watch.while_all_work(&drain, serving).await.unwrap_err();
        assert_eq!(ended.code(), "worker_lost", "{ended}");
        assert!(ended.to_string().contains("hold expiry"), "{ended}");
        assert!(ended.retryable(), "another start may do better");
        workers.stop().await;
    }

    #[tokio::test]
    async fn workers_that_are_told_to_stop_have_ended_when_stopping_returns_and_none_of_them_is_lost() {
        let (watch, drain) = (WorkerWatch::new(), Drain::new());
        let mut workers = Workers::new(&watch);
        let is_over = Arc::new(AtomicBool::new(false));
        let over = Arc::clone(&is_over);
        workers.start("relay", |stop| async move {
            stop.begun().await;
            tokio::task::yield_now().await;
            over.store(true, Ordering::Relaxed);
        });
        workers.stop().await;
        assert!(is_over.load(Ordering::Relaxed));
        let served = watch.while_all_work(&drain, std::future::ready(Ok(()))).await;
        assert!(served.is_ok() && !drain.is_draining());
    }
}

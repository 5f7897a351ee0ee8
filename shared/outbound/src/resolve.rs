//! From a name to addresses.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use tokio::sync::Semaphore;
use tokio::time::{Instant, timeout_at};

use crate::error::{OutboundError, said};
use crate::settings::OutboundSettings;

/// Where the addresses of a name come from. A seam for tests: one that answers differently the second time.
#[async_trait]
pub trait Resolve: Send + Sync + std::fmt::Debug + 'static {
    /// Every address of the name; an error or none at all where it has none.
    async fn resolve(&self, host: &str) -> Result<Vec<IpAddr>, std::io::Error>;
}

/// The system's resolver.
#[derive(Debug, Clone, Copy, Default)]
pub struct SystemResolver;

#[async_trait]
impl Resolve for SystemResolver {
    async fn resolve(&self, host: &str) -> Result<Vec<IpAddr>, std::io::Error> {
        let found = tokio::net::lookup_host((host, 0)).await?;
        Ok(found.map(|address| address.ip()).collect())
    }
}

/// Look-ups within bounds of time and number, whatever a name's servers do.
#[derive(Debug)]
pub(crate) struct Lookups {
    resolver: Arc<dyn Resolve>,
    places: Arc<Semaphore>,
    timeout: Duration,
    addresses_max: usize,
}

impl Lookups {
    pub(crate) fn new(settings: &OutboundSettings, resolver: Arc<dyn Resolve>) -> Self {
        Self {
            resolver,
            places: Arc::new(Semaphore::new(
                settings.lookups_max.clamp(1, Semaphore::MAX_PERMITS),
            )),
            timeout: Duration::from_millis(settings.resolve_timeout_ms),
            addresses_max: settings.addresses_max.max(1),
        }
    }

    /// Every address of a name.
    pub(crate) async fn find(&self, name: &str) -> Result<Vec<IpAddr>, OutboundError> {
        let deadline = Instant::now() + self.timeout;
        let place = timeout_at(deadline, Arc::clone(&self.places).acquire_owned());
        // The semaphore is never closed.
        let Ok(Ok(place)) = place.await else {
            return Err(OutboundError::Saturated);
        };
        let (resolver, host) = (Arc::clone(&self.resolver), name.to_owned());
        // The system's look-up holds a thread until it ends, waited for or not: so long its place is taken too.
        let lookup = tokio::spawn(async move {
            let _place = place;
            resolver.resolve(&host).await
        });
        let found = timeout_at(deadline, lookup)
            .await
            .map_err(|_elapsed| OutboundError::Timeout { stage: "resolving" })?
            .map_err(|_panicked| OutboundError::Unresolved("the look-up broke off".to_owned()))?
            .map_err(|error| OutboundError::Unresolved(said(&error)))?;
        if found.len() > self.addresses_max {
            return Err(OutboundError::Unresolved(format!(
                "it has more than {} addresses",
                self.addresses_max
            )));
        }
        Ok(found)
    }
}

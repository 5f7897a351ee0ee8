//! Filling the caches before the first request: a deploy with cold caches must not fall upon the store.

use std::time::Duration;

use futures::{StreamExt as _, stream};
use streams::Partition;

use super::Links;
use crate::config::WarmUpSettings;
use crate::link::Code;
use crate::statistics::{Head, Hottest};
use crate::store::StoreError;

impl Links {
    /// Remembers where the hottest codes lead. Nothing that fails here stands in the way of a start.
    pub async fn warm_up(&self, settings: WarmUpSettings) {
        if settings.codes_max == 0 {
            return;
        }
        let deadline = Duration::from_millis(settings.deadline_ms);
        let warm = async {
            let codes = self.hottest(settings.codes_max).await?;
            // Not by `map`: a closure over borrowed codes is not known to be `Send` where the service is spawned.
            let mut loads = Vec::with_capacity(codes.len());
            for code in &codes {
                loads.push(self.follow_link(code));
            }
            let loads = stream::iter(loads).buffer_unordered(settings.loads_max.max(1));
            let loaded: Vec<_> = loads.collect().await;
            let found = loaded.iter().filter(|found| found.is_ok()).count();
            Ok::<_, StoreError>((codes.len(), found))
        };
        match tokio::time::timeout(deadline, warm).await {
            Ok(Ok((0, _))) => {}
            Ok(Ok((codes, found))) => tracing::info!(codes, found, "the hottest codes are remembered"),
            Ok(Err(error)) => {
                tracing::warn!(%error, code = error.code(), "the hottest codes are not known: the caches are cold");
            }
            Err(_) => tracing::warn!("looking the hottest codes up took too long: the caches may be cold"),
        }
    }

    /// Out of the heads of all lanes.
    async fn hottest(&self, most: usize) -> Result<Vec<Code>, StoreError> {
        let mut lanes = Vec::new();
        for partition in Partition::all() {
            if let Some(stored) = self.statistics.head(partition.number()).await? {
                lanes.push(Head::from_stored(&stored)?.hottest);
            }
        }
        let codes = Hottest::of_all(lanes, most);
        Ok(codes.iter().filter_map(|code| Code::parse(code)).collect())
    }
}

//! What the contract suite needs of an engine: data of its own, opened as often as there are processes.

pub(crate) mod sqlite {
    use leases::LeaseStore;
    use std::sync::Arc;

    /// A folder.
    pub(crate) struct Data(tempfile::TempDir);

    impl Data {
        #[expect(clippy::unnecessary_wraps, reason = "an embedded engine is always there")]
        pub(crate) fn new(_case: &str) -> Option<Self> {
            Some(Self(crate::folder()))
        }

        pub(crate) async fn open(&self) -> Arc<dyn LeaseStore> {
            Arc::new(crate::open(self.0.path()).await)
        }
    }
}

pub(crate) mod nats {
    use clock::SystemClock;
    use leases::{LeaseStore, NatsLeaseStore};
    use nats::{Nats, NatsSettings};
    use std::sync::Arc;
    use testkit::engines::{self, Kind};

    /// A prefix on the shared server.
    pub(crate) struct Data(String);

    impl Data {
        pub(crate) fn new(case: &str) -> Option<Self> {
            let url = engines::url(Kind::Nats, case)?;
            Some(Self(format!("{url}?prefix={}", engines::fresh_name("leases"))))
        }

        pub(crate) async fn open(&self) -> Arc<dyn LeaseStore> {
            let (settings, clock) = (NatsSettings::default(), SystemClock::shared());
            let nats = Nats::connect(&self.0, settings, crate::telemetry(), clock);
            let nats = nats.await.expect("the shared server answers");
            Arc::new(NatsLeaseStore::open(&nats).await.expect("the bucket is made"))
        }
    }
}

//! The engines behind a role: what they make of its readiness, and their end.

use std::sync::Arc;
use std::time::Duration;

use clock::SharedClock;
use resilience::Connection;

use crate::Readiness;

/// How often an engine is probed, and how long it may take: together well within the 2 s in which `/readyz` must tell.
const PROBE: Duration = Duration::from_millis(500);

/// The connections of a role, by the names that `/readyz` has for them.
#[derive(Default)]
pub struct Connections(Vec<Named>);

struct Named {
    name: &'static str,
    connection: Arc<dyn Connection>,
    /// Whether the role can do most of its work without it for a while.
    is_optional: bool,
}

impl Connections {
    /// Adds one without which the role is not ready.
    pub fn require(&mut self, name: &'static str, connection: Arc<dyn Connection>) {
        self.add(name, connection, false);
    }

    /// Adds one that the role can be without for a while: it is ready all the same, and `/readyz` says what is missing.
    pub fn prefer(&mut self, name: &'static str, connection: Arc<dyn Connection>) {
        self.add(name, connection, true);
    }

    /// Adds one that the role can be without for a while if it is elsewhere. A file that cannot be written is this machine's
    /// trouble, which another machine may not have.
    pub fn prefer_if_remote(&mut self, name: &'static str, connection: Arc<dyn Connection>) {
        let is_remote = connection.is_remote();
        self.add(name, connection, is_remote);
    }

    fn add(&mut self, name: &'static str, connection: Arc<dyn Connection>, is_optional: bool) {
        self.0.push(Named {
            name,
            connection,
            is_optional,
        });
    }

    /// A check for each, by its own probe.
    pub fn readiness(&self, clock: SharedClock) -> Readiness {
        let mut readiness = Readiness::new(clock);
        for named in &self.0 {
            let connection = Arc::clone(&named.connection);
            let probe = move || {
                let connection = Arc::clone(&connection);
                async move { connection.probe().await }
            };
            readiness = if named.is_optional {
                readiness.degraded_by(named.name, PROBE, PROBE, probe)
            } else {
                readiness.check(named.name, PROBE, PROBE, probe)
            };
        }
        readiness
    }

    /// Ends them in the order in which they were added.
    pub async fn close(self) {
        for named in self.0 {
            named.connection.close().await;
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use async_trait::async_trait;
    use clock::ManualClock;

    use super::*;

    /// An engine that is away, and notes its end.
    struct Away {
        name: &'static str,
        is_remote: bool,
        ended: Arc<Mutex<Vec<&'static str>>>,
    }

    #[async_trait]
    impl Connection for Away {
        async fn probe(&self) -> Result<(), String> {
            Err("away".to_owned())
        }

        async fn close(&self) {
            self.ended.lock().unwrap().push(self.name);
        }

        fn is_remote(&self) -> bool {
            self.is_remote
        }
    }

    #[tokio::test]
    async fn what_is_preferred_only_degrades_and_a_file_of_this_machine_is_needed_all_the_same() {
        let ended = Arc::new(Mutex::new(Vec::new()));
        let away = |name, is_remote| -> Arc<dyn Connection> {
            let ended = Arc::clone(&ended);
            Arc::new(Away {
                name,
                is_remote,
                ended,
            })
        };
        let mut connections = Connections::default();
        connections.require("database", away("database", true));
        connections.prefer("cache", away("cache", false));
        connections.prefer_if_remote("streams", away("streams", true));
        connections.prefer_if_remote("leases", away("leases", false));
        let readiness = connections.readiness(ManualClock::at(0));
        let names = |failing: Vec<(&'static str, String)>| -> Vec<&'static str> {
            failing.into_iter().map(|(name, _)| name).collect()
        };
        assert_eq!(names(readiness.failures()), ["database", "leases"]);
        assert_eq!(names(readiness.losses()), ["cache", "streams"]);
        connections.close().await;
        assert_eq!(*ended.lock().unwrap(), ["database", "cache", "streams", "leases"]);
    }
}

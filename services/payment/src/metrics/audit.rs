//! What is counted of audits.

use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::gauge::Gauge;
use telemetry::Telemetry;
use tokio::sync::watch;

/// How an audit ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Audited {
    /// Everything that was read is whole.
    Sound,
    /// Something is not.
    Broken,
    /// The database did not answer: nothing is known.
    Failed,
}

/// The handles; each was looked up once.
#[derive(Clone, Debug)]
pub(crate) struct AuditMetrics {
    /// Everything that was read is whole.
    pub sound: Counter,
    /// Something is not.
    pub broken: Counter,
    /// The database did not answer: nothing is known.
    pub failed: Counter,
    /// Links between what was read and the heads, when the last one had gone along the chains.
    pub behind: Gauge,
    /// How the last one ended, for the page of the books; `None` before the first.
    last: watch::Sender<Option<Audited>>,
}

impl AuditMetrics {
    /// Registers all of them; once a role.
    pub(crate) fn register(telemetry: &Telemetry) -> Self {
        telemetry.registry(|registry| {
            let audits = super::labelled(registry, "payment_audits", "Audits of the books", "outcome");
            let outcome = |value| audits.get_or_create_owned(&[("outcome", value)]);
            let audited = Self {
                sound: outcome("sound"),
                broken: outcome("broken"),
                failed: outcome("failed"),
                behind: Gauge::default(),
                last: watch::Sender::new(None),
            };
            registry.register(
                "payment_audit_links_behind",
                "Links of the chain that this process has not audited yet",
                &[],
                audited.behind.clone(),
            );
            audited
        })
    }

    /// Counts an audit.
    pub(crate) fn ended(&self, how: Audited) {
        match how {
            Audited::Sound => self.sound.inc(),
            Audited::Broken => self.broken.inc(),
            Audited::Failed => self.failed.inc(),
        };
        self.last.send_replace(Some(how));
    }

    /// How the last one ended, in this process.
    pub(crate) fn last(&self) -> Option<Audited> {
        *self.last.borrow()
    }
}

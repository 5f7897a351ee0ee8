//! Every metric of the service. What all roles have (requests, database operations, streams, leases) stands in their crates.
//!
//! | metric | unit | labels |
//! |---|---|---|
//! | `payment_commands_total` | commands to the ledger | `outcome`: `accepted`, `replayed`, `refused`, `failed` (busy, late, or not settled) |
//! | `payment_commit_commands` | commands of a commit | none |
//! | `payment_commit_queue_length` | commands that wait for a commit | none |
//! | `payment_commits_settled_total` | commits of unknown outcome that were asked about again until it was known | none |
//! | `payment_holds_expired_total` | holds that this process let go because their time was over | none |
//! | `payment_feed_links_behind` | links of the ledger that are not in its stream yet, as the feed's leader last saw it | none |
//! | `payment_accounts_total` | accounts | `change`: `created`, `replayed`, `updated`, `closed` |
//! | `payment_audit_links_behind` | links of the chain that this process has not audited yet, by the last heads it read | none |
//! | `payment_audits_total` | audits of the books | `outcome`: `sound`, `broken`, `failed` (the database did not answer: nothing is known) |
//! | `payment_payments_total` | payments | `outcome`: `created`, `captured`, `failed`, `refunded` (a refund went back) |
//! | `payment_saga_duration_seconds` | seconds from taking a payment in to its end; of `refunded` from taking the refund in | `outcome`: `captured`, `failed`, `refunded` |
//! | `payment_payments_under_way` | payments that this process carries at the moment | none |
//! | `payment_payments_due` | payments that are carried or wait for it, of all processes, up to 10,000 | none |
//! | `payment_webhook_attempts_total` | attempts to deliver a webhook | `outcome`: `delivered`, `failed` (tried again later), `dead` (given up), `lost` (taken by somebody else meanwhile) |
//! | `payment_webhook_attempt_duration_seconds` | seconds that an attempt took | none |
//! | `payment_webhook_endpoints_disabled_total` | endpoints that this process disabled after failures | none |
//! | `payment_webhooks_waiting` | webhooks that wait for an attempt, of all processes, up to 10,000 | none |
//! | `payment_webhooks_dead` | webhooks that were given up, of all processes, up to 10,000 | none |

mod audit;
mod sagas;
mod webhooks;

pub(crate) use audit::{AuditMetrics, Audited};
pub(crate) use sagas::{SagaMetrics, SagaOutcome};
pub(crate) use webhooks::WebhookMetrics;

use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use telemetry::{Operations, Registry, Telemetry};

/// From one alone to the most that go together.
const COMMANDS_BUCKETS: [f64; 10] = [1.0, 2.0, 5.0, 10.0, 25.0, 50.0, 100.0, 500.0, 2_000.0, 8_190.0];

type Labelled = Family<[(&'static str, &'static str); 1], Counter>;

/// The handles; each was looked up once.
#[derive(Clone, Debug)]
pub(crate) struct Metrics {
    pub commands_accepted: Counter,
    pub commands_replayed: Counter,
    pub commands_refused: Counter,
    pub commands_failed: Counter,
    pub commit_commands: Histogram,
    pub commit_queue_length: Gauge,
    pub commits_settled: Counter,
    pub holds_expired: Counter,
    pub feed_links_behind: Gauge,
    pub accounts_created: Counter,
    pub accounts_replayed: Counter,
    pub accounts_updated: Counter,
    pub accounts_closed: Counter,
}

/// Registers every metric that this role can emit, whatever engines stand behind it: for `docs/metrics.md`.
pub fn describe_metrics(telemetry: &Telemetry) {
    server::describe_metrics(telemetry);
    client::describe_metrics(telemetry);
    Operations::register(telemetry);
    sql::describe_metrics(telemetry);
    streams::describe_metrics(telemetry);
    leases::describe_metrics(telemetry);
    leases::describe_leader_metrics(telemetry);
    outbox::describe_metrics(telemetry);
    Metrics::register(telemetry);
    AuditMetrics::register(telemetry);
    SagaMetrics::register(telemetry);
    WebhookMetrics::register(telemetry);
}

impl Metrics {
    /// Registers all of them; once a role.
    pub(crate) fn register(telemetry: &Telemetry) -> Self {
        telemetry.registry(|registry| {
            let commands = labelled(registry, "payment_commands", "Commands to the ledger", "outcome");
            let accounts = labelled(registry, "payment_accounts", "Changes of accounts", "change");
            let outcome = |value| commands.get_or_create_owned(&[("outcome", value)]);
            let change = |value| accounts.get_or_create_owned(&[("change", value)]);
            let metrics = Self {
                commands_accepted: outcome("accepted"),
                commands_replayed: outcome("replayed"),
                commands_refused: outcome("refused"),
                commands_failed: outcome("failed"),
                commit_commands: Histogram::new(COMMANDS_BUCKETS),
                commit_queue_length: Gauge::default(),
                commits_settled: Counter::default(),
                holds_expired: Counter::default(),
                feed_links_behind: Gauge::default(),
                accounts_created: change("created"),
                accounts_replayed: change("replayed"),
                accounts_updated: change("updated"),
                accounts_closed: change("closed"),
            };
            metrics.register_unlabelled(registry);
            metrics
        })
    }

    fn register_unlabelled(&self, registry: &mut Registry) {
        registry.register(
            "payment_commit_commands",
            "Commands of a commit",
            &[],
            self.commit_commands.clone(),
        );
        registry.register(
            "payment_commit_queue_length",
            "Commands that wait for a commit",
            &[],
            self.commit_queue_length.clone(),
        );
        registry.register(
            "payment_commits_settled",
            "Commits of unknown outcome that were asked about again until it was known",
            &[],
            self.commits_settled.clone(),
        );
        registry.register(
            "payment_holds_expired",
            "Holds that were let go because their time was over",
            &[],
            self.holds_expired.clone(),
        );
        registry.register(
            "payment_feed_links_behind",
            "Links of the ledger that are not in its stream yet, as the feed's leader last saw it",
            &[],
            self.feed_links_behind.clone(),
        );
    }
}

fn labelled(registry: &mut Registry, name: &str, help: &str, label: &str) -> Labelled {
    let family = Labelled::default();
    registry.register(name, help, &[label], family.clone());
    family
}

//! Every metric of leaderships.
//!
//! - `leader_leads{duty}`: 1 while this process leads
//! - `leader_fence{duty}`: the fence of its latest term
//! - `leader_terms_total{duty, end}`: terms by how they ended: `released`, `lost`, or `unreleased` where giving it up failed
//! - `leader_renewals_total{duty, outcome}`, `leader_ticks_total{duty, outcome}`: `ok`, or an error's code

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use telemetry::Telemetry;

use crate::Leadership;

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct DutyLabel {
    duty: String,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct OutcomeLabels {
    duty: String,
    outcome: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct EndLabels {
    duty: String,
    end: &'static str,
}

/// How terms end.
const ENDS: [&str; 3] = ["released", "lost", "unreleased"];

#[derive(Debug, Clone, Default)]
pub(super) struct Metrics {
    leads: Family<DutyLabel, Gauge>,
    fence: Family<DutyLabel, Gauge>,
    terms: Family<EndLabels, Counter>,
    renewals: Family<OutcomeLabels, Counter>,
    ticks: Family<OutcomeLabels, Counter>,
}

/// Registers every metric of leaderships without using it: for the catalogue of what a role can emit.
pub fn describe_leader_metrics(telemetry: &Telemetry) {
    Metrics::of(telemetry);
}

impl Metrics {
    pub(super) fn of(telemetry: &Telemetry) -> Self {
        telemetry.registered(|registry| {
            let metrics = Self::default();
            let help = "Whether this process leads the duty";
            registry.register("leader_leads", help, &["duty"], metrics.leads.clone());
            let help = "The fence of this process's latest term";
            registry.register("leader_fence", help, &["duty"], metrics.fence.clone());
            let help = "Terms of this process that ended, by how";
            registry.register("leader_terms", help, &["duty", "end"], metrics.terms.clone());
            let help = "Renewals by outcome: ok, or the error's code";
            registry.register(
                "leader_renewals",
                help,
                &["duty", "outcome"],
                metrics.renewals.clone(),
            );
            let help = "Steps of a duty by outcome: ok, or the error's code";
            registry.register("leader_ticks", help, &["duty", "outcome"], metrics.ticks.clone());
            metrics
        })
    }

    /// The duty is watched from now on, led or not. The first term that ends is a rise then, and no series out of nothing.
    pub(super) fn begun(&self, duty: &str) {
        self.leads.get_or_create(&label(duty)).set(0);
        for end in ENDS {
            let duty = duty.to_owned();
            self.terms.get_or_create(&EndLabels { duty, end }).inc_by(0);
        }
    }

    pub(super) fn taken(&self, leadership: &Leadership) {
        let label = label(&leadership.name);
        self.leads.get_or_create(&label).set(1);
        let fence = i64::try_from(leadership.fence).unwrap_or(i64::MAX);
        self.fence.get_or_create(&label).set(fence);
    }

    pub(super) fn ended(&self, duty: &str, end: &'static str) {
        self.leads.get_or_create(&label(duty)).set(0);
        let duty = duty.to_owned();
        self.terms.get_or_create(&EndLabels { duty, end }).inc();
    }

    pub(super) fn renewed(&self, duty: &str, outcome: &'static str) {
        let duty = duty.to_owned();
        self.renewals
            .get_or_create(&OutcomeLabels { duty, outcome })
            .inc();
    }

    pub(super) fn ticked(&self, duty: &str, outcome: &'static str) {
        let duty = duty.to_owned();
        self.ticks.get_or_create(&OutcomeLabels { duty, outcome }).inc();
    }
}

fn label(duty: &str) -> DutyLabel {
    DutyLabel {
        duty: duty.to_owned(),
    }
}

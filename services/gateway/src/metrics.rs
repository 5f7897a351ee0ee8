//! What the gateway counts besides the server's and the client's own metrics.

use identity::Tenant;
use telemetry::{Cardinality, Counts, Telemetry};

/// Every metric of the gateway.
#[derive(Debug)]
pub(crate) struct Metrics {
    tenants: Cardinality,
    rate_limited: Counts,
    refused: Counts,
    sign_ins: Counts,
}

impl Metrics {
    pub(crate) fn register(telemetry: &Telemetry, tenants_max: usize) -> Self {
        Self {
            tenants: Cardinality::new(tenants_max),
            rate_limited: Counts::register(
                telemetry,
                "gateway_rate_limited",
                "Requests refused because their tenant's rate limit was used up",
                &["tenant"],
            ),
            refused: Counts::register(
                telemetry,
                "gateway_refused",
                "Requests that the gateway answered itself with a problem, by its code and the upstream meant",
                &["upstream", "code"],
            ),
            sign_ins: Counts::register(
                telemetry,
                "gateway_sign_ins",
                "Sign-ins that came back from the issuer, by how they ended",
                &["outcome"],
            )
            .starting(&[
                &["ok"],
                &["not_begun_here"],
                &["wrong_issuer"],
                &["denied"],
                &["issuer_unavailable"],
                &["code_refused"],
                &["bad_token"],
            ]),
        }
    }

    pub(crate) fn rate_limited(&self, tenant: &Tenant) {
        self.rate_limited.inc(&[self.tenants.label(tenant.as_str())]);
    }

    pub(crate) fn refused(&self, upstream: &'static str, code: &'static str) {
        self.refused.inc(&[upstream, code]);
    }

    pub(crate) fn sign_in(&self, outcome: &'static str) {
        self.sign_ins.inc(&[outcome]);
    }
}

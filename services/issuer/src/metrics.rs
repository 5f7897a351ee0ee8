//! Every metric of the issuer.

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use telemetry::Telemetry;

use crate::operations::token_request::GrantType;

/// Why a token request was refused: one of RFC 6749's words.
#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct RefusedLabels {
    error: &'static str,
}

/// The issuer's own metrics; those of HTTP and of the database are made where they are measured.
#[derive(Clone, Debug, Default)]
pub(crate) struct Metrics {
    /// Sign-ins that ended with a code.
    codes: Counter,
    /// Tokens issued for a code.
    tokens: Counter,
    /// Tokens issued to a client for its API key.
    client_tokens: Counter,
    /// Token requests refused, by OAuth error.
    refused: Family<RefusedLabels, Counter>,
    /// Keys made.
    keys_made: Counter,
    /// Unix seconds of the last housekeeping that succeeded.
    housekeeping: Gauge,
}

impl Metrics {
    pub(crate) fn of(telemetry: &Telemetry) -> Self {
        let metrics = Self::default();
        telemetry.registry(|registry| {
            registry.register(
                "issuer_codes_granted",
                "Sign-ins that ended with a code",
                &[],
                metrics.codes.clone(),
            );
            registry.register(
                "issuer_tokens_issued",
                "Tokens issued for a code",
                &[],
                metrics.tokens.clone(),
            );
            registry.register(
                "issuer_client_tokens_issued",
                "Tokens issued to a machine client for its API key",
                &[],
                metrics.client_tokens.clone(),
            );
            registry.register(
                "issuer_tokens_refused",
                "Token requests refused",
                &["error"],
                metrics.refused.clone(),
            );
            registry.register(
                "issuer_signing_keys_made",
                "Signing keys made",
                &[],
                metrics.keys_made.clone(),
            );
            registry.register(
                "issuer_housekeeping_last_success_timestamp_seconds",
                "When keys were last looked after (unix time)",
                &[],
                metrics.housekeeping.clone(),
            );
        });
        metrics
    }

    pub(crate) fn code_granted(&self) {
        self.codes.inc();
    }

    pub(crate) fn token_issued(&self, grant_type: GrantType) {
        match grant_type {
            GrantType::AuthorizationCode => self.tokens.inc(),
            GrantType::ClientCredentials => self.client_tokens.inc(),
        };
    }

    pub(crate) fn token_refused(&self, error: &'static str) {
        self.refused.get_or_create(&RefusedLabels { error }).inc();
    }

    pub(crate) fn key_made(&self) {
        self.keys_made.inc();
    }

    pub(crate) fn looked_after(&self, now_ms: u64) {
        self.housekeeping
            .set(i64::try_from(now_ms / 1_000).unwrap_or(i64::MAX));
    }
}

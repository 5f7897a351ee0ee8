//! One attempt.

use ::webhooks::{ID_HEADER, SIGNATURE_HEADER, Secret, TIMESTAMP_HEADER};
use http::header::CONTENT_TYPE;
use http::{HeaderMap, HeaderName, HeaderValue};
use outbound::OutboundError;

use super::DeliverWebhooks;
use crate::operations::open_secret;
use crate::store::webhooks::{
    Attempted, Delivery, DeliveryState, Endpoint, EndpointState, Patience, Recorded, Taken,
};

/// After the first failure so long, after the second so long, and so on; after the last the delivery is given up. The schedule of
/// Standard Webhooks, as far as a little over a day.
pub(super) const RETRY_AFTER_S: [u64; 7] = [5, 5 * 60, 30 * 60, 2 * 3_600, 5 * 3_600, 10 * 3_600, 14 * 3_600];

/// The longest text kept of what went wrong, in characters.
const ERROR_CHARS_MAX: usize = 200;

/// What came of calling, or not calling.
struct Outcome {
    status: Option<u16>,
    /// `None`: it was accepted.
    error: Option<String>,
    /// Whether the endpoint was asked at all, or could have been.
    counts: bool,
    /// Whether nothing will be different next time.
    is_final: bool,
}

impl Outcome {
    fn failed(error: impl Into<String>) -> Self {
        Self {
            status: None,
            error: Some(error.into().chars().take(ERROR_CHARS_MAX).collect()),
            counts: true,
            is_final: false,
        }
    }
}

impl DeliverWebhooks {
    /// Delivers what was taken, or not, and records it.
    pub(super) async fn attempt(&self, taken: Taken) {
        let Taken { delivery, endpoint } = taken;
        let begun = self.clock.monotonic();
        let outcome = self.call(&delivery, &endpoint).await;
        let took = self.clock.monotonic().saturating_sub(begun);
        self.metrics.attempts.observe(took.as_secs_f64());
        let result = self.result(&delivery, outcome);
        let patience = Patience {
            dead_max: self.settings.dead_in_a_row_max,
            failing_ms_max: self.settings.failing_ms_max,
        };
        match self.store.record(&delivery, &result, patience).await {
            Ok(recorded) => self.count(&endpoint, result.state, recorded),
            // Its lease ends, and it is delivered again: receivers tell doubles by the id.
            Err(error) => {
                tracing::warn!(%error, code = error.code(), delivery = %delivery.id, "what came of a webhook was not recorded");
            }
        }
    }

    fn count(&self, endpoint: &Endpoint, state: DeliveryState, recorded: Recorded) {
        let counter = match (recorded, state) {
            (Recorded::Lost, _) => &self.metrics.lost,
            (_, DeliveryState::Delivered) => &self.metrics.delivered,
            (_, DeliveryState::Dead) => &self.metrics.dead,
            (_, DeliveryState::Failed | DeliveryState::Pending) => &self.metrics.failed,
        };
        counter.inc();
        if recorded == Recorded::Disabled {
            self.metrics.disabled.inc();
            tracing::warn!(tenant = %endpoint.tenant, endpoint = %endpoint.id, "a webhook endpoint was disabled after failures");
        }
    }

    async fn call(&self, delivery: &Delivery, endpoint: &Endpoint) -> Outcome {
        if endpoint.state != EndpointState::Enabled {
            return Outcome {
                counts: false,
                is_final: true,
                ..Outcome::failed("the endpoint is disabled")
            };
        }
        let headers = match self.signed(delivery, endpoint) {
            Ok(headers) => headers,
            Err(cause) => {
                tracing::error!(cause, delivery = %delivery.id, "a webhook could not be signed");
                return Outcome {
                    counts: false,
                    ..Outcome::failed("it could not be signed")
                };
            }
        };
        match self
            .outbound
            .post(&endpoint.url, headers, delivery.body.clone())
            .await
        {
            Ok(answer) if (200..300).contains(&answer.status) => Outcome {
                status: Some(answer.status),
                error: None,
                counts: true,
                is_final: false,
            },
            Ok(answer) => Outcome {
                status: Some(answer.status),
                ..Outcome::failed(format!("the answer was {}", answer.status))
            },
            Err(error) => Outcome {
                status: match error {
                    OutboundError::Redirect(status) => Some(status),
                    _ => None,
                },
                // A full house is ours, not the receiver's.
                counts: error != OutboundError::Saturated,
                ..Outcome::failed(format!("{}: {error}", error.code()))
            },
        }
    }

    /// The headers of this attempt: signed now, by the present secret and, for a while, by the former one too.
    fn signed(&self, delivery: &Delivery, endpoint: &Endpoint) -> Result<HeaderMap, &'static str> {
        let now_ms = self.clock.unix_ms();
        let open =
            |sealed| open_secret(&self.vault, endpoint, sealed).map_err(|_| "its secret does not open");
        let mut secrets: Vec<Secret> = vec![open(&endpoint.secret)?];
        if let Some(former) = endpoint.former_at(now_ms) {
            secrets.push(open(former)?);
        }
        let timestamp_s = now_ms / 1_000;
        let signature = ::webhooks::sign(&secrets, &delivery.event_id, timestamp_s, &delivery.body)
            .map_err(|_| "its id is no webhook-id")?;
        let mut headers = HeaderMap::new();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        for (name, value) in [
            (ID_HEADER, delivery.event_id.clone()),
            (TIMESTAMP_HEADER, timestamp_s.to_string()),
            (SIGNATURE_HEADER, signature),
        ] {
            let value = HeaderValue::try_from(value).map_err(|_| "its id is no header")?;
            headers.insert(HeaderName::from_static(name), value);
        }
        Ok(headers)
    }

    fn result(&self, delivery: &Delivery, outcome: Outcome) -> Attempted {
        let at_ms = self.clock.unix_ms();
        let failures = delivery.attempt_of_round.max(1) as usize;
        let wait_s = RETRY_AFTER_S.get(failures - 1).filter(|_| !outcome.is_final);
        let (state, next_at_ms) = match (&outcome.error, wait_s) {
            (None, _) => (DeliveryState::Delivered, at_ms),
            (Some(_), Some(wait_s)) => (DeliveryState::Failed, at_ms + jittered_ms(*wait_s)),
            (Some(_), None) => (DeliveryState::Dead, at_ms),
        };
        Attempted {
            state,
            next_at_ms,
            status: outcome.status,
            error: outcome.error,
            at_ms,
            counts: outcome.counts,
        }
    }
}

/// A tenth more or less, so that what failed together does not come back together.
fn jittered_ms(wait_s: u64) -> u64 {
    let tenth_ms = wait_s * 100;
    wait_s * 1_000 - tenth_ms + rand::random_range(0..=2 * tenth_ms)
}

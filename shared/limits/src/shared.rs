use crate::{Decision, KeyedLimiter, LimitError, OnLoss, RateLimiter, RedisLimiter};
use async_trait::async_trait;
use telemetry::{Counts, Telemetry};

/// Buckets in Redis for all processes, and behind each a bucket of this process's own: a request passes when both have a token.
///
/// With *n* processes, in any window of length *t*, a key gets through
///
/// - at most `burst + rate × t` requests while Redis can be asked: no overshoot;
/// - at most `n × (burst + rate × t)` whatever becomes of Redis (away, wiped, back and away again) with [`OnLoss::Local`]: each
///   process's own bucket counted all that it let through, also while Redis decided;
/// - nothing while Redis is away with [`OnLoss::Refuse`].
///
/// The own bucket only ever refuses what this process alone has let through too fast, so it takes nothing from a key that keeps to
/// its rate, and it spares Redis the requests of one that does not. When it has no room for a further key, Redis decides alone.
#[derive(Debug)]
pub struct SharedLimiter {
    own: KeyedLimiter<String>,
    shared: RedisLimiter,
    on_loss: OnLoss,
    decisions: Counts,
}

impl SharedLimiter {
    /// Both at one rate. Counts `rate_limit_decisions_total{by}`: `redis`, `own` (this process alone was asked too often; Redis was not
    /// asked), `fallback` (Redis was lost and the own bucket decided) and `nobody` (Redis was lost and the request refused).
    pub fn new(
        own: KeyedLimiter<String>,
        shared: RedisLimiter,
        on_loss: OnLoss,
        telemetry: &Telemetry,
    ) -> Self {
        Self {
            own,
            shared,
            on_loss,
            decisions: decisions(telemetry),
        }
    }
}

/// Registers every metric of this crate without using it: for the catalogue of what a role can emit.
pub fn describe_metrics(telemetry: &Telemetry) {
    decisions(telemetry);
}

fn decisions(telemetry: &Telemetry) -> Counts {
    Counts::register(
        telemetry,
        "rate_limit_decisions",
        "Requests that a shared rate limiter decided on, by what decided: its own bucket, Redis, its own bucket for lack of \
         Redis (fallback), or nobody",
        &["by"],
    )
    .starting(&[&["own"], &["redis"], &["fallback"], &["nobody"]])
}

#[async_trait]
impl RateLimiter for SharedLimiter {
    async fn check(&self, key: &str) -> Result<Decision, LimitError> {
        // Taken first and given back, not looked at and taken later: racing requests cannot all see the same last token.
        let own = self.own.check(key);
        if !own.allowed && !own.keys_full {
            self.decisions.inc(&["own"]);
            return Ok(own);
        }
        let shared = self.shared.check(key).await;
        let kept = match &shared {
            Ok(decision) => decision.allowed,
            Err(_) => self.on_loss == OnLoss::Local,
        };
        if own.allowed && !kept {
            self.own.give_back(key);
        }
        match (shared, self.on_loss) {
            (Ok(decision), _) => {
                self.decisions.inc(&["redis"]);
                Ok(tighter(decision, own))
            }
            (Err(_), OnLoss::Local) => {
                self.decisions.inc(&["fallback"]);
                Ok(own)
            }
            (Err(error), OnLoss::Refuse) => {
                self.decisions.inc(&["nobody"]);
                Err(error)
            }
        }
    }
}

/// What a client is told when both let it pass: the bucket that will refuse first.
fn tighter(shared: Decision, own: Decision) -> Decision {
    if shared.allowed && own.allowed && own.remaining < shared.remaining {
        own
    } else {
        shared
    }
}

use crate::{Decision, LimitError, Rate, RateLimiter};
use async_trait::async_trait;
use redis_engine::{Redis, Script};
use std::time::Duration;

static TAKE: Script = Script::new("take_token", include_str!("take.lua"));

/// One token bucket a key in Redis, shared by all processes that name it alike. Time is the server's, so their clocks need not
/// agree; reckoning is in doubles there, exact for buckets that fill within 104 days.
#[derive(Debug, Clone)]
pub struct RedisLimiter {
    redis: Redis,
    name: String,
    rate: Rate,
}

impl RedisLimiter {
    /// The buckets called `name`; each is the key `prefix:{key}:name` and goes when it is full. Redis is asked as on a request's path:
    /// briefly, and not at all while it was too slow a moment ago.
    pub fn new(redis: &Redis, name: &str, rate: Rate) -> Self {
        Self {
            redis: redis.quick(),
            name: name.to_owned(),
            rate,
        }
    }
}

#[async_trait]
impl RateLimiter for RedisLimiter {
    async fn check(&self, key: &str) -> Result<Decision, LimitError> {
        let bucket = self.redis.key(key, &self.name);
        let call = self.redis.script(&TAKE).key(&bucket);
        let call = call.arg(self.rate.token_ns()).arg(self.rate.capacity_ns());
        let (passes, debt_ns, wait_ns): (bool, u64, u64) = call.run().await?;
        let wait = (!passes).then(|| Duration::from_nanos(wait_ns));
        Ok(Decision::of(&self.rate, debt_ns, wait))
    }
}

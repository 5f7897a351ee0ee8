//! The plain commands. Each is one round trip and atomic by itself.

use std::time::Duration;

use bytes::Bytes;
use redis::cmd;

use crate::connection::{Effect, Redis};
use crate::{Key, RedisError};

impl Redis {
    /// The value of a key.
    pub async fn get(&self, key: &Key) -> Result<Option<Bytes>, RedisError> {
        let value: Option<Vec<u8>> = self
            .query("get", Effect::Read, cmd("GET").arg(key.as_str()))
            .await?;
        Ok(value.map(Bytes::from))
    }

    /// Sets a key; with `ttl` it is gone after that time (of the server's clock, at least a millisecond), without it never.
    pub async fn set(&self, key: &Key, value: &[u8], ttl: Option<Duration>) -> Result<(), RedisError> {
        let mut command = cmd("SET");
        command.arg(key.as_str()).arg(value);
        if let Some(ttl) = ttl {
            command.arg("PX").arg(whole_ms(ttl));
        }
        self.query("set", Effect::Write, &command).await
    }

    /// Deletes a key and says whether it was there.
    pub async fn del(&self, key: &Key) -> Result<bool, RedisError> {
        self.query("del", Effect::Write, cmd("DEL").arg(key.as_str()))
            .await
    }

    /// Lets a key live for `ttl` from now and says whether it is there.
    pub async fn expire(&self, key: &Key, ttl: Duration) -> Result<bool, RedisError> {
        let mut command = cmd("PEXPIRE");
        command.arg(key.as_str()).arg(whole_ms(ttl));
        self.query("expire", Effect::Write, &command).await
    }

    /// Tells everybody who is subscribed to `channel` at this moment, and says how many heard it. Nothing keeps the message:
    /// a subscriber whose connection is down misses it.
    pub async fn publish(&self, channel: &str, message: &[u8]) -> Result<u64, RedisError> {
        let channel = self.channel(channel);
        self.query("publish", Effect::Write, cmd("PUBLISH").arg(channel).arg(message))
            .await
    }
}

/// Redis takes no time that its clock cannot reach; a hundred years is for ever to a cache.
fn whole_ms(ttl: Duration) -> u64 {
    const CENTURY_MS: u64 = 100 * 365 * 86_400_000;
    u64::try_from(ttl.as_millis())
        .unwrap_or(CENTURY_MS)
        .clamp(1, CENTURY_MS)
}

//! Scripts: several steps that Redis runs as one.

use std::sync::OnceLock;

use redis::{Cmd, FromRedisValue, ToRedisArgs};

use crate::connection::{Effect, Redis};
use crate::{Key, RedisError};

/// A Lua script. Redis runs it whole or not at all as seen by others; it must reach only the keys it is given, and those must
/// be [beside](Key::is_beside) each other.
#[derive(Debug)]
pub struct Script {
    name: &'static str,
    code: &'static str,
    effect: Effect,
    hash: OnceLock<String>,
}

impl Script {
    /// A script that may write; keep it in a `static`. `name` is the operation in metrics and traces.
    pub const fn new(name: &'static str, code: &'static str) -> Self {
        Self {
            name,
            code,
            effect: Effect::Write,
            hash: OnceLock::new(),
        }
    }

    /// A script that writes nothing that matters: an answer that did not come leaves nothing unknown.
    pub const fn reading(name: &'static str, code: &'static str) -> Self {
        Self {
            name,
            code,
            effect: Effect::Read,
            hash: OnceLock::new(),
        }
    }

    fn hash(&self) -> &str {
        self.hash
            .get_or_init(|| redis::Script::new(self.code).get_hash().to_owned())
    }
}

/// A script about to run, with its keys and arguments.
#[derive(Debug)]
pub struct Call<'a> {
    redis: &'a Redis,
    script: &'a Script,
    keys: Vec<&'a Key>,
    args: Vec<Vec<u8>>,
}

impl Redis {
    /// Begins a call of a script: `redis.script(&TAKE).key(&bucket).arg(burst).run().await`.
    pub fn script<'a>(&'a self, script: &'a Script) -> Call<'a> {
        Call {
            redis: self,
            script,
            keys: Vec::new(),
            args: Vec::new(),
        }
    }
}

impl<'a> Call<'a> {
    /// The next of `KEYS`.
    ///
    /// # Panics
    ///
    /// In debug builds, when the key is not beside the first one: a cluster would refuse the script.
    #[must_use]
    pub fn key(mut self, key: &'a Key) -> Self {
        debug_assert!(
            self.keys.first().is_none_or(|first| first.is_beside(key)),
            "{key} is not beside {}",
            self.keys[0]
        );
        self.keys.push(key);
        self
    }

    /// The next of `ARGV`: a string, bytes or a number.
    #[must_use]
    pub fn arg(mut self, arg: impl ToRedisArgs) -> Self {
        arg.write_redis_args(&mut self.args);
        self
    }

    /// Runs it. A server that does not have the script (it was restarted) gets it in the same breath.
    pub async fn run<T: FromRedisValue>(self) -> Result<T, RedisError> {
        let script = self.script;
        let known = self.command("EVALSHA", script.hash());
        let whole = || self.command("EVAL", script.code);
        self.redis
            .evaluate(script.name, script.effect, &known, whole)
            .await
    }

    fn command(&self, verb: &str, script: &str) -> Cmd {
        let mut cmd = redis::cmd(verb);
        cmd.arg(script).arg(self.keys.len());
        for key in &self.keys {
            cmd.arg(key.as_str());
        }
        cmd.arg(&self.args);
        cmd
    }
}

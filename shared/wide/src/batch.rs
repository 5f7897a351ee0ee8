//! Batches: many statements of one partition as one write.

use scylla::response::query_result::QueryResult;
use scylla::serialize::row::SerializeRow;
use scylla::statement::batch::{Batch as DriverBatch, BatchType};
use tokio::time::{Instant, timeout_at};

use crate::conditional::read_answer;
use crate::error::Effect;
use crate::session::Inner;
use crate::{Applied, Level, Serial, Statement, Wide, WideError};

/// How a batch is sent, declared as a `const`. The levels of its parts do not count: a batch has levels of its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Batch {
    /// What metrics and spans call it.
    pub name: &'static str,
    /// The level of the write.
    pub consistency: Level,
    /// The level of the condition, if it has one.
    pub serial: Serial,
}

/// One statement of a batch, with its values.
pub struct Part<'a> {
    statement: &'a Statement,
    values: Box<dyn SerializeRow + Send + Sync + 'a>,
}

impl<'a> Part<'a> {
    /// `statement` with `values`.
    pub fn of(statement: &'a Statement, values: impl SerializeRow + Send + Sync + 'a) -> Self {
        Self {
            statement,
            values: Box::new(values),
        }
    }
}

impl std::fmt::Debug for Part<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("Part").field(&self.statement.name).finish()
    }
}

impl Wide {
    /// Runs statements of one partition as one write: all of them or, if a condition of any is not met, none. This is how
    /// many conditional writes become one agreement. No parts are an applied batch.
    pub async fn conditional_batch(&self, batch: &Batch, parts: Vec<Part<'_>>) -> Result<Applied, WideError> {
        if parts.is_empty() {
            return Ok(Applied {
                applied: true,
                rows: Vec::new(),
            });
        }
        self.measured(batch.name, async {
            if batch.serial == Serial::None {
                let told = format!("`{}` declares no serial level", batch.name);
                return Err(WideError::Unexpected(told));
            }
            let answer = self.inner.batch(batch, parts, Effect::Conditional).await?;
            read_answer(answer)
        })
        .await
    }

    /// Runs statements of one partition, none with a condition, as one write: all or none of them.
    pub async fn batch(&self, batch: &Batch, parts: Vec<Part<'_>>) -> Result<(), WideError> {
        if parts.is_empty() {
            return Ok(());
        }
        self.measured(batch.name, async {
            self.inner.batch(batch, parts, Effect::Write).await?;
            Ok(())
        })
        .await
    }
}

impl Inner {
    async fn batch(
        &self,
        batch: &Batch,
        parts: Vec<Part<'_>>,
        effect: Effect,
    ) -> Result<QueryResult, WideError> {
        let deadline = Instant::now() + self.settings.write_deadline();
        let max = self.settings.batch_parts_max as usize;
        if parts.len() > max {
            let what = "parts of a batch";
            return Err(WideError::TooMany { what, max });
        }
        // Unlogged: one partition is one write, and no log is needed to make it whole.
        let mut sent = DriverBatch::new(BatchType::Unlogged);
        sent.set_consistency(batch.consistency.of_driver());
        sent.set_serial_consistency(batch.serial.of_driver());
        sent.set_is_idempotent(false);
        let mut values = Vec::with_capacity(parts.len());
        let mut partition = None;
        for part in parts {
            let prepared = self.prepared(part.statement, deadline).await?;
            let unusable = |why: &dyn std::fmt::Display| {
                WideError::Unexpected(format!("`{}` in a batch: {why}", part.statement.name))
            };
            let token = prepared
                .calculate_token(&part.values)
                .map_err(|error| unusable(&error))?
                .ok_or_else(|| unusable(&"its partition cannot be told from its values"))?;
            if *partition.get_or_insert(token) != token {
                return Err(unusable(&"another partition than the first statement's"));
            }
            sent.append_statement(prepared);
            values.push(part.values);
        }
        let _room = self.admitted(deadline).await?;
        let session = self.session()?;
        match timeout_at(deadline, session.batch(&sent, values)).await {
            Ok(answer) => answer.map_err(|error| effect.sorted(error)),
            Err(_) => Err(effect.unseen("no answer within the deadline".to_owned())),
        }
    }
}

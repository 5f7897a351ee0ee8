//! One call of the port: its statements share a deadline, and its conditional writes are settled.

use std::time::Duration;

use tokio::time::{Instant, sleep, timeout_at};
use wide::{CurrentRow, DeserializeRow, Next, Page, SerializeRow, Statement, Wide};

use super::StoreError;

/// Pause before a conditional write is made again; it doubles, and half of it is random.
const PAUSE: Duration = Duration::from_millis(10);
const PAUSE_MAX: Duration = Duration::from_millis(500);

/// Where a call stands.
#[derive(Clone, Copy, Debug)]
pub(super) struct Call<'a> {
    wide: &'a Wide,
    until: Instant,
}

/// The end of a conditional write.
#[derive(Debug)]
pub(super) struct Settled {
    /// Whether the last try was done.
    pub(super) applied: bool,
    /// Whether an earlier try may have been: then a refusal may come from what that one wrote.
    pub(super) repeated: bool,
    /// What was in the way.
    pub(super) row: Option<CurrentRow>,
}

/// Waits between tries.
#[derive(Debug)]
pub(super) struct Pauses(Duration);

impl Pauses {
    pub(super) fn new() -> Self {
        Self(PAUSE)
    }

    fn next(&mut self) -> Duration {
        let pause = self.0.mul_f64(0.5 + rand::random::<f64>() / 2.0);
        self.0 = (self.0 * 2).min(PAUSE_MAX);
        pause
    }
}

impl<'a> Call<'a> {
    /// A call that has a write's time from now on.
    pub(super) fn begin(wide: &'a Wide) -> Self {
        let until = Instant::now() + Duration::from_millis(wide.settings().write_deadline_ms);
        Self { wide, until }
    }

    /// Reads the one row there is, if there is one.
    pub(super) async fn row<R>(
        &self,
        statement: &Statement,
        values: impl SerializeRow,
    ) -> Result<Option<R>, StoreError>
    where
        R: for<'f, 'm> DeserializeRow<'f, 'm>,
    {
        match timeout_at(self.until, self.wide.row(statement, values)).await {
            Ok(row) => Ok(row?),
            Err(_) => Err(late(statement)),
        }
    }

    /// Reads some rows, from where another page ended.
    pub(super) async fn page<R>(
        &self,
        statement: &Statement,
        values: impl SerializeRow,
        size: u32,
        from: Option<&Next>,
    ) -> Result<Page<R>, StoreError>
    where
        R: for<'f, 'm> DeserializeRow<'f, 'm>,
    {
        match timeout_at(self.until, self.wide.page(statement, values, size, from)).await {
            Ok(page) => Ok(page?),
            Err(_) => Err(late(statement)),
        }
    }

    /// Writes something that nobody can see by itself: an unknown outcome is as good as none.
    pub(super) async fn prepare(
        &self,
        statement: &Statement,
        values: impl SerializeRow,
    ) -> Result<(), StoreError> {
        match timeout_at(self.until, self.wide.execute(statement, values)).await {
            Ok(Err(error)) if error.is_unknown() => Err(StoreError::Unavailable(error.to_string())),
            Ok(written) => Ok(written?),
            Err(_) => Err(late(statement)),
        }
    }

    /// Makes a conditional write until it is answered. Its condition must not come true again once it was refused.
    pub(super) async fn conditional<V>(
        &self,
        statement: &Statement,
        values: &V,
    ) -> Result<Settled, StoreError>
    where
        V: SerializeRow + Sync,
    {
        let mut unknown = None;
        let mut pauses = Pauses::new();
        loop {
            let Ok(answer) = timeout_at(self.until, self.wide.conditional(statement, values)).await else {
                return Err(StoreError::Unknown(format!(
                    "`{}` was not answered in time",
                    statement.name
                )));
            };
            let error = match answer {
                Ok(mut answer) => {
                    let row = (!answer.rows.is_empty()).then(|| answer.rows.swap_remove(0));
                    return Ok(Settled {
                        applied: answer.applied,
                        repeated: unknown.is_some(),
                        row,
                    });
                }
                Err(error) => error,
            };
            if error.is_unknown() {
                unknown = Some(StoreError::from(error));
            } else if unknown.is_none() || !error.retryable() {
                // An earlier try may stand, whatever became of this one.
                return Err(unknown.unwrap_or_else(|| error.into()));
            }
            if !self.pause(&mut pauses).await {
                return Err(unknown.unwrap_or_else(|| late(statement)));
            }
        }
    }

    /// Waits a little; `false` when no time is left.
    pub(super) async fn pause(&self, pauses: &mut Pauses) -> bool {
        let pause = pauses.next();
        if Instant::now() + pause >= self.until {
            return false;
        }
        sleep(pause).await;
        true
    }
}

fn late(statement: &Statement) -> StoreError {
    StoreError::Unavailable(format!("`{}` was not answered in time", statement.name))
}

/// The call met others at the same row until its time was over.
pub(super) fn contended(what: &str) -> StoreError {
    StoreError::Unavailable(format!("others were faster at {what} until the deadline"))
}

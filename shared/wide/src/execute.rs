//! Reads and writes without conditions.

use std::ops::ControlFlow;
use std::time::Duration;

use scylla::deserialize::row::DeserializeRow;
use scylla::response::query_result::QueryResult;
use scylla::response::{PagingState, PagingStateResponse};
use scylla::serialize::row::SerializeRow;
use scylla::statement::bound::BoundStatement;
use telemetry::Operation;
use tokio::time::{Instant, sleep, timeout_at};

use crate::error::Effect;
use crate::session::Inner;
use crate::{Statement, Wide, WideError};

/// Pause before a write with an unknown outcome is repeated; it doubles.
const REPEAT_PAUSE: Duration = Duration::from_millis(25);
const REPEAT_PAUSE_MAX: Duration = Duration::from_millis(800);

/// Some rows of a longer answer.
#[derive(Debug, Clone)]
pub struct Page<R> {
    /// The rows, in the table's order.
    pub rows: Vec<R>,
    /// Where the next page begins; `None` at the end. A page may be short, even empty, and yet have a next one.
    pub next: Option<Next>,
}

/// Where a page begins: the server's own mark, good for the statement and the values it came from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Next(Vec<u8>);

impl Next {
    /// As bytes, to be kept elsewhere.
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    /// From bytes that [`Next::as_bytes`] gave. The server refuses any other.
    pub fn from_bytes(bytes: impl Into<Vec<u8>>) -> Self {
        Self(bytes.into())
    }
}

impl Wide {
    /// Runs a write without a condition. It is repeated while its outcome is unknown, if the statement says it may be.
    pub async fn execute(&self, statement: &Statement, values: impl SerializeRow) -> Result<(), WideError> {
        let deadline = Instant::now() + self.inner.settings.write_deadline();
        self.measured(statement.name, async {
            if statement.effect() != Effect::Write {
                let told = format!("`{}` is no write without a condition", statement.name);
                return Err(WideError::Unexpected(told));
            }
            let bound = self.inner.bound(statement, values, None, deadline).await?;
            self.inner.write(statement.idempotent, &bound, deadline).await
        })
        .await
    }

    /// Reads all rows, at most `rows_max` of the settings.
    pub async fn rows<R>(&self, statement: &Statement, values: impl SerializeRow) -> Result<Vec<R>, WideError>
    where
        R: for<'f, 'm> DeserializeRow<'f, 'm>,
    {
        let max = self.inner.settings.rows_max as usize;
        self.measured(statement.name, async {
            let deadline = Instant::now() + self.inner.settings.read_deadline();
            let bound = self.inner.read(statement, values, None, deadline).await?;
            let (mut rows, mut from) = (Vec::new(), PagingState::start());
            loop {
                let (answer, state) = self.inner.page(&bound, from, deadline).await?;
                read_into(&mut rows, answer)?;
                if rows.len() > max {
                    return Err(WideError::TooMany { what: "rows", max });
                }
                match state.into_paging_control_flow() {
                    ControlFlow::Break(()) => return Ok(rows),
                    ControlFlow::Continue(next) => from = next,
                }
            }
        })
        .await
    }

    /// Reads the one row there is, if there is one. More than one is a defect.
    pub async fn row<R>(
        &self,
        statement: &Statement,
        values: impl SerializeRow,
    ) -> Result<Option<R>, WideError>
    where
        R: for<'f, 'm> DeserializeRow<'f, 'm>,
    {
        let mut rows = self.rows(statement, values).await?;
        if rows.len() > 1 {
            let told = format!(
                "`{}` answered with {} rows instead of one",
                statement.name,
                rows.len()
            );
            return Err(WideError::Unexpected(told));
        }
        Ok(rows.pop())
    }

    /// Reads up to `size` rows, from the start or from where another page ended.
    pub async fn page<R>(
        &self,
        statement: &Statement,
        values: impl SerializeRow,
        size: u32,
        from: Option<&Next>,
    ) -> Result<Page<R>, WideError>
    where
        R: for<'f, 'm> DeserializeRow<'f, 'm>,
    {
        let size = size.clamp(1, self.inner.settings.rows_max.max(1));
        self.measured(statement.name, async {
            let deadline = Instant::now() + self.inner.settings.read_deadline();
            let bound = self.inner.read(statement, values, Some(size), deadline).await?;
            let from = from.map_or_else(PagingState::start, |next| {
                PagingState::new_from_raw_bytes(next.0.as_slice())
            });
            let (answer, state) = self.inner.page(&bound, from, deadline).await?;
            let mut rows = Vec::new();
            read_into(&mut rows, answer)?;
            let next = match state {
                PagingStateResponse::HasMorePages { state } => {
                    state.as_bytes_slice().map(|bytes| Next(bytes.to_vec()))
                }
                PagingStateResponse::NoMorePages => None,
            };
            Ok(Page { rows, next })
        })
        .await
    }

    /// Measures one operation.
    pub(crate) async fn measured<T>(
        &self,
        name: &'static str,
        body: impl Future<Output = Result<T, WideError>>,
    ) -> Result<T, WideError> {
        let mut operation: Operation = self.inner.operations.begin(name);
        let outcome = body.await;
        match &outcome {
            Ok(_) => operation.ok(),
            Err(error) => operation.failed(error.code()),
        }
        outcome
    }
}

impl Inner {
    /// The statement with its values, ready to be sent.
    pub(crate) async fn bound(
        &self,
        statement: &Statement,
        values: impl SerializeRow,
        page_size: Option<u32>,
        deadline: Instant,
    ) -> Result<BoundStatement, WideError> {
        let mut prepared = self.prepared(statement, deadline).await?;
        if let Some(size) = page_size.and_then(|size| i32::try_from(size).ok()) {
            prepared.set_page_size(size);
        }
        prepared
            .bind(&values)
            .map_err(|error| WideError::Unexpected(format!("values of `{}`: {error}", statement.name)))
    }

    async fn read(
        &self,
        statement: &Statement,
        values: impl SerializeRow,
        page_size: Option<u32>,
        deadline: Instant,
    ) -> Result<BoundStatement, WideError> {
        if statement.effect() != Effect::Read {
            return Err(WideError::Unexpected(format!("`{}` is no read", statement.name)));
        }
        self.bound(statement, values, page_size, deadline).await
    }

    async fn page(
        &self,
        bound: &BoundStatement,
        from: PagingState,
        deadline: Instant,
    ) -> Result<(QueryResult, PagingStateResponse), WideError> {
        let _room = self.admitted(deadline).await?;
        let session = self.session()?;
        match timeout_at(deadline, session.execute_bound_single_page(bound, from)).await {
            Ok(answer) => answer.map_err(|error| Effect::Read.sorted(error)),
            Err(_) => Err(WideError::Deadline),
        }
    }

    /// One write, or as many tries of an idempotent one as it takes.
    pub(crate) async fn write(
        &self,
        idempotent: bool,
        bound: &BoundStatement,
        deadline: Instant,
    ) -> Result<(), WideError> {
        let mut pause = REPEAT_PAUSE;
        let mut may_stand = None;
        loop {
            let Err(error) = self.once(bound, Effect::Write, deadline).await else {
                return Ok(());
            };
            match error {
                WideError::Unknown(_) => may_stand = Some(error),
                // An earlier try may stand, whatever became of this one.
                error if may_stand.is_none() => return Err(error),
                _ => {}
            }
            // The clock's last digits spread those who failed together.
            let wait = pause + pause * (self.clock.monotonic().subsec_micros() % 1_000) / 1_000;
            if !idempotent || Instant::now() + wait >= deadline {
                return Err(may_stand.unwrap_or(WideError::Deadline));
            }
            sleep(wait).await;
            pause = (pause * 2).min(REPEAT_PAUSE_MAX);
        }
    }

    pub(crate) async fn once(
        &self,
        bound: &BoundStatement,
        effect: Effect,
        deadline: Instant,
    ) -> Result<QueryResult, WideError> {
        let _room = self.admitted(deadline).await?;
        self.sent(bound, effect, deadline).await
    }

    /// One try, whatever else is under way.
    pub(crate) async fn sent(
        &self,
        bound: &BoundStatement,
        effect: Effect,
        deadline: Instant,
    ) -> Result<QueryResult, WideError> {
        let session = self.session()?;
        match timeout_at(deadline, session.execute_bound_unpaged(bound)).await {
            Ok(answer) => answer.map_err(|error| effect.sorted(error)),
            Err(_) => Err(effect.unseen("no answer within the deadline".to_owned())),
        }
    }
}

fn read_into<R>(rows: &mut Vec<R>, answer: QueryResult) -> Result<(), WideError>
where
    R: for<'f, 'm> DeserializeRow<'f, 'm>,
{
    let answer = answer
        .into_rows_result()
        .map_err(|error| WideError::Unexpected(error.to_string()))?;
    let typed = answer
        .rows::<R>()
        .map_err(|error| WideError::Unexpected(error.to_string()))?;
    for row in typed {
        rows.push(row.map_err(|error| WideError::Corrupt(error.to_string()))?);
    }
    Ok(())
}

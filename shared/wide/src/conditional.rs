//! Conditional writes, and the answers that servers give to them.

use std::sync::Arc;

use scylla::response::query_result::QueryResult;
use scylla::serialize::row::SerializeRow;
use scylla::value::{CqlValue, Row};
use tokio::time::Instant;

use crate::error::Effect;
use crate::{CurrentRow, Statement, Wide, WideError};

/// The column that tells whether a conditional write was done. Its place differs, so it is found by name.
const APPLIED: &str = "[applied]";

/// How a conditional write ended.
#[derive(Debug, Clone, PartialEq)]
pub struct Applied {
    /// Whether it was done.
    pub applied: bool,
    /// If it was refused: what the server tells of the rows in its way. Empty if there was no row (an `UPDATE .. IF` of
    /// nothing).
    pub rows: Vec<CurrentRow>,
}

impl Applied {
    /// The row in the way of a single statement.
    pub fn row(&self) -> Option<&CurrentRow> {
        self.rows.first()
    }
}

impl Wide {
    /// Runs a write with a condition. Its outcome is unknown ([`WideError::Unknown`]) when the answer does not come; it is
    /// never repeated here, for only the caller can tell from the row whether it was done.
    pub async fn conditional(
        &self,
        statement: &Statement,
        values: impl SerializeRow,
    ) -> Result<Applied, WideError> {
        self.measured(statement.name, async {
            if statement.effect() != Effect::Conditional {
                let told = format!("`{}` declares no serial level", statement.name);
                return Err(WideError::Unexpected(told));
            }
            let deadline = Instant::now() + self.inner.settings.write_deadline();
            let bound = self.inner.bound(statement, values, None, deadline).await?;
            let answer = self.inner.once(&bound, Effect::Conditional, deadline).await?;
            read_answer(answer)
        })
        .await
    }
}

/// Reads the rows of an answer. By now the write may have been done: whatever cannot be read is an unknown outcome.
pub(crate) fn read_answer(answer: QueryResult) -> Result<Applied, WideError> {
    let unknown = |error: String| WideError::Unknown(format!("the answer does not say: {error}"));
    let answer = answer
        .into_rows_result()
        .map_err(|error| unknown(error.to_string()))?;
    let names: Vec<String> = answer
        .column_specs()
        .iter()
        .map(|column| column.name().to_owned())
        .collect();
    let mut rows = Vec::with_capacity(answer.rows_num());
    for row in answer.rows::<Row>().map_err(|error| unknown(error.to_string()))? {
        rows.push(row.map_err(|error| unknown(error.to_string()))?.columns);
    }
    sorted(names, rows).ok_or_else(|| unknown("no row with `[applied]`".to_owned()))
}

/// Cassandra tells `[applied]` alone when it was done, the whole row or the condition's columns when it was not, and the
/// rows in the way for a batch. ScyllaDB tells every column, null where there was no row and the old values where it was
/// done, and one row for each statement of a batch.
fn sorted(mut names: Vec<String>, rows: Vec<Vec<Option<CqlValue>>>) -> Option<Applied> {
    let at = names.iter().position(|name| name == APPLIED)?;
    names.remove(at);
    let names: Arc<[String]> = names.into();
    let mut applied = !rows.is_empty();
    let mut told = Vec::new();
    for mut values in rows {
        if at >= values.len() {
            return None;
        }
        let Some(CqlValue::Boolean(done)) = values.remove(at) else {
            return None;
        };
        applied &= done;
        if values.iter().any(Option::is_some) {
            told.push(CurrentRow {
                names: Arc::clone(&names),
                values,
            });
        }
    }
    if !applied && names.is_empty() && told.is_empty() {
        return Some(Applied { applied, rows: told });
    }
    // What stood there before is told by one server only: nobody shall come to rely on it.
    let rows = if applied { Vec::new() } else { told };
    Some(Applied { applied, rows })
}

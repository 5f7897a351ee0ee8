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
    if rows.is_empty() {
        return None;
    }
    let mut applied = true;
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

#[cfg(test)]
mod tests {
    use super::*;

    fn names(names: &[&str]) -> Vec<String> {
        names.iter().map(|name| (*name).to_owned()).collect()
    }

    const YES: Option<CqlValue> = Some(CqlValue::Boolean(true));
    const NO: Option<CqlValue> = Some(CqlValue::Boolean(false));

    fn text(text: &str) -> CqlValue {
        CqlValue::Text(text.to_owned())
    }

    #[test]
    fn a_write_that_was_done_tells_nothing_of_the_row_on_either_server() {
        let cassandra = sorted(names(&["[applied]"]), vec![vec![YES]]).unwrap();
        let scylla_insert = vec![vec![YES, None, None]];
        let scylla_insert = sorted(names(&["[applied]", "code", "id"]), scylla_insert).unwrap();
        let scylla_update = vec![vec![YES, Some(text("a")), Some(CqlValue::BigInt(1))]];
        let scylla_update = sorted(names(&["[applied]", "code", "id"]), scylla_update).unwrap();
        for answer in [cassandra, scylla_insert, scylla_update] {
            assert!(answer.applied && answer.rows.is_empty(), "{answer:?}");
        }
    }

    #[test]
    fn a_refused_write_tells_its_row_wherever_the_columns_stand() {
        let cassandra = vec![vec![NO, Some(text("a")), Some(CqlValue::BigInt(7)), None]];
        let cassandra = sorted(names(&["[applied]", "code", "id", "url"]), cassandra).unwrap();
        let elsewhere = vec![vec![Some(text("a")), Some(CqlValue::BigInt(7)), NO, None]];
        let elsewhere = sorted(names(&["code", "id", "[applied]", "url"]), elsewhere).unwrap();
        for answer in [cassandra, elsewhere] {
            assert!(!answer.applied);
            let row = answer.row().unwrap();
            assert_eq!(row.get::<String>("code").unwrap().as_deref(), Some("a"));
            assert_eq!(row.get::<i64>("id").unwrap(), Some(7));
            assert_eq!(row.get::<String>("url").unwrap(), None);
            assert!(row.tells("url") && !row.tells("gone") && !row.tells("[applied]"));
            assert_eq!(row.get::<i64>("gone").unwrap(), None);
            assert!(matches!(row.get::<i64>("code"), Err(WideError::Corrupt(_))));
        }
    }

    #[test]
    fn a_refused_update_of_nothing_tells_no_row() {
        let cassandra = sorted(names(&["[applied]"]), vec![vec![NO]]).unwrap();
        let scylla = sorted(names(&["[applied]", "id"]), vec![vec![NO, None]]).unwrap();
        for answer in [cassandra, scylla] {
            assert!(!answer.applied && answer.rows.is_empty(), "{answer:?}");
        }
    }

    #[test]
    fn a_batch_is_done_only_if_every_row_says_so() {
        let row = |done: Option<CqlValue>, id: Option<i64>| vec![done, id.map(CqlValue::BigInt)];
        let columns = || names(&["[applied]", "id"]);
        // Cassandra tells the rows in the way, ScyllaDB one row for each statement.
        let cassandra = sorted(columns(), vec![row(NO, Some(2))]).unwrap();
        let scylla = sorted(columns(), vec![row(NO, None), row(NO, Some(2))]).unwrap();
        for answer in [cassandra, scylla] {
            assert!(!answer.applied);
            assert_eq!(answer.rows.len(), 1);
            assert_eq!(answer.rows[0].get::<i64>("id").unwrap(), Some(2));
        }
        let done = sorted(columns(), vec![row(YES, None), row(YES, Some(1))]).unwrap();
        assert!(done.applied);
        for mixed in [[YES, NO], [NO, YES]] {
            let mixed = mixed.map(|done| row(done, None)).to_vec();
            assert!(!sorted(columns(), mixed).unwrap().applied);
        }
    }

    #[test]
    fn an_answer_that_does_not_say_whether_it_was_done_is_none() {
        assert_eq!(
            sorted(names(&["id"]), vec![vec![Some(CqlValue::BigInt(1))]]),
            None
        );
        assert_eq!(sorted(names(&["[applied]"]), vec![vec![None]]), None);
        assert_eq!(sorted(names(&["[applied]"]), Vec::new()), None);
    }
}

//! A row that stood in a conditional write's way.

use std::sync::Arc;

use scylla::value::CqlValue;

use crate::WideError;

/// What the server tells of a row that a condition was checked against. Servers differ in how much that is: ask for columns
/// by name, and read the row again where one is not told.
#[derive(Debug, Clone, PartialEq)]
pub struct CurrentRow {
    pub(crate) names: Arc<[String]>,
    pub(crate) values: Vec<Option<CqlValue>>,
}

impl CurrentRow {
    /// Whether the server told the column at all; it may be null then.
    pub fn tells(&self, column: &str) -> bool {
        self.names.iter().any(|name| name == column)
    }

    /// The column's value; `None` if it is null or not told.
    pub fn get<T: Cell>(&self, column: &str) -> Result<Option<T>, WideError> {
        let at = self.names.iter().position(|name| name == column);
        let Some(value) = at.and_then(|at| self.values.get(at)?.as_ref()) else {
            return Ok(None);
        };
        match T::of(value) {
            Some(value) => Ok(Some(value)),
            None => Err(WideError::Corrupt(format!(
                "column `{column}` is of another type"
            ))),
        }
    }
}

/// A type that [`CurrentRow::get`] reads.
pub trait Cell: Sized + sealed::Sealed {
    #[doc(hidden)]
    fn of(value: &CqlValue) -> Option<Self>;
}

mod sealed {
    pub trait Sealed {}
}

macro_rules! cells {
    ($($type:ty: $read:expr;)*) => {$(
        impl sealed::Sealed for $type {}
        impl Cell for $type {
            fn of(value: &CqlValue) -> Option<Self> {
                let read: fn(&CqlValue) -> Option<$type> = $read;
                read(value)
            }
        }
    )*};
}

cells! {
    String: |value| value.as_text().or_else(|| value.as_ascii()).cloned();
    bool: CqlValue::as_boolean;
    i16: CqlValue::as_smallint;
    i32: CqlValue::as_int;
    // A timestamp is milliseconds since 1970, as our own bigints are.
    i64: |value| value.as_bigint().or_else(|| value.as_cql_timestamp().map(|time| time.0));
    f64: CqlValue::as_double;
    Vec<u8>: |value| value.as_blob().cloned();
}

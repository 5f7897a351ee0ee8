//! The engines' integers are signed; what services keep in them is not.

use crate::SqlError;

/// A number as a column holds it. One beyond 2^63 is a defect and is refused, not bent.
pub fn int(value: u64) -> Result<i64, SqlError> {
    i64::try_from(value).map_err(|_| SqlError::Unexpected(format!("{value} does not fit an integer column")))
}

/// A number as it was before [`int`].
pub fn uint(column: i64) -> Result<u64, SqlError> {
    u64::try_from(column).map_err(|_| SqlError::Corrupt(format!("{column} where no number is negative")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_does_not_fit_is_refused_and_not_bent() {
        for fits in [0, 1, u64::MAX / 2] {
            assert_eq!(uint(int(fits).unwrap()).unwrap(), fits);
        }
        assert_eq!(int(u64::MAX / 2 + 1).unwrap_err().code(), "sql_unexpected");
        assert_eq!(uint(-1).unwrap_err().code(), "sql_corrupt");
    }
}

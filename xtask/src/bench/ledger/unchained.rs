//! The same ledger without its chain: what the chain costs is the difference.

use crate::run::{Outcome, passes, prints};

use super::server::Database;

/// What makes the digests of a commit's rows, from the first word to the last.
const DIGESTS: (&str, &str) = (r"SELECT array_agg('\x01'::BYTEA", "WHERE status[i] = 0;");
/// One digest a commit, of nothing: its link is still made.
const NONE: &str = "v_digests := decode(repeat('00', 32), 'hex'); v_found := 1;";

/// The commits of a schema digest no row from now on.
pub(super) fn unchain(database: &Database, schema: &str) -> Outcome {
    let definition = format!("SELECT pg_get_functiondef('{schema}.ledger_commit'::regproc)");
    let function = prints(&mut database.psql(&definition)?)?;
    passes(&mut database.psql(&without_digests(&function)?)?)
}

fn without_digests(function: &str) -> Result<String, String> {
    let (from, to) = DIGESTS;
    let changed = || "`ledger_commit` has changed: say here what makes its digests";
    let start = function.find(from).ok_or_else(changed)?;
    let length = function[start..].find(to).ok_or_else(changed)? + to.len();
    Ok(format!(
        "{}{NONE}{}",
        &function[..start],
        &function[start + length..]
    ))
}

#[cfg(test)]
mod tests {
    use super::without_digests;

    #[test]
    fn only_the_statement_that_digests_is_cut_out() {
        let migration =
            include_str!("../../../../services/payment/migrations/postgres/0001_ledger/commit.sql");
        let cut = without_digests(migration).unwrap();
        assert_eq!(
            migration.matches("sha256(").count() - cut.matches("sha256(").count(),
            1
        );
        assert!(cut.contains("-- 7. Holds and reversals"));
        assert!(without_digests("SELECT 1").is_err());
    }
}

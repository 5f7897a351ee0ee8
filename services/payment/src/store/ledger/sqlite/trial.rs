//! All accounts of a tenant, summed.

use identity::Tenant;
use sql::SqliteConnection;

use super::{StoreError, TrialBalanceLine, rows, statements};

/// Currency, kind, accounts; then the sums of those above zero and of those below, each in halves of 32 bits.
type Line = (String, i64, i64, i64, i64, i64, i64);

pub(super) async fn trial_balance(
    conn: &mut SqliteConnection,
    tenant: &Tenant,
    as_of_ms: Option<u64>,
) -> Result<Vec<TrialBalanceLine>, StoreError> {
    let query = match as_of_ms {
        None => sqlx::query_as(statements::TRIAL_BALANCE).bind(tenant.as_str()),
        Some(at_ms) => sqlx::query_as(statements::TRIAL_BALANCE_AS_OF)
            .bind(tenant.as_str())
            .bind(sql::int(at_ms)?),
    };
    let found: Vec<Line> = query.fetch_all(conn).await?;
    let line = |(currency, kind, accounts, high, low, high_below, low_below): Line| {
        let whole = |high: i64, low: i64| (i128::from(high) << 32) + i128::from(low);
        Ok(TrialBalanceLine {
            currency: rows::currency(&currency)?,
            kind: rows::kind(kind)?,
            accounts: sql::uint(accounts)?,
            debits: whole(high, low),
            credits: -whole(high_below, low_below),
        })
    };
    found.into_iter().map(line).collect()
}

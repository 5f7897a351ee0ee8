//! Clocks that differ from the server's, where the ledger is as it is migrated anywhere but in tests.

use std::sync::Arc;

use clock::SystemClock;
use payment::ledger::{AccountKind, Action, NewAccount, Refusal};
use payment::store::Database;
use payment::store::ledger::{Batch, CLOCK_BEHIND_MS_MAX, PostgresLedger, SharedLedger};

use crate::attacks_called::{CAPTURE, call};
use crate::attacks_postgres::psql;
use crate::books::{account, batch, capture, commit_at, fresh, hold, id, transfer};
use crate::contract::{Engine as _, OnPostgres, database};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_clock_that_is_set_back_brings_no_hold_back() {
    let Some(engine) = OnPostgres::new("a_clock_that_is_set_back_brings_no_hold_back") else {
        return;
    };
    let Database::Postgres(sql) = database(&engine.url()).await else {
        panic!("the URL names a server");
    };
    let ledger: SharedLedger = Arc::new(PostgresLedger::new(sql));
    let now_ms = SystemClock::shared().unix_ms();
    for number in [2, 3] {
        let new = NewAccount {
            account: account(number, AccountKind::Asset),
            claim: None,
        };
        ledger.create_account(&new, now_ms).await.unwrap().unwrap();
    }
    // By the server's clock it is over since a second; the caller's says that it lasts a minute longer.
    let mut over = hold(24, 2, 3, 50);
    let Action::Hold(terms) = &mut over.action else {
        panic!("a hold is asked for");
    };
    terms.expires_at_ms = now_ms - 1_000;
    fresh(commit_at(&*ledger, over, now_ms).await);
    let late = commit_at(&*ledger, capture(32, 24, Some(10), false), now_ms - 61_000).await;
    assert_eq!(late, Err(Refusal::HoldExpired { hold_id: id(24) }));
    let as_role = |statement: &str| psql(&engine, &format!("SET ROLE orrery_payment; {statement}"));
    if testkit::skips::on_path("psql") {
        assert_eq!(
            as_role(&call(&[CAPTURE], now_ms - 61_000)).unwrap().trim(),
            "{20}"
        );
        // Nothing is dated back by more than clocks differ.
        for statement in [
            call(&[CAPTURE], now_ms - 3_600_000),
            call(&[], now_ms - 3_600_000),
            format!(
                "SELECT ledger_create_account({}, NULL, NULL, NULL, NULL, 'acme', 77, 'EUR', 0::smallint, false, false,
                    1::smallint, NULL, '{{}}')",
                now_ms - 3_600_000
            ),
            format!("SELECT ledger_change_account({}, 'acme', 2, false, NULL, NULL, true)", now_ms - 3_600_000),
        ] {
            let complaint = as_role(&statement).expect_err(&statement);
            assert!(complaint.contains("behind the database server's clock"), "{complaint}");
        }
        let complaint =
            as_role("SELECT ledger_change_account(NULL, 'acme', 2, false, NULL, NULL, true)").unwrap_err();
        assert!(complaint.contains("a moment is missing"), "{complaint}");
        // And who calls does not say how much that is.
        let complaint = as_role("UPDATE ledger_clock SET behind_ms_max = NULL").unwrap_err();
        assert!(complaint.contains("permission denied"), "{complaint}");
        let bound = psql(&engine, "SELECT behind_ms_max FROM ledger_clock").unwrap();
        assert_eq!(bound.trim(), "600000");
    }
    let early = Batch {
        now_ms: now_ms - CLOCK_BEHIND_MS_MAX - 60_000,
        ..batch(vec![transfer(40, 2, 3, 1)])
    };
    let error = ledger.commit(&early).await.unwrap_err();
    assert!(!error.is_unknown() && !error.retryable(), "{error}");
    assert!(
        fresh(commit_at(&*ledger, transfer(40, 2, 3, 1), now_ms - 61_000).await)
            .journal
            .at_ms
            >= now_ms
    );
    engine.remove().await;
}

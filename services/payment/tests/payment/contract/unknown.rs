//! A commit whose answer is lost: nobody knows, until the same command under the same claim settles it.

use payment::ledger::Command;
use payment::store::Database;
use payment::store::ledger::{Ledger as _, PostgresLedger};
use testkit::engines::{self, Kind};
use testkit::proxy::FaultProxy;

use sqlx::Connection as _;

use super::{Engine as _, OnPostgres, database};
use crate::books::{balance, batch, capture, commit, fresh, hold, id, keyed, open_books, transfer};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_commit_whose_answer_is_lost_is_unknown_and_settled_by_its_claim() {
    let case = "a_commit_whose_answer_is_lost_is_unknown_and_settled_by_its_claim";
    let (Some(engine), Some(address)) = (OnPostgres::new(case), engines::address(Kind::Postgres, case))
    else {
        return;
    };
    let near = engine.open().await;
    open_books(&*near, &[(2, 100), (3, 0)]).await;
    let proxy = FaultProxy::to(address).await;
    let Database::Postgres(sql) = database(&engine.url_through(proxy.address())).await else {
        panic!("the URL names a server");
    };
    let far = PostgresLedger::new(sql);
    // Done, and nobody heard; or never asked.
    for (number, stands) in [(10, true), (20, false)] {
        // A commit is one call, so it is known by what it carries.
        let mark = format!("lost answer {number}");
        let command = |id| Command {
            details: format!(r#"{{"description":"{mark}"}}"#),
            ..keyed(transfer(id, 2, 3, 10), &number.to_string(), "ten")
        };
        if stands {
            proxy.cut_after(mark.as_bytes());
        } else {
            proxy.cut_before(mark.as_bytes());
        }
        let error = far.commit(&batch(vec![command(number)])).await.unwrap_err();
        assert!(error.is_unknown(), "{error}");
        proxy.heal();
        let settled = commit(&*near, command(number + 1)).await.unwrap();
        assert_eq!(settled.is_replay(), stands);
        let again = commit(&far, command(number + 2)).await.unwrap();
        assert!(again.is_replay());
        assert_eq!(again.get(), settled.get());
    }
    assert_eq!(balance(&near, 3).await, (20, 0, 0));
    engine.remove().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_goes_wrong_after_a_commit_is_unknown_and_settled_by_its_claims() {
    let case = "what_goes_wrong_after_a_commit_is_unknown_and_settled_by_its_claims";
    let Some(engine) = OnPostgres::new(case) else {
        return;
    };
    let ledger = engine.open().await;
    open_books(&*ledger, &[(2, 100), (3, 0)]).await;
    let captured = keyed(capture(11, 10, Some(5), false), "capture", "five");
    fresh(commit(&*ledger, hold(10, 2, 3, 50)).await);
    fresh(commit(&*ledger, captured.clone()).await);
    // The record of the capture cannot be read for a while, so that only its replay fails: after the commit that it is in.
    let mut owner = sqlx::PgConnection::connect(engine.base()).await.unwrap();
    let mut change = async |statement: String| {
        let statement = format!("SET search_path = {}; {statement}", engine.schema());
        sqlx::raw_sql(sqlx::AssertSqlSafe(statement))
            .execute(&mut owner)
            .await
            .unwrap();
    };
    change("UPDATE claim SET outcome = '#' || outcome WHERE id = 11".to_owned()).await;
    let moved = |number: u64| keyed(transfer(number, 2, 3, 7), "moved", "seven");
    for commands in [
        vec![moved(20), captured.clone()],
        // In two pieces: an id is wanted twice.
        vec![moved(21), transfer(11, 2, 3, 1), captured.clone()],
    ] {
        let error = ledger.commit(&batch(commands)).await.unwrap_err();
        assert!(error.is_unknown(), "{error}");
    }
    assert_eq!(
        balance(&ledger, 3).await,
        (12, 0, 45),
        "what was new of it stands"
    );
    change("UPDATE claim SET outcome = substr(outcome, 2) WHERE id = 11".to_owned()).await;
    let again = ledger.commit(&batch(vec![moved(22), captured])).await.unwrap();
    let ids: Vec<_> = again
        .into_iter()
        .map(|answer| {
            let answer = answer.unwrap();
            assert!(answer.is_replay());
            answer.get().journal.id
        })
        .collect();
    assert_eq!(ids, [id(20), id(11)]);
    engine.remove().await;
}

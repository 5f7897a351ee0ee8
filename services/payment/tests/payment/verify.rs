//! `verify` on tables that somebody changed after switching the triggers off: each change is pointed at.

#[path = "verify/tamperings.rs"]
mod tamperings;

use payment::store::Database;
use payment::store::ledger::{SharedLedger, SqliteLedger};
use payment::verify::{VerifyReport, verify, verify_against};
use sqlx::{ConnectOptions as _, Connection as _};

use self::tamperings::{POINTING, TAMPERINGS};
use crate::books::{NOW_MS, batch, capture, commit, fresh, hold, open_books, reverse, transfer};
use crate::contract::{Engine as _, OnPostgres, OnSqlite, database};

/// A bit of everything: shard 2 has the funding of wallet 2, shard 0 five links, the last of two rows.
async fn books(ledger: SharedLedger) {
    open_books(&*ledger, &[(2, 1_000), (3, 0)]).await;
    for command in [
        transfer(8, 2, 3, 70),
        reverse(16, 8, Some(20)),
        hold(24, 2, 3, 50),
        capture(32, 24, Some(20), false),
    ] {
        fresh(commit(&*ledger, command).await);
    }
    let two = ledger
        .commit(&batch(vec![transfer(40, 2, 3, 7), transfer(41, 3, 2, 8)]))
        .await
        .unwrap();
    assert!(two.iter().all(Result::is_ok));
}

/// That the report names what was touched, and nobody else.
fn points_at(report: &VerifyReport, tampering: &str, expected: &[&str]) {
    assert!(!report.is_sound(), "{tampering}: not found");
    let named: Vec<&str> = report.broken().map(|finding| finding.message.as_str()).collect();
    for words in expected {
        assert!(
            named.iter().any(|message| message.contains(words)),
            "{tampering}: {report}"
        );
    }
    for message in &named {
        assert!(
            expected.iter().any(|words| message.contains(words)),
            "{tampering}: {report}"
        );
    }
}

/// That the report says this, be it that it may follow from the break of a chain.
fn says(report: &VerifyReport, tampering: &str, words: &str) {
    let mut messages = report.findings.iter().map(|finding| &finding.message);
    assert!(
        messages.any(|message| message.contains(words)),
        "{tampering}: {report}"
    );
}

/// What is kept and brought back between two tamperings.
#[rustfmt::skip]
const TABLES: [&str; 8] = ["account", "balance", "journal", "entry", "hold", "reversed", "chain_link", "chain_head"];

#[tokio::test]
async fn whatever_was_changed_in_the_file_is_pointed_at() {
    let engine = OnSqlite::new("verify").unwrap();
    let open = database(&engine.url()).await;
    let Database::Sqlite(sql) = open.clone() else {
        panic!("the URL names a file");
    };
    books(std::sync::Arc::new(SqliteLedger::new(
        sql,
        clock::ManualClock::at(NOW_MS),
    )))
    .await;
    let sound = verify(&engine.url()).await.unwrap();
    assert!(sound.is_sound(), "beside the service: {sound}");
    assert_eq!(
        (sound.links, sound.rows, sound.entries, sound.balances),
        (6, 7, 12, 3)
    );
    assert_eq!((sound.heads[0].link, sound.heads[2].link), (5, 1));
    open.close().await;
    let copy = engine.file().with_file_name("tampered.db");
    for (tampering, expected) in TAMPERINGS {
        std::fs::copy(engine.file(), &copy).unwrap();
        tamper(&copy, tampering).await;
        let report = verify(&format!("sqlite:{}", copy.display())).await.unwrap();
        points_at(&report, tampering, expected);
    }
    for (tampering, words) in POINTING {
        std::fs::copy(engine.file(), &copy).unwrap();
        tamper(&copy, tampering).await;
        let report = verify(&format!("sqlite:{}", copy.display())).await.unwrap();
        says(&report, tampering, words);
    }
}

/// Where a chain breaks, the next link's rows have begun to come: half of one is no row that does not balance.
#[tokio::test]
async fn a_row_after_the_break_of_its_chain_is_not_judged_by_half() {
    let engine = OnSqlite::new("verify_break").unwrap();
    books(engine.open().await).await;
    tamper(&engine.file(), "UPDATE journal SET details = '{ }' WHERE id = 8").await;
    let report = verify(&engine.url()).await.unwrap();
    assert_eq!(report.findings.len(), 1, "{report}");
    points_at(
        &report,
        "the details of 8",
        &["shard 0, link 1: row 0 was changed: journal row 8"],
    );
    assert!(
        report
            .to_string()
            .contains("UNREAD  shard 0: 4 links after link 1, at which its chain is broken"),
        "{report}"
    );
}

/// As whoever has the file can: without triggers, checks and foreign keys.
async fn tamper(file: &std::path::Path, statement: &'static str) {
    let options = sqlx::sqlite::SqliteConnectOptions::new()
        .filename(file)
        .foreign_keys(false)
        .pragma("ignore_check_constraints", "1");
    let mut connection = options.connect().await.unwrap();
    let triggers: Vec<String> = sqlx::query_scalar("SELECT name FROM sqlite_schema WHERE type = 'trigger'")
        .fetch_all(&mut connection)
        .await
        .unwrap();
    for name in triggers {
        sqlx::raw_sql(sqlx::AssertSqlSafe(format!("DROP TRIGGER {name}")))
            .execute(&mut connection)
            .await
            .unwrap();
    }
    let done = sqlx::query(statement)
        .execute(&mut connection)
        .await
        .expect(statement);
    assert!(done.rows_affected() > 0, "{statement}");
    connection.close().await.unwrap();
}

/// An open hold made out to another account, and what is held moved with it: every sum is right, and the next capture would pay the thief.
#[tokio::test]
async fn a_hold_that_was_made_out_to_another_account_is_found_though_every_sum_is_right() {
    const THIEF: &[&str] = &[
        "UPDATE hold SET credit_account_id = 4 WHERE id = 24",
        "UPDATE balance SET hold_credits = 0 WHERE account_id = 3",
        "UPDATE balance SET hold_credits = 50 WHERE account_id = 4",
    ];
    let engine = OnSqlite::new("verify_hold").unwrap();
    let open = database(&engine.url()).await;
    let Database::Sqlite(sql) = open.clone() else {
        panic!("the URL names a file");
    };
    let ledger: SharedLedger = std::sync::Arc::new(SqliteLedger::new(sql, clock::SystemClock::shared()));
    open_books(&*ledger, &[(2, 1_000), (3, 0), (4, 0)]).await;
    fresh(commit(&*ledger, hold(24, 2, 3, 50)).await);
    open.close().await;
    let sound = verify(&engine.url()).await.unwrap();
    assert!(sound.is_sound(), "{sound}");
    for statement in THIEF {
        tamper(&engine.file(), statement).await;
    }
    let report = verify(&engine.url()).await.unwrap();
    assert_eq!(report.findings.len(), 1, "{report}");
    points_at(
        &report,
        "another account",
        &["24 of tenant acme: this hold's terms"],
    );
}

/// Another ledger, whole in itself, in the place of the one that was: only a head that was written down tells.
#[tokio::test]
async fn a_chain_that_was_written_anew_is_found_by_a_head_that_was_kept() {
    let mut kept = Vec::new();
    for minor in [70, 7_000] {
        let engine = OnSqlite::new("verify_heads").unwrap();
        let open = database(&engine.url()).await;
        let Database::Sqlite(sql) = open.clone() else {
            panic!("the URL names a file");
        };
        let ledger: SharedLedger = std::sync::Arc::new(SqliteLedger::new(sql, clock::SystemClock::shared()));
        open_books(&*ledger, &[(2, 10_000), (3, 0)]).await;
        fresh(commit(&*ledger, transfer(8, 2, 3, minor)).await);
        open.close().await;
        let report = verify_against(&engine.url(), &kept).await.unwrap();
        if kept.is_empty() {
            assert!(report.is_sound(), "{report}");
            let heads = report.heads.iter();
            kept = heads
                .map(|head| {
                    format!("{}:{}:{}", head.shard, head.link, head.hash)
                        .parse()
                        .unwrap()
                })
                .collect();
            let again = verify_against(&engine.url(), &kept).await.unwrap();
            assert!(again.is_sound(), "{again}");
        } else {
            assert!(verify(&engine.url()).await.unwrap().is_sound(), "whole in itself");
            points_at(&report, "another ledger", &["and the head that was kept says"]);
        }
    }
}

#[tokio::test]
async fn a_ledger_that_is_not_there_is_an_error_and_no_finding() {
    let folder = tempfile::tempdir().unwrap();
    let missing = format!("sqlite:{}", folder.path().join("none.db").display());
    assert_eq!(verify(&missing).await.unwrap_err().code(), "verify_unreadable");
    assert!(!folder.path().join("none.db").exists(), "nothing is made");
    assert_eq!(verify("mysql://x").await.unwrap_err().code(), "verify_url");
}

/// As the owner can.
async fn without_triggers(engine: &OnPostgres) -> sqlx::PgConnection {
    let options: sqlx::postgres::PgConnectOptions = engine.base().parse().unwrap();
    let as_owner = [
        ("search_path", engine.schema()),
        ("session_replication_role", "replica"),
        ("synchronous_commit", "off"),
    ];
    options.options(as_owner).connect().await.unwrap()
}

/// PostgreSQL says from which line of its own source it complains; nobody wants to know.
#[tokio::test]
async fn what_the_server_says_is_told_without_the_lines_of_its_source() {
    let Some(engine) = OnPostgres::new("what_the_server_says_is_told") else {
        return;
    };
    let unread = verify(&engine.url()).await.unwrap_err().to_string();
    assert_eq!(
        unread,
        "the ledger cannot be read: relation \"chain_link\" does not exist"
    );
    let (server, _) = engine.base().rsplit_once('/').unwrap();
    let none = format!("{server}/none_of_this_name");
    let refused = payment::verify::find(&none).await.unwrap_err().to_string();
    assert!(
        refused.contains("cannot be reached: database \"none_of_this_name\" does not exist. See that"),
        "{refused}"
    );
}

#[tokio::test]
async fn whatever_was_changed_in_the_schema_is_pointed_at() {
    let test = "whatever_was_changed_in_the_schema_is_pointed_at";
    let Some(engine) = OnPostgres::new(test) else {
        return;
    };
    books(engine.open().await).await;
    let sound = verify(&engine.url()).await.unwrap();
    assert!(sound.is_sound(), "beside the service: {sound}");
    assert_eq!(
        (sound.links, sound.rows, sound.entries, sound.balances),
        (6, 7, 12, 3)
    );
    // As the owner can: without triggers. And back again afterwards.
    let mut connection = without_triggers(&engine).await;
    let (mut keep, mut restore) = (String::new(), String::new());
    for table in TABLES {
        keep += &format!("CREATE TABLE kept_{table} AS TABLE {table};");
        restore += &format!("DELETE FROM {table}; INSERT INTO {table} SELECT * FROM kept_{table};");
    }
    // Nor does what a table itself checks stand in an owner's way.
    keep += "DO $$ DECLARE c RECORD; BEGIN
        FOR c IN SELECT conrelid::regclass AS t, conname FROM pg_constraint
            WHERE connamespace = current_schema()::regnamespace AND contype = 'c' LOOP
            EXECUTE format('ALTER TABLE %s DROP CONSTRAINT %I', c.t, c.conname);
        END LOOP; END $$";
    sqlx::raw_sql(sqlx::AssertSqlSafe(keep))
        .execute(&mut connection)
        .await
        .unwrap();
    // All of them are found in the file; here a few are enough to see that the same is asked.
    let step = if testkit::skips::nightly() { 1 } else { 4 };
    let all = TAMPERINGS.iter().step_by(step).map(|(tampering, _)| tampering);
    for tampering in all.chain(POINTING.iter().map(|(tampering, _)| tampering)) {
        let done = sqlx::query(*tampering)
            .execute(&mut connection)
            .await
            .expect(tampering);
        assert!(done.rows_affected() > 0, "{tampering}");
        let report = verify(&engine.url()).await.unwrap();
        if let Some((_, expected)) = TAMPERINGS.iter().find(|(it, _)| it == tampering) {
            points_at(&report, tampering, expected);
        }
        if let Some((_, words)) = POINTING.iter().find(|(it, _)| it == tampering) {
            says(&report, tampering, words);
        }
        sqlx::raw_sql(sqlx::AssertSqlSafe(restore.clone()))
            .execute(&mut connection)
            .await
            .unwrap();
    }
    assert!(verify(&engine.url()).await.unwrap().is_sound());
    connection.close().await.unwrap();
    engine.remove().await;
}

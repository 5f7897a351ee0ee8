//! The tables under attack by whoever opens the file with `sqlite3`: each is refused by the database itself.

use std::path::Path;
use std::process::Command;

use payment::store::Database;
use payment::store::ledger::SqliteLedger;
use testkit::skips;

use crate::books::{NOW_MS, capture, commit, fresh, hold, kept, keyed, open_books, reverse, transfer};
use crate::contract::{Engine as _, OnSqlite, database};

/// Runs statements by the program that everybody has; gives what it complained about.
pub(crate) fn sqlite3(file: &Path, statements: &str) -> Result<String, String> {
    let output = Command::new("sqlite3")
        .args(["-bail", "-cmd", ".timeout 5000"])
        .arg(file)
        .arg(statements)
        .output()
        .unwrap();
    if output.status.success() {
        Ok(String::from_utf8(output.stdout).unwrap())
    } else {
        Err(String::from_utf8_lossy(&output.stderr).into_owned())
    }
}

/// A ledger with a bit of everything in it, closed again.
pub(crate) async fn books(engine: &OnSqlite) {
    let database = database(&engine.url()).await;
    let Database::Sqlite(sql) = database.clone() else {
        panic!("the URL names a file");
    };
    let ledger = SqliteLedger::new(sql, clock::ManualClock::at(NOW_MS));
    open_books(&ledger, &[(2, 1_000), (3, 0)]).await;
    for command in [
        transfer(8, 2, 3, 70),
        reverse(16, 8, Some(20)),
        hold(24, 2, 3, 50),
        capture(32, 24, Some(20), false),
    ] {
        fresh(commit(&ledger, command).await);
    }
    fresh(commit(&ledger, kept(transfer(40, 2, 3, 1))).await);
    database.close().await;
}

/// What an attacker tries, and the word of the trigger that refuses it.
const ATTACKS: &[(&str, &str)] = &[
    // Edits of what was committed.
    (
        "UPDATE journal SET details = '{\"x\":1}' WHERE id = 8",
        "never changed",
    ),
    ("UPDATE journal SET at_ms = at_ms - 1000", "never changed"),
    ("UPDATE entry SET amount = amount + 1", "never changed"),
    (
        "UPDATE entry SET balance_after = 0 WHERE account_id = 3",
        "never changed",
    ),
    (
        "UPDATE OR REPLACE entry SET seq = 1 WHERE account_id = 3 AND seq = 2",
        "never changed",
    ),
    ("UPDATE chain_link SET hash = zeroblob(32)", "never changed"),
    ("DELETE FROM journal WHERE id = 8", "never deleted"),
    ("DELETE FROM entry WHERE account_id = 3", "never deleted"),
    ("DELETE FROM chain_link", "never deleted"),
    ("DELETE FROM chain_head", "never deleted"),
    ("DELETE FROM account WHERE id = 2", "never deleted"),
    ("DELETE FROM balance", "never deleted"),
    ("DELETE FROM hold", "never deleted"),
    ("DELETE FROM reversed", "never deleted"),
    // REPLACE deletes without asking a delete trigger.
    (
        "INSERT OR REPLACE INTO journal SELECT tenant, id, kind, at_ms, hold_id, refers_to, '{}', shard, link + 1, ord FROM journal WHERE id = 8",
        "only added",
    ),
    (
        "INSERT OR REPLACE INTO entry SELECT tenant, account_id, part, seq, journal_id, line, direction, 1, currency, balance_after, at_ms FROM entry",
        "only added",
    ),
    (
        "INSERT OR REPLACE INTO account SELECT tenant, id, currency, kind, 0, 0, parts, name, metadata, created_at_ms, NULL FROM account",
        "already",
    ),
    (
        "INSERT OR REPLACE INTO balance VALUES ('acme', 2, 0, 0, 0, 0, 0, 0)",
        "begins at zero",
    ),
    (
        "INSERT OR REPLACE INTO hold SELECT tenant, id, debit_account_id, credit_account_id, amount + 1, currency, captured, voided, state, expires_at_ms, created_at_ms, shard, link FROM hold",
        "once",
    ),
    (
        "INSERT OR REPLACE INTO reversed VALUES ('acme', 8, 1, 0, 1)",
        "once",
    ),
    (
        "INSERT OR REPLACE INTO chain_head VALUES (0, 0, zeroblob(32), 0, 0)",
        "for ever",
    ),
    // Where it changed last is said by a change.
    (
        "UPDATE hold SET link = (SELECT link + 1 FROM chain_head WHERE shard = 0), shard = 0",
        "do not come to what it says",
    ),
    // Additions behind the ledger's back.
    (
        "INSERT INTO journal SELECT tenant, 999, kind, at_ms, NULL, NULL, '{}', shard, link, 77 FROM journal WHERE id = 8",
        "only added",
    ),
    (
        "INSERT INTO journal SELECT 'acme', 999, 0, 1000, NULL, NULL, '{}', 0, link + 1, 0 FROM chain_head WHERE shard = 0",
        "backdated",
    ),
    (
        "INSERT INTO entry SELECT tenant, 3, 0, 99, 8, 7, 1, 5, 'EUR', balance_after - 5, at_ms FROM entry WHERE account_id = 3 AND seq = 1",
        "in sequence",
    ),
    (
        "INSERT INTO entry SELECT tenant, 3, 0, (SELECT entries + 1 FROM balance WHERE account_id = 3), 8, 7, 1, 5, 'EUR', (SELECT posted - 5 FROM balance WHERE account_id = 3), at_ms FROM entry WHERE account_id = 3 AND seq = 1",
        "only added",
    ),
    (
        "INSERT INTO chain_link SELECT 0, link + 1, at_ms, hash, 1, zeroblob(32), zeroblob(32) FROM chain_head WHERE shard = 0",
        "has all its rows",
    ),
    // Projections that say something else than the entries.
    (
        "UPDATE balance SET posted = posted - 1000 WHERE account_id = 3",
        "last entry",
    ),
    (
        "UPDATE balance SET entries = entries - 1 WHERE account_id = 3",
        "last entry",
    ),
    (
        "UPDATE balance SET hold_debits = -1 WHERE account_id = 2",
        "CHECK",
    ),
    ("UPDATE account SET not_below_zero = 0 WHERE id = 2", "only name"),
    ("UPDATE account SET currency = 'USD' WHERE id = 2", "only name"),
    ("UPDATE account SET kind = 0 WHERE id = 2", "only name"),
    ("UPDATE account SET not_above_zero = 1 WHERE id = 1", "only name"),
    ("UPDATE account SET parts = 2 WHERE id = 1", "only name"),
    ("UPDATE account SET tenant = 'evil' WHERE id = 2", "only name"),
    ("UPDATE account SET id = 4 WHERE id = 3", "only name"),
    ("UPDATE account SET created_at_ms = 1 WHERE id = 2", "only name"),
    (
        "INSERT INTO account SELECT tenant, id, currency, 0, 0, 0, parts, name, metadata, created_at_ms, NULL FROM account WHERE id = 2 ON CONFLICT (tenant, id) DO UPDATE SET kind = excluded.kind",
        "already",
    ),
    // Records of keys, by which a repeat is told.
    ("DELETE FROM claim", "kept as it is"),
    ("UPDATE claim SET fingerprint = key", "kept as it is"),
    ("UPDATE claim SET expires_at_ms = 1", "kept as it is"),
    ("UPDATE claim SET outcome = '{}'", "kept as it is"),
    (
        "INSERT OR REPLACE INTO claim SELECT key, key, outcome, expires_at_ms FROM claim",
        "kept as it is",
    ),
    (
        "INSERT INTO claim SELECT key, key, outcome, expires_at_ms FROM claim WHERE true ON CONFLICT (key) DO UPDATE SET fingerprint = excluded.fingerprint",
        "kept as it is",
    ),
    ("UPDATE hold SET amount = 5000", "terms"),
    ("UPDATE hold SET captured = 0", "shrinks"),
    ("UPDATE hold SET captured = 51", "CHECK"),
    ("UPDATE reversed SET amount = 1", "only grows"),
    (
        "UPDATE chain_head SET link = link - 1, hash = zeroblob(32) WHERE shard = 0",
        "moves on",
    ),
    (
        "UPDATE chain_head SET hash = zeroblob(32) WHERE shard = 0",
        "moves on",
    ),
    ("UPDATE chain_head SET sealed_ms = sealed_ms - 1", "moves on"),
    (
        "UPDATE chain_head SET sealed_ms = 9223372036854775806",
        "what has not been",
    ),
    // Holds and reversals that no row of the journal tells of, and the end of an account.
    ("UPDATE hold SET captured = 21", "do not come to"),
    ("UPDATE hold SET voided = 30, state = 1", "do not come to"),
    ("UPDATE hold SET voided = 30, state = 2", "do not come to"),
    ("UPDATE hold SET voided = 10, state = 2", "CHECK"),
    (
        "UPDATE hold SET captured = 21, link = (SELECT link + 1 FROM chain_head WHERE shard = 0)",
        "do not come to",
    ),
    ("UPDATE reversed SET amount = 70", "do not come to"),
    (
        "UPDATE reversed SET amount = 70, link = (SELECT link + 1 FROM chain_head WHERE shard = 0)",
        "do not come to",
    ),
    (
        "INSERT INTO reversed SELECT 'acme', 40, 1, 0, link + 1 FROM chain_head WHERE shard = 0",
        "do not come to",
    ),
    (
        "UPDATE account SET closed_at_ms = 4000000000000 WHERE id = 2",
        "nothing is on it",
    ),
    (
        "BEGIN;
         INSERT INTO account SELECT tenant, 5, currency, kind, not_below_zero, not_above_zero, parts, name, metadata, created_at_ms, NULL
         FROM account WHERE id = 2;
         INSERT INTO balance VALUES ('acme', 5, 0, 0, 0, 0, 0, 0);
         UPDATE account SET closed_at_ms = CAST((julianday('now') - 2440587.5) * 86400000 AS INTEGER) + 660000 WHERE id = 5",
        "has not been",
    ),
    (
        "INSERT INTO account SELECT tenant, 5, currency, kind, not_below_zero, not_above_zero, parts, name, metadata, created_at_ms, 1 FROM account WHERE id = 2",
        "begins open",
    ),
];

#[tokio::test]
async fn every_edit_backdating_and_deletion_is_refused_by_the_file_itself() {
    if !skips::on_path("sqlite3") {
        skips::skip(
            "every_edit_backdating_and_deletion_is_refused_by_the_file_itself",
            "no sqlite3",
        );
        return;
    }
    let engine = OnSqlite::new("attacks").unwrap();
    books(&engine).await;
    let dump = || sqlite3(&engine.file(), ".dump").unwrap();
    let before = dump();
    for (attack, word) in ATTACKS {
        let complaint = sqlite3(&engine.file(), attack).expect_err(attack);
        assert!(complaint.contains(word), "{attack}: {complaint}");
    }
    assert_eq!(dump(), before, "nothing changed");
}

#[tokio::test]
async fn an_account_ends_with_its_last_entry_however_far_ahead_of_the_clock_that_is() {
    let test = "an_account_ends_with_its_last_entry";
    if !skips::on_path("sqlite3") {
        skips::skip(test, "no sqlite3");
        return;
    }
    let engine = OnSqlite::new(test).unwrap();
    books(&engine).await;
    let ahead = "DROP TRIGGER balance_follows_entries; DROP TRIGGER balance_begins_at_zero;
        INSERT INTO account SELECT tenant, 5, currency, kind, not_below_zero, not_above_zero, parts, name, metadata, created_at_ms, NULL
        FROM account WHERE id = 2;
        INSERT INTO balance VALUES ('acme', 5, 0, 0, 0, 0, 0, 4000000000000);";
    sqlite3(&engine.file(), ahead).unwrap();
    let later = "UPDATE account SET closed_at_ms = 4000000000001 WHERE id = 5";
    let refused = sqlite3(&engine.file(), later).unwrap_err();
    assert!(refused.contains("has not been"), "{refused}");
    let then = "UPDATE account SET closed_at_ms = 4000000000000 WHERE id = 5";
    sqlite3(&engine.file(), then).unwrap();
}

#[tokio::test]
async fn a_forged_commit_must_balance_and_have_its_link() {
    let test = "a_forged_commit_must_balance_and_have_its_link";
    if !skips::on_path("sqlite3") {
        skips::skip(test, "no sqlite3");
        return;
    }
    let engine = OnSqlite::new(test).unwrap();
    books(&engine).await;
    // As careful as the ledger itself: the next link, the right sequence, time and balance. But only one side.
    let one_sided = "
        PRAGMA foreign_keys = ON;
        BEGIN;
        INSERT INTO journal SELECT 'acme', 999, 0, max(at_ms, 2000000000000), NULL, NULL, '{}', 0, link + 1, 0
            FROM chain_head WHERE shard = 0;
        INSERT INTO entry SELECT 'acme', 3, 0, entries + 1, 999, 0, 1, 500, 'EUR', posted - 500, 2000000000000
            FROM balance WHERE account_id = 3;";
    let link = "
        INSERT INTO chain_link SELECT 0, link + 1, 2000000000000, hash, 2, zeroblob(64), zeroblob(32)
            FROM chain_head WHERE shard = 0;";
    let unbalanced = sqlite3(&engine.file(), &format!("{one_sided} {link} COMMIT;")).unwrap_err();
    assert!(unbalanced.contains("each of them balances"), "{unbalanced}");
    let unlinked = sqlite3(&engine.file(), &format!("{one_sided} COMMIT;")).unwrap_err();
    assert!(unlinked.contains("FOREIGN KEY"), "{unlinked}");
}

#[tokio::test]
async fn a_record_that_has_expired_is_forgotten_and_one_that_has_not_is_kept() {
    let test = "a_record_that_has_expired_is_forgotten_and_one_that_has_not_is_kept";
    if !skips::on_path("sqlite3") {
        skips::skip(test, "no sqlite3");
        return;
    }
    let engine = OnSqlite::new(test).unwrap();
    let ledger = engine.open().await;
    open_books(&*ledger, &[(2, 1_000), (3, 0)]).await;
    fresh(commit(&*ledger, kept(transfer(8, 2, 3, 1))).await);
    fresh(commit(&*ledger, keyed(transfer(16, 2, 3, 1), "over since", "")).await);
    let deleted = sqlite3(
        &engine.file(),
        "DELETE FROM claim WHERE expires_at_ms < 2000000000000; SELECT changes()",
    );
    assert_eq!(deleted.unwrap().trim(), "1");
    assert!(
        commit(&*ledger, kept(transfer(24, 2, 3, 1)))
            .await
            .unwrap()
            .is_replay()
    );
}

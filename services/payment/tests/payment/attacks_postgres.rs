//! The tables under attack by whoever has `psql`: as the owner, whom triggers refuse, and as the service's own role, which may only call.

use std::process::Command;

use payment::store::Database;
use payment::store::ledger::PostgresLedger;
use sqlx::{ConnectOptions as _, Connection as _};
use testkit::skips;

use crate::books::{
    NOW_MS, batch, capture, commit, fresh, hold, kept, kept_as, keyed, open_books, reverse, transfer,
};
use crate::contract::{Engine as _, OnPostgres, database};

/// Runs statements by the program that everybody has; gives what it complained about.
pub(crate) fn psql(engine: &OnPostgres, statements: &str) -> Result<String, String> {
    let output = Command::new("psql")
        .args(["-X", "-q", "-A", "-t", "-v", "ON_ERROR_STOP=1", "-c"])
        .args([statements, engine.base()])
        .env("PGOPTIONS", format!("-c search_path={}", engine.schema()))
        .env("PGCONNECT_TIMEOUT", "5")
        .output()
        .unwrap();
    if output.status.success() {
        Ok(String::from_utf8(output.stdout).unwrap())
    } else {
        Err(String::from_utf8_lossy(&output.stderr).into_owned())
    }
}

/// A ledger with a bit of everything in it; `None` after skipping aloud.
pub(crate) async fn books(test: &str) -> Option<OnPostgres> {
    if !skips::on_path("psql") {
        skips::skip(test, "no psql");
        return None;
    }
    let engine = OnPostgres::new(test)?;
    let ledger = engine.open().await;
    open_books(&*ledger, &[(2, 1_000), (3, 0)]).await;
    for command in [
        transfer(8, 2, 3, 70),
        reverse(16, 8, Some(20)),
        hold(24, 2, 3, 50),
        capture(32, 24, Some(20), false),
    ] {
        fresh(commit(&*ledger, command).await);
    }
    fresh(commit(&*ledger, kept(transfer(40, 2, 3, 1))).await);
    Some(engine)
}

/// Everything in the tables, as one text.
pub(crate) fn dump(engine: &OnPostgres) -> String {
    let tables = [
        "account",
        "balance",
        "journal",
        "entry",
        "hold",
        "reversed",
        "claim",
        "chain_link",
        "chain_head",
    ];
    let rows =
        tables.map(|table| psql(engine, &format!("SELECT t FROM {table} t ORDER BY t::text")).unwrap());
    rows.join("\n")
}

/// What an owner tries, and the words of what refuses it.
const ATTACKS: &[(&str, &str)] = &[
    // Edits of what was committed.
    ("UPDATE journal SET details = '{\"x\":1}' WHERE id = 8", "never changed"),
    ("UPDATE journal SET at_ms = at_ms - 1000", "never changed"),
    ("UPDATE entry SET amount = amount + 1", "never changed"),
    ("UPDATE entry SET balance_after = 0 WHERE account_id = 3", "never changed"),
    ("UPDATE chain_link SET hash = decode(repeat('00', 32), 'hex')", "never changed"),
    (
        "INSERT INTO journal SELECT * FROM journal WHERE id = 8 ON CONFLICT (id, tenant) DO UPDATE SET details = '{}'",
        "never changed",
    ),
    ("DELETE FROM journal WHERE id = 8", "never deleted"),
    ("DELETE FROM entry WHERE account_id = 3", "never deleted"),
    ("DELETE FROM chain_link", "never deleted"),
    ("DELETE FROM chain_head", "for ever"),
    ("DELETE FROM account WHERE id = 2", "never deleted"),
    ("DELETE FROM balance", "never deleted"),
    ("DELETE FROM hold", "never deleted"),
    ("DELETE FROM reversed", "never deleted"),
    ("TRUNCATE journal", "never deleted"),
    ("TRUNCATE entry", "never deleted"),
    ("TRUNCATE chain_link, chain_head", "never deleted"),
    ("TRUNCATE balance", "never deleted"),
    // Additions behind the ledger's back.
    (
        "INSERT INTO journal SELECT tenant, 999, kind, at_ms, NULL, NULL, '{}', shard, link, 77 FROM journal WHERE id = 8",
        "next link only",
    ),
    (
        "INSERT INTO journal SELECT 'acme', 999, 0, 1000, NULL, NULL, '{}', 0, link + 1, 0 FROM chain_head WHERE shard = 0",
        "never backdated",
    ),
    (
        "INSERT INTO journal SELECT 'acme', 999, 0, greatest(at_ms, sealed_ms) + 1, NULL, NULL, '{}', 0, link + 1, 0 FROM chain_head
         WHERE shard = 0",
        "with their link only",
    ),
    ("UPDATE chain_head SET opened = link + 1 WHERE shard = 0", "never by itself"),
    (
        "INSERT INTO entry SELECT tenant, 3, 0, 99, 8, 7, 1, 5, 'EUR', balance_after - 5, at_ms FROM entry
         WHERE account_id = 3 AND seq = 1",
        "with their row of the journal only",
    ),
    (
        "INSERT INTO entry SELECT tenant, 3, 0, entries + 1, 24, 0, 1, 5, 'EUR', posted - 5, last_at_ms FROM balance
         WHERE account_id = 3",
        "with their row of the journal only",
    ),
    (
        "INSERT INTO chain_link SELECT 0, link + 2, at_ms, hash, 1, decode(repeat('00', 32), 'hex'), hash FROM chain_head
         WHERE shard = 0",
        "joins the head",
    ),
    (
        "INSERT INTO chain_link SELECT 0, link + 1, 1, hash, 1, decode(repeat('00', 32), 'hex'), hash FROM chain_head
         WHERE shard = 0",
        "never backdated",
    ),
    // Projections that say something else than what they follow.
    ("UPDATE balance SET posted = posted - 1000 WHERE account_id = 3", "never by itself"),
    ("UPDATE balance SET entries = entries - 1 WHERE account_id = 3", "never by itself"),
    ("UPDATE balance SET hold_debits = 0", "never by itself"),
    ("INSERT INTO balance VALUES ('acme', 3, 1, 500, 0, 0, 0, 0)", "begins at zero"),
    ("UPDATE account SET not_below_zero = FALSE WHERE id = 2", "only name"),
    ("UPDATE account SET not_above_zero = TRUE WHERE id = 1", "only name"),
    ("UPDATE account SET currency = 'USD' WHERE id = 2", "only name"),
    ("UPDATE account SET kind = 0 WHERE id = 2", "only name"),
    ("UPDATE account SET parts = 2 WHERE id = 1", "only name"),
    ("UPDATE account SET tenant = 'evil' WHERE id = 2", "only name"),
    ("UPDATE account SET id = 4 WHERE id = 3", "only name"),
    ("UPDATE account SET created_at_ms = 1 WHERE id = 2", "only name"),
    (
        "INSERT INTO account SELECT tenant, id, currency, 0, FALSE, FALSE, parts, name, metadata, created_at_ms, NULL FROM account
         WHERE id = 2 ON CONFLICT (tenant, id) DO UPDATE SET kind = excluded.kind",
        "only name",
    ),
    // Records of keys, by which a repeat is told.
    ("DELETE FROM claim", "kept as it is"),
    ("UPDATE claim SET fingerprint = key", "kept as it is"),
    ("UPDATE claim SET expires_at_ms = 1", "kept as it is"),
    ("UPDATE claim SET outcome = '{\"code\":\"unbalanced\"}'", "kept as it is"),
    (
        "INSERT INTO claim SELECT key, key, id, outcome, expires_at_ms FROM claim
         ON CONFLICT (key) DO UPDATE SET fingerprint = excluded.fingerprint",
        "kept as it is",
    ),
    ("TRUNCATE claim", "kept as it is"),
    ("UPDATE hold SET amount = 5000", "terms"),
    ("UPDATE hold SET captured = 0", "shrinks"),
    ("UPDATE hold SET captured = 51", "check"),
    ("UPDATE reversed SET amount = 1", "only grows"),
    ("UPDATE chain_head SET link = link - 1 WHERE shard = 0", "never by itself"),
    ("UPDATE chain_head SET sealed_ms = sealed_ms - 1", "stays sealed"),
    ("UPDATE chain_head SET sealed_ms = 9223372036854775806", "ahead of the database server's clock"),
    // Holds and reversals that no row of the journal tells of.
    ("UPDATE hold SET captured = 21", "by themselves"),
    ("UPDATE hold SET voided = 30, state = 1", "by themselves"),
    ("UPDATE hold SET voided = 30, state = 2", "by themselves"),
    ("UPDATE hold SET voided = 10, state = 2", "check"),
    ("UPDATE hold SET captured = 21, link = (SELECT link + 1 FROM chain_head c WHERE c.shard = hold.shard)", "do not come to"),
    ("UPDATE hold SET link = (SELECT link + 1 FROM chain_head c WHERE c.shard = hold.shard)", "do not come to"),
    ("UPDATE reversed SET amount = 70", "by themselves"),
    ("UPDATE reversed SET amount = 70, link = (SELECT link + 1 FROM chain_head c WHERE c.shard = reversed.shard)", "do not come to"),
    ("INSERT INTO reversed SELECT 'acme', 40, 1, 0, link + 1 FROM chain_head WHERE shard = 0", "do not come to"),
    // The end of an account.
    ("UPDATE balance SET closed = TRUE WHERE account_id = 3", "never by itself"),
    ("UPDATE account SET closed_at_ms = 4000000000000 WHERE id = 2", "nothing is on it"),
    ("INSERT INTO balance VALUES ('acme', 3, 1, 0, 0, 0, 0, 0, TRUE)", "begins at zero"),
    (
        "INSERT INTO account SELECT tenant, 5, currency, kind, not_below_zero, not_above_zero, parts, name, metadata, created_at_ms, NULL
         FROM account WHERE id = 2;
         INSERT INTO balance VALUES ('acme', 5, 0, 0, 0, 0, 0, 0, FALSE);
         UPDATE account SET closed_at_ms = floor(extract(epoch FROM clock_timestamp()) * 1000) + 660000 WHERE id = 5",
        "ahead of the database server's clock",
    ),
    (
        "INSERT INTO account SELECT tenant, 5, currency, kind, not_below_zero, not_above_zero, parts, name, metadata, created_at_ms, 1
         FROM account WHERE id = 2",
        "begins open",
    ),
    ("INSERT INTO chain_head SELECT 8, link, hash, at_ms, sealed_ms FROM chain_head LIMIT 1", "for ever"),
];

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_edit_backdating_and_deletion_is_refused_to_the_owner() {
    let Some(engine) = books("every_edit_backdating_and_deletion_is_refused").await else {
        return;
    };
    let before = dump(&engine);
    for (attack, words) in ATTACKS {
        let complaint = psql(&engine, attack).expect_err(attack);
        assert!(complaint.contains(words), "{attack}: {complaint}");
    }
    assert_eq!(dump(&engine), before, "nothing changed");
    engine.remove().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_forged_row_must_balance_and_follow_its_parts() {
    let Some(engine) = books("a_forged_row_must_balance").await else {
        return;
    };
    let before = dump(&engine);
    // As careful as the ledger itself: the next link, the right time, sequence and balance.
    let row = "INSERT INTO journal SELECT 'acme', 999, 0, greatest(at_ms, 2000000000000), NULL, NULL, '{}', 0, link + 1, 0
                   FROM chain_head WHERE shard = 0;";
    let entry = |account: u32, line: u32, direction: u32, seq: &str, after: &str| {
        format!(
            "SELECT 'acme', {account}, 0, {seq}, 999, {line}, {direction}, 500, 'EUR', {after}, 2000000000000
             FROM balance WHERE account_id = {account}"
        )
    };
    let one = entry(3, 0, 1, "entries + 1", "posted - 500");
    let other = |seq, after| entry(1, 1, 0, seq, after);
    for (entries, words) in [
        (one.clone(), "debits and credits differ"),
        (
            format!("{one} UNION ALL {}", other("entries + 1", "posted + 501")),
            "with the balance that follows",
        ),
        (
            format!("{one} UNION ALL {}", other("entries + 2", "posted + 500")),
            "in sequence",
        ),
        (
            format!("{one} UNION ALL {}", other("entries", "posted + 500")),
            "duplicate key",
        ),
        (
            one.replace("2000000000000", "last_at_ms"),
            "with their row of the journal only",
        ),
    ] {
        let attack = format!("BEGIN; {row} INSERT INTO entry {entries}; COMMIT;");
        let complaint = psql(&engine, &attack).expect_err(&attack);
        assert!(complaint.contains(words), "{attack}: {complaint}");
    }
    assert_eq!(dump(&engine), before, "nothing changed");
    engine.remove().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_services_role_reads_and_calls_and_can_do_nothing_else() {
    let Some(engine) = books("the_services_role_reads_and_calls").await else {
        return;
    };
    let before = dump(&engine);
    let as_role = |statement: &str| psql(&engine, &format!("SET ROLE orrery_payment; {statement}"));
    let read = as_role("SELECT count(*) FROM entry").unwrap();
    assert_ne!(read.trim(), "0");
    let call = "SELECT status FROM ledger_create_account(1, NULL, NULL, NULL, NULL, 'acme', 77, 'EUR', 0::smallint, false, false,
        1::smallint, NULL, '{}')";
    assert_eq!(as_role(&format!("BEGIN; {call}; ROLLBACK")).unwrap().trim(), "0");
    for (attack, _) in ATTACKS {
        let complaint = as_role(attack).expect_err(attack);
        assert!(complaint.contains("permission denied"), "{attack}: {complaint}");
    }
    for (attack, words) in [
        ("ALTER TABLE entry DISABLE TRIGGER ALL", "must be owner"),
        ("DROP TRIGGER entry_is_for_ever ON entry", "must be owner"),
        ("ALTER TABLE entry ADD COLUMN x INT", "must be owner"),
        ("CREATE TABLE mine (x INT)", "permission denied"),
        ("LOCK TABLE entry IN EXCLUSIVE MODE", "permission denied"),
        ("DROP TABLE claim", "must be owner"),
    ] {
        let complaint = as_role(attack).expect_err(attack);
        assert!(complaint.contains(words), "{attack}: {complaint}");
    }
    // Names of its own do not come before the schema's inside the functions.
    let shadow = "CREATE TEMP TABLE account (tenant text, id bigint); ";
    let seen = as_role(&format!(
        "BEGIN; {shadow} {call}; SELECT count(*) FROM pg_temp.account; ROLLBACK"
    ))
    .unwrap();
    assert_eq!(
        seen.split_whitespace().collect::<Vec<_>>(),
        ["0", "0"],
        "a shadow got the row"
    );
    assert_eq!(dump(&engine), before, "nothing changed");
    engine.remove().await;
}

/// What a service that is no owner tries, and the words of what refuses it.
const BY_THE_SERVICE: &[(&str, &str)] = &[
    ("DROP TRIGGER entry_is_for_ever ON entry", "must be owner"),
    ("ALTER TABLE journal DISABLE TRIGGER ALL", "must be owner"),
    ("SET session_replication_role = replica", "permission denied"),
    ("UPDATE balance SET posted = 0", "permission denied"),
    ("DELETE FROM _sqlx_migrations", "permission denied"),
    ("UPDATE sql_schema SET works_from = 99", "permission denied"),
    ("DELETE FROM sql_health", "permission denied"),
];

async fn as_owner(engine: &OnPostgres, statement: String) {
    let mut owner = sqlx::PgConnection::connect(engine.base()).await.unwrap();
    sqlx::raw_sql(sqlx::AssertSqlSafe(statement))
        .execute(&mut owner)
        .await
        .unwrap();
    owner.close().await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_service_that_is_no_owner_opens_what_the_owner_migrated_and_moves_money() {
    let Some(engine) = OnPostgres::new("a_service_that_is_no_owner") else {
        return;
    };
    open_books(&*engine.open().await, &[(2, 1_000), (3, 0)]).await;
    let login = format!("{}_service", engine.schema());
    let make = format!("CREATE ROLE {login} LOGIN IN ROLE orrery_payment");
    as_owner(&engine, make).await;
    let (_, server) = engine.base().split_once('@').unwrap();
    let base = format!("postgres://{login}@{server}");
    let url = format!("{base}?schema={}", engine.schema());
    // As the service opens it: looks at the schema's version, and writes the row that tells its health.
    let opened = database(&url).await;
    opened.connection().probe().await.unwrap();
    let Database::Postgres(sql) = opened.clone() else {
        panic!("the URL names a server");
    };
    let ledger = PostgresLedger::new(sql);
    fresh(commit(&ledger, transfer(8, 2, 3, 70)).await);
    fresh(commit(&ledger, hold(24, 2, 3, 50)).await);
    fresh(commit(&ledger, capture(32, 24, Some(20), false)).await);
    let leaderships = payment::store::reconciliation::open(&opened).leaderships();
    let led = leaderships.try_take("reconcile", "a", NOW_MS, 1_000).await;
    assert!(
        led.unwrap().is_some(),
        "tables of later steps are its own to write"
    );
    opened.close().await;
    let options: sqlx::postgres::PgConnectOptions = base.parse().unwrap();
    let in_schema = options.options([("search_path", engine.schema())]);
    let mut service = in_schema.connect().await.unwrap();
    for (attack, words) in BY_THE_SERVICE {
        let refused = sqlx::raw_sql(*attack).execute(&mut service).await;
        let refused = refused.expect_err(attack).to_string();
        assert!(refused.contains(words), "{attack}: {refused}");
    }
    service.close().await.unwrap();
    let report = payment::verify::verify(&url).await.unwrap();
    assert!(report.is_sound(), "and it may verify: {report}");
    engine.remove().await;
    as_owner(&engine, format!("DROP ROLE {login}")).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_an_owner_does_with_the_triggers_off_is_found_from_outside() {
    let Some(engine) = books("with_the_triggers_off").await else {
        return;
    };
    let before = payment::verify::verify(&engine.url()).await.unwrap();
    assert!(before.is_sound(), "{before}");
    assert!(before.rows > 0);
    // Each is tried, seen and taken back.
    for (edit, undo) in [
        (
            "UPDATE entry SET amount = amount + 1 WHERE account_id = 3 AND seq = 1",
            "UPDATE entry SET amount = amount - 1 WHERE account_id = 3 AND seq = 1",
        ),
        (
            "UPDATE journal SET details = details || ' ' WHERE id = 8",
            "UPDATE journal SET details = rtrim(details) WHERE id = 8",
        ),
        (
            "UPDATE balance SET posted = posted - 1 WHERE account_id = 3",
            "UPDATE balance SET posted = posted + 1 WHERE account_id = 3",
        ),
        (
            "UPDATE chain_head SET link = link + 1 WHERE shard = 0",
            "UPDATE chain_head SET link = link - 1 WHERE shard = 0",
        ),
    ] {
        let table = edit.split(' ').nth(1).unwrap();
        let unguarded = |statement: &str| {
            let whole = format!(
                "ALTER TABLE {table} DISABLE TRIGGER USER; {statement}; ALTER TABLE {table} ENABLE TRIGGER USER"
            );
            psql(&engine, &whole).unwrap();
        };
        unguarded(edit);
        let report = payment::verify::verify(&engine.url()).await.unwrap();
        assert!(!report.is_sound(), "{edit}: {report}");
        unguarded(undo);
        let report = payment::verify::verify(&engine.url()).await.unwrap();
        assert!(report.is_sound(), "{undo}: {report}");
    }
    engine.remove().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_record_that_has_expired_is_forgotten_and_one_that_has_not_is_kept() {
    let Some(engine) = books("a_record_that_has_expired_is_forgotten").await else {
        return;
    };
    let ledger = engine.open().await;
    fresh(commit(&*ledger, keyed(transfer(48, 2, 3, 1), "over since", "")).await);
    let forgotten = "WITH gone AS (DELETE FROM claim WHERE expires_at_ms < 2000000000000 RETURNING 1) SELECT count(*) FROM gone";
    assert_eq!(psql(&engine, forgotten).unwrap().trim(), "1");
    assert!(
        commit(&*ledger, kept(transfer(56, 2, 3, 1)))
            .await
            .unwrap()
            .is_replay()
    );
    // Refusals are written into the record by the call that makes it, in a large batch too; and stand then.
    let many = (0..300).map(|n| kept_as(transfer(1_000 + n, 2, 3, 10), &format!("large {n}")));
    let answers = ledger.commit(&batch(many.collect())).await.unwrap();
    assert!(answers.iter().any(Result::is_err) && answers.iter().any(Result::is_ok));
    let replayed = (0..300).map(|n| kept_as(transfer(2_000 + n, 2, 3, 10), &format!("large {n}")));
    for (first, again) in answers
        .iter()
        .zip(ledger.commit(&batch(replayed.collect())).await.unwrap())
    {
        let is_replay = match &again {
            Ok(outcome) => outcome.is_replay(),
            Err(refusal) => refusal.is_repeat(),
        };
        assert!(is_replay, "{again:?}");
        assert_eq!(
            first.as_ref().err(),
            again.err().map(payment::ledger::Refusal::first).as_ref()
        );
    }
    let refused = psql(&engine, "DELETE FROM claim WHERE outcome IS NOT NULL").unwrap_err();
    assert!(refused.contains("kept as it is"), "{refused}");
    engine.remove().await;
}

//! The audit finds what was changed past the database's own guards, says where, and is content again when it is undone.

use std::sync::Arc;

use clock::ManualClock;

use super::{World, id, telemetry, tenant};
use crate::config::AuditSettings;
use crate::ledger::{
    Account, AccountKind, Action, Amount, Command, Direction, JournalKind, Limits, NewAccount,
    NewTransaction, Posting,
};
use crate::metrics::AuditMetrics;
use crate::store::Database;
use crate::store::ledger::{Batch, SharedLedger, SqliteLedger};
use crate::workers::AuditBooks;

const NOON: u64 = 1_800_000_000_000;

/// Books whose triggers were taken away, as whoever has the file can.
struct Books {
    world: World,
    ledger: SharedLedger,
}

impl Books {
    async fn new() -> Self {
        let world = World::on_sqlite("audit")
            .await
            .expect("an embedded engine is always there");
        let Database::Sqlite(sql) = &world.database else {
            unreachable!()
        };
        let ledger: SharedLedger = Arc::new(SqliteLedger::new(sql.clone(), ManualClock::at(NOON)));
        for (account, kind) in [(1, AccountKind::Asset), (2, AccountKind::Liability)] {
            let account = Account {
                tenant: tenant(),
                id: id(account),
                currency: "EUR".parse().unwrap(),
                kind,
                limits: Limits::default(),
                parts: 1,
                name: None,
                metadata: "{}".to_owned(),
                created_at_ms: NOON,
                closed_at_ms: None,
            };
            let new = NewAccount { account, claim: None };
            ledger.create_account(&new, NOON).await.unwrap().unwrap();
        }
        for trigger in [
            "DROP TRIGGER entry_is_not_changed",
            "DROP TRIGGER chain_link_is_not_changed",
            "DROP TRIGGER chain_head_moves_on",
            "DROP TRIGGER balance_follows_entries",
        ] {
            world.execute(trigger).await;
        }
        Self { world, ledger }
    }

    /// A link a transfer, in chain 0.
    async fn transfers(&self, journal_ids: std::ops::Range<u64>) {
        let posting = |account_id, direction| Posting {
            account_id: id(account_id),
            direction,
            amount: Amount::from_minor(70).unwrap(),
            currency: "EUR".parse().unwrap(),
        };
        for journal in journal_ids {
            let command = Command {
                tenant: tenant(),
                id: id(journal),
                claim: None,
                details: "{}".to_owned(),
                action: Action::Transact(NewTransaction {
                    kind: JournalKind::Transfer,
                    postings: vec![posting(1, Direction::Debit), posting(2, Direction::Credit)],
                }),
            };
            let batch = Batch {
                commands: vec![command],
                together: false,
                shard: 0,
                now_ms: NOON,
            };
            for answer in self.ledger.commit(&batch).await.unwrap() {
                answer.unwrap();
            }
        }
    }

    fn auditor(&self, settings: AuditSettings) -> (AuditBooks, AuditMetrics) {
        let metrics = AuditMetrics::register(&telemetry());
        let auditor = AuditBooks::new(Arc::clone(&self.ledger), metrics.clone(), settings);
        (auditor, metrics)
    }
}

/// What a round says, in one text.
async fn said(auditor: &mut AuditBooks) -> String {
    let findings = auditor.round().await;
    let lines: Vec<String> = findings.iter().map(ToString::to_string).collect();
    lines.join("\n")
}

fn counted(metrics: &AuditMetrics) -> (u64, u64, u64) {
    (metrics.sound.get(), metrics.broken.get(), metrics.failed.get())
}

#[tokio::test]
async fn a_row_that_is_changed_is_named_until_it_is_as_it_was_committed() {
    let books = Books::new().await;
    let (mut auditor, metrics) = books.auditor(AuditSettings::default());
    books.transfers(8..10).await;
    assert_eq!(said(&mut auditor).await, "");
    books.transfers(10..13).await;
    books
        .world
        .execute("UPDATE entry SET amount = 71 WHERE journal_id = 11 AND line = 1")
        .await;
    for _ in 0..2 {
        let broken = said(&mut auditor).await;
        assert!(
            broken.contains("shard 0, link 4: row 0 was changed: journal row 11 "),
            "{broken}"
        );
    }
    books
        .world
        .execute("UPDATE entry SET amount = 70 WHERE journal_id = 11 AND line = 1")
        .await;
    assert_eq!(said(&mut auditor).await, "");
    assert_eq!(counted(&metrics), (2, 2, 0));
}

#[tokio::test]
async fn a_chain_that_is_cut_back_or_has_a_changed_link_is_broken() {
    let books = Books::new().await;
    let (mut auditor, metrics) = books.auditor(AuditSettings::default());
    books.transfers(8..11).await;
    assert_eq!(said(&mut auditor).await, "");
    books
        .world
        .execute("UPDATE chain_head SET link = 2 WHERE shard = 0")
        .await;
    let cut = said(&mut auditor).await;
    assert!(cut.contains("the head's record does not agree"), "{cut}");
    books
        .world
        .execute("UPDATE chain_head SET link = 3 WHERE shard = 0")
        .await;
    books.transfers(11..13).await;
    books
        .world
        .execute("UPDATE chain_link SET hash = zeroblob(32) WHERE shard = 0 AND link = 4")
        .await;
    let changed = said(&mut auditor).await;
    assert!(
        changed.contains("shard 0, link 4: its own fields were changed"),
        "{changed}"
    );
    assert_eq!(counted(&metrics), (1, 2, 0));
}

#[tokio::test]
async fn a_balance_that_is_changed_alone_is_found_once_the_tenant_is_in_a_new_link_and_stays_found() {
    let books = Books::new().await;
    let (mut auditor, metrics) = books.auditor(AuditSettings::default());
    books.transfers(8..9).await;
    books
        .world
        .execute("UPDATE balance SET posted = posted + 5 WHERE account_id = 1")
        .await;
    for _ in 0..2 {
        let broken = said(&mut auditor).await;
        assert_eq!(
            broken,
            "the books of tenant acme do not balance: debits 75, credits 70 EUR"
        );
    }
    books
        .world
        .execute("UPDATE balance SET posted = posted - 5 WHERE account_id = 1")
        .await;
    assert_eq!(said(&mut auditor).await, "");
    assert_eq!(counted(&metrics), (1, 2, 0));
}

#[tokio::test]
async fn a_process_begins_a_bounded_number_of_links_before_the_head_and_reads_so_many_at_once() {
    let books = Books::new().await;
    books.transfers(8..18).await;
    books
        .world
        .execute("UPDATE entry SET amount = 71 WHERE journal_id = 9 AND line = 1")
        .await;
    let near = AuditSettings {
        links_before_start: 3,
        ..AuditSettings::default()
    };
    assert_eq!(
        said(&mut books.auditor(near).0).await,
        "",
        "link 2 is older than that"
    );
    let slow = AuditSettings {
        links_max: 1,
        ..AuditSettings::default()
    };
    let (mut auditor, metrics) = books.auditor(slow);
    assert_eq!(said(&mut auditor).await, "", "link 1 is whole");
    assert_eq!(metrics.behind.get(), 9, "the others are for later audits");
    assert!(said(&mut auditor).await.contains("shard 0, link 2"));
    assert_eq!(counted(&metrics), (1, 1, 0));
}

#[tokio::test]
async fn a_database_that_does_not_answer_is_no_audit() {
    let books = Books::new().await;
    let (mut auditor, metrics) = books.auditor(AuditSettings::default());
    books.transfers(8..9).await;
    books.world.database.close().await;
    assert_eq!(said(&mut auditor).await, "");
    assert_eq!(counted(&metrics), (0, 0, 1));
}

//! The schema's steps in a keyspace of their own.

use testkit::engines::{self, Kind};
use wide::{Level, Migration, Statement, WideError, WideSettings};

use crate::{connect, settings};

const FIRST: Migration = Migration::expand(
    1,
    "a",
    "CREATE TABLE IF NOT EXISTS {keyspace}.a (id int PRIMARY KEY, x int, y int);",
);
const SECOND: Migration = Migration::expand(2, "z", "ALTER TABLE {keyspace}.a ADD z int;");
const THIRD: Migration = Migration::contract(3, "no y", "ALTER TABLE {keyspace}.a DROP y;");

const OLD: &[Migration] = &[FIRST];
const NEW: &[Migration] = &[FIRST, SECOND];
const NEWEST: &[Migration] = &[FIRST, SECOND, THIRD];
const BEHIND: &[Migration] = &[
    FIRST,
    SECOND,
    THIRD,
    Migration::expand(4, "w", "ALTER TABLE {keyspace}.a ADD w int;"),
];
const EDITED: &[Migration] = &[
    Migration::expand(1, "a", "CREATE TABLE {keyspace}.a (id int PRIMARY KEY);"),
    SECOND,
    THIRD,
];
const BROKEN: &[Migration] = &[
    FIRST,
    SECOND,
    THIRD,
    Migration::expand(4, "broken", "CREATE NONSENSE;"),
];

#[tokio::test]
async fn processes_that_meet_on_a_new_keyspace_make_all_of_it_also_what_stands_behind_a_contract() {
    let Some(base) = engines::url(Kind::Cql, "migrations_behind") else {
        return;
    };
    let name = engines::fresh_name(&format!("wide{}_", std::process::id()));
    let url = format!("{base}/{name}");
    let (one, two) = (
        connect(&url, settings()).await.unwrap(),
        connect(&url, settings()).await.unwrap(),
    );
    let later = async {
        // Looks while the other is in the middle of it.
        while !matches!(one.schema_version().await, Ok(1..)) {
            tokio::time::sleep(std::time::Duration::from_millis(5)).await;
        }
        two.migrate(BEHIND).await
    };
    let (first, second) = tokio::join!(one.migrate(BEHIND), later);
    first.unwrap();
    second.unwrap();
    assert_eq!(two.schema_version().await.unwrap(), 4);
    one.drop_keyspace(one.keyspace()).await.unwrap();
}

/// One keyspace for the whole story: a schema change takes its time.
#[tokio::test]
async fn processes_at_once_expand_together_contract_when_told_and_refuse_what_they_cannot_live_with() {
    let Some(base) = engines::url(Kind::Cql, "migrations") else {
        return;
    };
    let name = engines::fresh_name(&format!("wide{}_", std::process::id()));
    let url = format!("{base}/{name}");
    let one = connect(&url, settings()).await.unwrap();
    let two = connect(&url, settings()).await.unwrap();

    assert_eq!(one.pending(OLD).await.unwrap(), [1]);
    assert_eq!(one.schema_version().await.unwrap(), 0);
    // Two processes on a keyspace that is not there.
    let both = tokio::join!(one.migrate(OLD), two.migrate(OLD));
    both.0.unwrap();
    both.1.unwrap();
    assert_eq!(two.schema_version().await.unwrap(), 1);
    one.probe().await.unwrap();

    // The newer program takes nothing away yet; the older one goes on beside it. One that needs what stands behind gets as
    // far, and is told what it lacks.
    assert_eq!(two.pending(NEWEST).await.unwrap(), [2]);
    let behind = two.migrate(BEHIND).await.unwrap_err();
    assert!(
        matches!(behind, WideError::ContractPending { version: 3 }),
        "{behind}"
    );
    assert_eq!(one.schema_version().await.unwrap(), 2);
    two.migrate(NEWEST).await.unwrap();
    assert!(two.pending(NEWEST).await.unwrap().is_empty());
    assert_eq!(one.schema_version().await.unwrap(), 2);
    assert!(one.pending(OLD).await.unwrap().is_empty());
    one.migrate(OLD).await.unwrap();
    assert!(one.pending(NEW).await.unwrap().is_empty());

    two.migrate_contract(NEWEST).await.unwrap();
    assert_eq!(two.schema_version().await.unwrap(), 3);
    for refused in [one.pending(OLD).await.map(|_| ()), one.migrate(NEW).await] {
        let refused = refused.unwrap_err();
        assert!(
            matches!(refused, WideError::SchemaNewer { found: 3, .. }),
            "{refused}"
        );
        assert_eq!(refused.code(), "wide_schema_newer");
    }
    let edited = one.migrate(EDITED).await.unwrap_err();
    assert!(
        matches!(edited, WideError::MigrationEdited { version: 1 }),
        "{edited}"
    );
    let broken = one.migrate(BROKEN).await.unwrap_err();
    assert!(
        matches!(broken, WideError::MigrationFailed { version: 4, .. }),
        "{broken}"
    );

    a_lock_left_behind_expires(&url).await;
    let wrong = one.drop_keyspace("another").await.unwrap_err();
    assert!(matches!(wrong, WideError::Unexpected(_)), "{wrong}");
    one.drop_keyspace(&name).await.unwrap();
    assert_eq!(two.schema_version().await.unwrap(), 0);
}

/// As if a process had died while it migrated: others wait, but not for ever.
async fn a_lock_left_behind_expires(url: &str) {
    const LEAVE: Statement = Statement::write(
        "leave_lock",
        "INSERT INTO {keyspace}.wide_state (part, item, holder) VALUES ('lock', 0, 'the dead') USING TTL ?",
        Level::Quorum,
    );
    const FOURTH: &[Migration] = &[
        FIRST,
        SECOND,
        THIRD,
        // A column that is there already, as after a step that was cut short.
        Migration::expand(4, "z again", "ALTER TABLE {keyspace}.a ADD z int;"),
    ];
    let hasty = WideSettings {
        migrate_deadline_ms: 500,
        ..settings()
    };
    let hasty = connect(url, hasty).await.unwrap();
    hasty.execute(&LEAVE, (3_i32,)).await.unwrap();
    let busy = hasty.migrate(FOURTH).await.unwrap_err();
    assert!(
        matches!(busy, WideError::MigrationBusy) && busy.retryable(),
        "{busy}"
    );
    let patient = connect(url, settings()).await.unwrap();
    patient.migrate(FOURTH).await.unwrap();
    assert_eq!(patient.schema_version().await.unwrap(), 4);
}

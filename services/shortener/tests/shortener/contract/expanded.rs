//! CQL while `links` has a column that older programs need, and a store that lives through its end.

use clock::SystemClock;
use shortener::store::cql::{CqlLinkStore, MIGRATIONS};
use testkit::engines::{self, Kind};
use wide::{Level, Serial, Statement, Wide, WideError, WideSettings};

use super::engines::telemetry;
use super::*;

/// As an older program changes a link: it does not know the new column.
const OLD_CHANGE: Statement = Statement::conditional(
    "as_an_older_program",
    "UPDATE {keyspace}.links SET permanent = ? WHERE code = ? IF live = true",
    Level::Quorum,
    Serial::Global,
);

/// The contract was cut short after its last change, before it was recorded.
const UNRECORDED: Statement = Statement::write(
    "forget_a_step",
    "DELETE FROM {keyspace}.wide_state WHERE part = 'step' AND item = 3",
    Level::Quorum,
);

async fn connect(url: &str) -> Wide {
    let settings = WideSettings::default();
    let connected = Wide::connect(url, settings, telemetry(), SystemClock::shared()).await;
    connected.unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn the_old_column_is_the_truth_until_the_contract_and_open_stores_go_on_after_it() {
    let case = "the_old_column_is_the_truth_until_the_contract_and_open_stores_go_on_after_it";
    let Some(base) = engines::url(Kind::Cql, case) else {
        return;
    };
    let url = format!("{base}/{}", engines::fresh_name("expanded"));
    let (older, names) = (connect(&url).await, Names::fresh());
    older.migrate(&MIGRATIONS[..1]).await.unwrap();
    let open = async || CqlLinkStore::open(connect(&url).await).await.unwrap();
    let [reads, creates, replaces, deletes, lists] = [
        open().await,
        open().await,
        open().await,
        open().await,
        open().await,
    ];
    older.migrate(&MIGRATIONS[..1]).await.unwrap();

    let [one, two, three] = [1, 2, 3].map(|number| Link {
        lifetime: Lifetime::of(number == 1, None).unwrap(),
        ..names.link(
            number,
            ["one", "two", "three"][usize::try_from(number).unwrap() - 1],
        )
    });
    for link in [&one, &two, &three] {
        assert_eq!(creates.create(link, None).await.unwrap(), Created::Now);
    }
    let is_permanent = async |store: &CqlLinkStore, link: &Link| {
        let found = store.resolve(&link.code).await.unwrap();
        found.unwrap().lifetime.is_permanent()
    };
    for (link, permanent) in [(&one, false), (&two, true)] {
        let changed = older.conditional(&OLD_CHANGE, (permanent, link.code.as_str()));
        assert!(changed.await.unwrap().applied);
        assert_eq!(is_permanent(&reads, link).await, permanent);
    }

    CqlLinkStore::contract(&older).await.unwrap();
    // Each learns of it by itself, from whatever it does next.
    assert!(!is_permanent(&reads, &one).await && is_permanent(&reads, &two).await);
    assert_eq!(lists.list(&one.tenant, None, 9).await.unwrap().len(), 3);
    let changed = Link {
        lifetime: Lifetime::of(true, None).unwrap(),
        revision: three.revision + 1,
        ..three.clone()
    };
    assert!(replaces.replace(&changed).await.unwrap());
    assert!(is_permanent(&lists, &three).await);
    assert!(deletes.delete(&two.tenant, &two.code).await.unwrap());
    let (again, record) = (names.link(4, "two"), names.record("k", "body"));
    assert_eq!(creates.create(&again, Some(&record)).await.unwrap(), Created::Now);

    let refused = older.migrate(&MIGRATIONS[..1]).await.unwrap_err();
    assert!(
        matches!(refused, WideError::SchemaNewer { found: 3, known: 1 }),
        "{refused}"
    );
    older.execute(&UNRECORDED, ()).await.unwrap();
    CqlLinkStore::contract(&older).await.unwrap();
    assert_eq!(older.schema_version().await.unwrap(), 3);
    older.drop_keyspace(older.keyspace()).await.unwrap();
}

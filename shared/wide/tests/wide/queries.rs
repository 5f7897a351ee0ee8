//! Plain reads and writes, and their limits.

use wide::{Batch, Level, Part, Serial, Statement, WideError, WideSettings};

use crate::{connect, on_engine};

const PUT: Statement = Statement::write(
    "put_thing",
    "INSERT INTO {keyspace}.things (part, item, note) VALUES (?, ?, ?)",
    Level::Quorum,
)
.idempotent();
const ALL: Statement = Statement::read(
    "list_things",
    "SELECT item, note FROM {keyspace}.things WHERE part = ?",
    Level::LocalQuorum,
);
const ONE: Statement = Statement::read(
    "find_thing",
    "SELECT note FROM {keyspace}.things WHERE part = ? AND item = ?",
    Level::Quorum,
);
const FILL: Batch = Batch {
    name: "fill_things",
    consistency: Level::Quorum,
    serial: Serial::None,
};

#[tokio::test]
async fn what_was_written_is_read_and_a_missing_row_is_none() {
    let Some((_, wide)) = on_engine("what_was_written_is_read").await else {
        return;
    };
    wide.execute(&PUT, ("plain", 1_i64, "one")).await.unwrap();
    let found: Option<(Option<String>,)> = wide.row(&ONE, ("plain", 1_i64)).await.unwrap();
    assert_eq!(found, Some((Some("one".to_owned()),)));
    let missing: Option<(Option<String>,)> = wide.row(&ONE, ("plain", 2_i64)).await.unwrap();
    assert_eq!(missing, None);
}

#[tokio::test]
async fn pages_go_on_where_the_last_one_ended_and_a_list_has_a_limit() {
    let Some((base, wide)) = on_engine("pages_go_on").await else {
        return;
    };
    let parts = (0..25_i64)
        .map(|item| Part::of(&PUT, ("paged", item, "x")))
        .collect();
    wide.batch(&FILL, parts).await.unwrap();

    let (mut items, mut sizes, mut from) = (Vec::new(), Vec::new(), None);
    loop {
        let page = wide
            .page::<(i64, String)>(&ALL, ("paged",), 10, from.as_ref())
            .await
            .unwrap();
        sizes.push(page.rows.len());
        items.extend(page.rows.into_iter().map(|(item, _)| item));
        // The mark survives being kept as bytes.
        from = page.next.map(|next| wide::Next::from_bytes(next.as_bytes()));
        if from.is_none() {
            break;
        }
    }
    assert_eq!(items, (0..25).collect::<Vec<_>>());
    assert_eq!(sizes, [10, 10, 5]);

    let few = WideSettings {
        rows_max: 24,
        ..crate::settings()
    };
    let few = connect(&format!("{base}/{}", wide.keyspace()), few)
        .await
        .unwrap();
    let refused = few.rows::<(i64, String)>(&ALL, ("paged",)).await.unwrap_err();
    assert!(matches!(refused, WideError::TooMany { max: 24, .. }), "{refused}");
}

#[tokio::test]
async fn a_batch_keeps_to_one_partition_and_to_its_limit() {
    let Some((base, wide)) = on_engine("a_batch_keeps_to_one_partition").await else {
        return;
    };
    let two = vec![
        Part::of(&PUT, ("batch-a", 1_i64, "x")),
        Part::of(&PUT, ("batch-b", 1_i64, "x")),
    ];
    let refused = wide.batch(&FILL, two).await.unwrap_err();
    assert!(refused.to_string().contains("partition"), "{refused}");
    let stands: Vec<(i64, String)> = wide.rows(&ALL, ("batch-a",)).await.unwrap();
    assert!(stands.is_empty());

    let few = WideSettings {
        batch_parts_max: 2,
        ..crate::settings()
    };
    let few = connect(&format!("{base}/{}", wide.keyspace()), few)
        .await
        .unwrap();
    let parts = (0..3_i64)
        .map(|item| Part::of(&PUT, ("batch-c", item, "x")))
        .collect();
    let refused = few.batch(&FILL, parts).await.unwrap_err();
    assert!(matches!(refused, WideError::TooMany { max: 2, .. }), "{refused}");
    wide.batch(&FILL, Vec::new()).await.unwrap();
}

#[tokio::test]
async fn a_statement_is_used_only_as_it_was_declared() {
    const BROKEN: Statement = Statement::read("broken", "SELECT gone FROM {keyspace}.things", Level::One);
    let Some((_, wide)) = on_engine("a_statement_is_used_only_as_it_was_declared").await else {
        return;
    };
    let defects = [
        wide.execute(&ALL, ("declared",)).await.unwrap_err(),
        wide.rows::<(i64,)>(&PUT, ("declared", 1_i64, "x"))
            .await
            .unwrap_err(),
        wide.conditional(&PUT, ("declared", 1_i64, "x"))
            .await
            .unwrap_err(),
        wide.execute(&PUT, ("declared", "no number", "x"))
            .await
            .unwrap_err(),
        wide.rows::<(String, String)>(&ALL, ("declared",))
            .await
            .unwrap_err(),
        wide.prepare(&[&ALL, &BROKEN]).await.unwrap_err(),
    ];
    for defect in defects {
        assert!(matches!(defect, WideError::Unexpected(_)), "{defect:?}");
        assert!(!defect.retryable() && !defect.is_unknown());
    }
    wide.prepare(&[&ALL, &PUT, &ONE]).await.unwrap();
}

#[tokio::test]
async fn a_closed_session_refuses_and_a_keyspace_that_is_not_there_is_named() {
    let Some((base, wide)) = on_engine("a_closed_session_refuses").await else {
        return;
    };
    let nowhere = connect(&format!("{base}/wide_not_there"), crate::settings())
        .await
        .unwrap();
    let missing = nowhere.row::<(String,)>(&ONE, ("a", 1_i64)).await.unwrap_err();
    assert!(matches!(missing, WideError::NoKeyspace(_)), "{missing:?}");
    let missing = nowhere.probe().await.unwrap_err();
    assert!(matches!(missing, WideError::NoKeyspace(_)), "{missing:?}");

    wide.probe().await.unwrap();
    wide.close().await;
    let closed = wide.execute(&PUT, ("closed", 1_i64, "x")).await.unwrap_err();
    assert!(
        matches!(closed, WideError::Closed) && closed.retryable(),
        "{closed:?}"
    );
    assert!(matches!(wide.probe().await, Err(WideError::Closed)));
}

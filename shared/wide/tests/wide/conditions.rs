//! Conditional writes, as the server that runs here answers them.

use wide::{Batch, Level, Part, Serial, Statement};

use crate::on_engine;

const CLAIM: Statement = Statement::conditional(
    "claim_thing",
    "INSERT INTO {keyspace}.things (part, item, note) VALUES (?, ?, ?) IF NOT EXISTS",
    Level::Quorum,
    Serial::Global,
);
const RENAME: Statement = Statement::conditional(
    "rename_thing",
    "UPDATE {keyspace}.things SET note = ? WHERE part = ? AND item = ? IF note = ?",
    Level::Quorum,
    Serial::Global,
);
const OWN: Statement = Statement::conditional(
    "own_part",
    "UPDATE {keyspace}.things SET owner = ? WHERE part = ? IF owner = ?",
    Level::Quorum,
    Serial::Global,
);
const NOW: Statement = Statement::read(
    "thing_now",
    "SELECT note FROM {keyspace}.things WHERE part = ? AND item = ?",
    Level::Serial,
);
const COUNT: Batch = Batch {
    name: "count_things",
    consistency: Level::Quorum,
    serial: Serial::Global,
};

#[tokio::test]
async fn a_claim_is_done_once_and_the_next_one_is_told_the_row() {
    let Some((_, wide)) = on_engine("a_claim_is_done_once").await else {
        return;
    };
    let first = wide.conditional(&CLAIM, ("claim", 1_i64, "mine")).await.unwrap();
    assert!(first.applied && first.rows.is_empty());
    let second = wide
        .conditional(&CLAIM, ("claim", 1_i64, "theirs"))
        .await
        .unwrap();
    assert!(!second.applied);
    let row = second.row().unwrap();
    assert_eq!(row.get::<String>("note").unwrap().as_deref(), Some("mine"));
    assert_eq!(row.get::<i64>("item").unwrap(), Some(1));
}

#[tokio::test]
async fn a_change_that_is_refused_tells_the_value_in_its_way() {
    let Some((_, wide)) = on_engine("a_change_that_is_refused").await else {
        return;
    };
    wide.conditional(&CLAIM, ("change", 1_i64, "old")).await.unwrap();
    let refused = wide
        .conditional(&RENAME, ("new", "change", 1_i64, "older"))
        .await
        .unwrap();
    assert!(!refused.applied);
    let told: Option<String> = refused.row().unwrap().get("note").unwrap();
    assert_eq!(told.as_deref(), Some("old"));
    assert!(
        wide.conditional(&RENAME, ("new", "change", 1_i64, "old"))
            .await
            .unwrap()
            .applied
    );
    let now: Option<(String,)> = wide.row(&NOW, ("change", 1_i64)).await.unwrap();
    assert_eq!(now, Some(("new".to_owned(),)));
    // Nothing there: no row is told.
    let nothing = wide
        .conditional(&RENAME, ("new", "change", 2_i64, "old"))
        .await
        .unwrap();
    assert!(!nothing.applied && nothing.rows.is_empty(), "{nothing:?}");
}

#[tokio::test]
async fn of_many_who_claim_at_once_one_wins() {
    let Some((_, wide)) = on_engine("of_many_who_claim_at_once").await else {
        return;
    };
    let claims = (0..12).map(|who| {
        let wide = wide.clone();
        tokio::spawn(async move {
            let note = format!("{who}");
            let answer = wide
                .conditional(&CLAIM, ("race", 1_i64, note.as_str()))
                .await
                .unwrap();
            let winner = answer
                .row()
                .map(|row| row.get::<String>("note").unwrap().unwrap());
            (answer.applied, winner.unwrap_or(note))
        })
    });
    let claims: Vec<_> = claims.collect();
    let (mut wins, mut winners) = (0, Vec::new());
    for claim in claims {
        let (won, winner) = claim.await.unwrap();
        wins += usize::from(won);
        winners.push(winner);
    }
    assert_eq!(wins, 1);
    winners.dedup();
    assert_eq!(winners.len(), 1, "all are told the same winner: {winners:?}");
}

#[tokio::test]
async fn a_conditional_batch_is_done_whole_or_not_at_all() {
    let Some((_, wide)) = on_engine("a_conditional_batch_is_done_whole").await else {
        return;
    };
    let none: Option<i64> = None;
    let parts = vec![
        Part::of(&OWN, (1_i64, "fold", none)),
        Part::of(&CLAIM, ("fold", 1_i64, "a")),
        Part::of(&CLAIM, ("fold", 2_i64, "b")),
    ];
    let done = wide.conditional_batch(&COUNT, parts).await.unwrap();
    assert!(done.applied && done.rows.is_empty(), "{done:?}");

    // One event was counted before: nothing of the batch is done, and the row in the way is told.
    let parts = vec![
        Part::of(&OWN, (2_i64, "fold", Some(1_i64))),
        Part::of(&CLAIM, ("fold", 2_i64, "again")),
        Part::of(&CLAIM, ("fold", 3_i64, "c")),
    ];
    let refused = wide.conditional_batch(&COUNT, parts).await.unwrap();
    assert!(!refused.applied);
    let told = refused
        .rows
        .iter()
        .any(|row| row.get::<i64>("item").unwrap() == Some(2));
    assert!(told, "{refused:?}");
    let third: Option<(Option<String>,)> = wide.row(&NOW, ("fold", 3_i64)).await.unwrap();
    assert_eq!(third, None);
    assert!(wide.conditional_batch(&COUNT, Vec::new()).await.unwrap().applied);
}

use std::time::Duration;

use streams::{Delivery, Position, StreamError, StreamSettings};

use super::{Engine, STREAM, claim_of, event, everything, group, ids};

pub(crate) async fn a_dead_letter_is_written_and_its_event_acked(engine: &dyn Engine) {
    let log = engine.open(StreamSettings::default()).await;
    let poison = streams::Event {
        data: "{half".to_owned(),
        ..event("poison", "a")
    };
    log.publish(STREAM, &[event(1, "a"), poison.clone(), event(2, "a")])
        .await
        .unwrap();
    let claim = claim_of(&log, "me", "a").await;
    let delivered = log.next(&claim, None, 3).await.unwrap();
    // Written together with the ack of what was handled before it.
    log.dead_letter(&claim, &delivered[1], "no such link")
        .await
        .unwrap();
    let next = log.next(&claim, None, 3).await.unwrap();
    assert_eq!((ids(&next), next[0].deliveries), (vec!["2"], 1));

    let page = log.dead_letters(STREAM, 0, 10).await.unwrap();
    assert_eq!((page.items.len(), page.next), (1, None));
    let letter = &page.items[0];
    assert_eq!(letter.event, poison);
    assert_eq!(
        (letter.stream.as_str(), &letter.group, letter.deliveries),
        (STREAM, &group().name, 1)
    );
    assert_eq!(
        (letter.reason.as_str(), letter.replayed_ms),
        ("no such link", None)
    );
    assert!(letter.died_ms > 0);
    assert!(log.dead_letters("other", 0, 10).await.unwrap().items.is_empty());
    // It can be shown whatever its data is.
    assert_eq!(serde_json::to_value(letter).unwrap()["event"]["data"], "{half");
    // A restart does not bring the event back.
    let log = engine.restart(log, StreamSettings::default()).await;
    let claim = claim_of(&log, "after", "a").await;
    assert_eq!(ids(&log.next(&claim, None, 3).await.unwrap()), ["2"]);
}

pub(crate) async fn a_dead_letter_again_after_an_unknown_outcome_is_written_once(engine: &dyn Engine) {
    let log = engine.open(StreamSettings::default()).await;
    log.publish(STREAM, &[event(1, "a"), event(2, "a")])
        .await
        .unwrap();
    let claim = claim_of(&log, "me", "a").await;
    let delivered = log.next(&claim, None, 1).await.unwrap();
    for _ in 0..3 {
        log.dead_letter(&claim, &delivered[0], "why").await.unwrap();
    }
    assert_eq!(log.dead_letters(STREAM, 0, 10).await.unwrap().items.len(), 1);
    assert_eq!(ids(&log.next(&claim, None, 2).await.unwrap()), ["2"]);
}

pub(crate) async fn too_many_dead_letters_refuse_and_keep_the_event(engine: &dyn Engine) {
    let log = engine
        .open(StreamSettings {
            dead_letters_max: 1,
            ..StreamSettings::default()
        })
        .await;
    log.publish(STREAM, &[event(1, "a"), event(2, "a")])
        .await
        .unwrap();
    let claim = claim_of(&log, "me", "a").await;
    let first = log.next(&claim, None, 1).await.unwrap();
    // However long the reason, it is cut, between two characters.
    log.dead_letter(&claim, &first[0], &"ö".repeat(5_000))
        .await
        .unwrap();
    let second = log.next(&claim, None, 1).await.unwrap();
    let refused = log.dead_letter(&claim, &second[0], "why").await.unwrap_err();
    assert!(matches!(refused, StreamError::Full), "{refused:?}");
    assert_eq!(ids(&log.next(&claim, None, 1).await.unwrap()), ["2"]);
    // A replay makes room.
    let letter = log.dead_letters(STREAM, 0, 10).await.unwrap().items.remove(0);
    assert!(letter.reason.len() <= 1_024);
    log.replay(letter.id).await.unwrap();
    log.dead_letter(&claim, &second[0], "why").await.unwrap();
}

pub(crate) async fn dead_letters_are_paged(engine: &dyn Engine) {
    let log = engine.open(StreamSettings::default()).await;
    let batch: Vec<_> = (0..7).map(|id| event(id, "a")).collect();
    log.publish(STREAM, &batch).await.unwrap();
    let claim = claim_of(&log, "me", "a").await;
    while let Some(delivery) = log.next(&claim, None, 1).await.unwrap().into_iter().next() {
        log.dead_letter(&claim, &delivery, "why").await.unwrap();
    }
    let (mut seen, mut after) = (Vec::new(), Some(0));
    while let Some(from) = after {
        let page = log.dead_letters(STREAM, from, 3).await.unwrap();
        assert!(page.items.len() <= 3);
        seen.extend(page.items.into_iter().map(|letter| letter.event.id));
        after = page.next;
    }
    assert_eq!(seen, ["0", "1", "2", "3", "4", "5", "6"]);
}

pub(crate) async fn a_replay_puts_the_event_back_once(engine: &dyn Engine) {
    let log = engine.open(StreamSettings::default()).await;
    log.publish(STREAM, &[event(1, "a"), event(2, "a")])
        .await
        .unwrap();
    let claim = claim_of(&log, "me", "a").await;
    let delivered = log.next(&claim, None, 1).await.unwrap();
    log.dead_letter(&claim, &delivered[0], "why").await.unwrap();
    let letter = log.dead_letters(STREAM, 0, 10).await.unwrap().items[0].id;

    // Inside the dedupe window too: it is asked for by name.
    let mut waiting = log.wakes(STREAM, claim.partition);
    log.replay(letter).await.unwrap();
    tokio::time::timeout(Duration::from_secs(10), waiting.changed())
        .await
        .unwrap()
        .unwrap();
    assert!(matches!(
        log.replay(letter).await,
        Err(StreamError::NoDeadLetter { .. })
    ));
    assert!(matches!(
        log.replay(999).await,
        Err(StreamError::NoDeadLetter { id: 999 })
    ));
    assert!(
        log.dead_letters(STREAM, 0, 10).await.unwrap().items[0]
            .replayed_ms
            .is_some()
    );

    let held: Vec<_> = everything(&log, "a", 10)
        .await
        .into_iter()
        .map(|(_, id)| id)
        .collect();
    assert_eq!(held, ["1", "2", "1"]);
    let delivered = log.next(&claim, None, 5).await.unwrap();
    assert_eq!(ids(&delivered), ["2", "1"]);
    assert!(
        delivered
            .iter()
            .map(|Delivery { position, .. }| *position)
            .eq([Position(2), Position(3)])
    );
    // One letter more may die of it.
    log.dead_letter(&claim, &delivered[1], "again").await.unwrap();
    assert_eq!(log.lag(STREAM).await.unwrap().dead_letters, 1);
}

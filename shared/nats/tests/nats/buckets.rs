use nats::Swap;

use crate::connect;

#[tokio::test]
async fn of_racing_writers_of_one_revision_one_wins() {
    let Some(nats) = connect("racing_writers").await else {
        return;
    };
    let bucket = nats.bucket("leases").await.unwrap();
    assert!(bucket.get("worker.1").await.unwrap().is_none());
    let racers = (0..16).map(|racer: u32| {
        let bucket = bucket.clone();
        async move { bucket.create("worker.1", racer.to_string().into()).await.unwrap() }
    });
    let outcomes = futures::future::join_all(racers).await;
    let won: Vec<_> = outcomes
        .iter()
        .filter(|swap| matches!(swap, Swap::Done(_)))
        .collect();
    assert_eq!(won.len(), 1, "{outcomes:?}");

    let entry = bucket.get("worker.1").await.unwrap().unwrap();
    assert_eq!(*won[0], Swap::Done(entry.revision));
    let Swap::Done(next) = bucket
        .update("worker.1", "x".into(), entry.revision)
        .await
        .unwrap()
    else {
        panic!("nobody else wrote");
    };
    assert_eq!(
        bucket
            .update("worker.1", "y".into(), entry.revision)
            .await
            .unwrap(),
        Swap::Lost
    );
    let entry = bucket.get("worker.1").await.unwrap().unwrap();
    assert_eq!((entry.value, entry.revision), ("x".into(), next));
    nats.delete_stream(bucket.stream()).await.unwrap();
}

#[tokio::test]
async fn entries_are_found_by_their_keys_and_survive_opening_again() {
    let Some(nats) = connect("entries_are_found").await else {
        return;
    };
    let bucket = nats.bucket("progress").await.unwrap();
    for key in ["a.one.0", "a.one.1", "a.two.0", "b.one.0"] {
        bucket.create(key, key.to_owned().into()).await.unwrap();
    }
    let bucket = nats.bucket("progress").await.unwrap();
    let found = |entries: Vec<nats::Entry>| {
        let mut keys: Vec<_> = entries.into_iter().map(|entry| entry.key).collect();
        keys.sort();
        keys
    };
    assert_eq!(
        found(bucket.entries("a.>").await.unwrap()),
        ["a.one.0", "a.one.1", "a.two.0"]
    );
    assert_eq!(
        found(bucket.entries("a.one.*").await.unwrap()),
        ["a.one.0", "a.one.1"]
    );
    assert!(bucket.entries("c.>").await.unwrap().is_empty());
    nats.delete_stream(bucket.stream()).await.unwrap();
}

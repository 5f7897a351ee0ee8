use nats::{Expect, NatsError, NatsSettings, Pick, StreamLimits};

use crate::{connect, connect_to, limits, message, stream};

fn all(subject: &str) -> Pick {
    Pick::From {
        sequence: 0,
        subject: subject.to_owned(),
    }
}

#[tokio::test]
async fn messages_are_stored_in_order_once_per_id_and_read_in_pages() {
    let Some(nats) = connect("messages_in_order").await else {
        return;
    };
    let (name, subject) = stream(&nats, &limits()).await;
    let batch: Vec<_> = (0..100)
        .map(|id| message(&subject, &id.to_string(), Expect::Anything))
        .collect();
    let stored = nats.append_all("test", batch.clone()).await.unwrap();
    let sequences: Vec<_> = stored
        .into_iter()
        .map(|stored| stored.unwrap().sequence)
        .collect();
    assert_eq!(sequences, (1..=100).collect::<Vec<_>>());
    let again = nats.append("test", batch[41].clone()).await.unwrap();
    assert!(again.duplicate && again.sequence == 42, "{again:?}");

    let page = nats.read(&name, &all(&subject), 30, 1_000_000).await.unwrap();
    assert_eq!((page.records.len(), page.pending), (30, 70));
    assert_eq!(page.records[29].payload, "29".as_bytes());
    assert_eq!(
        (page.records[29].sequence, &page.records[29].subject),
        (30, &subject)
    );
    let from = Pick::From {
        sequence: 101,
        subject: subject.clone(),
    };
    assert!(
        nats.read(&name, &from, 30, 1_000_000)
            .await
            .unwrap()
            .records
            .is_empty()
    );
    // However small the bound in bytes, something is read.
    let page = nats.read(&name, &all(&subject), 30, 1).await.unwrap();
    assert!(!page.records.is_empty() && page.records.len() < 30);
    assert_eq!(
        nats.message(&name, 7).await.unwrap().unwrap().payload,
        "6".as_bytes()
    );
    assert!(nats.message(&name, 700).await.unwrap().is_none());

    assert_eq!(nats.delete_before(&name, 51).await.unwrap(), 50);
    let state = nats.stream_state(&name).await.unwrap();
    assert_eq!((state.messages, state.first, state.last), (50, 51, 100));
    assert_eq!(nats.streams_of(&subject).await.unwrap(), [(name.clone(), state)]);
    assert!(nats.delete_message(&name, 60).await.unwrap());
    assert!(!nats.delete_message(&name, 60).await.unwrap());
    nats.delete_stream(&name).await.unwrap();
    nats.delete_stream(&name).await.unwrap();
}

#[tokio::test]
async fn what_a_write_expects_is_checked() {
    let Some(nats) = connect("write_expects").await else {
        return;
    };
    let (name, subject) = stream(&nats, &limits()).await;
    let append = |id, expect| nats.append("test", message(&subject, id, expect));
    append("a", Expect::LastSequence(0)).await.unwrap();
    assert_eq!(
        append("b", Expect::LastSequence(0)).await,
        Err(NatsError::Conflict)
    );
    append("b", Expect::LastId("a".to_owned())).await.unwrap();
    let refused = append("c", Expect::LastId("a".to_owned())).await.unwrap_err();
    assert!(
        !refused.retryable() && !refused.is_unknown() && refused == NatsError::Conflict,
        "{refused:?}"
    );
    // A known id comes before an expected id: so one can be asked for without storing anything.
    let nobody = Expect::LastId("z".to_owned());
    assert!(append("a", nobody).await.unwrap().duplicate);
    assert_eq!(
        append("a", Expect::LastSequence(1)).await,
        Err(NatsError::Conflict)
    );
    assert_eq!(nats.stream_state(&name).await.unwrap().messages, 2);
    nats.delete_stream(&name).await.unwrap();
}

#[tokio::test]
async fn a_full_stream_refuses_and_a_missing_one_is_said_to_be_missing() {
    let Some(nats) = connect("a_full_stream").await else {
        return;
    };
    let small = StreamLimits {
        messages_max: 1,
        ..limits()
    };
    let (name, subject) = stream(&nats, &small).await;
    nats.append("test", message(&subject, "a", Expect::Anything))
        .await
        .unwrap();
    let refused = nats
        .append("test", message(&subject, "b", Expect::Anything))
        .await
        .unwrap_err();
    assert!(
        matches!(refused, NatsError::Full(_)) && refused.retryable(),
        "{refused:?}"
    );
    // The limits of a stream that is there follow the settings.
    nats.open_stream(&name, vec![subject.clone()], &limits())
        .await
        .unwrap();
    nats.append("test", message(&subject, "b", Expect::Anything))
        .await
        .unwrap();
    nats.delete_stream(&name).await.unwrap();

    let missing = nats
        .append("test", message(&subject, "a", Expect::Anything))
        .await;
    assert_eq!(missing, Err(NatsError::NotFound));
    assert_eq!(nats.stream_state(&name).await, Err(NatsError::NotFound));
    assert_eq!(
        nats.read(&name, &all(">"), 1, 1_000).await,
        Err(NatsError::NotFound)
    );
    assert_eq!(nats.message(&name, 1).await, Err(NatsError::NotFound));
}

#[tokio::test]
async fn no_server_is_an_error_at_the_start_and_a_closed_connection_refuses() {
    let settings = NatsSettings::default();
    let away = connect_to("nats://secret@127.0.0.1:1", settings.clone())
        .await
        .unwrap_err();
    assert!(matches!(away, NatsError::Unavailable(_)), "{away:?}");
    assert!(!away.to_string().contains("secret"), "{away}");
    assert!(matches!(
        connect_to("redis://a", settings).await,
        Err(NatsError::Url(_))
    ));
    let Some(nats) = connect("closed").await else {
        return;
    };
    nats.close().await;
    assert_eq!(nats.probe().await, Err(NatsError::Closed));
}

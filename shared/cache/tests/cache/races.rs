//! Deletes win the race against whatever began before them.

use crate::flights::held;
use crate::{CALM, World, found, settle, url};
use cache::Lookup;

#[tokio::test]
async fn a_delete_between_the_start_and_the_end_of_a_load_leaves_nothing_stale() {
    let world = World::new(CALM);
    let (reader, answer) = held(&world.links, "k");
    settle().await;
    world.links.invalidate("k");
    answer.send(found("deleted by now")).expect("the load waits");
    // The reader began before the delete, so it may see what was there before.
    assert_eq!(
        reader.await.expect("no panic").expect("loaded"),
        Some(url("deleted by now"))
    );
    assert_eq!(world.links.peek("k"), None);
    assert_eq!(world.links.len(), 0);
    assert_eq!(world.read("k", Ok(None)).await.expect("loaded"), None);
}

#[tokio::test]
async fn a_reader_after_a_delete_does_not_join_a_load_from_before_it() {
    let world = World::new(CALM);
    let (before, stale) = held(&world.links, "k");
    settle().await;
    world.links.invalidate("k");
    let (after, fresh) = held(&world.links, "k");
    settle().await;
    // The later load ends first; the earlier must neither overwrite it nor take it off the list.
    fresh.send(found("new")).expect("a load of its own");
    assert_eq!(after.await.expect("no panic").expect("loaded"), Some(url("new")));
    stale.send(found("old")).expect("the load waits");
    assert_eq!(before.await.expect("no panic").expect("loaded"), Some(url("old")));
    assert_eq!(world.links.peek("k"), Some(Lookup::Hit(url("new"))));
}

#[tokio::test]
async fn an_earlier_load_that_ends_first_does_not_end_the_later_one() {
    let world = World::new(CALM);
    let (before, stale) = held(&world.links, "k");
    settle().await;
    world.links.invalidate("k");
    let (after, fresh) = held(&world.links, "k");
    settle().await;
    stale.send(found("old")).expect("the load waits");
    before.await.expect("no panic").expect("loaded");
    assert_eq!(world.links.peek("k"), None);
    let (joined, unused) = held(&world.links, "k");
    settle().await;
    fresh.send(found("new")).expect("the load waits");
    for reader in [after, joined] {
        assert_eq!(reader.await.expect("no panic").expect("loaded"), Some(url("new")));
    }
    assert!(unused.is_closed(), "the third reader joined the second's load");
    assert_eq!(world.links.peek("k"), Some(Lookup::Hit(url("new"))));
}

#[tokio::test]
async fn a_delete_of_one_key_leaves_the_load_of_another_alone() {
    let world = World::new(CALM);
    for i in 0..50 {
        let key = format!("k{i}");
        let (reader, answer) = held(&world.links, &key);
        settle().await;
        world.links.invalidate("another");
        answer.send(found("a")).expect("the load waits");
        reader.await.expect("no panic").expect("loaded");
        assert_eq!(world.links.peek(&key), Some(Lookup::Hit(url("a"))));
    }
}

#[tokio::test]
async fn a_delete_takes_a_fresh_entry_away() {
    let world = World::new(CALM);
    world.read("k", found("a")).await.expect("loaded");
    world.links.invalidate("k");
    assert_eq!(world.links.peek("k"), None);
    assert_eq!(world.metric("cache_entries{cache=\"links\"} "), 0);
}

#[tokio::test]
async fn what_a_writer_puts_is_there_for_the_next_reader() {
    let world = World::new(CALM);
    world.read("k", Ok(None)).await.expect("loaded");
    let ticket = world.links.ticket("k");
    assert!(world.links.put(ticket, "k".to_owned(), url("created")));
    assert_eq!(world.links.peek("k"), Some(Lookup::Hit(url("created"))));
}

#[tokio::test]
async fn a_load_from_before_a_put_does_not_overwrite_it() {
    let world = World::new(CALM);
    let (reader, answer) = held(&world.links, "k");
    settle().await;
    let ticket = world.links.ticket("k");
    assert!(world.links.put(ticket, "k".to_owned(), url("created")));
    answer.send(Ok(None)).expect("the load waits");
    assert_eq!(reader.await.expect("no panic").expect("loaded"), None);
    assert_eq!(
        world.links.peek("k"),
        Some(Lookup::Hit(url("created"))),
        "an acknowledged link is never absent"
    );
}

#[tokio::test]
async fn a_put_that_a_delete_overtook_keeps_nothing() {
    let world = World::new(CALM);
    let ticket = world.links.ticket("k");
    // The writer's write is done; before it comes to `put`, somebody reads and somebody deletes.
    world.read("k", found("a")).await.expect("loaded");
    world.links.invalidate("k");
    let (reader, answer) = held(&world.links, "k");
    settle().await;
    assert!(!world.links.put(ticket, "k".to_owned(), url("a")));
    answer.send(found("in doubt")).expect("the load waits");
    reader.await.expect("no panic").expect("loaded");
    assert_eq!(world.links.peek("k"), None);
}

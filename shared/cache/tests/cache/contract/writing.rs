//! Writes close the key: nothing from before them is left behind, in any order and after any loss.

use super::{Engine, LONG, MS, SHORT, begin, end, fill, hit, known, lease, look};
use cache::{Look, SharedError, WriteMark};

pub(crate) async fn a_write_that_begins_takes_value_and_absence_away(engine: &dyn Engine) {
    let (reader, writer) = (engine.handle().await, engine.handle().await);
    known(&reader, "value", Some("old")).await;
    known(&reader, "absence", None).await;
    for key in ["value", "absence"] {
        let mark = begin(&writer, key).await;
        assert_eq!(look(&reader, key).await, Look::Load);
        end(&writer, key, mark).await;
        assert!(matches!(look(&reader, key).await, Look::Fill(_)));
    }
}

pub(crate) async fn while_a_write_is_under_way_nobody_may_fill(engine: &dyn Engine) {
    let (reader, writer) = (engine.handle().await, engine.handle().await);
    let mark = begin(&writer, "k").await;
    for level in [&reader, &writer] {
        assert_eq!(look(level, "k").await, Look::Load);
    }
    end(&writer, "k", mark).await;
    known(&reader, "k", Some("new")).await;
    assert_eq!(look(&writer, "k").await, hit("new"));
}

pub(crate) async fn a_load_from_before_a_write_fills_nothing_in_during_it(engine: &dyn Engine) {
    let (reader, writer) = (engine.handle().await, engine.handle().await);
    let before = lease(&reader, "k").await;
    let mark = begin(&writer, "k").await;
    assert!(!fill(&reader, "k", before, Some("old")).await);
    assert_eq!(look(&reader, "k").await, Look::Load);
    end(&writer, "k", mark).await;
    assert!(matches!(look(&reader, "k").await, Look::Fill(_)));
}

pub(crate) async fn a_load_from_before_a_write_fills_nothing_in_after_it(engine: &dyn Engine) {
    let (reader, writer) = (engine.handle().await, engine.handle().await);
    let before = lease(&reader, "k").await;
    let mark = begin(&writer, "k").await;
    end(&writer, "k", mark).await;
    // Another reader's lease, from after the write, is not the first one's either.
    let after = lease(&writer, "k").await;
    assert!(!fill(&reader, "k", before, Some("old")).await);
    assert!(fill(&writer, "k", after, Some("new")).await);
    assert!(!fill(&reader, "k", before, None).await);
    assert_eq!(look(&reader, "k").await, hit("new"));
}

pub(crate) async fn a_load_during_one_write_fills_nothing_in_after_the_next(engine: &dyn Engine) {
    let (reader, writer) = (engine.handle().await, engine.handle().await);
    let first = begin(&writer, "k").await;
    end(&writer, "k", first).await;
    let between = lease(&reader, "k").await;
    let second = begin(&writer, "k").await;
    end(&writer, "k", second).await;
    assert!(!fill(&reader, "k", between, Some("the first write's")).await);
    assert!(matches!(look(&reader, "k").await, Look::Fill(_)));
}

pub(crate) async fn the_first_of_two_writers_to_end_does_not_open_the_key(engine: &dyn Engine) {
    let (one, two) = (engine.handle().await, engine.handle().await);
    let (first, second) = (begin(&one, "k").await, begin(&two, "k").await);
    end(&one, "k", first).await;
    assert_eq!(look(&one, "k").await, Look::Load);
    end(&two, "k", second).await;
    assert!(matches!(look(&one, "k").await, Look::Fill(_)));
}

pub(crate) async fn a_write_that_never_ends_closes_the_key_for_its_hold_only(engine: &dyn Engine) {
    let (reader, writer) = (engine.handle().await, engine.handle().await);
    known(&reader, "k", Some("old")).await;
    // The longer of two holds counts, whichever began first.
    for hold in [SHORT * 2, SHORT] {
        let begun = writer.begin_write("k", WriteMark::random(), hold).await;
        begun.expect("the level answers");
    }
    engine.pass(SHORT + MS).await;
    assert_eq!(look(&reader, "k").await, Look::Load);
    engine.pass(SHORT + MS).await;
    assert!(matches!(look(&reader, "k").await, Look::Fill(_)));
}

pub(crate) async fn a_write_whose_beginning_failed_can_be_ended(engine: &dyn Engine) {
    let (reader, writer) = (engine.handle().await, engine.handle().await);
    known(&reader, "k", Some("old")).await;
    let other = begin(&reader, "other").await;
    // Nobody saw it begin; yet its end forgets the key and what was being loaded.
    end(&writer, "k", WriteMark::random()).await;
    let before = lease(&reader, "k").await;
    end(&writer, "k", WriteMark::random()).await;
    assert!(!fill(&reader, "k", before, Some("old")).await);
    assert_eq!(
        look(&reader, "other").await,
        Look::Load,
        "another's mark is not its own"
    );
    end(&reader, "other", other).await;
}

pub(crate) async fn ending_twice_is_harmless(engine: &dyn Engine) {
    let (one, two) = (engine.handle().await, engine.handle().await);
    let first = begin(&one, "k").await;
    end(&one, "k", first).await;
    let second = begin(&two, "k").await;
    end(&one, "k", first).await;
    assert_eq!(
        look(&one, "k").await,
        Look::Load,
        "the second write is still under way"
    );
    end(&two, "k", second).await;
    known(&one, "k", Some("new")).await;
}

pub(crate) async fn too_many_writers_of_a_key_are_refused_until_one_ends(engine: &dyn Engine) {
    let level = engine.handle().await;
    let mut marks = Vec::new();
    let refused = loop {
        let mark = WriteMark::random();
        match level.begin_write("k", mark, LONG).await {
            Ok(()) => marks.push(mark),
            Err(error) => break error,
        }
        assert!(marks.len() < 10_000, "there is a limit");
    };
    assert_eq!(refused, SharedError::Busy);
    assert!(refused.retryable() && !refused.is_unknown());
    assert!(marks.len() >= 100, "ordinary crowds are let in");
    end(&level, "k", marks.pop().expect("one of many")).await;
    begin(&level, "k").await;
    assert_eq!(look(&level, "k").await, Look::Load);
}

pub(crate) async fn a_write_of_one_key_leaves_another_alone(engine: &dyn Engine) {
    let level = engine.handle().await;
    known(&level, "kept", Some("a")).await;
    let loading = lease(&level, "loading").await;
    let mark = begin(&level, "written").await;
    end(&level, "written", mark).await;
    assert_eq!(look(&level, "kept").await, hit("a"));
    assert!(fill(&level, "loading", loading, Some("b")).await);
}

pub(crate) async fn a_wipe_during_a_write_leaves_nothing_old(engine: &dyn Engine) {
    let (reader, writer) = (engine.handle().await, engine.handle().await);
    // The reader loads before the origin is written, and fills in before or after the write's end.
    for fills_before_end in [true, false] {
        let mark = begin(&writer, "k").await;
        engine.wipe().await;
        let lease = lease(&reader, "k").await;
        if fills_before_end {
            assert!(fill(&reader, "k", lease, Some("old")).await);
        }
        end(&writer, "k", mark).await;
        if !fills_before_end {
            assert!(!fill(&reader, "k", lease, Some("old")).await);
        }
        assert!(matches!(look(&reader, "k").await, Look::Fill(_)));
        engine.wipe().await;
    }
}

pub(crate) async fn a_wipe_between_a_load_and_its_filling_leaves_nothing_old(engine: &dyn Engine) {
    let (reader, writer) = (engine.handle().await, engine.handle().await);
    let before = lease(&reader, "k").await;
    engine.wipe().await;
    assert!(!fill(&reader, "k", before, Some("old")).await);
    // A counter would begin anew, and the first lease after the wipe look like the first before it.
    let mark = begin(&writer, "k").await;
    end(&writer, "k", mark).await;
    let after = lease(&writer, "k").await;
    assert!(!fill(&reader, "k", before, Some("old")).await);
    assert!(fill(&writer, "k", after, Some("new")).await);
}

//! What processes hear of each other and of the level.

use super::{Engine, LONG, begin, end, lease, look};
use cache::{Look, Notice, SharedCache};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::broadcast::Receiver;
use tokio::time::timeout;

pub(crate) async fn a_wipe_is_counted_before_its_first_miss_is_told(engine: &dyn Engine) {
    let (one, two) = (engine.handle().await, engine.handle().await);
    // Both know the level, the second by misses that grant it nothing.
    lease(&one, "k").await;
    assert_eq!(look(&two, "k").await, Look::Load);
    assert_eq!((one.wipes(), two.wipes()), (0, 0));
    engine.wipe().await;
    lease(&one, "k").await;
    assert_eq!(look(&two, "k").await, Look::Load);
    assert_eq!((one.wipes(), two.wipes()), (1, 1));
    lease(&one, "another").await;
    lease(&two, "a third").await;
    assert_eq!((one.wipes(), two.wipes()), (1, 1));
    // Who came later missed nothing.
    let three = engine.handle().await;
    lease(&three, "a fourth").await;
    assert_eq!(three.wipes(), 0);
}

/// What is heard up to `last`, within a time in which it surely comes if it comes at all.
async fn heard_until(notices: &mut Receiver<Notice>, last: &str, within: Duration) -> Vec<Notice> {
    let mut heard = Vec::new();
    while let Ok(Ok(notice)) = timeout(within, notices.recv()).await {
        let is_last = notice == Notice::Key(last.into());
        heard.push(notice);
        if is_last {
            break;
        }
    }
    heard
}

async fn write(level: &Arc<dyn SharedCache>, key: &str) {
    let mark = begin(level, key).await;
    end(level, key, mark).await;
}

/// Writes until the listener hears of it, which a subscription needs a moment for.
pub(crate) async fn until_heard(writer: &Arc<dyn SharedCache>, listener: &mut Receiver<Notice>) {
    let standing = async {
        loop {
            write(writer, "warm-up").await;
            let heard = heard_until(listener, "warm-up", Duration::from_millis(200)).await;
            if heard.contains(&Notice::Key("warm-up".into())) {
                return;
            }
        }
    };
    timeout(LONG, standing).await.expect("subscribed");
}

pub(crate) async fn every_other_handle_is_told_of_a_write_when_it_ends(engine: &dyn Engine) {
    let (writer, one, two) = (
        engine.handle().await,
        engine.handle().await,
        engine.handle().await,
    );
    let (mut own, mut first, mut second) = (writer.notices(), one.notices(), two.notices());
    until_heard(&writer, &mut first).await;
    until_heard(&writer, &mut second).await;
    until_heard(&one, &mut own).await;
    let key = "a key, with \"words\" and {braces}";
    let told = Notice::Key(key.into());
    let mark = begin(&writer, key).await;
    write(&writer, "while it is under way").await;
    let heard = heard_until(&mut first, "while it is under way", LONG).await;
    assert!(
        !heard.contains(&told),
        "what is not written yet need not be forgotten"
    );
    end(&writer, key, mark).await;
    for notices in [&mut first, &mut second] {
        assert_eq!(heard_until(notices, key, LONG).await.last(), Some(&told));
    }
    write(&one, "after it").await;
    let heard = heard_until(&mut own, "after it", LONG).await;
    assert!(!heard.contains(&told), "the writer knows");
}

pub(crate) async fn a_level_that_is_well_says_so(engine: &dyn Engine) {
    engine.handle().await.probe().await.expect("it is well");
}

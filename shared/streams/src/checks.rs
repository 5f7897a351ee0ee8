//! What is refused before an engine is asked.

use crate::event::required;
use crate::{Event, StreamError, StreamSettings};

/// Longest name of a stream or group.
const NAME_BYTES_MAX: usize = 64;

/// Letters on one page.
pub(crate) const PAGE_MAX: u32 = 100;

/// Bytes of a dead letter's reason that are kept.
const REASON_BYTES_MAX: usize = 1_024;

pub(crate) fn checked_stream(stream: &str) -> Result<(), StreamError> {
    required("stream", stream, NAME_BYTES_MAX)
}

pub(crate) fn checked_group(group: &str) -> Result<(), StreamError> {
    required("group", group, NAME_BYTES_MAX)
}

pub(crate) fn checked_batch(
    stream: &str,
    events: &[Event],
    settings: &StreamSettings,
) -> Result<(), StreamError> {
    checked_stream(stream)?;
    if events.len() > settings.batch_max as usize {
        return Err(StreamError::BatchTooLarge {
            events: events.len(),
            max: settings.batch_max as usize,
        });
    }
    events
        .iter()
        .try_for_each(|event| event.check(settings.event_bytes_max as usize))
}

/// As much of a reason as is kept, cut between two characters.
pub(crate) fn kept_reason(reason: &str) -> &str {
    &reason[..reason.floor_char_boundary(REASON_BYTES_MAX)]
}

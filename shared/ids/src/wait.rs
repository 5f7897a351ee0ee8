use crate::IdError;
use std::thread::park_timeout;
use std::time::Duration;

/// Turns of a spin that last a good millisecond on a running clock: what a full sequence waits for at most.
const SPINS_MAX: u32 = 1 << 16;
/// A pause between looks at the clock, once spinning is not worth its heat.
const PAUSE: Duration = Duration::from_micros(100);
/// 200 ms and more of pauses: a clock that has not moved on by then will not soon.
const PAUSES_MAX: u32 = 2_000;

/// A bounded wait for the wall clock. It counts turns, not time: the only clock at hand is the one that stands still.
#[derive(Debug, Default)]
pub(crate) struct Wait {
    spins: u32,
    pauses: u32,
}

impl Wait {
    /// For what is over within a millisecond.
    pub(crate) fn spin(&mut self) -> Result<(), IdError> {
        if self.spins < SPINS_MAX {
            self.spins += 1;
            std::hint::spin_loop();
            return Ok(());
        }
        self.pause()
    }

    /// For what takes milliseconds.
    #[cold]
    pub(crate) fn pause(&mut self) -> Result<(), IdError> {
        if self.pauses == PAUSES_MAX {
            return Err(IdError::ClockStalled);
        }
        self.pauses += 1;
        park_timeout(PAUSE);
        Ok(())
    }
}

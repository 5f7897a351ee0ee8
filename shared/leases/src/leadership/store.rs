use crate::LeadershipError;
use async_trait::async_trait;
use sql::{SqlError, int, uint};

/// The longest a leadership may be asked for, in milliseconds. A record that reaches further ahead was made by a clock that was
/// wrong, and counts as over.
pub const LEADERSHIP_MS_MAX: u64 = 600_000;

/// The right to do a duty, as it was given.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Leadership {
    /// The duty.
    pub name: String,
    /// Greater than that of every leadership of this duty before.
    pub fence: u64,
    /// Unix milliseconds: from then on another may take it, unless it is renewed.
    pub until_ms: u64,
}

/// Where it is recorded who leads. All that returns `Ok` is durable and was one atomic step.
///
/// No time keeps two from believing that they lead: clocks step, and processes stop in the middle of anything. What keeps a
/// former leader from writing is the guard ([`guard_postgres`](crate::guard_postgres), [`guard_sqlite`](crate::guard_sqlite))
/// inside each of its writes.
#[async_trait]
pub trait LeadershipStore: Send + Sync + std::fmt::Debug + 'static {
    /// Gives `holder` the duty `name` until `ttl_ms` (cut to [`LEADERSHIP_MS_MAX`]) from `now_ms`, unless another holder's time
    /// still runs. `holder` names one caller and no other: what it holds already it gets again, under a higher fence. So an
    /// outcome that nobody saw is settled by asking again. Of callers that race, one gets it.
    async fn try_take(
        &self,
        name: &str,
        holder: &str,
        now_ms: u64,
        ttl_ms: u64,
    ) -> Result<Option<Leadership>, LeadershipError>;

    /// Records that it lasts until `ttl_ms` from `now_ms`. `Lost` when another has led since; whether its time was over does not
    /// matter.
    async fn renew(
        &self,
        leadership: &Leadership,
        now_ms: u64,
        ttl_ms: u64,
    ) -> Result<Leadership, LeadershipError>;

    /// Gives it up: another may take it at once, and nothing is written under this fence any more. `Lost` when another has led
    /// since.
    async fn release(&self, leadership: &Leadership) -> Result<(), LeadershipError>;
}

pub(super) const FIND: &str = "SELECT holder, fence, until_ms FROM leadership WHERE name = $1";

/// On PostgreSQL, raising the fence, which is part of a key, waits for the guard's lock.
pub(super) const TAKE: &str = "
    INSERT INTO leadership AS led (name, holder, fence, until_ms) VALUES ($1, $2, 1, $4)
    ON CONFLICT (name) DO UPDATE SET holder = excluded.holder, fence = led.fence + 1, until_ms = excluded.until_ms
    WHERE led.until_ms <= $3 OR led.until_ms > $5 OR led.holder = $2
    RETURNING fence, until_ms";

pub(super) const RENEW: &str = "
    UPDATE leadership SET until_ms = $3 WHERE name = $1 AND fence = $2 AND holder IS NOT NULL
    RETURNING fence, until_ms";

pub(super) const RELEASE: &str = "
    UPDATE leadership SET holder = NULL, fence = fence + 1, until_ms = 0 WHERE name = $1 AND fence = $2";

/// A record as both engines hold it: holder, fence, until.
pub(super) type Row = (Option<String>, i64, i64);

/// Times as the statements of taking and renewing want them.
#[derive(Debug, Clone, Copy)]
pub(super) struct Span {
    pub(super) now: i64,
    pub(super) until: i64,
    /// Beyond it no honest record reaches.
    pub(super) far: i64,
}

impl Span {
    pub(super) fn of(now_ms: u64, ttl_ms: u64) -> Result<Self, SqlError> {
        let far_ms = now_ms.saturating_add(LEADERSHIP_MS_MAX);
        Ok(Self {
            now: int(now_ms)?,
            until: int(now_ms.saturating_add(ttl_ms).min(far_ms))?,
            far: int(far_ms)?,
        })
    }

    /// Whether another than `holder` leads by that record.
    pub(super) fn is_led(&self, (led_by, _, until): &Row, holder: &str) -> bool {
        let honest = self.now < *until && *until <= self.far;
        honest && led_by.as_deref() != Some(holder)
    }
}

impl Leadership {
    pub(super) fn recorded(name: &str, fence: i64, until: i64) -> Result<Self, LeadershipError> {
        Ok(Self {
            name: name.to_owned(),
            fence: uint(fence)?,
            until_ms: uint(until)?,
        })
    }

    pub(super) fn lost(&self) -> LeadershipError {
        LeadershipError::Lost {
            name: self.name.clone(),
        }
    }

    /// What the guard makes of the record: its fence and its time.
    pub(super) fn judged(&self, record: Option<(i64, i64)>, now_ms: u64) -> Result<(), LeadershipError> {
        let Some((fence, until)) = record else {
            return Err(self.lost());
        };
        if uint(fence)? == self.fence && now_ms < uint(until)? {
            Ok(())
        } else {
            Err(self.lost())
        }
    }
}

//! Schema versions: a list in the code, a table in the keyspace, and a refusal where the two cannot live together.

use std::time::Duration;

use tokio::time::{Instant, sleep};

use crate::lock::Lock;
use crate::split::statements;
use crate::{Level, Statement, Wide, WideError};

/// Pause between two looks at what another process migrates.
const LOOK_AGAIN: Duration = Duration::from_millis(200);

/// What the keyspace remembers about itself: steps that were applied, who applies them now, the probe's beat.
pub(crate) const STATE_TABLE: &str = "wide_state";
pub(crate) const CREATE_STATE: &str = "CREATE TABLE IF NOT EXISTS {keyspace}.wide_state \
     (part text, item bigint, name text, kind text, cql text, holder text, at_ms bigint, PRIMARY KEY (part, item))";

const STEPS: Statement = Statement::read(
    "schema_steps",
    "SELECT item, kind, cql FROM {keyspace}.wide_state WHERE part = 'step'",
    Level::Quorum,
);
const RECORD: Statement = Statement::write(
    "record_schema_step",
    "INSERT INTO {keyspace}.wide_state (part, item, name, kind, cql, at_ms) VALUES ('step', ?, ?, ?, ?, ?)",
    Level::Quorum,
)
.idempotent();

/// One step of a schema. Once released it is never edited: the keyspace remembers its text.
#[derive(Debug, Clone, Copy)]
pub struct Migration {
    /// Position, starting at 1, without gaps.
    pub version: i64,
    /// A few words for whoever looks into the keyspace.
    pub name: &'static str,
    /// Statements with a `;` after each, which can be repeated (`IF NOT EXISTS`); usually an `include_str!`. Tables are
    /// named `{keyspace}.table`.
    pub cql: &'static str,
    /// What it does to programs that are older than it.
    pub kind: Kind,
}

/// What a step does to programs that do not know it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Only adds: a program that does not know the step works on beside one that does.
    Expand,
    /// Takes something away or changes its meaning: older programs are refused from then on.
    Contract,
}

impl Kind {
    fn word(self) -> &'static str {
        match self {
            Self::Expand => "expand",
            Self::Contract => "contract",
        }
    }
}

impl Migration {
    /// A step that only adds: tables, columns.
    pub const fn expand(version: i64, name: &'static str, cql: &'static str) -> Self {
        let kind = Kind::Expand;
        Self {
            version,
            name,
            cql,
            kind,
        }
    }

    /// A step that older programs cannot live with: a table or a column dropped.
    pub const fn contract(version: i64, name: &'static str, cql: &'static str) -> Self {
        let kind = Kind::Contract;
        Self {
            version,
            name,
            cql,
            kind,
        }
    }
}

/// How far to go.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Until {
    Contract,
    End,
}

/// A step that the keyspace holds.
type Step = (i64, Option<String>, Option<String>);

impl Wide {
    /// Makes the keyspace if it is not there, and applies the steps that only add, up to the first [`Kind::Contract`] that
    /// was not applied; a keyspace without any step gets all of them, since no older program can be at work in it. A step
    /// that only adds and stands behind that contract is [`WideError::ContractPending`], once those before are applied. Refuses
    /// a keyspace with a newer `Contract` than the code knows ([`WideError::SchemaNewer`]) or with an edited step
    /// ([`WideError::MigrationEdited`]) before anything is changed. Several processes may do so at once: one works, the
    /// others wait for it.
    pub async fn migrate(&self, migrations: &'static [Migration]) -> Result<(), WideError> {
        self.migrate_until(migrations, Until::Contract).await
    }

    /// Applies all steps, those that take something away included: once no program is left that needs what they take.
    pub async fn migrate_contract(&self, migrations: &'static [Migration]) -> Result<(), WideError> {
        self.migrate_until(migrations, Until::End).await
    }

    /// The versions that [`Wide::migrate`] would apply, oldest first; refuses what it would refuse. Changes nothing.
    pub async fn pending(&self, migrations: &'static [Migration]) -> Result<Vec<i64>, WideError> {
        let steps = self.pending_steps(migrations, Until::Contract).await?;
        Ok(steps.iter().map(|step| step.version).collect())
    }

    /// The newest step applied to the keyspace; 0 before the first.
    pub async fn schema_version(&self) -> Result<i64, WideError> {
        let applied = self.applied().await?;
        Ok(applied.last().map_or(0, |(version, ..)| *version))
    }

    async fn applied(&self) -> Result<Vec<Step>, WideError> {
        if self.inner.has_table(STATE_TABLE).await? {
            self.rows(&STEPS, ()).await.map_err(in_the_making)
        } else {
            Ok(Vec::new())
        }
    }

    async fn pending_steps(
        &self,
        migrations: &'static [Migration],
        until: Until,
    ) -> Result<&'static [Migration], WideError> {
        in_order(migrations)?;
        left_of(migrations, &self.applied().await?, until)
    }

    async fn migrate_until(&self, migrations: &'static [Migration], until: Until) -> Result<(), WideError> {
        let deadline = Instant::now() + self.inner.settings.migrate_deadline();
        loop {
            let outcome = self.migrate_once(migrations, until).await.map_err(in_the_making);
            match &outcome {
                // What is repeated is what was not recorded, and every statement can be.
                Err(error)
                    if (error.retryable() || error.is_unknown())
                        && Instant::now() + LOOK_AGAIN < deadline =>
                {
                    tracing::debug!(keyspace = self.keyspace(), %error, "migrating again");
                    sleep(LOOK_AGAIN).await;
                }
                _ => return outcome,
            }
        }
    }

    async fn migrate_once(&self, migrations: &'static [Migration], until: Until) -> Result<(), WideError> {
        if self.inner.has_table(STATE_TABLE).await? {
            match self.pending_steps(migrations, until).await {
                Ok([]) => return self.warn_of_copies().await,
                // Somebody may just be making the whole of a new keyspace: what stands is looked at again under the lock.
                Ok(_) | Err(WideError::ContractPending { .. }) => {}
                Err(error) => return Err(error),
            }
        } else {
            in_order(migrations)?;
            self.inner.make_keyspace().await?;
        }
        let lock = Lock::take(self).await?;
        // What another process did before it gave the lock up is seen now.
        let outcome = match self.pending_steps(migrations, until).await {
            Ok(steps) => self.apply(&lock, steps).await,
            Err(error) => Err(error),
        };
        lock.give_up().await;
        outcome?;
        // What is needed and stands behind a contract is said now that the rest is done.
        self.pending_steps(migrations, until).await.map(|_none| ())
    }

    async fn apply(&self, lock: &Lock<'_>, steps: &[Migration]) -> Result<(), WideError> {
        for step in steps {
            let failed = |error: WideError| match error {
                WideError::Unexpected(message) => WideError::MigrationFailed {
                    version: step.version,
                    message,
                },
                other => other,
            };
            for statement in statements(step.cql) {
                lock.renew().await?;
                let statement = self.inner.text(&statement);
                self.inner.change(&statement).await.map_err(failed)?;
            }
            lock.renew().await?;
            let at_ms = i64::try_from(self.inner.clock.unix_ms()).unwrap_or(i64::MAX);
            let record = (step.version, step.name, step.kind.word(), step.cql, at_ms);
            self.execute(&RECORD, record).await?;
            tracing::info!(
                keyspace = self.keyspace(),
                version = step.version,
                name = step.name,
                "migrated"
            );
        }
        Ok(())
    }
}

/// A table that another process is making stands in the server's own tables before the server knows it. A keyspace that is
/// being dropped is the same the other way round.
fn in_the_making(error: WideError) -> WideError {
    match error {
        WideError::NoKeyspace(told) => WideError::Unavailable(told),
        WideError::Unexpected(told)
            if told.contains(STATE_TABLE)
                && (told.contains("does not exist") || told.contains("unconfigured table")) =>
        {
            WideError::Unavailable(told)
        }
        other => other,
    }
}

fn in_order(migrations: &[Migration]) -> Result<(), WideError> {
    for (expected, migration) in (1..).zip(migrations) {
        if migration.version != expected {
            let message = format!(
                "versions count up from 1 without gaps; found {}",
                migration.version
            );
            return Err(WideError::MigrationFailed { version: 0, message });
        }
    }
    Ok(())
}

/// What is to be applied to a keyspace that holds `applied`, in order. Steps are recorded one after another, so that what
/// is left is always a tail of the list.
fn left_of(
    migrations: &'static [Migration],
    applied: &[Step],
    until: Until,
) -> Result<&'static [Migration], WideError> {
    let known = migrations.last().map_or(0, |migration| migration.version);
    let contract = |(version, kind, _): &&Step| *version > known && kind.as_deref() != Some("expand");
    if let Some((found, ..)) = applied.iter().rfind(contract) {
        return Err(WideError::SchemaNewer { found: *found, known });
    }
    let mut left = migrations;
    while let Some((step, rest)) = left.split_first() {
        match applied.iter().find(|(version, ..)| *version == step.version) {
            Some((_, _, cql)) if cql.as_deref() != Some(step.cql) => {
                return Err(WideError::MigrationEdited {
                    version: step.version,
                });
            }
            Some(_) => left = rest,
            None => break,
        }
    }
    let contract = match until {
        Until::Contract if !applied.is_empty() => left.iter().position(|step| step.kind == Kind::Contract),
        _ => None,
    };
    let Some(contract) = contract else {
        return Ok(left);
    };
    let needed = left[contract..].iter().any(|step| step.kind == Kind::Expand);
    if contract == 0 && needed {
        return Err(WideError::ContractPending {
            version: left[contract].version,
        });
    }
    Ok(&left[..contract])
}

#[cfg(test)]
mod tests {
    use super::*;

    const OLD: &[Migration] = &[Migration::expand(1, "one", "A;")];
    const NEW: &[Migration] = &[
        Migration::expand(1, "one", "A;"),
        Migration::expand(2, "two", "B;"),
        Migration::contract(3, "three", "C;"),
        Migration::expand(4, "four", "D;"),
    ];

    fn applied(steps: &[Migration]) -> Vec<Step> {
        let step = |step: &Migration| {
            let kind = Some(step.kind.word().to_owned());
            (step.version, kind, Some(step.cql.to_owned()))
        };
        steps.iter().map(step).collect()
    }

    fn versions(steps: Result<&[Migration], WideError>) -> Vec<i64> {
        let steps = steps.unwrap();
        steps.iter().map(|step| step.version).collect()
    }

    #[test]
    fn a_used_keyspace_is_migrated_up_to_the_first_step_that_takes_something_away() {
        let old = applied(OLD);
        assert_eq!(versions(left_of(NEW, &old, Until::Contract)), [2]);
        assert_eq!(versions(left_of(NEW, &old, Until::End)), [2, 3, 4]);
        assert_eq!(versions(left_of(NEW, &[], Until::Contract)), [1, 2, 3, 4]);
        assert_eq!(versions(left_of(NEW, &applied(&NEW[..3]), Until::Contract)), [4]);
        assert!(versions(left_of(NEW, &applied(NEW), Until::End)).is_empty());
    }

    #[test]
    fn a_step_that_is_needed_and_stands_behind_a_contract_is_missed_aloud() {
        let expanded = applied(&NEW[..2]);
        let refused = left_of(NEW, &expanded, Until::Contract).unwrap_err();
        assert!(
            matches!(refused, WideError::ContractPending { version: 3 }) && !refused.retryable(),
            "{refused}"
        );
        assert_eq!(versions(left_of(NEW, &expanded, Until::End)), [3, 4]);
        // A contract that nothing stands behind can wait.
        assert!(versions(left_of(&NEW[..3], &expanded, Until::Contract)).is_empty());
        assert_eq!(versions(left_of(&NEW[..3], &expanded, Until::End)), [3]);
    }

    #[test]
    fn a_newer_schema_is_refused_only_if_it_takes_something_away() {
        assert!(versions(left_of(OLD, &applied(&NEW[..2]), Until::Contract)).is_empty());
        let refused = left_of(OLD, &applied(NEW), Until::Contract).unwrap_err();
        assert!(
            matches!(refused, WideError::SchemaNewer { found: 3, known: 1 }),
            "{refused}"
        );
    }

    #[test]
    fn an_edited_step_and_a_list_with_a_gap_are_refused() {
        let mut edited = applied(OLD);
        edited[0].2 = Some("A2;".to_owned());
        let refused = left_of(NEW, &edited, Until::Contract).unwrap_err();
        assert!(
            matches!(refused, WideError::MigrationEdited { version: 1 }),
            "{refused}"
        );
        let refused = in_order(&NEW[1..]).unwrap_err();
        assert!(
            matches!(refused, WideError::MigrationFailed { version: 0, .. }),
            "{refused}"
        );
    }
}

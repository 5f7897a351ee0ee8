//! An observer of money: reads the tables of several roles, recomputes the chain, and writes what the ledger's checker takes.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use clock::SharedClock;
use history::ledger::{self, Observed};
use serde::Deserialize;
use tokio::time::{sleep, timeout};

use crate::counterparty::Counterparty;
use crate::observer::Observing;
use crate::tables::Database;
use crate::{DrillError, catalogue};

/// How often tables are asked whether what goes on has ended.
const LOOK_AGAIN: Duration = Duration::from_millis(250);
/// Recomputing a chain may take so long.
const VERIFY_WITHIN: Duration = Duration::from_mins(1);
/// What a program says is kept up to here.
const SAID_BYTES_MAX: usize = 4_000;

/// How money is observed; a file of `chaos/observers`.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct BooksObserver {
    /// Whose tables, one moment each.
    tables: Vec<TablesOf>,
    /// Arguments of this program that recompute the chain from outside, as the first of these roles is told of its database.
    #[serde(default)]
    verify: Vec<String>,
    /// Somebody else's books, held against ours.
    #[serde(default)]
    counterparty: Option<Counterparty>,
    /// So long what goes on may take to end.
    #[serde(default = "settled_within_default")]
    settled_within_s: u64,
}

fn settled_within_default() -> u64 {
    30
}

/// The tables of one role.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
struct TablesOf {
    /// The role.
    role: String,
    /// The variable that tells it where its database is.
    variable: String,
    /// Its file in the role's data folder, where it is told of none.
    file: String,
    /// How many rows are still under way; the drill waits until there are none.
    #[serde(default)]
    open: Option<Engines>,
    /// What is read: each gives one JSON object a row.
    read: Vec<Engines>,
}

/// A query as each engine has it.
#[derive(Debug, Clone, Deserialize)]
#[serde(untagged)]
enum Engines {
    /// The same on both.
    Both(String),
    /// One each.
    Each { sqlite: String, postgres: String },
}

impl Engines {
    fn on(&self, database: &Database) -> String {
        match (self, database) {
            (Self::Both(query), _) => query.clone(),
            (Self::Each { sqlite, .. }, Database::Sqlite(_)) => sqlite.clone(),
            (Self::Each { postgres, .. }, Database::Postgres { .. }) => postgres.clone(),
        }
    }
}

/// Where a role stands: its data folder, and what it is told.
#[derive(Debug, Clone)]
pub struct Told {
    /// Its API's port on loopback.
    pub api_port: u16,
    /// Its data folder.
    pub data: PathBuf,
    /// Its environment beside what every process has.
    pub environment: Vec<(String, String)>,
}

/// Reads money as a drill does that names `observer`, a file of `chaos/observers`: waits until nothing is under way, reads the tables past the
/// service, recomputes the chain with `program`, and asks the counterparty. `roles` says where each role of the observer stands.
pub async fn observe_money(
    observer: &str,
    program: &Path,
    roles: &BTreeMap<String, Told>,
    clock: &SharedClock,
) -> Result<Vec<Observed>, DrillError> {
    match catalogue::observer(observer)? {
        Observing::Books(books) => books.read(program, roles, clock).await,
        Observing::Keys(_) => Err(DrillError::Malformed {
            file: format!("chaos/observers/{observer}.yaml"),
            reason: "it observes keys, and no money".to_owned(),
        }),
    }
}

impl BooksObserver {
    /// Waits until nothing is under way, and reads it all.
    pub(crate) async fn read(
        &self,
        program: &Path,
        roles: &BTreeMap<String, Told>,
        clock: &SharedClock,
    ) -> Result<Vec<Observed>, DrillError> {
        let mut places = Vec::new();
        for tables in &self.tables {
            places.push((tables, tables.place(roles)?));
        }
        let waiting = timeout(Duration::from_secs(self.settled_within_s), async {
            for (tables, database) in &places {
                tables.until_closed(database).await?;
            }
            Ok::<(), DrillError>(())
        });
        // What has not ended by then is the checker's matter.
        waiting.await.unwrap_or(Ok(()))?;
        let mut lines = Vec::new();
        for (tables, database) in &places {
            let queries: Vec<String> = tables.read.iter().map(|query| query.on(database)).collect();
            lines.extend(database.rows(&queries).await?);
        }
        let text = lines.join("\n");
        let mut observed =
            ledger::read_observed(text.as_bytes()).map_err(|error| DrillError::Unobserved {
                what: "the tables".to_owned(),
                reason: error.to_string(),
            })?;
        if let Some(counterparty) = &self.counterparty {
            let told = roles
                .get(&counterparty.role)
                .ok_or_else(|| absent(&counterparty.role))?;
            let read = counterparty.read(told.api_port, &observed, clock).await?;
            observed.extend(read);
        }
        if let (false, Some(first)) = (self.verify.is_empty(), self.tables.first()) {
            observed.push(self.verified(program, first.told(roles)?).await?);
        }
        Ok(observed)
    }

    /// Recomputes the chain, by the program itself.
    async fn verified(&self, program: &Path, told: &Told) -> Result<Observed, DrillError> {
        let mut command = tokio::process::Command::new(program);
        crate::process::inherited().for_each(|name| _ = command.env_remove(name));
        let data = told.data.display().to_string();
        let running = command
            .args(self.verify.iter().map(|word| word.replace("{{data}}", &data)))
            .envs(told.environment.iter().map(|(name, value)| (name, value)))
            .stdin(Stdio::null())
            .kill_on_drop(true)
            .output();
        let output = match timeout(VERIFY_WITHIN, running).await {
            Ok(output) => output.map_err(DrillError::system("the chain cannot be recomputed"))?,
            Err(_) => {
                return Err(DrillError::Unobserved {
                    what: "the chain".to_owned(),
                    reason: format!("not recomputed within {VERIFY_WITHIN:?}"),
                });
            }
        };
        let mut said = String::from_utf8_lossy(&output.stdout).into_owned();
        said.push_str(&String::from_utf8_lossy(&output.stderr));
        let said: String = said.trim().chars().take(SAID_BYTES_MAX).collect();
        Ok(Observed::Chain {
            verified: output.status.success(),
            found: said,
        })
    }
}

fn absent(role: &str) -> DrillError {
    DrillError::Unobserved {
        what: format!("what {role} holds"),
        reason: "this drill does not start it".to_owned(),
    }
}

impl TablesOf {
    fn told<'a>(&self, roles: &'a BTreeMap<String, Told>) -> Result<&'a Told, DrillError> {
        roles.get(&self.role).ok_or_else(|| absent(&self.role))
    }

    fn place(&self, roles: &BTreeMap<String, Told>) -> Result<Database, DrillError> {
        let told = self.told(roles)?;
        let named = told.environment.iter().rfind(|(name, _)| *name == self.variable);
        match named {
            None => Ok(Database::Sqlite(told.data.join(&self.file))),
            Some((_, url)) => Database::parse(url).ok_or_else(|| DrillError::Unobserved {
                what: format!("the tables of {}", self.role),
                reason: format!("{} is of no engine that is read here", self.variable),
            }),
        }
    }

    async fn until_closed(&self, database: &Database) -> Result<(), DrillError> {
        let Some(open) = &self.open else { return Ok(()) };
        let query = open.on(database);
        loop {
            let rows = database.rows(std::slice::from_ref(&query)).await?;
            if rows.first().is_none_or(|count| count == "0") {
                return Ok(());
            }
            sleep(LOOK_AGAIN).await;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn where_a_role_is_told_of_no_database_its_file_is_read() {
        let tables: TablesOf = serde_saphyr::from_str(
            "{role: pay, variable: PAY_URL, file: pay.db, read: [SELECT 1, {sqlite: SELECT 2, postgres: SELECT 3}]}",
        )
        .unwrap();
        let told = |environment: &[(&str, &str)]| {
            let own = |(name, value): &(&str, &str)| ((*name).to_owned(), (*value).to_owned());
            let told = Told {
                api_port: 1,
                data: "/d/pay-0".into(),
                environment: environment.iter().map(own).collect(),
            };
            tables.place(&[("pay".to_owned(), told)].into())
        };
        let file = told(&[("OTHER", "x")]).unwrap();
        assert_eq!(file, Database::Sqlite("/d/pay-0/pay.db".into()));
        let server = told(&[("PAY_URL", "postgres://o@127.0.0.1:1/o?schema=s")]).unwrap();
        let queries: Vec<String> = tables.read.iter().map(|query| query.on(&server)).collect();
        assert_eq!(queries, ["SELECT 1", "SELECT 3"]);
        assert_eq!(tables.read[1].on(&file), "SELECT 2");
        assert!(told(&[("PAY_URL", "scylla://x")]).is_err());
        assert!(tables.place(&BTreeMap::new()).is_err());
    }
}

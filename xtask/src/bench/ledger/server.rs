//! The PostgreSQL that all are measured on, and databases on it that go when they are no longer needed.

use std::path::PathBuf;
use std::process::Command;
use std::time::Duration;

use engines::{Kind, Listed, state};

use super::super::now;
use crate::run::{command, passes, prints, which};

/// A vacuum of the largest table here takes seconds.
const SETTLED_WITHIN: Duration = Duration::from_mins(2);

/// Whom the engines for development know.
const USER: &str = "orrery";

/// A fresh database. Dropping it drops it there.
pub(super) struct Database {
    name: &'static str,
    host: String,
    port: String,
}

impl Database {
    /// An empty one; a former run may have left another.
    pub(super) fn fresh(name: &'static str) -> Result<Self, String> {
        let file = state().join("engines.json");
        let listed = Listed::read(&file)?;
        let addresses = listed.addresses(Kind::Postgres);
        let address = addresses
            .first()
            .ok_or(format!("{} lists no postgres", file.display()))?;
        let fresh = Self {
            name,
            host: address.ip().to_string(),
            port: address.port().to_string(),
        };
        fresh.drop_it()?;
        passes(command(program("createdb")?).args(fresh.at()).arg(name))?;
        Ok(fresh)
    }

    /// Arguments for PostgreSQL's own programs, its name last.
    pub(super) fn arguments(&self) -> Vec<&str> {
        let mut arguments = self.at().to_vec();
        arguments.push(self.name);
        arguments
    }

    pub(super) fn url(&self) -> String {
        format!("postgres://{USER}@{}:{}/{}", self.host, self.port, self.name)
    }

    /// Writes what the arm before left behind, so that the next does not pay for it.
    pub(super) fn settle(&self) -> Result<(), String> {
        passes(&mut self.psql("CHECKPOINT")?)?;
        let started = now();
        while prints(&mut self.psql("SELECT count(*) FROM pg_stat_progress_vacuum")?)?.trim() != "0" {
            if started.elapsed() > SETTLED_WITHIN {
                return Err(format!("a vacuum is under way after {SETTLED_WITHIN:?}"));
            }
            std::thread::park_timeout(Duration::from_millis(200));
        }
        Ok(())
    }

    /// One statement, its answer printed bare.
    pub(super) fn psql(&self, statement: &str) -> Result<Command, String> {
        let mut psql = command(program("psql")?);
        psql.args(["-X", "-q", "-t", "-A", "-v", "ON_ERROR_STOP=1", "-c", statement]);
        psql.args(self.arguments());
        Ok(psql)
    }

    fn at(&self) -> [&str; 6] {
        ["-h", &self.host, "-p", &self.port, "-U", USER]
    }

    fn drop_it(&self) -> Result<(), String> {
        // Roles that were just killed may still be connected.
        let asked = ["--if-exists", "--force", self.name];
        passes(command(program("dropdb")?).args(self.at()).args(asked))
    }
}

impl Drop for Database {
    fn drop(&mut self) {
        let _ = self.drop_it();
    }
}

/// On the path, or where Debian keeps the server's programs.
pub(super) fn program(name: &str) -> Result<PathBuf, String> {
    if let Some(found) = which(name) {
        return Ok(found);
    }
    let versions = std::fs::read_dir("/usr/lib/postgresql").map_err(|e| format!("{name}: {e}"))?;
    let mut found: Vec<PathBuf> = versions
        .filter_map(|entry| Some(entry.ok()?.path().join("bin").join(name)))
        .filter(|path| path.exists())
        .collect();
    found.sort();
    found.pop().ok_or(format!(
        "{name} is not installed; needed: apt-get install postgresql"
    ))
}

//! The platform of one drill: engines, proxies, roles, and the way in.

mod start;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

use fault_proxy::{FaultProxy, PortBlock};
use tempfile::TempDir;

use crate::DrillError;
use crate::balancer::Balancer;
use crate::books::Told;
use crate::disk::SmallDisk;
use crate::engine::Engine;
use crate::http;
use crate::process::Process;
use crate::receiver::Receiver;

pub(crate) use start::Start;

/// A role may take so long to come up, migrations included.
pub(crate) const READY_WITHIN: Duration = Duration::from_secs(40);
const ASK_TIMEOUT: Duration = Duration::from_millis(500);

/// One copy of a role.
#[derive(Debug)]
pub(crate) struct Role {
    pub(crate) process: Process,
    pub(crate) api_port: u16,
    pub(crate) admin_port: u16,
    /// The file that its wall clock follows, where a drill steps it.
    pub(crate) clock: Option<PathBuf>,
    /// The small disk that its data stands on, where a drill fills it.
    pub(crate) disk: Option<SmallDisk>,
    /// Its data folder, and what it is told.
    pub(crate) told: Told,
    // Held for its Drop: nobody else takes the ports while the role is dead.
    _ports: PortBlock,
}

impl Role {
    /// Waits until `/readyz` says 200.
    pub(crate) async fn until_ready(&mut self) -> Result<(), DrillError> {
        let port = self.admin_port;
        self.process
            .until_ready(READY_WITHIN, async || {
                matches!(http::get(port, "/readyz", ASK_TIMEOUT).await, Ok((200, _)))
            })
            .await
    }
}

/// Everything that runs for a drill. Dropping it kills all of it and removes its data.
#[derive(Debug)]
pub(crate) struct Platform {
    /// `http://host:port` for clients.
    pub(crate) entry: String,
    pub(crate) roles: BTreeMap<String, Vec<Role>>,
    pub(crate) engines: BTreeMap<&'static str, Engine>,
    pub(crate) proxies: BTreeMap<String, Vec<FaultProxy>>,
    // In the order of falling: whoever calls goes before whoever is called.
    balancers: BTreeMap<String, Balancer>,
    token: TokenCommand,
    /// The merchant's, where a drill has one.
    pub(crate) receiver: Option<Receiver>,
    /// What this run calls its things on engines that others use.
    name: String,
    _folder: TempDir,
}

/// How a token is got: the binary signs one with the issuer's own store.
#[derive(Debug, Clone)]
pub(crate) struct TokenCommand {
    program: PathBuf,
    arguments: Vec<String>,
    environment: Vec<(String, String)>,
}

impl TokenCommand {
    /// A token; it blocks for as long as the program runs.
    pub(crate) fn token(&self) -> Result<String, String> {
        let mut command = std::process::Command::new(&self.program);
        crate::process::inherited().for_each(|name| _ = command.env_remove(name));
        let output = command
            .args(&self.arguments)
            .envs(self.environment.iter().map(|(name, value)| (name, value)))
            .output()
            .map_err(|error| format!("{}: {error}", self.program.display()))?;
        let text = String::from_utf8_lossy(&output.stdout);
        match text.lines().rev().find(|line| !line.trim().is_empty()) {
            Some(token) if output.status.success() => Ok(token.trim().to_owned()),
            _ => Err(String::from_utf8_lossy(&output.stderr).trim().to_owned()),
        }
    }
}

impl Platform {
    /// How tokens are got.
    pub(crate) fn token_command(&self) -> TokenCommand {
        self.token.clone()
    }

    /// What loads are given by name.
    pub(crate) fn given(&self) -> BTreeMap<String, String> {
        let receiver = self.receiver.as_ref();
        receiver
            .map(|receiver| ("receiver".to_owned(), format!("http://{}", receiver.address())))
            .into_iter()
            .collect()
    }

    /// Where the first copy of each role stands, and what it is told.
    pub(crate) fn told(&self) -> BTreeMap<String, Told> {
        let of_role =
            |(name, copies): (&String, &Vec<Role>)| Some((name.clone(), copies.first()?.told.clone()));
        self.roles.iter().filter_map(of_role).collect()
    }

    /// Where each copy of each role tells its metrics: role, and admin port.
    pub(crate) fn admin_ports(&self) -> Vec<(String, u16)> {
        let of_role = |(name, copies): (&String, &Vec<Role>)| {
            let ports: Vec<(String, u16)> = copies
                .iter()
                .map(|role| (name.clone(), role.admin_port))
                .collect();
            ports
        };
        self.roles.iter().flat_map(of_role).collect()
    }

    /// Ends everything, and takes away what was made on engines that others go on using.
    pub(crate) async fn end(mut self) -> Result<(), DrillError> {
        for role in self.roles.values_mut().flatten() {
            role.process.kill().await?;
        }
        let named = self.told().into_values().flat_map(|told| told.environment);
        let urls: Vec<String> = named.map(|(_, value)| value).collect();
        for engine in self.engines.values() {
            engine.clean(&self.name, &urls).await;
        }
        Ok(())
    }
}

/// `libfaketime` of Debian's package of that name: it tells a program another time than the machine's.
pub(crate) fn faketime() -> Result<PathBuf, DrillError> {
    let unpacked = crate::engine::tools().join("debian/usr/lib");
    for folder in [Path::new("/usr/lib"), unpacked.as_path()] {
        for entry in std::fs::read_dir(folder).into_iter().flatten().flatten() {
            let library = entry.path().join("faketime/libfaketimeMT.so.1");
            if library.is_file() {
                return Ok(library);
            }
        }
    }
    Err(DrillError::NotInstalled {
        what: "libfaketime".to_owned(),
        hint: "TimeChaos needs it: `apt-get install libfaketime`".to_owned(),
    })
}

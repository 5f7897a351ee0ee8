//! Starting it all, in order: engines, proxies, the way in, roles.

use std::collections::BTreeMap;
use std::hash::{BuildHasher as _, RandomState};
use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};

use fault_proxy::{FaultProxy, PortBlock};

use super::{Platform, Role, TokenCommand, faketime};
use crate::balancer::Balancer;
use crate::books::Told;
use crate::disk::SmallDisk;
use crate::drill::PlatformPlan;
use crate::engine::{Engine, EngineKind, no_ports};
use crate::experiment::Fault;
use crate::layout::{Layout, RoleLayout};
use crate::process::{POLL, Process, Recipe};
use crate::receiver::Receiver;
use crate::{DrillError, Experiment};

/// The tenant of all load.
const TENANT: &str = "drill";

/// What a platform is started from.
#[derive(Debug)]
pub(crate) struct Start<'a> {
    pub(crate) program: &'a Path,
    pub(crate) plan: &'a PlatformPlan,
    pub(crate) experiments: &'a [Experiment],
    /// `engines.json`, where engines may be that a drill does not strike.
    pub(crate) listed: Option<&'a Path>,
    pub(crate) logs: &'a Path,
}

impl Start<'_> {
    /// Starts it; returns when every role is ready.
    pub(crate) async fn platform(&self) -> Result<Platform, DrillError> {
        let layout = Layout::committed()?.with(&self.plan.roles)?;
        self.check(&layout)?;
        let folder = tempfile::Builder::new()
            .prefix("orrery-drill-")
            .tempdir()
            .map_err(DrillError::system("no temporary folder"))?;
        let name = format!("drill_{:016x}", RandomState::new().hash_one(0));
        let mut names = BTreeMap::from([
            ("name".to_owned(), name.clone()),
            ("folder".to_owned(), folder.path().display().to_string()),
        ]);
        let mut proxies = BTreeMap::new();
        let mut engines = BTreeMap::new();
        for kind in &self.plan.engines {
            let engine = self.engine(*kind, folder.path()).await?;
            let address = self
                .reached(kind.name(), &[engine.address()], &mut proxies)
                .await?[0];
            names.insert(kind.name().to_owned(), address.to_string());
            engines.insert(kind.name(), engine);
        }
        let ports = self.ports(&layout)?;
        for role in &layout.roles {
            let api = |ports: &PortBlock| loopback(role.api_port(ports.base()));
            let addresses: Vec<SocketAddr> = ports[&role.name].iter().map(api).collect();
            let reached = self.reached(&role.name, &addresses, &mut proxies).await?;
            names.insert(role.name.clone(), format!("http://{}", reached[0]));
        }
        let receiver = if self.plan.receiver {
            let listening = Receiver::listen().await;
            Some(listening.map_err(DrillError::system("no port for the receiver"))?)
        } else {
            None
        };
        let balancers = self.balancers(&layout, &ports, &proxies).await?;
        for (role, balancer) in &balancers {
            names.insert(role.clone(), format!("http://{}", balancer.address()));
        }
        let entry = names[&layout.entry].clone();
        names.insert("entry".to_owned(), entry.clone());
        let mut platform = Platform {
            entry,
            roles: BTreeMap::new(),
            engines,
            proxies,
            balancers,
            token: TokenCommand {
                program: self.program.to_owned(),
                arguments: Vec::new(),
                environment: Vec::new(),
            },
            receiver,
            name,
            _folder: folder,
        };
        self.roles(&layout, ports, &names, &mut platform).await?;
        for (role, balancer) in &platform.balancers {
            until_passing(balancer, self.copies(role)).await?;
        }
        Ok(platform)
    }

    /// Every experiment must have something to strike.
    fn check(&self, layout: &Layout) -> Result<(), DrillError> {
        let known =
            |name: &str| layout.has_role(name) || self.plan.engines.iter().any(|kind| kind.name() == name);
        let unknown = self
            .experiments
            .iter()
            .find(|experiment| !known(&experiment.target))
            .map(|experiment| (&experiment.name, &experiment.target));
        match unknown {
            Some((experiment, target)) => Err(DrillError::Malformed {
                file: format!("experiment {experiment}"),
                reason: format!(
                    "it strikes `{target}`, which this drill does not start: roles are always there, engines are listed in platform.engines"
                ),
            }),
            None => Ok(()),
        }
    }

    fn copies(&self, role: &str) -> usize {
        self.plan.copies.get(role).copied().unwrap_or(1).clamp(1, 4)
    }

    fn strikes(&self, target: &str, how: impl Fn(&Fault) -> bool) -> bool {
        self.experiments
            .iter()
            .any(|experiment| experiment.target == target && how(&experiment.fault))
    }

    /// How large the disk of somebody is made whose disk is filled.
    fn small_disk(&self, target: &str) -> Option<u32> {
        self.experiments
            .iter()
            .find_map(|experiment| match experiment.fault {
                Fault::FillDisk { mib } if experiment.target == target => Some(mib),
                _ => None,
            })
    }

    /// One that is killed or frozen is the drill's own; NATS always is, for streams reserve disk.
    async fn engine(&self, kind: EngineKind, folder: &Path) -> Result<Engine, DrillError> {
        let struck = self.strikes(kind.name(), |fault| !fault.needs_proxy());
        if let (Some(file), false) = (self.listed, struck || kind == EngineKind::Nats)
            && let Some(engine) = Engine::listed(kind, file).await
        {
            return Ok(engine);
        }
        Engine::own(kind, folder, self.logs, self.small_disk(kind.name())).await
    }

    /// Where others reach these: by proxies, if a fault needs them.
    async fn reached(
        &self,
        name: &str,
        addresses: &[SocketAddr],
        proxies: &mut BTreeMap<String, Vec<FaultProxy>>,
    ) -> Result<Vec<SocketAddr>, DrillError> {
        if !self.strikes(name, Fault::needs_proxy) {
            return Ok(addresses.to_vec());
        }
        let mut before = Vec::new();
        for address in addresses {
            let proxy = FaultProxy::before(*address).await;
            before.push(proxy.map_err(DrillError::system(format!("no proxy before {name}")))?);
        }
        let reached = before.iter().map(FaultProxy::address).collect();
        proxies.insert(name.to_owned(), before);
        Ok(reached)
    }

    fn ports(&self, layout: &Layout) -> Result<BTreeMap<String, Vec<PortBlock>>, DrillError> {
        let mut all = BTreeMap::new();
        for role in &layout.roles {
            let blocks = (0..self.copies(&role.name)).map(|_| PortBlock::try_reserve().ok_or_else(no_ports));
            all.insert(role.name.clone(), blocks.collect::<Result<Vec<_>, _>>()?);
        }
        Ok(all)
    }

    /// One stands before each role that is to be had more than once.
    async fn balancers(
        &self,
        layout: &Layout,
        ports: &BTreeMap<String, Vec<PortBlock>>,
        proxies: &BTreeMap<String, Vec<FaultProxy>>,
    ) -> Result<BTreeMap<String, Balancer>, DrillError> {
        let mut balancers = BTreeMap::new();
        for role in layout.roles.iter().filter(|role| self.copies(&role.name) > 1) {
            let balancer = Balancer::listen()
                .await
                .map_err(DrillError::system("no port for the balancer"))?;
            let before = proxies.get(&role.name);
            let copies: Vec<(u16, u16)> = ports[&role.name]
                .iter()
                .enumerate()
                .map(|(copy, ports)| {
                    // A proxy that breaks the line to a copy stands behind the balancer.
                    let proxy = before.and_then(|before| before.get(copy));
                    let api =
                        proxy.map_or_else(|| role.api_port(ports.base()), |proxy| proxy.address().port());
                    (api, role.admin_port(ports.base()))
                })
                .collect();
            balancer.stand_before(&copies);
            balancers.insert(role.name.clone(), balancer);
        }
        Ok(balancers)
    }

    async fn roles(
        &self,
        layout: &Layout,
        mut ports: BTreeMap<String, Vec<PortBlock>>,
        names: &BTreeMap<String, String>,
        platform: &mut Platform,
    ) -> Result<(), DrillError> {
        let folder = PathBuf::from(&names["folder"]);
        // What a role is told beside: where these engines are, and these roles.
        let engines = self.plan.engines.iter().map(|kind| kind.name().to_owned());
        let others = layout.roles.iter().map(|role| role.name.clone());
        let there: Vec<String> = engines.chain(others).collect();
        for role in &layout.roles {
            let mut environment = role.environment(&there, names)?;
            environment.extend(self.plan.environment.clone());
            for (copy, ports) in ports
                .remove(&role.name)
                .unwrap_or_default()
                .into_iter()
                .enumerate()
            {
                let data = folder.join(format!("{}-{copy}", role.name));
                if role.name == layout.issuer && copy == 0 {
                    platform.token.arguments = token_arguments(&data);
                    platform.token.environment.clone_from(&environment);
                }
                let mut started = self.role(role, copy, ports, &data, environment.clone())?;
                started.process.start()?;
                started.until_ready().await?;
                platform.roles.entry(role.name.clone()).or_default().push(started);
            }
        }
        Ok(())
    }

    fn role(
        &self,
        role: &RoleLayout,
        copy: usize,
        ports: PortBlock,
        data: &Path,
        mut environment: Vec<(String, String)>,
    ) -> Result<Role, DrillError> {
        let name = format!("{}-{copy}", role.name);
        let stepped = self.strikes(&role.name, |fault| matches!(fault, Fault::StepClock(_)));
        let clock = stepped.then(|| data.with_extension("clock"));
        if let Some(clock) = &clock {
            // The same time as the machine's to begin with: the step comes while it runs.
            std::fs::write(clock, "+0\n").map_err(DrillError::file(clock))?;
            environment.extend(
                [
                    ("LD_PRELOAD", faketime()?.display().to_string()),
                    ("FAKETIME_TIMESTAMP_FILE", clock.display().to_string()),
                    ("FAKETIME_NO_CACHE", "1".to_owned()),
                    ("DONT_FAKE_MONOTONIC", "1".to_owned()),
                ]
                .map(|(name, value)| (name.to_owned(), value)),
            );
        }
        let disk = self
            .small_disk(&role.name)
            .map(|mib| SmallDisk::over(data, mib))
            .transpose()?;
        let told = Told {
            api_port: role.api_port(ports.base()),
            data: data.to_owned(),
            environment: environment.clone(),
        };
        let (folder, base) = (data.display().to_string(), ports.base().to_string());
        let words = ["serve", &role.name, "--data", &folder, "--port-base", &base];
        let arguments = words.map(str::to_owned).to_vec();
        Ok(Role {
            process: Process::of(Recipe {
                log: self.logs.join(format!("{name}.log")),
                name,
                program: self.program.to_owned(),
                arguments,
                environment,
            }),
            api_port: role.api_port(ports.base()),
            admin_port: role.admin_port(ports.base()),
            clock,
            disk,
            told,
            _ports: ports,
        })
    }
}

fn loopback(port: u16) -> SocketAddr {
    SocketAddr::from((Ipv4Addr::LOCALHOST, port))
}

fn token_arguments(data: &Path) -> Vec<String> {
    let data = data.display().to_string();
    ["token", "--tenant", TENANT, "--user", "runner", "--data", &data]
        .map(str::to_owned)
        .to_vec()
}

/// Waits until the balancer passes connections to every copy; they are ready already.
async fn until_passing(balancer: &Balancer, copies: usize) -> Result<(), DrillError> {
    let passing = tokio::time::timeout(super::READY_WITHIN, async {
        while balancer.ready() < copies {
            tokio::time::sleep(POLL).await;
        }
    });
    passing.await.map_err(|_| DrillError::NotReady {
        what: "the balancer".to_owned(),
        reason: "it did not see every copy ready".to_owned(),
    })
}

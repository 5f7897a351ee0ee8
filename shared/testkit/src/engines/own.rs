//! Private engines: a test may kill one, freeze it and start it again.

use std::net::{Ipv4Addr, SocketAddr};

use ::engines::Program;

use super::Kind;
use super::instance::Instance;
use crate::platform::PortBlock;

/// A private engine with the same durable settings as the shared one. Dropping it kills it and removes its data.
#[derive(Debug)]
pub struct OwnEngine {
    kind: Kind,
    instance: Instance,
    // Held for its Drop: nobody else takes the port while the engine is dead.
    _ports: PortBlock,
}

impl OwnEngine {
    /// Starts one and waits until it answers; `None` after skipping `test` aloud when its program is not installed.
    ///
    /// # Panics
    /// When it is installed and does not start, with the end of its log; when there is none and
    /// `ORRERY_REQUIRE_ENGINES=1` forbids skipping.
    pub async fn start(kind: Kind, test: &str) -> Option<Self> {
        let ports = PortBlock::reserve();
        let address = SocketAddr::from((Ipv4Addr::LOCALHOST, ports.base()));
        let mut instance = Instance::prepare(kind, address, Vec::new());
        instance.spawn();
        if let Err(why) = instance.answers().await {
            drop(instance);
            why.skip(test);
            return None;
        }
        Some(Self {
            kind,
            instance,
            _ports: ports,
        })
    }

    /// Starts a standby of this PostgreSQL and waits until it answers: a copy of it that follows its log. A moment later, as soon as it
    /// streams, this one waits for it with every commit.
    ///
    /// # Panics
    /// When it does not start, with the end of its log; when this is no PostgreSQL.
    pub async fn standby(&self) -> Self {
        assert_eq!(self.kind, Kind::Postgres, "only PostgreSQL has a standby");
        let ports = PortBlock::reserve();
        let address = SocketAddr::from((Ipv4Addr::LOCALHOST, ports.base()));
        let primary = self.address().port().to_string();
        let mut instance = Instance::prepare(Program::Standby, address, vec![primary]);
        instance.spawn();
        if let Err(why) = instance.answers().await {
            panic!("the standby: {why:?}");
        }
        Self {
            kind: self.kind,
            instance,
            _ports: ports,
        }
    }

    /// Its base URL, without schema, keyspace or prefix.
    pub fn url(&self) -> String {
        self.kind.url_at(&[self.address()])
    }

    /// Where it listens; the same over all its lives.
    pub fn address(&self) -> SocketAddr {
        self.instance.address()
    }

    /// Kills it and its children with SIGKILL and returns when they are gone. No-op when it does not run.
    pub fn kill(&mut self) {
        self.instance.kill();
    }

    /// Starts it again on the same port and data, and waits until it answers; kills it first if it runs.
    ///
    /// # Panics
    /// When it does not start, with the end of its log.
    pub async fn restart(&mut self) {
        self.instance.restart().await;
    }

    /// Freezes it with SIGSTOP: it keeps its connections and says nothing.
    pub fn pause(&self) {
        self.instance.signal("STOP");
    }

    /// Lets it go on after [`Self::pause`].
    pub fn resume(&self) {
        self.instance.signal("CONT");
    }

    /// The end of what it has printed so far.
    pub fn log_tail(&self) -> String {
        self.instance.log_tail()
    }
}

/// A private CQL cluster of three nodes on 127.0.0.1 to 127.0.0.3: 1.5 GB and half a minute, so for nightly tests.
#[derive(Debug)]
pub struct OwnCluster {
    nodes: [Instance; 3],
    // Held for its Drop: nobody else takes the ports.
    _ports: PortBlock,
}

impl OwnCluster {
    /// Starts three nodes and waits until each answers; `None` after skipping `test` aloud when the program is not installed.
    ///
    /// # Panics
    /// As [`OwnEngine::start`] does.
    pub async fn start(test: &str) -> Option<Self> {
        let ports = PortBlock::reserve();
        let mut nodes = ::engines::cluster(ports.base())
            .map(|node| Instance::prepare(Kind::Cql, node.address, node.arguments));
        // Together: none serves before it has heard of another.
        nodes.iter_mut().for_each(Instance::spawn);
        for node in &mut nodes {
            if let Err(why) = node.answers().await {
                drop(nodes);
                why.skip(test);
                return None;
            }
        }
        Some(Self { nodes, _ports: ports })
    }

    /// The base URL with all three nodes, without keyspace.
    pub fn url(&self) -> String {
        Kind::Cql.url_at(&self.addresses())
    }

    /// Where the nodes listen.
    pub fn addresses(&self) -> [SocketAddr; 3] {
        self.nodes.each_ref().map(Instance::address)
    }

    /// Kills a node (0 to 2) with SIGKILL.
    pub fn kill(&mut self, node: usize) {
        self.nodes[node].kill();
    }

    /// Starts a node again on its data, and waits until it answers.
    ///
    /// # Panics
    /// When it does not start, with the end of its log.
    pub async fn restart(&mut self, node: usize) {
        self.nodes[node].restart().await;
    }
}

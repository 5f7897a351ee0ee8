//! The processes that make up an engine: one, or three of a CQL cluster. And those of the watchers.

use std::net::{Ipv4Addr, SocketAddr};

use engines::{Kind, Program, Watcher};

/// One process of an engine, or a watcher.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Node {
    pub(super) program: Program,
    /// Its folder below the state.
    pub(super) name: String,
    pub(super) address: SocketAddr,
    /// What `start.sh` gets after the folder and the port.
    pub(super) arguments: Vec<String>,
}

/// The nodes of an engine whose ports begin at `base`.
pub(super) fn of(kind: Kind, base: u16, nodes: usize) -> Vec<Node> {
    let port = base
        + match kind {
            Kind::Postgres => 0,
            Kind::Redis => 1,
            Kind::Nats => 2,
            Kind::Cql => 3,
        };
    if kind != Kind::Cql || nodes == 1 {
        return vec![Node {
            program: kind.into(),
            name: kind.name().to_owned(),
            address: (Ipv4Addr::LOCALHOST, port).into(),
            arguments: Vec::new(),
        }];
    }
    engines::cluster(port)
        .into_iter()
        .enumerate()
        .map(|(index, node)| Node {
            program: kind.into(),
            name: format!("cql-{}-of-3", index + 1),
            address: node.address,
            arguments: node.arguments,
        })
        .collect()
}

/// The process of a watcher, in the same block of ports.
pub(super) fn of_watcher(watcher: Watcher, base: u16, arguments: Vec<String>) -> Node {
    // Cassandra's nodes talk to each other on the port after the engines'.
    let port = base
        + match watcher {
            Watcher::Prometheus => 5,
            Watcher::Alertmanager => 6,
        };
    Node {
        program: watcher.into(),
        name: watcher.name().to_owned(),
        address: (Ipv4Addr::LOCALHOST, port).into(),
        arguments,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_engine_has_a_port_of_its_own() {
        let ports: std::collections::BTreeSet<u16> = Kind::ALL
            .iter()
            .flat_map(|kind| of(*kind, 12_000, 1))
            .map(|node| node.address.port())
            .collect();
        assert_eq!(
            ports.into_iter().collect::<Vec<_>>(),
            [12_000, 12_001, 12_002, 12_003]
        );
    }

    #[test]
    fn three_cql_nodes_keep_their_data_apart_from_a_single_one() {
        let names: Vec<String> = of(Kind::Cql, 12_000, 3)
            .into_iter()
            .map(|node| node.name)
            .collect();
        assert_eq!(names, ["cql-1-of-3", "cql-2-of-3", "cql-3-of-3"]);
        assert_eq!(of(Kind::Cql, 12_000, 1)[0].name, "cql");
    }
}

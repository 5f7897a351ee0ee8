//! The processes that make up an engine: one, or three of a CQL cluster.

use std::net::{Ipv4Addr, SocketAddr};

use engines::Kind;

/// One process of an engine.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Node {
    pub(super) kind: Kind,
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
            kind,
            name: kind.name().to_owned(),
            address: (Ipv4Addr::LOCALHOST, port).into(),
            arguments: Vec::new(),
        }];
    }
    engines::cluster(port)
        .into_iter()
        .enumerate()
        .map(|(index, node)| Node {
            kind,
            name: format!("cql-{}-of-3", index + 1),
            address: node.address,
            arguments: node.arguments,
        })
        .collect()
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

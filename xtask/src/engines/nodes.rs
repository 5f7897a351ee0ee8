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

/// The ring of a CQL cluster in equal parts: nobody has to ask for a place in it.
const TOKENS: [&str; 3] = [
    "-9223372036854775807",
    "-3074457345618258602",
    "3074457345618258603",
];

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
    let storage = port + 1;
    let ips: Vec<Ipv4Addr> = (1..=3).map(|last| Ipv4Addr::new(127, 0, 0, last)).collect();
    // All are seeds: they start together, and none can wait for another.
    let seeds: Vec<String> = ips.iter().map(|ip| format!("{ip}:{storage}")).collect();
    ips.iter()
        .zip(TOKENS)
        .enumerate()
        .map(|(index, (ip, token))| Node {
            kind,
            name: format!("cql-{}-of-3", index + 1),
            address: (*ip, port).into(),
            arguments: vec![
                ip.to_string(),
                storage.to_string(),
                seeds.join(","),
                token.to_owned(),
            ],
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
    fn three_cql_nodes_share_ports_on_three_addresses_and_none_shares_a_folder_with_a_single_one() {
        let nodes = of(Kind::Cql, 12_000, 3);
        let addresses: Vec<String> = nodes.iter().map(|node| node.address.to_string()).collect();
        assert_eq!(
            addresses,
            ["127.0.0.1:12003", "127.0.0.2:12003", "127.0.0.3:12003"]
        );
        assert!(nodes.iter().all(|node| node.name != "cql"));
        assert!(nodes.iter().all(|node| {
            node.arguments[2] == "127.0.0.1:12004,127.0.0.2:12004,127.0.0.3:12004"
                && node.arguments[0] == node.address.ip().to_string()
        }));
        let tokens: std::collections::BTreeSet<&String> = nodes.iter().map(|n| &n.arguments[3]).collect();
        assert_eq!(tokens.len(), 3);
    }
}

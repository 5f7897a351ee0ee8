//! A CQL cluster of three on the loopback addresses 127.0.0.1 to 127.0.0.3.

use std::net::{Ipv4Addr, SocketAddr};

/// The ring in equal parts: nobody has to ask for a place in it.
const TOKENS: [&str; 3] = [
    "-9223372036854775807",
    "-3074457345618258602",
    "3074457345618258603",
];

/// One node of a cluster.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ClusterNode {
    /// Where it serves clients.
    pub address: SocketAddr,
    /// What `start.sh` gets after the folder and the port.
    pub arguments: Vec<String>,
}

/// Three nodes that serve on `port` and talk to each other on the one after it.
pub fn cluster(port: u16) -> [ClusterNode; 3] {
    let storage = port + 1;
    let ip = |index: u8| Ipv4Addr::new(127, 0, 0, index + 1);
    // All are seeds: they start together, and none can wait for another.
    let seeds: Vec<String> = (0..3).map(|index| format!("{}:{storage}", ip(index))).collect();
    [0, 1, 2].map(|index| ClusterNode {
        address: (ip(index), port).into(),
        arguments: vec![
            ip(index).to_string(),
            storage.to_string(),
            seeds.join(","),
            TOKENS[usize::from(index)].to_owned(),
        ],
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn three_nodes_share_ports_on_three_addresses_and_divide_the_ring() {
        let nodes = cluster(12_003);
        let addresses = nodes.each_ref().map(|node| node.address.to_string());
        assert_eq!(
            addresses,
            ["127.0.0.1:12003", "127.0.0.2:12003", "127.0.0.3:12003"]
        );
        assert!(nodes.iter().all(|node| {
            node.arguments[2] == "127.0.0.1:12004,127.0.0.2:12004,127.0.0.3:12004"
                && node.arguments[0] == node.address.ip().to_string()
        }));
        let tokens: std::collections::BTreeSet<&String> = nodes.iter().map(|n| &n.arguments[3]).collect();
        assert_eq!(tokens.len(), 3);
    }
}

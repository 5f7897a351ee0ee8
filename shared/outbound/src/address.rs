//! Which addresses are nobody's business to name: the special registries of IANA (RFC 6890 and what followed), and more.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// Why an address is not called.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum AddressKind {
    /// `0.0.0.0/8`, `::`.
    #[error("an unspecified address")]
    Unspecified,
    /// `127.0.0.0/8`, `::1`.
    #[error("a loopback address")]
    Loopback,
    /// RFC 1918, ULA (`fc00::/7`), and the site-local `fec0::/10` of old.
    #[error("an address of a private network")]
    Private,
    /// `169.254.0.0/16`, `fe80::/10`; most clouds' metadata services are there.
    #[error("a link-local address")]
    LinkLocal,
    /// `100.64.0.0/10`.
    #[error("an address behind carrier-grade NAT")]
    SharedNat,
    /// `224.0.0.0/4`, `ff00::/8`.
    #[error("a multicast address")]
    Multicast,
    /// The documentation ranges.
    #[error("an address for documentation")]
    Documentation,
    /// An IPv6 address that carries an IPv4 address: who unpacks it could land anywhere.
    #[error("an IPv6 form of an IPv4 address")]
    Embedded,
    /// A cloud's service for its own machines, at an address that looks like any other.
    #[error("an address of a cloud's own services")]
    Metadata,
    /// Reserved for protocols, benchmarks or nothing yet.
    #[error("a reserved address")]
    Reserved,
}

/// Azure's service for its machines stands on an address that is not special in any registry.
const AZURE_WIRE_SERVER: Ipv4Addr = Ipv4Addr::new(168, 63, 129, 16);

/// Whether strangers may have us call this address; `Err` says why not.
pub fn judge(address: IpAddr) -> Result<(), AddressKind> {
    match address {
        IpAddr::V4(address) => v4(address),
        IpAddr::V6(address) => v6(address),
    }
}

fn v4(address: Ipv4Addr) -> Result<(), AddressKind> {
    let kind = match address.octets() {
        [0, ..] => AddressKind::Unspecified,
        [127, ..] => AddressKind::Loopback,
        [10, ..] | [172, 16..=31, ..] | [192, 168, ..] => AddressKind::Private,
        [169, 254, ..] => AddressKind::LinkLocal,
        [100, 64..=127, ..] => AddressKind::SharedNat,
        [192, 0, 2, _] | [198, 51, 100, _] | [203, 0, 113, _] => AddressKind::Documentation,
        [224..=239, ..] => AddressKind::Multicast,
        // Protocol assignments, relays of 6to4, benchmarks, and the reserved end with broadcast.
        [192, 0, 0, _] | [192, 88, 99, _] | [198, 18..=19, ..] | [240..=255, ..] => AddressKind::Reserved,
        _ if address == AZURE_WIRE_SERVER => AddressKind::Metadata,
        _ => return Ok(()),
    };
    Err(kind)
}

/// Only global unicast (`2000::/3`) is let through at all; what is special in it is taken out again.
fn v6(address: Ipv6Addr) -> Result<(), AddressKind> {
    let kind = match address.segments() {
        [0, 0, 0, 0, 0, 0, 0, 0] => AddressKind::Unspecified,
        [0, 0, 0, 0, 0, 0, 0, 1] => AddressKind::Loopback,
        // Compatible and mapped, translated (RFC 2765), NAT64 (well-known and local), 6to4, Teredo, ISATAP.
        [0, 0, 0, 0, 0, 0 | 0xffff, ..]
        | [0, 0, 0, 0, 0xffff, 0, ..]
        | [0x64, 0xff9b, ..]
        | [0x2002, ..]
        | [0x2001, 0, ..]
        | [_, _, _, _, 0 | 0x200, 0x5efe, ..] => AddressKind::Embedded,
        [0xfc00..=0xfdff | 0xfec0..=0xfeff, ..] => AddressKind::Private,
        [0xfe80..=0xfebf, ..] => AddressKind::LinkLocal,
        [0xff00..=0xffff, ..] => AddressKind::Multicast,
        [0x2001, 0xdb8, ..] | [0x3fff, 0..=0xfff, ..] => AddressKind::Documentation,
        // IETF protocol assignments.
        [0x2001, 0..=0x1ff, ..] => AddressKind::Reserved,
        [0x2000..=0x3fff, ..] => return Ok(()),
        _ => AddressKind::Reserved,
    };
    Err(kind)
}

//! The roles this binary has, the two ports of each, and (in [`contents`]) what each brings.

mod contents;

pub(crate) use contents::labs;

use std::fmt;

/// A role of the platform. The order is the order of ports, and of starting.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum RoleName {
    Gateway,
    Issuer,
    Shortener,
    Payment,
    Processor,
    Console,
}

/// Every role, in order.
pub(crate) const ROLES: [RoleName; 6] = [
    RoleName::Gateway,
    RoleName::Issuer,
    RoleName::Shortener,
    RoleName::Payment,
    RoleName::Processor,
    RoleName::Console,
];

/// The highest offset from the port base that the layout uses: eight roles have a place, those to come included, and the
/// console's OTLP over gRPC.
pub(crate) const PORT_OFFSET_MAX: u16 = 26;

impl RoleName {
    /// As it is called in settings, metrics and traces.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            RoleName::Gateway => "gateway",
            RoleName::Issuer => "issuer",
            RoleName::Shortener => "shortener",
            RoleName::Payment => "payment",
            RoleName::Processor => "processor",
            RoleName::Console => "console",
        }
    }

    /// Where clients reach it: the gateway on the base itself, role `i` on `base + 10 + 2i`.
    pub(crate) const fn api_port(self, base: u16) -> u16 {
        match self {
            RoleName::Gateway => base,
            other => base + 10 + 2 * other.index(),
        }
    }

    /// Where operators reach it: `/metrics`, `/livez`, `/readyz`; never routed by the gateway.
    pub(crate) const fn admin_port(self, base: u16) -> u16 {
        base + 11 + 2 * self.index()
    }

    /// Whether it keeps files in the data folder, and so must be alone on them.
    pub(crate) const fn owns_data(self) -> bool {
        !matches!(self, RoleName::Gateway | RoleName::Console)
    }

    /// Where the console takes OTLP over gRPC.
    pub(crate) const fn otlp_grpc_port(base: u16) -> u16 {
        base + 26
    }

    const fn index(self) -> u16 {
        match self {
            RoleName::Gateway => 0,
            RoleName::Issuer => 1,
            RoleName::Shortener => 2,
            // 3 and 4 are kept for the services to come.
            RoleName::Payment => 5,
            RoleName::Processor => 6,
            RoleName::Console => 7,
        }
    }
}

impl fmt::Display for RoleName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

#[cfg(test)]
mod tests {
    use super::{PORT_OFFSET_MAX, ROLES, RoleName};

    #[test]
    fn every_port_of_an_instance_is_its_own_and_inside_the_layout() {
        let mut ports: Vec<u16> = ROLES
            .iter()
            .flat_map(|r| [r.api_port(8080), r.admin_port(8080)])
            .chain([RoleName::otlp_grpc_port(8080)])
            .collect();
        ports.sort_unstable();
        ports.dedup();
        assert_eq!(ports.len(), 2 * ROLES.len() + 1);
        assert!(ports.iter().all(|p| (8080..=8080 + PORT_OFFSET_MAX).contains(p)));
    }

    #[test]
    fn the_layout_is_the_published_one() {
        assert_eq!(
            (
                RoleName::Gateway.api_port(8080),
                RoleName::Gateway.admin_port(8080)
            ),
            (8080, 8091)
        );
        assert_eq!(
            (RoleName::Issuer.api_port(8080), RoleName::Issuer.admin_port(8080)),
            (8092, 8093)
        );
        assert_eq!(
            (
                RoleName::Shortener.api_port(8080),
                RoleName::Shortener.admin_port(8080)
            ),
            (8094, 8095)
        );
        assert_eq!(
            (
                RoleName::Payment.api_port(8080),
                RoleName::Payment.admin_port(8080)
            ),
            (8100, 8101)
        );
        assert_eq!(
            (
                RoleName::Processor.api_port(8080),
                RoleName::Processor.admin_port(8080)
            ),
            (8102, 8103)
        );
        assert_eq!(
            (
                RoleName::Console.api_port(8080),
                RoleName::Console.admin_port(8080)
            ),
            (8104, 8105)
        );
    }
}

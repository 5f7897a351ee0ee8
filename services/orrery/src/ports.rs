//! The listening sockets, bound before anything else is started, so that a port in use costs nothing.

use std::io;
use std::net::{IpAddr, SocketAddr, TcpListener};

use crate::roles::{PORT_OFFSET_MAX, RoleName};

/// Why the ports cannot be had.
#[derive(Debug, thiserror::Error)]
pub(crate) enum PortError {
    #[error(
        "port {port} ({role}, {face}) is in use; choose another base with --port-base N (this one is {base})"
    )]
    InUse {
        port: u16,
        role: RoleName,
        face: &'static str,
        base: u16,
    },
    #[error(
        "port {port} ({role}, {face}) cannot be bound: {source}; choose another base with --port-base N (this one is {base})"
    )]
    Unbindable {
        port: u16,
        role: RoleName,
        face: &'static str,
        base: u16,
        source: io::Error,
    },
    #[error("--port-base {base} leaves no room for the ports above it: at most {}", u16::MAX - PORT_OFFSET_MAX)]
    NoRoom { base: u16 },
    #[error("--port-base 0 is no port: the addresses of an instance follow from its base")]
    Zero,
}

/// The two sockets of one role.
pub(crate) struct Listeners {
    pub(crate) role: RoleName,
    pub(crate) api: TcpListener,
    pub(crate) admin: TcpListener,
}

/// Binds both ports of each role, or says which one is taken.
pub(crate) fn bind(host: IpAddr, base: u16, roles: &[RoleName]) -> Result<Vec<Listeners>, PortError> {
    if base == 0 {
        return Err(PortError::Zero);
    }
    if base > u16::MAX - PORT_OFFSET_MAX {
        return Err(PortError::NoRoom { base });
    }
    let mut bound = Vec::with_capacity(roles.len());
    for &role in roles {
        let api = bind_one(host, role.api_port(base), role, "API", base)?;
        let admin = bind_one(host, role.admin_port(base), role, "admin", base)?;
        bound.push(Listeners { role, api, admin });
    }
    Ok(bound)
}

fn bind_one(
    host: IpAddr,
    port: u16,
    role: RoleName,
    face: &'static str,
    base: u16,
) -> Result<TcpListener, PortError> {
    // std sets SO_REUSEADDR on Unix: a restart does not wait for the former instance's connections to time out.
    let listener = TcpListener::bind(SocketAddr::new(host, port)).and_then(|listener| {
        listener.set_nonblocking(true)?;
        Ok(listener)
    });
    listener.map_err(|source| match source.kind() {
        io::ErrorKind::AddrInUse => PortError::InUse {
            port,
            role,
            face,
            base,
        },
        _ => PortError::Unbindable {
            port,
            role,
            face,
            base,
            source,
        },
    })
}

#[cfg(test)]
mod tests {
    use std::net::{IpAddr, Ipv4Addr, TcpListener};

    use super::{PortError, bind};
    use crate::roles::RoleName;

    const HOST: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);

    #[test]
    fn a_port_in_use_names_the_port_and_the_flag() {
        let taken = TcpListener::bind((HOST, 0)).unwrap();
        let port = taken.local_addr().unwrap().port();
        // The gateway's API port is the base itself.
        let Err(error) = bind(HOST, port, &[RoleName::Gateway]) else {
            panic!("bound a port that is taken")
        };
        let message = error.to_string();
        assert!(
            message.contains(&port.to_string()) && message.contains("--port-base"),
            "{message}"
        );
    }

    #[test]
    fn a_base_without_room_above_it_is_refused() {
        assert!(matches!(
            bind(HOST, 65_530, &[RoleName::Gateway]),
            Err(PortError::NoRoom { .. })
        ));
        assert!(matches!(
            bind(HOST, 0, &[RoleName::Gateway]),
            Err(PortError::Zero)
        ));
    }
}

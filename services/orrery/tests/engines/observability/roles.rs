//! The three roles as processes of their own, on embedded engines, at one port base.

use std::time::Duration;

use tempfile::TempDir;
use testkit::platform::{Options, Platform, PortBlock};

use crate::platform::binary;

/// One process a role.
pub(crate) struct Roles {
    pub(crate) issuer: Platform,
    pub(crate) shortener: Platform,
    pub(crate) gateway: Platform,
    // Held for their Drop, after the processes.
    ports: PortBlock,
    _folder: TempDir,
}

impl Roles {
    pub(crate) async fn start() -> Self {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let ports = PortBlock::reserve();
        let base = ports.base();
        let start = async |role: &str, index: u16| {
            let mut options = Options {
                data: Some(folder.path().join(role)),
                port_base: Some(base),
                deadline: Duration::from_mins(1),
                ..Options::default()
            }
            .serve(role, index);
            for (name, value) in env(base) {
                options = options.env(name, &value);
            }
            Platform::start(binary(), options).await
        };
        let issuer = start("issuer", 1).await;
        let shortener = start("shortener", 2).await;
        let gateway = start("gateway", 0).await;
        Self {
            issuer,
            shortener,
            gateway,
            ports,
            _folder: folder,
        }
    }

    pub(crate) fn port_base(&self) -> u16 {
        self.ports.base()
    }

    /// A token for everything about links.
    pub(crate) async fn token(&self) -> String {
        self.issuer
            .token("acme", "ada", &["links:read", "links:write"])
            .await
    }
}

/// Where the roles find each other.
fn env(base: u16) -> [(&'static str, String); 6] {
    let public = format!("http://127.0.0.1:{base}");
    let issuer = format!("http://127.0.0.1:{}", base + 12);
    let keys = format!("{issuer}/.well-known/jwks.json");
    [
        ("ORRERY_ISSUER_PUBLIC_URL", public.clone()),
        ("ORRERY_GATEWAY_TOKENS_ISSUER", public.clone()),
        ("ORRERY_GATEWAY_UPSTREAMS_ISSUER", issuer),
        ("ORRERY_SHORTENER_TOKENS_ISSUER", public.clone()),
        ("ORRERY_SHORTENER_PUBLIC_URL", public),
        ("ORRERY_SHORTENER_JWKS_URL", keys),
    ]
}

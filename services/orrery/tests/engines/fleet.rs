//! The roles as separate processes on real engines: one issuer, and two of each that is to be had twice.

use std::path::Path;
use std::time::Duration;

use tempfile::TempDir;
use testkit::engines::{self, Kind};
use testkit::platform::{Options, Platform, PortBlock};

use crate::platform::binary;

/// The places of the roles among all.
const GATEWAY: u16 = 0;
const ISSUER: u16 = 1;
const SHORTENER: u16 = 2;

/// Where the engines of one fleet are, each with the fleet's own schema, keyspace or prefix.
#[derive(Clone, Debug)]
pub(crate) struct EngineUrls {
    pub(crate) postgres: String,
    pub(crate) redis: String,
    pub(crate) nats: String,
    pub(crate) cql: String,
}

impl EngineUrls {
    /// Names of their own on the shared engines; `None` after skipping `test` aloud.
    pub(crate) fn shared(test: &str) -> Option<Self> {
        Some(Self::of(
            &engines::url(Kind::Postgres, test)?,
            &engines::url(Kind::Redis, test)?,
            &engines::url(Kind::Nats, test)?,
            &engines::url(Kind::Cql, test)?,
        ))
    }

    /// Names of their own on these engines.
    pub(crate) fn of(postgres: &str, redis: &str, nats: &str, cql: &str) -> Self {
        let name = engines::fresh_name("fleet");
        Self {
            postgres: format!("{postgres}?schema={name}"),
            redis: format!("{redis}/0?prefix={name}"),
            nats: format!("{nats}?prefix={name}"),
            cql: format!("{cql}/{name}"),
        }
    }

    fn env(&self) -> Vec<(&'static str, String)> {
        vec![
            ("ORRERY_ISSUER_DATABASE_URL", self.postgres.clone()),
            ("ORRERY_SHORTENER_DATABASE_URL", self.cql.clone()),
            ("ORRERY_SHORTENER_STREAMS_URL", self.nats.clone()),
            ("ORRERY_SHORTENER_LEASES_URL", self.nats.clone()),
            ("ORRERY_SHORTENER_CACHE_URL", self.redis.clone()),
            ("ORRERY_GATEWAY_RATE_LIMIT_URL", self.redis.clone()),
        ]
    }
}

/// Five processes. Gateway *i* stands before shortener *i*.
pub(crate) struct Fleet {
    pub(crate) issuer: Platform,
    pub(crate) shorteners: [Platform; 2],
    pub(crate) gateways: [Platform; 2],
    // Held for their Drop.
    _folder: TempDir,
    _ports: [PortBlock; 2],
}

impl Fleet {
    pub(crate) async fn start(engines: &EngineUrls) -> Self {
        Self::start_with(engines, &[]).await
    }

    /// With further environment for every process.
    pub(crate) async fn start_with(engines: &EngineUrls, more: &[(&str, &str)]) -> Self {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let ports = [PortBlock::reserve(), PortBlock::reserve()];
        let bases = [ports[0].base(), ports[1].base()];
        let role = |place: usize, name: &str, index: u16| {
            let mut options = Options {
                data: Some(folder.path().join(format!("{name}-{place}"))),
                port_base: Some(bases[place]),
                deadline: Duration::from_secs(60),
                ..Options::default()
            }
            .serve(name, index);
            let common = env_of_all(engines, bases[0], folder.path());
            for (name, value) in common {
                options = options.env(name, &value);
            }
            for (name, value) in more {
                options = options.env(name, value);
            }
            options
        };
        let issuer = Platform::start(binary(), role(0, "issuer", ISSUER)).await;
        // One after the other: the first makes the schema, as the first of a deployment does.
        let shorteners = [
            Platform::start(binary(), role(0, "shortener", SHORTENER)).await,
            Platform::start(binary(), role(1, "shortener", SHORTENER)).await,
        ];
        let gateways = [
            Platform::start(binary(), role(0, "gateway", GATEWAY)).await,
            Platform::start(binary(), role(1, "gateway", GATEWAY)).await,
        ];
        Self {
            issuer,
            shorteners,
            gateways,
            _folder: folder,
            _ports: ports,
        }
    }

    /// A token for everything about links.
    pub(crate) async fn token(&self, tenant: &str) -> String {
        self.issuer
            .token(tenant, "ada", &["links:read", "links:write"])
            .await
    }

    /// Everything that any process wrote, for a failing test.
    pub(crate) fn tails(&self) -> String {
        self.all().map(Platform::tail).collect::<Vec<_>>().join("\n")
    }

    /// Every process.
    pub(crate) fn all(&self) -> impl Iterator<Item = &Platform> {
        std::iter::once(&self.issuer)
            .chain(&self.shorteners)
            .chain(&self.gateways)
    }
}

/// What all roles are told alike. The first gateway's address is the one that the world knows.
fn env_of_all(engines: &EngineUrls, base: u16, folder: &Path) -> Vec<(&'static str, String)> {
    let public = format!("http://127.0.0.1:{base}");
    let issuer = format!("http://127.0.0.1:{}", base + 12);
    let mut env = engines.env();
    env.extend([
        ("ORRERY_ISSUER_PUBLIC_URL", public.clone()),
        ("ORRERY_GATEWAY_TOKENS_ISSUER", public.clone()),
        ("ORRERY_GATEWAY_UPSTREAMS_ISSUER", issuer.clone()),
        ("ORRERY_SHORTENER_TOKENS_ISSUER", public.clone()),
        ("ORRERY_SHORTENER_PUBLIC_URL", public),
        (
            "ORRERY_SHORTENER_JWKS_URL",
            format!("{issuer}/.well-known/jwks.json"),
        ),
        (
            "ORRERY_SHORTENER_CODE_KEY_FILE",
            folder.join("shortener.key").display().to_string(),
        ),
    ]);
    env
}

//! The roles as separate processes on real engines: one issuer, and two of each that is to be had twice.

mod leftovers;

use std::path::Path;
use std::time::Duration;

use tempfile::TempDir;
use testkit::engines::{self, Kind};
use testkit::platform::{Options, Platform, PortBlock};

use crate::platform::binary;

/// The places of the roles among all.
pub(crate) const GATEWAY: u16 = 0;
pub(crate) const ISSUER: u16 = 1;
pub(crate) const SHORTENER: u16 = 2;

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

    pub(crate) fn env(&self) -> Vec<(&'static str, String)> {
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
    plan: FleetPlan,
}

/// What each process is started with.
struct FleetPlan {
    engines: EngineUrls,
    more: Vec<(String, String)>,
    of_place: [Vec<(String, String)>; 2],
    folder: TempDir,
    /// A block for each place, and a further one. Held for their Drop too.
    ports: [PortBlock; 3],
}

/// It falls after the processes, which stand before it in [`Fleet`].
impl Drop for FleetPlan {
    fn drop(&mut self) {
        leftovers::remove(&self.engines);
    }
}

impl FleetPlan {
    async fn start(&self, place: usize, name: &str, index: u16) -> Platform {
        let mut options = Options {
            data: Some(self.folder.path().join(format!("{name}-{place}"))),
            port_base: Some(self.ports[place].base()),
            deadline: Duration::from_mins(1),
            ..Options::default()
        }
        .serve(name, index);
        for (name, value) in env_of_all(&self.engines, self.ports[0].base(), self.folder.path()) {
            options = options.env(name, &value);
        }
        let of_place = self.of_place.get(place).into_iter().flatten();
        for (name, value) in self.more.iter().chain(of_place) {
            options = options.env(name, value);
        }
        Platform::start(binary(), options).await
    }
}

impl Fleet {
    pub(crate) async fn start(engines: &EngineUrls) -> Self {
        Self::start_with(engines, &[]).await
    }

    /// With further environment for every process.
    pub(crate) async fn start_with(engines: &EngineUrls, more: &[(&str, &str)]) -> Self {
        Self::start_each(engines, more, [&[], &[]]).await
    }

    /// With further environment for every process, and for those of each place.
    pub(crate) async fn start_each(
        engines: &EngineUrls,
        more: &[(&str, &str)],
        of_place: [&[(&str, &str)]; 2],
    ) -> Self {
        let own = |(name, value): &(&str, &str)| ((*name).to_owned(), (*value).to_owned());
        let plan = FleetPlan {
            engines: engines.clone(),
            more: more.iter().map(own).collect(),
            of_place: of_place.map(|own_env| own_env.iter().map(own).collect()),
            folder: tempfile::tempdir().expect("a temporary folder"),
            ports: [PortBlock::reserve(), PortBlock::reserve(), PortBlock::reserve()],
        };
        let issuer = plan.start(0, "issuer", ISSUER).await;
        // One after the other: the first makes the schema, as the first of a deployment does.
        let shorteners = [
            plan.start(0, "shortener", SHORTENER).await,
            plan.start(1, "shortener", SHORTENER).await,
        ];
        let gateways = [
            plan.start(0, "gateway", GATEWAY).await,
            plan.start(1, "gateway", GATEWAY).await,
        ];
        Self {
            issuer,
            shorteners,
            gateways,
            plan,
        }
    }

    /// One shortener more, behind no gateway.
    pub(crate) async fn third_shortener(&self) -> Platform {
        self.plan.start(2, "shortener", SHORTENER).await
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
pub(crate) fn env_of_all(engines: &EngineUrls, base: u16, folder: &Path) -> Vec<(&'static str, String)> {
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

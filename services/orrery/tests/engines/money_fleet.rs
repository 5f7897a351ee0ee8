//! What moves money, as separate processes on PostgreSQL and NATS: issuer, processor, payment and the gateway before them.

use std::path::PathBuf;
use std::time::Duration;

use chaos::Told;
use tempfile::TempDir;
use testkit::engines::fresh_name;
use testkit::platform::{Options, Platform, PortBlock};

use super::fleet::{GATEWAY, ISSUER};
use crate::payment::money::{self, ENVIRONMENT};
use crate::payment::{PAYMENT, PROCESSOR, SCOPES};
use crate::platform::binary;

/// Four processes on one block of ports.
pub(crate) struct MoneyFleet {
    pub(crate) gateway: Platform,
    pub(crate) payment: Platform,
    pub(crate) processor: Platform,
    pub(crate) issuer: Platform,
    environment: Vec<(String, String)>,
    nats: String,
    // Held for their Drop, after the processes.
    folder: TempDir,
    _ports: PortBlock,
}

impl MoneyFleet {
    /// On a database of PostgreSQL (`postgres://..?schema=NAME`) and a NATS (`nats://..`) of this test's own.
    pub(crate) async fn start(database: &str, nats: &str) -> Self {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let ports = PortBlock::reserve();
        let environment = environment(&folder, ports.base(), database, nats);
        let start = async |name, place| {
            let data = folder.path().join(name);
            serve(name, place, data, ports.base(), &environment).await
        };
        Self {
            issuer: start("issuer", ISSUER).await,
            processor: start("processor", PROCESSOR).await,
            payment: start("payment", PAYMENT).await,
            gateway: start("gateway", GATEWAY).await,
            environment,
            nats: nats.to_owned(),
            folder,
            _ports: ports,
        }
    }

    /// One payment service more, on another database and with streams and leases of its own: behind no gateway.
    pub(crate) async fn another_payment(&self, database: &str) -> (Platform, PortBlock) {
        let ports = PortBlock::reserve();
        let streams = prefixed(&self.nats);
        let mut environment = self.environment.clone();
        environment.extend(
            [
                ("ORRERY_PAYMENT_DATABASE_URL", database.to_owned()),
                ("ORRERY_PAYMENT_STREAMS_URL", streams.clone()),
                ("ORRERY_PAYMENT_LEASES_URL", streams),
            ]
            .map(|(name, value)| (name.to_owned(), value)),
        );
        let data = self.folder.path().join("another-payment");
        let payment = serve("payment", PAYMENT, data, ports.base(), &environment).await;
        (payment, ports)
    }

    /// A token for everything about money; it lasts 15 minutes.
    pub(crate) async fn token(&self) -> String {
        self.issuer.token("acme", "ada", &SCOPES).await
    }

    /// Where payment's books stand, and the processor's.
    pub(crate) fn told(&self) -> (Told, Told) {
        let told = |platform: &Platform, place| {
            money::told(&platform.api_url(place), platform.data(), &self.environment)
        };
        (told(&self.payment, PAYMENT), told(&self.processor, PROCESSOR))
    }

    /// Waits until payment and the gateway are ready again.
    ///
    /// # Panics
    /// When they are not within `within`, with what they wrote.
    pub(crate) async fn until_ready(&self, within: Duration) {
        let ready = async {
            while !(self.payment.is_ready().await && self.gateway.is_ready().await) {
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        };
        assert!(
            tokio::time::timeout(within, ready).await.is_ok(),
            "not ready within {within:?}\n{}\n{}",
            self.payment.tail(),
            self.gateway.tail()
        );
    }
}

/// A name of its own there.
fn prefixed(nats: &str) -> String {
    format!("{nats}?prefix={}", fresh_name("money"))
}

async fn serve(
    name: &str,
    place: u16,
    data: PathBuf,
    base: u16,
    environment: &[(String, String)],
) -> Platform {
    let options = Options {
        data: Some(data),
        port_base: Some(base),
        deadline: Duration::from_mins(1),
        ..Options::default()
    }
    .serve(name, place);
    let options = environment
        .iter()
        .fold(options, |options, (name, value)| options.env(name, value));
    Platform::start(binary(), options).await
}

fn environment(folder: &TempDir, base: u16, database: &str, nats: &str) -> Vec<(String, String)> {
    let api = |place: u16| format!("http://127.0.0.1:{}", base + 10 + 2 * place);
    let public = format!("http://127.0.0.1:{base}");
    let streams = prefixed(nats);
    let key = folder.path().join("payment.key").display().to_string();
    let own = [
        ("ORRERY_ISSUER_PUBLIC_URL", public.clone()),
        ("ORRERY_GATEWAY_TOKENS_ISSUER", public.clone()),
        ("ORRERY_GATEWAY_UPSTREAMS_ISSUER", api(ISSUER)),
        ("ORRERY_GATEWAY_UPSTREAMS_PAYMENT", api(PAYMENT)),
        (
            "ORRERY_PROCESSOR_WEBHOOK_URL",
            format!("{}/v1/processor-webhooks", api(PAYMENT)),
        ),
        ("ORRERY_PAYMENT_PUBLIC_URL", public.clone()),
        ("ORRERY_PAYMENT_TOKENS_ISSUER", public),
        (
            "ORRERY_PAYMENT_JWKS_URL",
            format!("{}/.well-known/jwks.json", api(ISSUER)),
        ),
        ("ORRERY_PAYMENT_PROCESSOR_URL", api(PROCESSOR)),
        ("ORRERY_PAYMENT_VAULT_KEY_FILE", key),
        ("ORRERY_PAYMENT_DATABASE_URL", database.to_owned()),
        ("ORRERY_PAYMENT_STREAMS_URL", streams.clone()),
        ("ORRERY_PAYMENT_LEASES_URL", streams),
    ];
    let alike = ENVIRONMENT.map(|(name, value)| (name, value.to_owned()));
    own.into_iter()
        .chain(alike)
        .map(|(name, value)| (name.to_owned(), value))
        .collect()
}

//! A gateway in this process, with a manual clock, an issuer's key of our own and the upstreams a test wants.

use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;
use std::time::Duration;

use clock::{Clock, ManualClock};
use gateway::Settings;
use identity::{Claims, Principal, Scopes, SigningKey, Tenant, User};
use server::{Drain, Role, ServerSettings};
use telemetry::{Telemetry, TelemetrySettings};

use crate::upstreams;

/// 2026-11-22, a day like any other.
const NOW_MS: u64 = 1_795_305_600_000;

/// A running gateway; it is drained when dropped.
pub(crate) struct Front {
    pub(crate) addr: SocketAddr,
    pub(crate) admin: SocketAddr,
    pub(crate) clock: Arc<ManualClock>,
    pub(crate) key: SigningKey,
    issuer: String,
    drain: Drain,
}

/// What a test may choose.
pub(crate) struct Plan {
    pub(crate) settings: Settings,
    pub(crate) server: ServerSettings,
    pub(crate) key: SigningKey,
    /// What `/docs` shows.
    pub(crate) documents: Vec<gateway::Document>,
}

impl Plan {
    /// An issuer that publishes our key, and `shortener` as the other upstream.
    pub(crate) async fn with(shortener: SocketAddr) -> Self {
        let key = SigningKey::generate();
        let issuer = upstreams::issuer(&key).await;
        let mut settings = Settings::default();
        settings.upstreams.issuer = format!("http://{issuer}");
        settings.admin.issuer = format!("http://{issuer}");
        settings.upstreams.shortener = format!("http://{shortener}");
        settings.admin.shortener = format!("http://{shortener}");
        settings.upstreams.console = format!("http://{shortener}");
        settings.admin.console = format!("http://{shortener}");
        let server = ServerSettings {
            drain_notice_ms: 0,
            drain_deadline_ms: 500,
            ..ServerSettings::default()
        };
        Self {
            settings,
            server,
            key,
            documents: Vec::new(),
        }
    }

    pub(crate) fn start(mut self) -> Front {
        let documents = std::mem::take(&mut self.documents);
        let (front, role, settings) = self.prepare();
        tokio::spawn(async move { gateway::run(role, settings, documents).await.expect("a gateway") });
        front
    }

    /// Why it does not start.
    pub(crate) async fn refused(self) -> gateway::RunError {
        let (_front, role, settings) = self.prepare();
        gateway::run(role, settings, Vec::new())
            .await
            .expect_err("a gateway that does not start")
    }

    fn prepare(mut self) -> (Front, Role, Settings) {
        let listener = || TcpListener::bind("127.0.0.1:0").expect("a free port");
        let (api, admin) = (listener(), listener());
        let (addr, admin_addr) = (
            api.local_addr().expect("bound"),
            admin.local_addr().expect("bound"),
        );
        if self.settings.public_url == Settings::default().public_url {
            self.settings.public_url = format!("http://{addr}");
        }
        let issuer = self.settings.public_url.clone();
        self.settings.tokens.issuer.clone_from(&issuer);
        let clock = ManualClock::at(NOW_MS);
        let telemetry = Telemetry::new("gateway", "test", &TelemetrySettings::default(), clock.clone());
        let drain = Drain::new();
        let role = Role {
            name: "gateway",
            clock: clock.clone(),
            telemetry: telemetry.expect("default settings"),
            settings: self.server,
            api,
            admin,
            drain: drain.clone(),
        };
        let front = Front {
            addr,
            admin: admin_addr,
            clock,
            key: self.key,
            issuer,
            drain,
        };
        (front, role, self.settings)
    }
}

impl Front {
    /// With every default.
    pub(crate) async fn before(shortener: SocketAddr) -> Self {
        Plan::with(shortener).await.start()
    }

    /// A token of this tenant's, good for 15 minutes.
    pub(crate) fn token(&self, tenant: &str) -> String {
        token(&self.key, &self.issuer, tenant, self.clock.unix_ms())
    }

    /// The header line with such a token.
    pub(crate) fn bearer(&self, tenant: &str) -> String {
        format!("Authorization: Bearer {}", self.token(tenant))
    }

    /// The header line of a browser with a session.
    pub(crate) fn session(&self, tenant: &str) -> String {
        format!(
            "Cookie: orrery_session_{}={}",
            self.addr.port(),
            self.token(tenant)
        )
    }

    pub(crate) fn advance(&self, ms: u64) {
        self.clock.advance(Duration::from_millis(ms));
    }
}

impl Drop for Front {
    fn drop(&mut self) {
        self.drain.begin();
    }
}

pub(crate) fn token(key: &SigningKey, issuer: &str, tenant: &str, now_ms: u64) -> String {
    let principal = Principal {
        tenant: Tenant::parse(tenant).expect("a tenant"),
        user: User::parse("ada").expect("a user"),
        scopes: Scopes::parse("links:read links:write").expect("scopes"),
    };
    key.sign(&Claims::new(issuer, "orrery", &principal, now_ms / 1_000, 900))
        .expect("a token")
}

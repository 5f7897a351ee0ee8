//! The whole tree of settings. What a role needs and nobody set follows from the port base and the data folder.

use std::io::IsTerminal;
use std::net::IpAddr;
use std::path::Path;

use config::{Layers, Loaded};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use server::ServerSettings;
use telemetry::{OtlpProtocol, TelemetrySettings};

use crate::announce::{authority, token_command};
use crate::cli::GlobalFlags;
use crate::roles::{PORT_OFFSET_MAX, ROLES, RoleName};

/// Where the embedded engines keep their files unless told otherwise.
pub(crate) const DATA_DEFAULT: &str = ".orrery";
const FILE_DEFAULT: &str = "orrery.toml";

/// `ORRERY_` variables that are no settings: switches of this process and of its tests.
const SWITCHES: [&str; 10] = [
    "ORRERY_CONFIG",
    "ORRERY_ENGINES_DIR",
    "ORRERY_ENGINE_PORT_BASE",
    "ORRERY_LOAD_TOKEN",
    "ORRERY_NIGHTLY",
    "ORRERY_REQUIRE_ENGINES",
    "ORRERY_REQUIRE_PROGRAMS",
    "ORRERY_SCHEMATHESIS",
    "ORRERY_SKIPS_FILE",
    "ORRERY_TEST_ENGINES",
];

/// Everything that can be set.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Settings {
    /// The address every listener binds.
    pub(crate) host: String,
    /// The first port: the gateway's API. Role i has its API on base + 10 + 2i, its admin port on base + 11 + 2i.
    pub(crate) port_base: u16,
    /// The folder of the embedded engines' files.
    pub(crate) data: String,
    /// The runtime of each role.
    pub(crate) runtime: RuntimeSettings,
    /// The HTTP server of each role.
    pub(crate) server: ServerSettings,
    /// Traces, metrics and logs of each role.
    pub(crate) telemetry: TelemetrySettings,
    /// The gateway.
    pub(crate) gateway: gateway::Settings,
    /// The issuer.
    pub(crate) issuer: issuer::Settings,
    /// The shortener.
    pub(crate) shortener: shortener::Settings,
    /// The payment service.
    pub(crate) payment: payment::Settings,
    /// The card processor's stand-in.
    pub(crate) processor: processor::Settings,
    /// The console.
    pub(crate) console: console::Settings,
}

impl Settings {
    /// The roles of `orrery up`.
    pub(crate) fn roles_of_up(&self) -> Vec<RoleName> {
        let wanted = |role: &RoleName| *role != RoleName::Console || self.console.enabled;
        ROLES.into_iter().filter(wanted).collect()
    }

    /// As `orrery up` takes them: where nobody else is named, spans go to the console beside; the processor's faults can be switched.
    pub(crate) fn for_up(&self) -> Result<Self, String> {
        let mut settings = self.clone();
        // The stand-in is there to be broken, and nobody's money is in it.
        settings.processor.fault_controls = true;
        if settings.console.enabled && settings.telemetry.otlp_endpoint.is_none() {
            let host: IpAddr = self
                .host
                .parse()
                .map_err(|_| format!("host: `{}` is not an IP address", self.host))?;
            let console = authority(host, RoleName::Console.api_port(self.port_base));
            settings.telemetry.otlp_endpoint = Some(format!("http://{console}"));
            settings.telemetry.otlp_protocol = OtlpProtocol::Http;
        }
        Ok(settings)
    }
}

/// What runs a role's tasks.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct RuntimeSettings {
    /// Threads that run a role's tasks; each role has its own.
    pub(crate) worker_threads: usize,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            host: "127.0.0.1".to_owned(),
            port_base: 8080,
            data: DATA_DEFAULT.to_owned(),
            runtime: RuntimeSettings::default(),
            server: ServerSettings::default(),
            telemetry: TelemetrySettings::default(),
            gateway: gateway::Settings::default(),
            issuer: issuer::Settings::default(),
            shortener: shortener::Settings::default(),
            payment: payment::Settings::default(),
            processor: processor::Settings::default(),
            console: console::Settings::default(),
        }
    }
}

impl Default for RuntimeSettings {
    fn default() -> Self {
        Self { worker_threads: 1 }
    }
}

/// Reads the file, the environment and the flags.
pub(crate) fn load(flags: &GlobalFlags) -> Result<Loaded<Settings>, String> {
    let layers = layers(flags)?;
    // Twice: what follows from the port base can be told only once the port base is known.
    let first = layers
        .clone()
        .load::<Settings>()
        .map_err(|error| error.to_string())?;
    let mut complete = layers;
    for (path, value, from) in derived(&first.settings)? {
        complete = complete.derived(path, value, from);
    }
    complete.load::<Settings>().map_err(|error| error.to_string())
}

fn layers(flags: &GlobalFlags) -> Result<Layers, String> {
    let mut layers = Layers::new().ignore_env(SWITCHES);
    #[cfg(feature = "planted-bugs")]
    {
        layers = layers.ignore_env([planted_bugs::VARIABLE]);
    }
    layers = layers.env(std::env::vars());
    let named = flags.config.as_deref();
    let file = named.unwrap_or(Path::new(FILE_DEFAULT));
    match std::fs::read_to_string(file) {
        Ok(text) => layers = layers.file(file.display().to_string(), text),
        Err(error) if named.is_none() && error.kind() == std::io::ErrorKind::NotFound => {}
        Err(error) => {
            return Err(format!(
                "the settings file {} cannot be read: {error}",
                file.display()
            ));
        }
    }
    if let Some(data) = &flags.data {
        layers = layers.flag("data", data);
    }
    if let Some(base) = &flags.port_base {
        layers = layers.flag("port_base", base);
    }
    for pair in &flags.set {
        let (key, value) = pair
            .split_once('=')
            .ok_or_else(|| format!("--set takes KEY=VALUE, and `{pair}` has no `=`"))?;
        layers = layers.flag_as(format!("--set {key}"), key, value);
    }
    Ok(layers)
}

type Derived = Vec<(&'static str, serde_json::Value, &'static str)>;

fn derived(settings: &Settings) -> Result<Derived, String> {
    let host: IpAddr = settings
        .host
        .parse()
        .map_err(|_| format!("host: `{}` is not an IP address", settings.host))?;
    let base = settings.port_base;
    if base > u16::MAX - PORT_OFFSET_MAX {
        return Err(format!(
            "port_base: {base} leaves no room for the ports above it: at most {}",
            u16::MAX - PORT_OFFSET_MAX
        ));
    }
    let mut derived = from_ports(host, base);
    derived.extend(from_data(&settings.data));
    for path in [
        "gateway.tokens.audience",
        "shortener.tokens.audience",
        "payment.tokens.audience",
        "console.tokens.audience",
    ] {
        derived.push((path, settings.issuer.audience.clone().into(), "issuer.audience"));
    }
    if std::io::stderr().is_terminal() {
        derived.push((
            "telemetry.log_format",
            "text".into(),
            "standard error being a terminal",
        ));
    }
    Ok(derived)
}

fn from_ports(host: IpAddr, base: u16) -> Derived {
    let public = format!("http://{}", authority(host, base));
    let api = |role: RoleName| format!("http://{}", authority(host, role.api_port(base)));
    let admin = |role: RoleName| format!("http://{}", authority(host, role.admin_port(base)));
    let jwks = format!("{}/.well-known/jwks.json", api(RoleName::Issuer));
    let own_ports: Vec<u16> = ROLES
        .iter()
        .flat_map(|r| [r.api_port(base), r.admin_port(base)])
        .chain([RoleName::otlp_grpc_port(base)])
        .collect();
    let targets: Vec<String> = ROLES
        .iter()
        .map(|role| format!("{role}={}/metrics", admin(*role)))
        .collect();
    let values: [(&str, serde_json::Value); 24] = [
        (
            "console.grpc_address",
            authority(host, RoleName::otlp_grpc_port(base)).into(),
        ),
        ("console.jwks_url", jwks.clone().into()),
        ("console.targets", targets.into()),
        ("console.tokens.issuer", public.clone().into()),
        ("gateway.public_url", public.clone().into()),
        ("gateway.upstreams.issuer", api(RoleName::Issuer).into()),
        ("gateway.upstreams.shortener", api(RoleName::Shortener).into()),
        ("gateway.upstreams.payment", api(RoleName::Payment).into()),
        ("gateway.upstreams.console", api(RoleName::Console).into()),
        ("gateway.admin.issuer", admin(RoleName::Issuer).into()),
        ("gateway.admin.shortener", admin(RoleName::Shortener).into()),
        ("gateway.admin.payment", admin(RoleName::Payment).into()),
        ("gateway.admin.processor", admin(RoleName::Processor).into()),
        ("gateway.admin.console", admin(RoleName::Console).into()),
        ("gateway.tokens.issuer", public.clone().into()),
        ("issuer.public_url", public.clone().into()),
        ("payment.processor.url", api(RoleName::Processor).into()),
        ("payment.tokens.issuer", public.clone().into()),
        ("payment.jwks_url", jwks.clone().into()),
        (
            "processor.webhook_url",
            format!("{}/v1/processor-webhooks", api(RoleName::Payment)).into(),
        ),
        ("shortener.public_url", public.clone().into()),
        ("shortener.own_ports", own_ports.into()),
        ("shortener.tokens.issuer", public.into()),
        ("shortener.jwks_url", jwks.into()),
    ];
    values
        .map(|(path, value)| (path, value, "host and port_base"))
        .into()
}

fn from_data(data: &str) -> Derived {
    let file = |name: &str| Path::new(data).join(name).display().to_string();
    let database = |name: &str| format!("sqlite:{}", file(name));
    let values = [
        ("gateway.token_command", token_command(data)),
        ("issuer.database_url", database("issuer.db")),
        ("issuer.api_key_secret_file", file("issuer.key")),
        ("payment.database_url", database("payment.db")),
        ("payment.streams_url", database("payment-streams.db")),
        ("payment.leases_url", database("payment-leases.db")),
        ("payment.vault.key_file", file("payment.key")),
        ("processor.database_url", database("processor.db")),
        ("processor.api_secret_file", file("processor.key")),
        ("processor.webhook_secret_file", file("processor-webhooks.key")),
        ("shortener.database_url", database("shortener.db")),
        ("shortener.streams_url", database("streams.db")),
        ("shortener.leases_url", database("leases.db")),
        ("shortener.clicks.spool_url", database("spool.db")),
        ("shortener.code_key_file", file("shortener.key")),
    ];
    values.map(|(path, value)| (path, value.into(), "data")).into()
}

#[cfg(test)]
mod tests {
    use super::Settings;

    #[test]
    fn every_setting_is_documented_and_can_be_set_in_every_layer() {
        config::Catalog::of::<Settings>()
            .check()
            .expect("a sound catalogue");
    }
}

//! The layers as an operator meets them.

use config::{Catalog, CatalogError, ConfigError, Kind, Layers, Loaded, Mistake, Origin, Secret};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema, Default, PartialEq)]
#[serde(rename_all = "snake_case")]
enum Protocol {
    /// Over HTTP/2.
    #[default]
    Grpc,
    /// Over HTTP/1.1.
    Http,
}

#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct RateLimit {
    /// Requests a second | a tenant.
    requests_per_second: f64,
    /// How many at once.
    burst: u16,
}

impl Default for RateLimit {
    fn default() -> Self {
        Self {
            requests_per_second: 50.0,
            burst: 100,
        }
    }
}

#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema, Default)]
#[serde(default, deny_unknown_fields)]
struct Gateway {
    /// Where clients reach us.
    ///
    /// A second paragraph that the table leaves out.
    public_url: Option<String>,
    /// The limits.
    rate_limit: RateLimit,
    /// Hosts that are ours.
    hosts: Vec<String>,
    /// How traces travel.
    protocol: Protocol,
    /// How traces travel at night.
    night_protocol: Option<Protocol>,
    /// Opens the vault.
    api_key: Secret,
    /// Opens the attic.
    attic_key: Option<Secret>,
    /// Whether to say less.
    quiet: bool,
    /// Extra labels.
    labels: std::collections::BTreeMap<String, String>,
}

#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema, Default)]
#[serde(default, deny_unknown_fields)]
struct Root {
    /// The first port.
    port_base: u16,
    /// The gateway.
    gateway: Gateway,
    /// How long to wait.
    wait_ms: u64,
    /// Seconds to add.
    offset_s: i32,
}

fn load(layers: Layers) -> Result<Loaded<Root>, ConfigError> {
    layers.load::<Root>()
}

fn message(layers: Layers) -> String {
    load(layers).expect_err("a mistake").to_string()
}

fn shown(loaded: &Loaded<Root>, path: &str) -> (Option<String>, String) {
    let one = loaded
        .explain()
        .iter()
        .find(|one| one.path == path)
        .expect("a known path");
    (one.value.clone(), one.origin.to_string())
}

#[test]
fn without_layers_the_defaults_hold_and_say_so() {
    let loaded = load(Layers::new()).unwrap();
    assert_eq!(loaded.settings.gateway.rate_limit.burst, 100);
    assert!(loaded.origins.is_empty());
    assert_eq!(
        shown(&loaded, "gateway.rate_limit.burst"),
        (Some("100".into()), "default".into())
    );
    assert_eq!(shown(&loaded, "gateway.public_url").0, None);
    assert_eq!(shown(&loaded, "gateway.api_key").0, None);
}

#[test]
fn a_stronger_layer_wins_whatever_the_order_it_was_added_in() {
    let layers = Layers::new()
        .flag("port_base", 4)
        .env([
            ("ORRERY_PORT_BASE", "3"),
            ("ORRERY_WAIT_MS", "30"),
            ("HOME", "/x"),
        ])
        .file("orrery.toml", "port_base = 2\nwait_ms = 20\noffset_s = -20")
        .file("local.toml", "offset_s = -21");
    let loaded = load(layers).unwrap();
    let Root {
        port_base,
        wait_ms,
        offset_s,
        ..
    } = loaded.settings;
    assert_eq!((port_base, wait_ms, offset_s), (4, 30, -21));
    assert_eq!(shown(&loaded, "port_base").1, "flag --port-base");
    assert_eq!(shown(&loaded, "wait_ms").1, "environment variable ORRERY_WAIT_MS");
    assert_eq!(
        loaded.origins["offset_s"],
        Origin::File {
            name: "local.toml".into(),
            line: 1
        }
    );
}

#[test]
fn what_follows_from_other_settings_beats_a_default_and_nothing_else() {
    let derived = || Layers::new().derived("gateway.rate_limit.burst", 9, "the port base");
    let loaded = load(derived()).unwrap();
    assert_eq!(
        shown(&loaded, "gateway.rate_limit.burst"),
        (Some("9".to_owned()), "follows from the port base".to_owned())
    );
    let loaded = load(derived().flag("gateway.rate_limit.burst", 7)).unwrap();
    assert_eq!(shown(&loaded, "gateway.rate_limit.burst").0, Some("7".to_owned()));
    assert!(message(Layers::new().derived("no.such.key", 1, "x")).contains("no.such.key"));
}

#[test]
fn text_becomes_the_type_of_its_setting() {
    let loaded = load(Layers::new().env([
        ("ORRERY_GATEWAY_RATE_LIMIT_REQUESTS_PER_SECOND", "2.5"),
        ("ORRERY_GATEWAY_HOSTS", "a.example, b.example,"),
        ("ORRERY_GATEWAY_PROTOCOL", "http"),
        ("ORRERY_GATEWAY_NIGHT_PROTOCOL", "grpc"),
        ("ORRERY_GATEWAY_QUIET", "1"),
        ("ORRERY_GATEWAY_PUBLIC_URL", "8080"),
        ("ORRERY_OFFSET_S", "-7"),
        ("ORRERY_WAIT_MS", "18446744073709551615"),
    ]))
    .unwrap();
    let Root {
        gateway,
        offset_s,
        wait_ms,
        ..
    } = loaded.settings;
    assert!((gateway.rate_limit.requests_per_second - 2.5).abs() < f64::EPSILON);
    assert_eq!(gateway.hosts, ["a.example", "b.example"]);
    assert_eq!(
        (gateway.protocol, gateway.night_protocol),
        (Protocol::Http, Some(Protocol::Grpc))
    );
    assert!(gateway.quiet);
    assert_eq!(
        gateway.public_url.as_deref(),
        Some("8080"),
        "digits are text where text is wanted"
    );
    assert_eq!((offset_s, wait_ms), (-7, u64::MAX));
}

#[test]
fn the_file_sets_nested_tables_lists_and_free_tables() {
    let text =
        "[gateway]\nhosts = ['a']\nlabels = { zone = 'x' }\n[gateway.rate_limit]\nrequests_per_second = 3\n";
    let loaded = load(Layers::new().file("orrery.toml", text)).unwrap();
    assert_eq!(loaded.settings.gateway.labels["zone"], "x");
    assert_eq!(
        loaded.settings.gateway.rate_limit.burst, 100,
        "its neighbour keeps the default"
    );
    assert_eq!(
        shown(&loaded, "gateway.rate_limit.requests_per_second").1,
        "orrery.toml, line 5"
    );
}

#[test]
fn an_empty_text_unsets_what_may_be_unset() {
    let layers = Layers::new()
        .file("orrery.toml", "gateway.public_url = 'http://x'")
        .env([("ORRERY_GATEWAY_PUBLIC_URL", "")]);
    assert_eq!(load(layers).unwrap().settings.gateway.public_url, None);
    assert!(
        message(Layers::new().env([("ORRERY_PORT_BASE", "")])).contains("a whole number from 0 to 65535")
    );
}

#[test]
fn an_unknown_key_names_the_nearest_known_one_in_every_layer() {
    let text = "[gateway]\n\n[gateway.rate_limit]\nbrust = 1\n";
    assert_eq!(
        message(Layers::new().file("orrery.toml", text)),
        "orrery.toml, line 4: unknown key `gateway.rate_limit.brust`; the nearest known one is `gateway.rate_limit.burst`"
    );
    assert_eq!(
        message(Layers::new().file("orrery.toml", "[gatway]\nquiet = true")),
        "orrery.toml, line 1: unknown key `gatway`; the nearest known one is `gateway`"
    );
    assert_eq!(
        message(Layers::new().env([("ORRERY_GATEWAY_RATELIMIT_BURST", "1")])),
        "environment variable ORRERY_GATEWAY_RATELIMIT_BURST: unknown key `ORRERY_GATEWAY_RATELIMIT_BURST`; \
         the nearest known one is `ORRERY_GATEWAY_RATE_LIMIT_BURST`"
    );
    assert_eq!(
        message(Layers::new().flag_as("--base", "portbase", 1)),
        "flag --base: unknown key `portbase`; the nearest known one is `port_base`"
    );
}

#[test]
fn a_wrong_value_names_key_origin_and_what_is_accepted() {
    let wrong = |text: &str| message(Layers::new().file("orrery.toml", text));
    assert_eq!(
        wrong("gateway.rate_limit.burst = 70000"),
        "orrery.toml, line 1: `gateway.rate_limit.burst` must be a whole number from 0 to 65535, found 70000"
    );
    assert_eq!(
        wrong("gateway.protocol = 'udp'"),
        "orrery.toml, line 1: `gateway.protocol` must be one of grpc, http, found \"udp\""
    );
    assert_eq!(
        wrong("gateway = 3"),
        "orrery.toml, line 1: `gateway` must be a table, found 3"
    );
    assert!(wrong("gateway.hosts = ['a', 1]").contains("must be a list, each item text"));
    assert!(
        wrong("port_base = '8080'").contains("found \"8080\""),
        "the file is typed"
    );
    assert_eq!(
        message(Layers::new().env([("ORRERY_WAIT_MS", "-1")])),
        "environment variable ORRERY_WAIT_MS: `wait_ms` must be a whole number, 0 or more, found \"-1\""
    );
    assert!(
        message(Layers::new().flag("gateway.quiet", "yes"))
            .starts_with("flag --quiet: `gateway.quiet` must be")
    );
    assert!(message(Layers::new().env([("ORRERY_GATEWAY_LABELS", "a=b")])).contains("in the file only"));
}

#[test]
fn all_mistakes_are_told_at_once() {
    let error = load(
        Layers::new()
            .file("orrery.toml", "prot_base = 1\nwait_ms = 'x'")
            .env([("ORRERY_X", "1")]),
    );
    let error = error.expect_err("three mistakes");
    assert_eq!(error.mistakes.len(), 3);
    assert_eq!(error.code(), "config_unknown_key");
    assert!(!error.retryable());
    assert_eq!(error.to_string().lines().count(), 3);
}

#[test]
fn broken_toml_names_the_line_and_quotes_nothing() {
    let text = message(Layers::new().file("orrery.toml", "port_base = 1\n[gateway]\napi_key = 'hunter2\n"));
    assert!(text.starts_with("orrery.toml, line 3: not valid TOML"), "{text}");
    assert!(!text.contains("hunter2"), "{text}");
    assert!(message(Layers::new().file("f", "port_base = 1\nport_base = 2")).contains("line 2"));
}

#[test]
fn switches_of_the_process_are_no_settings() {
    let layers = Layers::new().env([("ORRERY_NIGHTLY", "1")]);
    assert!(load(layers.clone()).is_err());
    assert!(load(layers.ignore_env(["ORRERY_NIGHTLY"])).is_ok());
}

#[test]
fn a_secret_is_shown_nowhere_and_exposed_on_request() {
    let loaded = load(
        Layers::new()
            .flag("gateway.api_key", "hunter2")
            .flag("gateway.attic_key", "hunter3"),
    )
    .unwrap();
    assert_eq!(loaded.settings.gateway.api_key.expose(), "hunter2");
    assert_eq!(
        shown(&loaded, "gateway.api_key"),
        (Some("***".into()), "flag --api-key".into())
    );
    let everything = format!(
        "{loaded:?} {} {} {}",
        serde_json::to_string(&loaded.settings).unwrap(),
        serde_json::to_string(loaded.explain()).unwrap(),
        loaded.settings.gateway.api_key,
    );
    assert!(!everything.contains("hunter"), "{everything}");
    let wrong = message(Layers::new().file("orrery.toml", "gateway.api_key = 12345"));
    assert!(wrong.contains("found ***") && !wrong.contains("12345"), "{wrong}");
    assert_eq!(format!("{:?}", Secret::default()), "Secret(unset)");
}

#[test]
fn what_the_type_itself_refuses_is_laid_to_the_key_that_brought_it() {
    #[derive(Debug, Serialize, JsonSchema, Default)]
    struct Even {
        /// An even number.
        even: u8,
        /// Any number.
        any: u8,
    }
    impl<'de> Deserialize<'de> for Even {
        fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
            #[derive(Deserialize)]
            struct Raw {
                even: u8,
                any: u8,
            }
            let Raw { even, any } = Raw::deserialize(deserializer)?;
            let odd = || serde::de::Error::custom("must be even");
            if even % 2 == 0 {
                Ok(Self { even, any })
            } else {
                Err(odd())
            }
        }
    }
    let error = Layers::new()
        .flag("any", 1)
        .flag("even", 3)
        .load::<Even>()
        .unwrap_err();
    assert!(
        matches!(&error.mistakes[..], [Mistake::Refused { key, .. }] if key == "even"),
        "{error}"
    );
    assert_eq!(error.to_string(), "flag --even: `even`: must be even");
}

#[test]
fn the_catalogue_lists_every_leaf_with_its_variable_and_default() {
    let catalog = Catalog::of::<Root>();
    catalog.check().expect("a sound catalogue");
    let burst = catalog.get("gateway.rate_limit.burst").expect("listed");
    assert_eq!(burst.env, "ORRERY_GATEWAY_RATE_LIMIT_BURST");
    assert_eq!(burst.kind, Kind::Integer { min: 0, max: 65535 });
    assert_eq!(burst.default, Some(100.into()));
    assert_eq!(catalog.settings().len(), 13);
    assert!(catalog.get("gateway.attic_key").expect("listed").secret);
    assert!(catalog.schema()["properties"]["gateway"].is_object());
}

#[test]
fn the_table_is_made_of_the_types() {
    let table = Catalog::of::<Root>().markdown();
    assert!(table.contains(
        "| `gateway.rate_limit.requests_per_second` | `ORRERY_GATEWAY_RATE_LIMIT_REQUESTS_PER_SECOND` | a number \
         | `50.0` | Requests a second \\| a tenant. |"
    ));
    assert!(table.contains(
        "| `gateway.public_url` | `ORRERY_GATEWAY_PUBLIC_URL` | text | unset | Where clients reach us. |"
    ));
    assert!(table.contains("unset (secret)"));
    assert_eq!(table.matches("## `[gateway]`").count(), 1);
    assert!(
        table.starts_with("| setting |") && table.ends_with("|\n"),
        "the root's own settings come first"
    );
}

#[test]
fn an_unsound_catalogue_is_refused() {
    #[derive(Serialize, Deserialize, JsonSchema, Default)]
    struct Inner {
        /// One.
        c: bool,
    }
    #[derive(Serialize, Deserialize, JsonSchema, Default)]
    struct Ambiguous {
        /// One.
        a_b: Inner,
        /// Two.
        a: Nested,
    }
    #[derive(Serialize, Deserialize, JsonSchema, Default)]
    struct Nested {
        /// Two.
        b_c: bool,
    }
    #[derive(Serialize, Deserialize, JsonSchema, Default)]
    struct Undocumented {
        a: bool,
    }
    #[derive(Serialize, Deserialize, JsonSchema)]
    struct BuiltIn {
        /// A password.
        a: Secret,
    }
    impl Default for BuiltIn {
        fn default() -> Self {
            Self {
                a: Secret::new("admin"),
            }
        }
    }
    let ambiguous = Catalog::of::<Ambiguous>().check().unwrap_err();
    assert!(
        matches!(&ambiguous, CatalogError::AmbiguousEnv { env, .. } if env == "ORRERY_A_B_C"),
        "{ambiguous}"
    );
    assert_eq!(
        Catalog::of::<Undocumented>().check(),
        Err(CatalogError::Undocumented("a".into()))
    );
    assert_eq!(
        Catalog::of::<BuiltIn>().check(),
        Err(CatalogError::BuiltInSecret("a".into()))
    );
}

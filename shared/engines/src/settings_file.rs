//! `orrery.toml`: the platform's settings for roles that run as processes of their own on these engines.

use std::path::Path;

use crate::{Kind, Listed};

/// What a person who starts each role by hand needs to say: where the engines are, under which name there, and where the roles
/// find each other. Keys that processes share are kept in `folder`. `base` is the first port of the first of each role; a second of one takes another `--port-base` and
/// `--data`. `None` when an engine is missing.
pub fn settings_file(listed: &Listed, name: &str, base: u16, folder: &Path) -> Option<String> {
    let [postgres, redis, nats, cql] =
        [Kind::Postgres, Kind::Redis, Kind::Nats, Kind::Cql].map(|kind| listed.url(kind));
    let (postgres, redis, nats, cql) = (postgres?, redis?, nats?, cql?);
    let replication = listed.addresses(Kind::Cql).len().clamp(1, 3);
    let public = format!("http://127.0.0.1:{base}");
    let second_base = base + 100;
    let second = format!("http://127.0.0.1:{second_base}");
    let ports: Vec<u16> = [base, base + 100]
        .iter()
        .flat_map(|base| [0, 11, 12, 13, 14, 15, 20, 21, 22, 23].map(|offset| base + offset))
        .collect();
    let issuer = format!("http://127.0.0.1:{}", base + 12);
    let file = folder.join("orrery.toml").display().to_string();
    let issuer_key = folder.join("issuer.key").display().to_string();
    let shortener_key = folder.join("shortener.key").display().to_string();
    Some(format!(
        "\
# Written by `cargo xtask engines up`. `orrery --config <this file> serve <role>` runs a role on the engines that it started;
# a second process of a role takes --port-base {second_base} and a --data of its own.

[gateway]
rate_limit_url = \"{redis}/0?prefix={name}\"
token_command = \"orrery --config {file} token --tenant acme --user ada\"
upstreams.issuer = \"{issuer}\"
tokens.issuer = \"{public}\"

[issuer]
database_url = \"{postgres}?schema={name}\"
public_url = \"{public}\"
redirect_uris = [\"{public}/ui/callback\", \"{second}/ui/callback\"]
# Every issuer of one store reckons the hashes of API keys with the same secret.
api_key_secret_file = \"{issuer_key}\"

[shortener]
database_url = \"{cql}/{name}?replication={replication}\"
streams_url = \"{nats}?prefix={name}\"
leases_url = \"{nats}?prefix={name}\"
cache_url = \"{redis}/0?prefix={name}\"
# Every shortener of one store turns counters into codes by the same key.
code_key_file = \"{shortener_key}\"
public_url = \"{public}\"
# The ports of both: a link must not lead back here.
own_ports = {ports:?}
tokens.issuer = \"{public}\"
jwks_url = \"{issuer}/.well-known/jwks.json\"

[payment]
database_url = \"{postgres}?schema={name}_payment\"
streams_url = \"{nats}?prefix={name}\"
leases_url = \"{nats}?prefix={name}\"
tokens.issuer = \"{public}\"
jwks_url = \"{issuer}/.well-known/jwks.json\"

[processor]
database_url = \"{postgres}?schema={name}_processor\"
"
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_settings_file_needs_every_engine_and_names_each() {
        let mut listed = Listed::default();
        for kind in Kind::ALL {
            assert_eq!(settings_file(&listed, "orrery", 8080, Path::new("keys")), None);
            listed.set(kind, kind.url_at(&[([127, 0, 0, 1], 4_000).into()]));
        }
        let text = settings_file(&listed, "orrery", 8080, Path::new("keys")).expect("all are listed");
        for line in [
            "database_url = \"postgres://orrery@127.0.0.1:4000/orrery?schema=orrery\"",
            "database_url = \"scylla://127.0.0.1:4000/orrery?replication=1\"",
            "jwks_url = \"http://127.0.0.1:8092/.well-known/jwks.json\"",
        ] {
            assert!(text.contains(line), "{line} is not in\n{text}");
        }
    }
}

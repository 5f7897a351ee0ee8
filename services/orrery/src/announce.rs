//! What a person reads when the platform is up: addresses, how to get a token, three lines to paste.

use std::fmt::Write;
use std::net::IpAddr;

use crate::roles::RoleName;

/// The text printed once everything is ready.
pub(crate) fn platform(host: IpAddr, base: u16, roles: &[RoleName], data: &str, took_ms: u128) -> String {
    let url = format!("http://{}", authority(host, base));
    let mut text = format!("Orrery is up after {took_ms} ms. Open {url}/ in a browser; Ctrl-C stops it.\n\n");
    let _ = writeln!(
        text,
        "  {:<10} {:<24} admin (/metrics /livez /readyz)",
        "role", "API"
    );
    for role in roles {
        text.push_str(&row(host, base, *role));
    }
    let token = token_command(data);
    let _ = write!(
        text,
        "\nA token (good for 15 minutes), a link, and the way it leads:\n\n  \
         TOKEN=$({token})\n  \
         curl -s {url}/v1/links -H \"Authorization: Bearer $TOKEN\" -H 'Content-Type: application/json' -H 'Idempotency-Key: first-light' -d '{{\"url\":\"https://www.rust-lang.org/\",\"alias\":\"rust\"}}'\n  \
         curl -si {url}/rust\n  \
         curl -s {url}/v1/links/rust -H \"Authorization: Bearer $TOKEN\"\n",
    );
    text.push_str(&money(&url));
    text
}

/// Two accounts and a transfer between them, with keys and ids of their own: pasted again, nothing moves again.
fn money(url: &str) -> String {
    let post = |path: &str, key: &str, body: &str| {
        format!(
            "  curl -s {url}{path} -H \"Authorization: Bearer $TOKEN\" -H 'Content-Type: application/json' -H 'Idempotency-Key: {key}' -d '{body}'\n"
        )
    };
    let bank = r#"{"id":"1","currency":"EUR","kind":"asset"}"#;
    let wallet = r#"{"id":"2","currency":"EUR","kind":"liability","not_below_zero":true}"#;
    let transfer =
        r#"{"id":"3","debit_account_id":"1","credit_account_id":"2","amount":"700","currency":"EUR"}"#;
    format!(
        "\nMoney, moved once however often this is pasted; {url}/ui/payment shows it:\n\n{}{}{}",
        post("/v1/accounts", "first-bank", bank),
        post("/v1/accounts", "first-wallet", wallet),
        post("/v1/transfers", "first-money", transfer),
    )
}

/// What a person types for a token, as it works from where the platform was started.
pub(crate) fn token_command(data: &str) -> String {
    let flag = if data == crate::settings::DATA_DEFAULT {
        String::new()
    } else {
        format!(" --data {}", quoted(data))
    };
    format!("{} token --tenant acme --user ada{flag}", program())
}

/// The text for one role alone.
pub(crate) fn role(host: IpAddr, base: u16, role: RoleName, took_ms: u128) -> String {
    format!(
        "{role} is ready after {took_ms} ms. Ctrl-C stops it.\n{}",
        row(host, base, role)
    )
}

fn row(host: IpAddr, base: u16, role: RoleName) -> String {
    let api = format!("http://{}", authority(host, role.api_port(base)));
    format!(
        "  {:<10} {api:<24} http://{}\n",
        role.name(),
        authority(host, role.admin_port(base))
    )
}

/// `host:port`; a wildcard address is shown as the loopback one, which is where a person on this machine reaches it.
pub(crate) fn authority(host: IpAddr, port: u16) -> String {
    let shown = match host {
        IpAddr::V4(v4) if v4.is_unspecified() => IpAddr::V4(std::net::Ipv4Addr::LOCALHOST),
        IpAddr::V6(v6) if v6.is_unspecified() => IpAddr::V6(std::net::Ipv6Addr::LOCALHOST),
        other => other,
    };
    std::net::SocketAddr::new(shown, port).to_string()
}

/// This program as the person can call it from where they stand.
fn program() -> String {
    let path = std::env::current_exe().ok();
    let here = std::env::current_dir().ok();
    let relative = path
        .as_ref()
        .zip(here)
        .and_then(|(path, here)| path.strip_prefix(here).ok().map(ToOwned::to_owned));
    match (relative, path) {
        (Some(relative), _) => quoted(&format!("./{}", relative.display())),
        (None, Some(path)) => quoted(&path.display().to_string()),
        (None, None) => "orrery".to_owned(),
    }
}

/// As a shell takes it whole.
fn quoted(word: &str) -> String {
    let plain = word
        .chars()
        .all(|c| c.is_ascii_alphanumeric() || "/._-+:@%".contains(c));
    if plain && !word.is_empty() {
        word.to_owned()
    } else {
        format!("'{}'", word.replace('\'', r"'\''"))
    }
}

#[cfg(test)]
mod tests {
    use std::net::{IpAddr, Ipv4Addr};

    use super::{authority, platform, quoted};
    use crate::roles::ROLES;

    #[test]
    fn the_lines_to_paste_carry_the_data_folder_only_when_it_is_not_the_default() {
        let host = IpAddr::V4(Ipv4Addr::LOCALHOST);
        assert!(!platform(host, 8080, &ROLES, ".orrery", 1).contains("--data"));
        assert!(platform(host, 9000, &ROLES, "/tmp/my data", 1).contains("--data '/tmp/my data'"));
    }

    #[test]
    fn a_wildcard_address_is_shown_as_one_that_can_be_opened() {
        assert_eq!(authority(IpAddr::V4(Ipv4Addr::UNSPECIFIED), 80), "127.0.0.1:80");
    }

    #[test]
    fn a_word_is_quoted_for_the_shell() {
        assert_eq!(quoted("it's"), r"'it'\''s'");
        assert_eq!(quoted("plain/path"), "plain/path");
    }
}

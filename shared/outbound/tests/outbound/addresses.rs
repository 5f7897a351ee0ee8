//! Which addresses are refused, in every spelling.

use std::net::IpAddr;

use outbound::{AddressKind, Outbound, OutboundError, OutboundSettings, RefusedUrl, Target, Trust, judge};

use crate::receiver::Answers;

#[test]
fn every_special_address_is_refused_by_its_kind() {
    use AddressKind as Kind;
    for (text, kind) in [
        ("0.0.0.0", Kind::Unspecified),
        ("0.1.2.3", Kind::Unspecified),
        ("10.0.0.1", Kind::Private),
        ("172.16.0.1", Kind::Private),
        ("172.31.255.255", Kind::Private),
        ("192.168.1.1", Kind::Private),
        ("100.64.0.1", Kind::SharedNat),
        ("100.100.100.200", Kind::SharedNat),
        ("100.127.255.255", Kind::SharedNat),
        ("127.0.0.1", Kind::Loopback),
        ("127.255.255.254", Kind::Loopback),
        ("169.254.169.254", Kind::LinkLocal),
        ("168.63.129.16", Kind::Metadata),
        ("192.0.0.192", Kind::Reserved),
        ("192.0.2.1", Kind::Documentation),
        ("198.51.100.7", Kind::Documentation),
        ("203.0.113.9", Kind::Documentation),
        ("192.88.99.1", Kind::Reserved),
        ("198.18.0.1", Kind::Reserved),
        ("198.19.255.255", Kind::Reserved),
        ("224.0.0.1", Kind::Multicast),
        ("239.255.255.250", Kind::Multicast),
        ("240.0.0.1", Kind::Reserved),
        ("255.255.255.255", Kind::Reserved),
        ("::", Kind::Unspecified),
        ("::1", Kind::Loopback),
        ("::127.0.0.1", Kind::Embedded),
        ("::ffff:127.0.0.1", Kind::Embedded),
        ("::ffff:93.184.215.14", Kind::Embedded),
        ("::ffff:0:10.0.0.1", Kind::Embedded),
        ("64:ff9b::a00:1", Kind::Embedded),
        ("64:ff9b:1::a00:1", Kind::Embedded),
        ("2002:a00:1::1", Kind::Embedded),
        ("2001::a00:1", Kind::Embedded),
        ("2606:4700::5efe:a00:1", Kind::Embedded),
        ("2606:4700::200:5efe:a00:1", Kind::Embedded),
        ("fc00::1", Kind::Private),
        ("fd00:ec2::254", Kind::Private),
        ("fec0::1", Kind::Private),
        ("fe80::1", Kind::LinkLocal),
        ("ff02::1", Kind::Multicast),
        ("2001:db8::1", Kind::Documentation),
        ("3fff::1", Kind::Documentation),
        ("2001:2::1", Kind::Reserved),
        ("100::1", Kind::Reserved),
        ("5f00::1", Kind::Reserved),
        ("4000::1", Kind::Reserved),
    ] {
        let address: IpAddr = text.parse().unwrap();
        assert_eq!(judge(address), Err(kind), "{text}");
    }
}

#[test]
fn the_addresses_next_to_them_are_not() {
    for text in [
        "1.1.1.1",
        "9.255.255.255",
        "11.0.0.0",
        "100.63.255.255",
        "100.128.0.0",
        "126.255.255.255",
        "128.0.0.0",
        "169.253.255.255",
        "169.255.0.0",
        "172.15.255.255",
        "172.32.0.0",
        "192.167.255.255",
        "192.169.0.0",
        "198.17.255.255",
        "198.20.0.0",
        "223.255.255.255",
        "168.63.129.15",
        "2001:200::1",
        "2001:4860:4860::8888",
        "2606:4700:4700::1111",
        "2003::1",
        "3ffe::1",
    ] {
        assert_eq!(judge(text.parse().unwrap()), Ok(()), "{text}");
    }
}

#[test]
fn every_spelling_of_this_machine_is_this_machine() {
    let settings = OutboundSettings::default();
    for host in [
        "127.0.0.1",
        "127.0.0.1.",
        "127.1",
        "127.0.1",
        "2130706433",
        "0x7f000001",
        "0x7f.0x0.0x0.0x1",
        "0177.0.0.1",
        "017700000001",
        "127.0.0.0x1",
        "%31%32%37.0.0.1",
        "①②⑦.0.0.1",
        "127。0。0。1",
        "１２７.0.0.1",
        "[::1]",
        "[0:0:0:0:0:0:0:1]",
        "[::ffff:127.0.0.1]",
        "[::ffff:7f00:1]",
        "[::127.0.0.1]",
        "[64:ff9b::7f00:1]",
        "localhost",
        "LOCALHOST",
        "localhost.",
        "a.localhost",
        "ⓛocalhost",
        "printer.local",
        "metadata.google.internal",
        "router.home.arpa",
        "nas.lan",
        "0",
        "0x0",
        "169.254.169.254",
        "[fe80::1]",
        "0xa9fea9fe",
    ] {
        let refused = Target::parse(&format!("https://{host}/hook"), &settings).unwrap_err();
        assert_eq!(refused.code(), "address_refused", "{host}: {refused}");
    }
}

#[test]
fn what_is_wrong_with_a_url_is_said() {
    let settings = OutboundSettings::default();
    let long = format!("https://example.com/{}", "a".repeat(2_048));
    for (url, refused) in [
        ("", RefusedUrl::Unreadable),
        ("hooks.example.com/in", RefusedUrl::Unreadable),
        ("https://", RefusedUrl::Unreadable),
        ("https://exa mple.com/", RefusedUrl::Unreadable),
        ("https://256.1.1.1/", RefusedUrl::Unreadable),
        ("https://[fe80::1%25eth0]/", RefusedUrl::Unreadable),
        ("http://example.com/", RefusedUrl::Scheme),
        ("ftp://example.com/", RefusedUrl::Scheme),
        ("file:///etc/passwd", RefusedUrl::Scheme),
        ("gopher://example.com/", RefusedUrl::Scheme),
        ("https://me@example.com/", RefusedUrl::UserInfo),
        ("https://me:secret@example.com/", RefusedUrl::UserInfo),
        ("https://example.com@127.0.0.1/", RefusedUrl::UserInfo),
        ("https://example.com:22/", RefusedUrl::Port(22)),
        ("https://example.com:0/", RefusedUrl::Port(0)),
        ("https://example.com:6379/", RefusedUrl::Port(6_379)),
        ("https://intranet-wiki/", RefusedUrl::Host),
        ("https://example.com./", RefusedUrl::Host),
        (long.as_str(), RefusedUrl::TooLong),
    ] {
        assert_eq!(Target::parse(url, &settings), Err(refused), "{url}");
    }
    for (url, called) in [
        ("https://example.com", "https://example.com/"),
        ("HTTPS://Example.COM:443/a?b=c", "https://example.com/a?b=c"),
        ("https://example.com:8443/", "https://example.com:8443/"),
        ("https://bücher.example/", "https://xn--bcher-kva.example/"),
        ("https://1.1.1.1/", "https://1.1.1.1/"),
        (
            "https://[2606:4700:4700::1111]/",
            "https://[2606:4700:4700::1111]/",
        ),
    ] {
        assert_eq!(Target::parse(url, &settings).unwrap().as_str(), called);
    }
}

#[tokio::test]
async fn one_private_address_among_others_refuses_the_host() {
    let resolver = Answers::always(&["93.184.215.14", "10.0.0.8"]);
    let outbound = Outbound::new(OutboundSettings::default(), resolver, Trust::System);
    let refused = outbound.check("https://hooks.example.com/").await.unwrap_err();
    assert_eq!(refused, OutboundError::Address(AddressKind::Private));
}

#[tokio::test]
async fn a_host_that_does_not_resolve_yet_may_be_given() {
    let outbound = Outbound::new(OutboundSettings::default(), Answers::always(&[]), Trust::System);
    outbound.check("https://hooks.example.com/").await.unwrap();
}

#[tokio::test]
async fn opening_loopback_opens_nothing_else() {
    let settings = OutboundSettings {
        open_loopback: true,
        ..OutboundSettings::default()
    };
    let check = async |url: &str, address: &str| {
        let outbound = Outbound::new(settings.clone(), Answers::always(&[address]), Trust::System);
        outbound.check(url).await.err()
    };
    assert_eq!(check("http://localhost:3000/", "127.0.0.1").await, None);
    assert_eq!(check("http://127.0.0.1:3000/", "-").await, None);
    let plain = check("http://hooks.example.com/", "93.184.215.14").await;
    assert_eq!(plain, Some(OutboundError::Plain));
    let port = check("https://hooks.example.com:22/", "93.184.215.14").await;
    assert_eq!(port, Some(RefusedUrl::Port(22).into()));
    let private = check("https://hooks.example.com/", "192.168.0.1").await;
    assert_eq!(private, Some(OutboundError::Address(AddressKind::Private)));
    let literal = check("http://192.168.0.1/", "-").await;
    assert_eq!(literal, Some(RefusedUrl::Address(AddressKind::Private).into()));
}

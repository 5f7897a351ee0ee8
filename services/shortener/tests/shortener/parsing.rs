//! What strangers send as URLs and aliases, read by the same rules that the fuzzer checks (`fuzz/`): over everything the fuzzer is
//! begun with, and over what looks a little like it.

#[path = "parsing/properties.rs"]
mod properties;

use std::path::Path;

use proptest::prelude::*;
/// Where [`properties`] finds the parsers.
use shortener::link;

/// Every file of a corpus.
fn corpus(name: &str) -> Vec<Vec<u8>> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("fuzz/corpus")
        .join(name);
    let files = std::fs::read_dir(&folder).unwrap();
    let files: Vec<_> = files
        .map(|file| std::fs::read(file.unwrap().path()).unwrap())
        .collect();
    assert!(files.len() >= 10, "{}", folder.display());
    files
}

#[test]
fn the_corpus_keeps_to_the_rules() {
    for text in corpus("url") {
        properties::url(&String::from_utf8_lossy(&text));
    }
    for text in corpus("code") {
        properties::code(&String::from_utf8_lossy(&text));
    }
}

/// Pieces that URLs are made of, and those that break them.
fn pieces() -> impl Strategy<Value = String> {
    let piece = prop_oneof![
        8 => prop::sample::select(vec![
            "http", "https", "HTTP", "javascript", ":", "//", "/", "\\", "@", "?", "#", ".", "..", "%", "%2e", "%0d%0a",
            "[", "]", "::1", "::ffff:7f00:1", "127.1", "0x7f.1", "017700000001", "0", "localhost", "sho.rt", "SHO.RT.",
            "edge.example:8443", ":8094", ":80", "xn--", "xn--bcher-kva", "bücher", "ß", "。", "\u{ad}", "\u{202e}", "\t",
            "\r\n", " ", "\0", "user", ":pw", "example.com", "a", "-", "_", "1234567",
        ])
        .prop_map(str::to_owned),
        1 => "\\PC{0,6}",
        1 => any::<char>().prop_map(String::from),
    ];
    prop::collection::vec(piece, 0..12).prop_map(|pieces| pieces.concat())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]

    #[test]
    fn whatever_is_taken_for_a_url_is_safe_and_reads_back_as_itself(rest in pieces(), bare in any::<bool>()) {
        let text = if bare { rest } else { format!("http://{rest}") };
        properties::url(&text);
    }

    #[test]
    fn whatever_is_taken_for_a_code_is_that_text(text in prop_oneof![pieces(), "[A-Za-z0-9_-]{0,70}"]) {
        properties::code(&text);
    }
}

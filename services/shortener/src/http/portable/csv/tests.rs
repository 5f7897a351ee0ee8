use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;

use super::super::ndjson;
use super::*;
use crate::http::wire::DestinationBody;

/// What an owner may have written: quotes, commas, line ends, formulas, other scripts.
fn text() -> impl Strategy<Value = String> {
    let odd = [
        "'",
        "''",
        "'=1",
        "=1+1",
        "@a",
        "-",
        "+",
        "\"",
        ",",
        "\r",
        "\r\n",
        "\n",
        "[",
        "[]",
        " a ",
        "ä\u{202e}",
        "\u{feff}",
        "null",
        "true",
    ];
    prop_oneof![
        "[ -~äöü✓\\n\\r\\t,\"';=@+-]{1,20}",
        proptest::sample::select(odd.to_vec()).prop_map(str::to_owned),
    ]
}

fn destination() -> impl Strategy<Value = DestinationBody> {
    (
        vec("[A-Z]{2}", 0..3),
        vec("(mobile|tablet)", 0..2),
        option::of(any::<u32>()),
        text(),
    )
        .prop_map(|(countries, devices, weight, url)| DestinationBody {
            countries,
            devices,
            weight,
            url,
        })
}

prop_compose! {
    fn first_half()(
        code in option::of(text()),
        code_proof in option::of(text()),
        url in text(),
        permanent in any::<bool>(),
        expires_at in option::of(text()),
        tags in vec(text(), 0..5),
        owner in option::of(text()),
        title in option::of(text()),
        notes in option::of(text()),
        archived in any::<bool>(),
    ) -> PortableLink {
        PortableLink { code, code_proof, url, permanent, expires_at, tags, owner, title, notes, archived, ..PortableLink::default() }
    }
}

prop_compose! {
    fn link()(
        half in first_half(),
        active_from in option::of(text()),
        fallback_url in option::of(text()),
        max_clicks in option::of(any::<u64>()),
        has_password in any::<bool>(),
        password_hash in option::of(text()),
        destinations in vec(destination(), 0..3),
        edge_cache_s in option::of(any::<u32>()),
        created_at in option::of(text()),
        updated_at in option::of(text()),
        clicks in option::of(any::<u64>()),
    ) -> PortableLink {
        PortableLink { active_from, fallback_url, max_clicks, has_password, password_hash, destinations, edge_cache_s, created_at, updated_at, clicks, ..half }
    }
}

fn seen(link: &PortableLink) -> Value {
    serde_json::to_value(link).unwrap()
}

fn all(rows: Vec<Result<PortableLink, LinkError>>) -> Vec<Value> {
    rows.into_iter().map(|row| seen(&row.unwrap())).collect()
}

proptest! {
    #[test]
    fn whatever_is_written_reads_back_the_same_in_both_forms(links in vec(link(), 1..4)) {
        let expected: Vec<Value> = links.iter().map(seen).collect();
        let mut table = header();
        let mut lines = Vec::new();
        for link in &links {
            table.extend(line(link));
            lines.extend(ndjson::line(link));
        }
        let table = String::from_utf8(table).unwrap();
        prop_assert_eq!(&all(read(&table).unwrap()), &expected, "{}", table);
        let lines = String::from_utf8(lines).unwrap();
        prop_assert_eq!(&all(ndjson::read(&lines)), &expected, "{}", lines);
    }

    #[test]
    fn no_cell_of_text_begins_like_a_formula(link in link()) {
        let row = line(&link);
        let mut reader = csv::ReaderBuilder::new().has_headers(false).from_reader(row.as_slice());
        let record = reader.records().next().unwrap().unwrap();
        for cell in &record {
            prop_assert!(!cell.starts_with(FORMULA), "{:?}", cell);
        }
    }

    #[test]
    fn no_text_makes_it_fail_in_another_way_than_by_saying_so(text in "[\\PC\\n,\"]{0,80}") {
        let _ = read(&text);
        let _ = read(&format!("url,tags\n{text}"));
        let _ = ndjson::read(&text);
    }
}

#[test]
fn a_table_that_people_made_is_read() {
    let text = "\u{feff}URL,Tags,permanent\nhttps://a.example/,\"one, two\",TRUE\nhttps://b.example/,,\n";
    let rows = all(read(text).unwrap());
    assert_eq!(rows[0]["tags"], serde_json::json!(["one", "two"]));
    assert_eq!(rows[0]["permanent"], true);
    assert_eq!(rows[1], serde_json::json!({"url": "https://b.example/"}));
}

#[test]
fn what_cannot_be_read_is_refused_by_row_or_as_a_whole() {
    for table in [
        "",
        "code,tags\nx,y\n",
        "url,colour\nx,y\n",
        "url,url\nx,y\n",
        "https://a.example/\n",
    ] {
        assert!(read(table).is_err(), "{table:?}");
    }
    let rows = read(
        "url,max_clicks,archived,destinations,tags\na,many,,,\nb,,maybe,,\nc,,,[,\nd,,,,[1]\ne,,\nf,-1,,,\n",
    )
    .unwrap();
    let pointers: Vec<String> = rows
        .iter()
        .map(|row| match row {
            Err(LinkError::Invalid(errors)) => errors[0].pointer.clone(),
            other => panic!("{other:?}"),
        })
        .collect();
    assert_eq!(
        pointers,
        [
            "/max_clicks",
            "/archived",
            "/destinations",
            "/tags",
            "",
            "/max_clicks"
        ]
    );
}

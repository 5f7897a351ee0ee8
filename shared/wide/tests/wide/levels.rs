//! Every level that can be declared is the level that is sent.

use testkit::cql_wire::{Sent, record};
use testkit::engines::{self, Kind};
use wide::{Batch, Level, Part, Serial, Statement, WideSettings};

use crate::{connect, on_engine};

/// What the protocol calls each level.
const LEVELS: [(Level, u16); 6] = [
    (Level::One, 1),
    (Level::Quorum, 4),
    (Level::All, 5),
    (Level::LocalQuorum, 6),
    (Level::Serial, 8),
    (Level::LocalSerial, 9),
];
const SERIALS: [(Serial, u16); 2] = [(Serial::Global, 8), (Serial::Local, 9)];

const READ: &str = "SELECT note FROM {keyspace}.things WHERE part = ? AND item = ?";
const WRITE: &str = "INSERT INTO {keyspace}.things (part, item, note) VALUES (?, ?, ?)";
const CLAIM: &str = "INSERT INTO {keyspace}.things (part, item, note) VALUES (?, ?, ?) IF NOT EXISTS";

#[tokio::test]
async fn declared_levels_are_on_the_wire() {
    let test = "declared_levels_are_on_the_wire";
    let Some((_, direct)) = on_engine(test).await else {
        return;
    };
    let Some(engine) = engines::address(Kind::Cql, test) else {
        return;
    };
    let (address, requests) = record(engine).await;
    let url = format!("scylla://{address}/{}", direct.keyspace());
    // Speculation must not send anything twice that writes.
    let settings = WideSettings {
        speculate_after_ms: 10_000,
        ..crate::settings()
    };
    let wide = connect(&url, settings).await.unwrap();
    let named = |cql: &str| cql.replace("{keyspace}", direct.keyspace());
    let sent = |cql: &str, level, serial| {
        let texts = vec![named(cql)];
        vec![Sent { texts, level, serial }]
    };

    for (level, code) in LEVELS {
        let read = Statement::read("read", READ, level);
        wide.rows::<(Option<String>,)>(&read, ("wire", 0_i64))
            .await
            .unwrap();
        assert_eq!(requests.of("things"), sent(READ, code, None), "{level:?}");
        if matches!(level, Level::Serial | Level::LocalSerial) {
            continue;
        }
        let write = Statement::write("write", WRITE, level);
        wide.execute(&write, ("wire-plain", 0_i64, "x")).await.unwrap();
        assert_eq!(requests.of("things"), sent(WRITE, code, None), "{level:?}");
        for (serial, serial_code) in SERIALS {
            let claim = Statement::conditional("claim", CLAIM, level, serial);
            wide.conditional(&claim, ("wire", 0_i64, "x")).await.unwrap();
            let expected = sent(CLAIM, code, Some(serial_code));
            assert_eq!(requests.of("things"), expected, "{level:?} {serial:?}");

            // The batch's own levels count, not those of its parts.
            let part = Statement::conditional("part", CLAIM, Level::One, Serial::Local);
            let batch = Batch {
                name: "batch",
                consistency: level,
                serial,
            };
            let parts = vec![
                Part::of(&part, ("wire", 1_i64, "x")),
                Part::of(&part, ("wire", 2_i64, "x")),
            ];
            wide.conditional_batch(&batch, parts).await.unwrap();
            let expected = Sent {
                texts: vec![named(CLAIM), named(CLAIM)],
                level: code,
                serial: Some(serial_code),
            };
            assert_eq!(requests.of("things"), [expected], "{level:?} {serial:?}");
        }
    }
}

//! Private engines: what was acknowledged is there after SIGKILL, and a frozen one says nothing until it goes on.

use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use testkit::engines::{Answer, Kind, OwnCluster, OwnEngine, ask};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::TcpStream;
use tokio::time::timeout;

const SOON: Duration = Duration::from_secs(20);
/// Nodes hear of each other's changes within this.
const SETTLES_WITHIN: Duration = Duration::from_mins(1);
/// A frozen engine is given this long to answer all the same.
const QUIET: Duration = Duration::from_millis(300);

async fn answers(engine: &OwnEngine, kind: Kind) -> io::Result<Answer> {
    ask(kind, engine.address(), QUIET).await
}

#[tokio::test]
async fn an_acknowledged_commit_survives_sigkill_of_postgres() {
    let test = "an_acknowledged_commit_survives_sigkill_of_postgres";
    let Some(mut engine) = OwnEngine::start(Kind::Postgres, test).await else {
        return;
    };
    let rows = "SELECT count(*) FROM kept";
    let made = postgres(engine.address(), "CREATE TABLE kept AS SELECT 7 AS seven").await;
    assert!(made.contains("SELECT 1"), "{made}");
    engine.kill();
    assert!(answers(&engine, Kind::Postgres).await.is_err(), "it is gone");
    engine.restart().await;
    let found = postgres(engine.address(), rows).await;
    assert!(found.contains("SELECT 1") && !found.contains("ERROR"), "{found}");
}

#[tokio::test]
async fn an_acknowledged_message_survives_sigkill_of_nats() {
    let test = "an_acknowledged_message_survives_sigkill_of_nats";
    let Some(mut engine) = OwnEngine::start(Kind::Nats, test).await else {
        return;
    };
    let create = r#"{"name":"KEPT","subjects":["kept"],"storage":"file"}"#;
    let made = nats(engine.address(), "$JS.API.STREAM.CREATE.KEPT", create).await;
    assert!(made.contains(r#""config""#), "{made}");
    let stored = nats(engine.address(), "kept", "seven").await;
    assert!(stored.contains(r#""seq":1"#), "{stored}");
    engine.restart().await;
    let found = nats(engine.address(), "$JS.API.STREAM.INFO.KEPT", "").await;
    assert!(found.contains(r#""messages":1"#), "{found}");
}

#[tokio::test]
async fn a_restarted_redis_is_empty() {
    let test = "a_restarted_redis_is_empty";
    let Some(mut engine) = OwnEngine::start(Kind::Redis, test).await else {
        return;
    };
    assert_eq!(redis(engine.address(), "SET kept seven").await, "+OK");
    assert_eq!(redis(engine.address(), "EXISTS kept").await, ":1");
    engine.restart().await;
    assert_eq!(redis(engine.address(), "EXISTS kept").await, ":0");
}

#[tokio::test]
async fn a_paused_engine_keeps_its_connections_and_says_nothing_until_it_is_resumed() {
    let test = "a_paused_engine_keeps_its_connections_and_says_nothing_until_it_is_resumed";
    for kind in [Kind::Postgres, Kind::Redis, Kind::Nats] {
        let Some(engine) = OwnEngine::start(kind, test).await else {
            return;
        };
        engine.pause();
        let asked = answers(&engine, kind).await.expect_err("it is frozen");
        // What a read that timed out says on Linux.
        assert_eq!(asked.kind(), io::ErrorKind::WouldBlock, "{kind:?}");
        engine.resume();
        let asked = ask(kind, engine.address(), SOON).await.expect("an answer");
        assert!(matches!(asked, Answer::Ready(_)), "{kind:?}: {asked:?}");
    }
}

#[tokio::test]
async fn a_dropped_engine_is_gone() {
    let test = "a_dropped_engine_is_gone";
    let Some(engine) = OwnEngine::start(Kind::Redis, test).await else {
        return;
    };
    let address = engine.address();
    assert_eq!(engine.url(), format!("redis://{address}"));
    drop(engine);
    let asked = ask(Kind::Redis, address, SOON).await;
    assert_eq!(
        asked.expect_err("nobody listens").kind(),
        io::ErrorKind::ConnectionRefused
    );
}

#[tokio::test]
async fn an_acknowledged_row_survives_sigkill_of_the_cql_server() {
    let test = "an_acknowledged_row_survives_sigkill_of_the_cql_server";
    if !testkit::skips::nightly() {
        return; // A JVM started twice: the stores' own kill tests are enough by day.
    }
    let Some(mut engine) = OwnEngine::start(Kind::Cql, test).await else {
        return;
    };
    let mut statements = vec![
        "CREATE KEYSPACE k WITH replication = {'class':'SimpleStrategy','replication_factor':1}",
        "CREATE TABLE k.kept (id int PRIMARY KEY)",
        "INSERT INTO k.kept (id) VALUES (7) IF NOT EXISTS",
    ];
    cql(engine.address(), &statements).await;
    engine.restart().await;
    statements.clear();
    statements.push("SELECT id FROM k.kept");
    let rows = cql(engine.address(), &statements).await;
    // The last four bytes are the one row's only column.
    assert!(rows.ends_with(&[0, 0, 0, 4, 0, 0, 0, 7]), "{rows:?}");
}

#[tokio::test]
async fn a_cluster_answers_quorum_with_one_node_killed_and_takes_it_back() {
    let test = "a_cluster_answers_quorum_with_one_node_killed_and_takes_it_back";
    if !testkit::skips::nightly() {
        return; // Three JVMs.
    }
    let Some(mut cluster) = OwnCluster::start(test).await else {
        return;
    };
    let [first, second, _] = cluster.addresses();
    let keyspace = "CREATE KEYSPACE k WITH replication = {'class':'SimpleStrategy','replication_factor':3}";
    cql(first, &[keyspace, "CREATE TABLE k.kept (id int PRIMARY KEY)"]).await;
    // Refused until every node has heard of the table.
    settled(first, "INSERT INTO k.kept (id) VALUES (6) IF NOT EXISTS").await;
    cluster.kill(1);
    settled(first, "INSERT INTO k.kept (id) VALUES (7) IF NOT EXISTS").await;
    let rows = settled(first, "SELECT id FROM k.kept WHERE id = 7").await;
    assert!(rows.ends_with(&[0, 0, 0, 4, 0, 0, 0, 7]), "{rows:?}");
    cluster.restart(1).await;
    let asked = ask(Kind::Cql, second, SOON).await.expect("an answer");
    assert!(matches!(asked, Answer::Ready(_)), "{asked:?}");
}

/// A simple query; everything the server said until it is ready for the next, as text.
async fn postgres(address: SocketAddr, query: &str) -> String {
    let mut stream = BufReader::new(TcpStream::connect(address).await.expect("connected"));
    let parameters = b"user\0orrery\0database\0orrery\0\0";
    let mut hello = 37_u32.to_be_bytes().to_vec();
    hello.extend_from_slice(&196_608_u32.to_be_bytes());
    hello.extend_from_slice(parameters);
    stream.write_all(&hello).await.expect("sent");
    messages(&mut stream).await;
    let mut message = vec![b'Q'];
    message.extend_from_slice(&u32::try_from(query.len() + 5).expect("short").to_be_bytes());
    message.extend_from_slice(query.as_bytes());
    message.push(0);
    stream.write_all(&message).await.expect("sent");
    messages(&mut stream).await
}

async fn messages(stream: &mut BufReader<TcpStream>) -> String {
    let mut said = String::new();
    loop {
        let kind = timeout(SOON, stream.read_u8())
            .await
            .expect("in time")
            .expect("a message");
        let length = stream.read_u32().await.expect("a length");
        let mut body = vec![0; usize::try_from(length - 4).expect("a length")];
        stream.read_exact(&mut body).await.expect("a body");
        said.push_str(&String::from_utf8_lossy(&body));
        if kind == b'Z' {
            return said;
        }
    }
}

/// A request on the bare protocol, and the first message that answers it.
async fn nats(address: SocketAddr, subject: &str, body: &str) -> String {
    use tokio::io::AsyncBufReadExt as _;

    let mut stream = BufReader::new(TcpStream::connect(address).await.expect("connected"));
    let request = format!(
        "CONNECT {{\"verbose\":false}}\r\nSUB answer 1\r\nPUB {subject} answer {}\r\n{body}\r\n",
        body.len()
    );
    stream.write_all(request.as_bytes()).await.expect("sent");
    let mut lines = stream.lines();
    let answered = timeout(SOON, async {
        while let Ok(Some(line)) = lines.next_line().await {
            if line.starts_with("MSG answer") {
                return lines.next_line().await.ok().flatten();
            }
        }
        None
    });
    answered.await.expect("in time").expect("an answer")
}

async fn redis(address: SocketAddr, command: &str) -> String {
    use tokio::io::AsyncBufReadExt as _;

    let mut stream = BufReader::new(TcpStream::connect(address).await.expect("connected"));
    stream
        .write_all(format!("{command}\r\n").as_bytes())
        .await
        .expect("sent");
    let mut line = String::new();
    timeout(SOON, stream.read_line(&mut line))
        .await
        .expect("in time")
        .expect("a line");
    line.trim_end().to_owned()
}

/// The same for one statement that may be repeated until it is done.
async fn settled(address: SocketAddr, statement: &str) -> Vec<u8> {
    let mut last = String::new();
    let done = timeout(SETTLES_WITHIN, async {
        loop {
            match try_cql(address, &[statement]).await {
                Ok(answer) => return answer,
                Err(why) => last = why,
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    });
    match done.await {
        Ok(answer) => answer,
        Err(late) => panic!("{statement}: {late}: {last}"),
    }
}

async fn cql(address: SocketAddr, statements: &[&str]) -> Vec<u8> {
    try_cql(address, statements).await.expect("no error")
}

/// Statements of protocol 4 at consistency QUORUM; the body of the last answer.
async fn try_cql(address: SocketAddr, statements: &[&str]) -> Result<Vec<u8>, String> {
    let mut stream = TcpStream::connect(address).await.expect("connected");
    let startup = b"\x04\0\0\0\x01\0\0\0\x16\0\x01\0\x0bCQL_VERSION\0\x053.0.0";
    stream.write_all(startup).await.expect("sent");
    frame(&mut stream).await?;
    let mut last = Vec::new();
    for statement in statements {
        let mut body = u32::try_from(statement.len())
            .expect("short")
            .to_be_bytes()
            .to_vec();
        body.extend_from_slice(statement.as_bytes());
        body.extend_from_slice(&[0, 4, 0]);
        let mut request = vec![4, 0, 0, 0, 7];
        request.extend_from_slice(&u32::try_from(body.len()).expect("short").to_be_bytes());
        request.extend_from_slice(&body);
        stream.write_all(&request).await.expect("sent");
        last = frame(&mut stream).await?;
    }
    Ok(last)
}

async fn frame(stream: &mut TcpStream) -> Result<Vec<u8>, String> {
    let mut head = [0; 9];
    timeout(SOON, stream.read_exact(&mut head))
        .await
        .expect("in time")
        .expect("a frame");
    let length = u32::from_be_bytes([head[5], head[6], head[7], head[8]]);
    let mut body = vec![0; usize::try_from(length).expect("a length")];
    stream.read_exact(&mut body).await.expect("a body");
    if head[4] == 0 {
        return Err(String::from_utf8_lossy(&body).replace('\0', " "));
    }
    Ok(body)
}

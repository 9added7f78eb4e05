//! Addresses where nobody listens, or somebody else: the sentence that helps.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::time::Duration;

use super::clients::Broker;
use super::run::Load;
use crate::kafka::cluster::shared_single;

/// Longer than a client waits for anything here.
const PATIENCE: Duration = Duration::from_secs(60);

/// A server that answers each connection by `serve`, until the test's process ends.
fn serve(serve: fn(TcpStream) -> std::io::Result<()>) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let accept = move || {
        for stream in listener.incoming().flatten() {
            // A client that goes away in the middle is no failure of the server.
            drop(
                stream
                    .set_read_timeout(Some(PATIENCE))
                    .and_then(|()| serve(stream)),
            );
        }
    };
    std::thread::Builder::new()
        .name("peer".into())
        .spawn(accept)
        .unwrap();
    address.to_string()
}

fn load_to(address: &str) -> Load {
    let load = Load::new(address);
    load.write("a", b"line\n");
    load
}

/// An address that was somebody's a moment ago.
fn deserted() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    listener.local_addr().unwrap().to_string()
}

#[test]
fn one_server_of_the_list_is_enough() {
    let Some(cluster) = shared_single() else {
        return;
    };
    // One refuses, one takes the connection and never answers, one serves.
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let silent = (silent.local_addr().unwrap(), silent);
    let servers = format!("{},{},{}", deserted(), silent.0, cluster.bootstrap());
    let quick = ["-X", "socket.connection.setup.timeout.ms=1000"];
    let load = Load::into_topic(cluster, 1);
    load.write("a", b"line\n");
    assert_eq!(
        load.finish(&["-b", &servers, quick[0], quick[1]])["records"],
        1
    );
    assert_eq!(load.values(cluster.judge()), [b"line"]);
}

#[test]
fn who_never_answers_is_given_up() {
    // The kernel takes the connection, and nobody ever reads from it.
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap().to_string();
    let quick = ["-X", "socket.connection.setup.timeout.max.ms=3000"];
    load_to(&address).run(&quick).failed(
        1,
        &[&address, "no answer within 3000 ms", "PLAINTEXT listener"],
    );
    drop(listener);
}

#[test]
fn nobody_listens() {
    let address = deserted();
    let load = load_to(&address);
    load.run(&[])
        .failed(1, &[&address, "refused", "is the broker running"]);
    load.run(&["--dry-run"]).failed(1, &[&address, "refused"]);
    let name = "no-such-host.invalid:9092";
    load_to(name)
        .run(&[])
        .failed(1, &[name, "resolve", "host name"]);
}

fn http(mut stream: TcpStream) -> std::io::Result<()> {
    let mut request = [0; 64];
    let read = stream.read(&mut request)?;
    assert!(read > 0);
    stream.write_all(b"HTTP/1.1 400 Bad Request\r\nConnection: close\r\n\r\n")
}

#[test]
fn a_web_server_is_no_broker() {
    let address = serve(http);
    load_to(&address)
        .run(&[])
        .failed(1, &[&address, "PLAINTEXT listener of a Kafka broker?"]);
}

/// A broker as it was before 2.8: it offers less, and says so.
fn older_broker(mut stream: TcpStream) -> std::io::Result<()> {
    /// As Apache Kafka 2.3 has them: key, least and greatest version.
    const OFFERED: [[i16; 3]; 8] = [
        [0, 0, 7],
        [1, 0, 11],
        [2, 0, 5],
        [3, 0, 8],
        [18, 0, 2],
        [19, 0, 3],
        [22, 0, 1],
        [32, 0, 2],
    ];
    loop {
        let mut head = [0; 12];
        stream.read_exact(&mut head)?;
        let length = i32::from_be_bytes(head[..4].try_into().expect("4 bytes"));
        let mut rest = vec![0; usize::try_from(length).expect("no length is negative") - 8];
        stream.read_exact(&mut rest)?;
        let version = i16::from_be_bytes(head[6..8].try_into().expect("2 bytes"));
        let mut body = head[8..12].to_vec();
        let error: i16 = if version > 2 { 35 } else { 0 };
        body.extend(error.to_be_bytes());
        body.extend(8i32.to_be_bytes());
        body.extend(
            OFFERED
                .as_flattened()
                .iter()
                .flat_map(|number| number.to_be_bytes()),
        );
        if (1..=2).contains(&version) {
            body.extend(0i32.to_be_bytes()); // the throttle time
        }
        let length = i32::try_from(body.len()).expect("it is short");
        stream.write_all(&[&length.to_be_bytes(), body.as_slice()].concat())?;
    }
}

#[test]
fn a_broker_that_is_too_old_is_told_from_a_broken_one() {
    let address = serve(older_broker);
    let load = load_to(&address);
    load.run(&[]).failed(
        1,
        &[
            &address,
            "older than Apache Kafka 2.8",
            "upgrade the broker",
        ],
    );
}

#[test]
fn a_listener_that_leads_astray_is_named_with_what_to_change() {
    let Some(cluster) = shared_single() else {
        return;
    };
    let misleading = cluster.node(1).misleading_address();
    let load = Load::into_topic(cluster, 1);
    load.write("a", b"line\n");
    let quick = ["-X", "socket.connection.setup.timeout.max.ms=3000"];
    let to = ["-b", misleading.as_str()];
    for flags in [
        [to.as_slice(), &quick].concat(),
        [to.as_slice(), &["--dry-run"], &quick].concat(),
    ] {
        let parts = [
            misleading.as_str(),
            "127.0.0.1:1",
            "advertise",
            "advertised.listeners",
        ];
        load.run(&flags).failed(1, &parts);
    }
    assert_eq!(load.count(cluster.judge()), 0);
}

#[test]
fn an_advertised_name_that_nobody_knows_is_said_to_be_that() {
    let directory = tempfile::tempdir().unwrap();
    let data = directory.path().join("data");
    let flags = [
        "--advertise",
        "no-such-host.invalid:9092",
        "--data-dir",
        data.to_str().unwrap(),
    ];
    let broker = Broker::start(directory.path(), &flags);
    let load = load_to(&broker.address);
    let parts = [
        &broker.address,
        "no-such-host.invalid:9092",
        "resolve",
        "advertised.listeners",
    ];
    load.run(&["--create-topic", "partitions=1"])
        .failed(1, &parts);
}

#[test]
fn protocols_that_are_not_there_yet_are_refused_before_connecting() {
    for protocol in ["SSL", "SASL_PLAINTEXT", "SASL_SSL"] {
        let property = format!("security.protocol={protocol}");
        let ended = load_to("127.0.0.1:1").run(&["-X", &property]);
        ended.failed(2, &["security.protocol", protocol, "PLAINTEXT"]);
    }
}

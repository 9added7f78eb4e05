//! One connection to any broker, and a list of what it answered to odd questions.

use std::fmt::Debug;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::Duration;

use kafka_protocol::messages::ApiKey;
use kafka_protocol::protocol::Request;
use protocol::error_code::ErrorCode;
use protocol::frame;

const LIMIT: Duration = Duration::from_secs(60);

/// A broker, and what it said so far.
#[derive(Debug)]
pub(super) struct Peer {
    stream: TcpStream,
    correlation_id: i32,
    /// Under a name for each question.
    pub(super) said: Vec<(String, String)>,
}

impl Peer {
    pub(super) fn connect(address: &str) -> Self {
        let stream = TcpStream::connect(address).expect("a broker listens");
        stream
            .set_read_timeout(Some(LIMIT))
            .expect("it is a socket");
        Self {
            stream,
            correlation_id: 0,
            said: Vec::new(),
        }
    }

    pub(super) fn ask<R: Request>(&mut self, version: i16, request: &R) -> R::Response {
        self.correlation_id += 1;
        let mut bytes = Vec::new();
        frame::encode_request(request, version, self.correlation_id, "peer", &mut bytes)
            .expect("a question that can be asked");
        self.stream.write_all(&bytes).expect("the broker listens");
        let mut size = [0; 4];
        self.stream
            .read_exact(&mut size)
            .expect("the broker answers");
        let mut answer = vec![0; u32::from_be_bytes(size) as usize];
        self.stream
            .read_exact(&mut answer)
            .expect("the broker answers");
        let api = ApiKey::try_from(R::KEY).expect("it is a request");
        let (id, body) = frame::read_response(api, version, &answer).expect("an answer");
        assert_eq!(id, self.correlation_id);
        frame::decode_response::<R>(version, body).expect("an answer")
    }

    /// Takes down what it said.
    pub(super) fn note(&mut self, question: &str, answer: impl Debug) {
        self.said.push((question.to_owned(), format!("{answer:?}")));
    }

    /// The same of error codes, by name.
    pub(super) fn note_codes(&mut self, question: &str, codes: impl IntoIterator<Item = i16>) {
        let names = codes.into_iter().map(|code| ErrorCode(code).to_string());
        let names: Vec<_> = names.collect();
        self.note(question, names);
    }
}

/// Both must have said the same to everything.
#[track_caller]
pub(super) fn assert_same(ours: &Peer, apaches: &Peer) {
    let both = ours.said.iter().zip(&apaches.said);
    let differ = both.filter(|(ours, apaches)| ours != apaches);
    let differ: Vec<_> = differ
        .map(|((question, ours), (_, apaches))| {
            format!("{question}\n  ours:   {ours}\n  Apache: {apaches}")
        })
        .collect();
    assert!(differ.is_empty(), "{}", differ.join("\n"));
    assert_eq!(ours.said.len(), apaches.said.len());
    assert!(!ours.said.is_empty());
}

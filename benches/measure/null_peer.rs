//! `ringmain broker --discard`: it reads, checks nothing, acknowledges and forgets.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use kafka_protocol::messages::create_topics_request::{CreatableTopic, CreatableTopicConfig};
use kafka_protocol::messages::{ApiKey, CreateTopicsRequest, TopicName};
use kafka_protocol::protocol::StrBytes;
use protocol::frame;

const LIMIT: Duration = Duration::from_secs(30);
/// A version of CreateTopics with flexible fields.
const CREATE_TOPICS_VERSION: i16 = 5;

/// A null peer on a port of its own, which ends with this.
pub(crate) struct NullPeer {
    child: Child,
    address: String,
}

impl NullPeer {
    pub(crate) fn start() -> Self {
        let mut child = Command::new(env!("CARGO_BIN_EXE_ringmain"))
            .args(["broker", "--listen", "127.0.0.1:0", "--discard"])
            .arg("--data-dir")
            .arg(super::scratch().join(format!("null-{}", std::process::id())))
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .expect("our own binary starts");
        let mut line = String::new();
        BufReader::new(child.stdout.take().expect("it is piped"))
            .read_line(&mut line)
            .expect("the null peer says where it listens, or ends");
        let is_address = |word: &&str| word.starts_with("127.0.0.1:");
        let address = line.split_whitespace().find(is_address);
        let address = address
            .unwrap_or_else(|| panic!("the null peer said {line:?}"))
            .to_owned();
        Self { child, address }
    }

    pub(crate) fn address(&self) -> &str {
        &self.address
    }

    /// A topic for records of up to `record_bytes_max` bytes, batch header included.
    pub(crate) fn create_topic(&self, topic: &str, partitions: i32, record_bytes_max: usize) {
        let limit = CreatableTopicConfig::default()
            .with_name(StrBytes::from_static_str("max.message.bytes"))
            .with_value(Some(StrBytes::from_string(record_bytes_max.to_string())));
        let topic = CreatableTopic::default()
            .with_name(TopicName(StrBytes::from_string(topic.to_owned())))
            .with_num_partitions(partitions)
            .with_replication_factor(1)
            .with_configs(vec![limit]);
        let request = CreateTopicsRequest::default()
            .with_topics(vec![topic])
            .with_timeout_ms(10_000);
        let mut out = Vec::new();
        frame::encode_request(&request, CREATE_TOPICS_VERSION, 1, "bench", &mut out)
            .expect("the request can be encoded");
        let answer = exchange(&self.address, &out).expect("the null peer answers");
        let (_, body) = frame::read_response(ApiKey::CreateTopics, CREATE_TOPICS_VERSION, &answer)
            .expect("the null peer's answer has a head");
        let response = frame::decode_response::<CreateTopicsRequest>(CREATE_TOPICS_VERSION, body)
            .expect("the null peer's answer has a body");
        for topic in response.topics {
            assert_eq!(topic.error_code, 0, "creating {topic:?}");
        }
    }
}

fn exchange(address: &str, request: &[u8]) -> std::io::Result<Vec<u8>> {
    let mut stream = TcpStream::connect(address)?;
    stream.set_read_timeout(Some(LIMIT))?;
    stream.write_all(request)?;
    let mut length = [0; 4];
    stream.read_exact(&mut length)?;
    let mut answer = vec![0; u32::from_be_bytes(length) as usize];
    stream.read_exact(&mut answer)?;
    Ok(answer)
}

impl Drop for NullPeer {
    fn drop(&mut self) {
        if self.child.kill().is_ok() {
            drop(self.child.wait());
        }
    }
}

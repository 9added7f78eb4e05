//! Kafka's error codes: one table of code, name, whether a retry can help, what the code asks for,
//! and what it means. Codes up to Apache Kafka 4.3; a number that is not here is printed as a
//! number and treated as fatal for its request.

use std::fmt;

/// What an error code asks its receiver to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Class {
    /// Nothing went wrong.
    Success,
    /// Ask for new metadata, then try again.
    RefreshMetadata,
    /// Try again after a back-off.
    Retry,
    /// Find the coordinator anew, then try again.
    FindCoordinator,
    /// Wait until what is going on has ended, then try again.
    Wait,
    /// Abort the transaction; outside of one it is an error of the request.
    AbortTransaction,
    /// The records are refused; others may go on.
    FailRecord,
    /// Nothing helps but a person, or the layer that sent the request knows more.
    Fatal,
}

/// What an error code in a Produce answer says about the batch that was sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Outcome {
    /// The batch is in the log.
    Delivered,
    /// The broker gives this code before it appends, so this send did not append. Definite for the
    /// batch only if no earlier send of it is unanswered.
    Refused,
    /// The batch may be in the log or come into it: keep its sequences and send the same again.
    Ambiguous,
}

/// A Kafka error code as it came over the wire; any number can.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ErrorCode(pub i16);

struct Row {
    code: i16,
    name: &'static str,
    retriable: bool,
    class: Class,
    meaning: &'static str,
}

impl ErrorCode {
    /// Kafka's name of the code; none if the number is not known here.
    pub fn name(self) -> Option<&'static str> {
        self.row().map(|row| row.name)
    }

    /// Whether Kafka calls the error retriable.
    pub fn is_retriable(self) -> bool {
        self.row().is_some_and(|row| row.retriable)
    }

    /// What the code means, in a sentence for people.
    pub fn meaning(self) -> &'static str {
        self.row().map_or(
            "an error that this version of ringmain does not know",
            |row| row.meaning,
        )
    }

    /// What the code asks for. INVALID_PRODUCER_EPOCH is classed as in an answer to Produce; from a
    /// transaction coordinator it is fatal. ILLEGAL_GENERATION and UNKNOWN_MEMBER_ID are classed as
    /// in an answer to TxnOffsetCommit. OUT_OF_ORDER_SEQUENCE_NUMBER is classed fatal, because no
    /// blind retry is right: the producer looks at it before it asks for the class.
    pub fn class(self) -> Class {
        self.row().map_or(Class::Fatal, |row| row.class)
    }

    /// What the code, in a Produce answer, says about the batch.
    pub fn produce_outcome(self) -> Outcome {
        match self {
            Self::NONE | Self::DUPLICATE_SEQUENCE_NUMBER => Outcome::Delivered,
            Self::CORRUPT_MESSAGE
            | Self::MESSAGE_TOO_LARGE
            | Self::RECORD_LIST_TOO_LARGE
            | Self::NOT_ENOUGH_REPLICAS
            | Self::TOPIC_AUTHORIZATION_FAILED
            | Self::CLUSTER_AUTHORIZATION_FAILED
            | Self::INVALID_TIMESTAMP
            | Self::POLICY_VIOLATION
            | Self::OUT_OF_ORDER_SEQUENCE_NUMBER
            | Self::INVALID_PRODUCER_EPOCH
            | Self::UNSUPPORTED_COMPRESSION_TYPE
            | Self::INVALID_RECORD => Outcome::Refused,
            _ => Outcome::Ambiguous,
        }
    }

    /// Whether the code is NONE.
    pub fn is_none(self) -> bool {
        self == Self::NONE
    }

    fn row(self) -> Option<&'static Row> {
        // The table begins at −1 and has no gaps: a test says so.
        let row = TABLE.get(usize::try_from(i32::from(self.0) + 1).ok()?)?;
        assert_eq!(row.code, self.0, "the table of error codes has a gap");
        Some(row)
    }
}

impl fmt::Display for ErrorCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.name() {
            Some(name) => write!(f, "{name}({})", self.0),
            None => write!(f, "UNKNOWN({})", self.0),
        }
    }
}

impl From<i16> for ErrorCode {
    fn from(code: i16) -> Self {
        Self(code)
    }
}

macro_rules! codes {
    ($($code:literal $name:ident $retriable:literal $class:ident $meaning:literal;)*) => {
        impl ErrorCode {
            $(#[doc = $meaning] pub const $name: Self = Self($code);)*
        }

        static TABLE: &[Row] = &[$(Row {
            code: $code,
            name: stringify!($name),
            retriable: $retriable,
            class: Class::$class,
            meaning: $meaning,
        }),*];
    };
}

codes! {
    -1 UNKNOWN_SERVER_ERROR false Fatal
        "the broker met an error of its own that it does not name; its log has the cause";
    0 NONE false Success "no error";
    1 OFFSET_OUT_OF_RANGE false Fatal "the offset asked for is not in the partition's log";
    2 CORRUPT_MESSAGE true Retry "the batch arrived with a wrong checksum, size or shape";
    3 UNKNOWN_TOPIC_OR_PARTITION true RefreshMetadata
        "the broker does not have this topic or partition";
    4 INVALID_FETCH_SIZE false Fatal "the fetch size asked for is not valid";
    5 LEADER_NOT_AVAILABLE true RefreshMetadata "the partition has no leader at the moment";
    6 NOT_LEADER_OR_FOLLOWER true RefreshMetadata
        "this broker does not lead the partition (any more)";
    7 REQUEST_TIMED_OUT true Retry "the broker could not finish the request in time";
    8 BROKER_NOT_AVAILABLE false Fatal "the broker is not available";
    9 REPLICA_NOT_AVAILABLE true RefreshMetadata "the broker does not have the replica asked for";
    10 MESSAGE_TOO_LARGE false FailRecord "the batch is larger than the topic's max.message.bytes";
    11 STALE_CONTROLLER_EPOCH false Fatal "the controller moved to another broker";
    12 OFFSET_METADATA_TOO_LARGE false Fatal "the metadata of the committed offset is too large";
    13 NETWORK_EXCEPTION true RefreshMetadata "the connection was lost before an answer came";
    14 COORDINATOR_LOAD_IN_PROGRESS true Wait "the coordinator is still loading its state";
    15 COORDINATOR_NOT_AVAILABLE true FindCoordinator "there is no coordinator at the moment";
    16 NOT_COORDINATOR true FindCoordinator "this broker is not the coordinator (any more)";
    17 INVALID_TOPIC_EXCEPTION false Fatal
        "the topic's name is not valid, or the topic may not be used like this";
    18 RECORD_LIST_TOO_LARGE false FailRecord "the batch is larger than the broker's segment size";
    19 NOT_ENOUGH_REPLICAS true Retry
        "fewer replicas are in sync than min.insync.replicas asks for";
    20 NOT_ENOUGH_REPLICAS_AFTER_APPEND true Retry
        "appended, but fewer replicas are in sync than min.insync.replicas asks for";
    21 INVALID_REQUIRED_ACKS false Fatal "acks must be -1, 0 or 1";
    22 ILLEGAL_GENERATION false AbortTransaction "the group has moved on to another generation";
    23 INCONSISTENT_GROUP_PROTOCOL false Fatal
        "the group's members share no protocol with this one";
    24 INVALID_GROUP_ID false Fatal "the group id is not valid";
    25 UNKNOWN_MEMBER_ID false AbortTransaction "the coordinator does not know this member";
    26 INVALID_SESSION_TIMEOUT false Fatal
        "the session time-out is outside of the range that the broker allows";
    27 REBALANCE_IN_PROGRESS false Wait "the group is rebalancing and must be joined again";
    28 INVALID_COMMIT_OFFSET_SIZE false Fatal "the offset commit is too large";
    29 TOPIC_AUTHORIZATION_FAILED false FailRecord "not allowed to do this to the topic";
    30 GROUP_AUTHORIZATION_FAILED false AbortTransaction "not allowed to use the group";
    31 CLUSTER_AUTHORIZATION_FAILED false Fatal "not allowed to do this to the cluster";
    32 INVALID_TIMESTAMP false FailRecord
        "a record's timestamp is outside of the range that the topic allows";
    33 UNSUPPORTED_SASL_MECHANISM false Fatal "the broker does not offer this SASL mechanism";
    34 ILLEGAL_SASL_STATE false Fatal "the request does not fit the state of the SASL exchange";
    35 UNSUPPORTED_VERSION false Fatal "the broker does not speak this version of the request";
    36 TOPIC_ALREADY_EXISTS false Fatal "a topic of this name exists already";
    37 INVALID_PARTITIONS false Fatal "the number of partitions is not valid";
    38 INVALID_REPLICATION_FACTOR false Fatal
        "the replication factor is below 1 or above the number of brokers";
    39 INVALID_REPLICA_ASSIGNMENT false Fatal "the replica assignment is not valid";
    40 INVALID_CONFIG false Fatal "a configuration value is not valid";
    41 NOT_CONTROLLER true Retry "this broker is not the controller";
    42 INVALID_REQUEST false Fatal "the broker could not make sense of the request";
    43 UNSUPPORTED_FOR_MESSAGE_FORMAT false Fatal
        "the topic's message format does not support the request";
    44 POLICY_VIOLATION false FailRecord "a policy set on the broker forbids this";
    45 OUT_OF_ORDER_SEQUENCE_NUMBER false Fatal
        "the batch's sequence is not the one that the broker expects next";
    46 DUPLICATE_SEQUENCE_NUMBER false Success "the broker has this batch already";
    47 INVALID_PRODUCER_EPOCH false AbortTransaction
        "a newer epoch of this producer id has written to the partition";
    48 INVALID_TXN_STATE false Fatal "the transaction is not in a state in which this can be done";
    49 INVALID_PRODUCER_ID_MAPPING false AbortTransaction
        "the producer id does not belong to the transactional id (any more)";
    50 INVALID_TRANSACTION_TIMEOUT false Fatal
        "the transaction time-out is above the broker's transaction.max.timeout.ms";
    51 CONCURRENT_TRANSACTIONS true Wait "another step of the same transaction is still going on";
    52 TRANSACTION_COORDINATOR_FENCED false Fatal
        "this broker does not coordinate the transaction any more";
    53 TRANSACTIONAL_ID_AUTHORIZATION_FAILED false Fatal "not allowed to use the transactional id";
    54 SECURITY_DISABLED false Fatal "the broker has no security features switched on";
    55 OPERATION_NOT_ATTEMPTED false Fatal
        "not tried, because another part of the same request failed";
    56 KAFKA_STORAGE_ERROR true RefreshMetadata
        "the broker's disk failed; another replica may take over";
    57 LOG_DIR_NOT_FOUND false Fatal "the broker has no such log directory";
    58 SASL_AUTHENTICATION_FAILED false Fatal "user name, password or token were not accepted";
    59 UNKNOWN_PRODUCER_ID false AbortTransaction "the broker has forgotten the producer id";
    60 REASSIGNMENT_IN_PROGRESS false Fatal "the partition is being moved already";
    61 DELEGATION_TOKEN_AUTH_DISABLED false Fatal "delegation tokens are switched off";
    62 DELEGATION_TOKEN_NOT_FOUND false Fatal "the broker does not know the delegation token";
    63 DELEGATION_TOKEN_OWNER_MISMATCH false Fatal "the delegation token belongs to somebody else";
    64 DELEGATION_TOKEN_REQUEST_NOT_ALLOWED false Fatal
        "delegation tokens cannot be asked for over this connection";
    65 DELEGATION_TOKEN_AUTHORIZATION_FAILED false Fatal "not allowed to use the delegation token";
    66 DELEGATION_TOKEN_EXPIRED false Fatal "the delegation token has expired";
    67 INVALID_PRINCIPAL_TYPE false Fatal "the broker does not support this kind of principal";
    68 NON_EMPTY_GROUP false Fatal "the group still has members";
    69 GROUP_ID_NOT_FOUND false Fatal "there is no such group";
    70 FETCH_SESSION_ID_NOT_FOUND true Retry "the broker has dropped the fetch session";
    71 INVALID_FETCH_SESSION_EPOCH true Retry "the fetch session has moved on to another epoch";
    72 LISTENER_NOT_FOUND true RefreshMetadata
        "the leader has no listener of the kind that was asked through";
    73 TOPIC_DELETION_DISABLED false Fatal "deleting topics is switched off on the broker";
    74 FENCED_LEADER_EPOCH true RefreshMetadata
        "the leader epoch in the request is older than the broker's";
    75 UNKNOWN_LEADER_EPOCH true RefreshMetadata
        "the leader epoch in the request is newer than the broker's";
    76 UNSUPPORTED_COMPRESSION_TYPE false FailRecord
        "the compression is not supported for this request or topic";
    77 STALE_BROKER_EPOCH false Fatal "the broker was restarted in between";
    78 OFFSET_NOT_AVAILABLE true Retry "a leader elected just now does not know its offsets yet";
    79 MEMBER_ID_REQUIRED false Fatal "the group must be joined again with the member id given";
    80 PREFERRED_LEADER_NOT_AVAILABLE true Retry "the preferred leader is not available";
    81 GROUP_MAX_SIZE_REACHED false Fatal "the group has as many members as it may have";
    82 FENCED_INSTANCE_ID false Fatal
        "another member has registered with the same group.instance.id";
    83 ELIGIBLE_LEADERS_NOT_AVAILABLE true Retry "no replica that could lead is available";
    84 ELECTION_NOT_NEEDED true Retry "the partition needs no election";
    85 NO_REASSIGNMENT_IN_PROGRESS false Fatal "the partition is not being moved";
    86 GROUP_SUBSCRIBED_TO_TOPIC false Fatal
        "the group is subscribed to the topic, so its offsets stay";
    87 INVALID_RECORD false FailRecord "a record did not pass the broker's validation";
    88 UNSTABLE_OFFSET_COMMIT true Wait "an offset of an open transaction is not decided yet";
    89 THROTTLING_QUOTA_EXCEEDED true Retry "a quota is used up for the moment";
    90 PRODUCER_FENCED false Fatal "a newer producer with the same transactional id has taken over";
    91 RESOURCE_NOT_FOUND false Fatal "there is no such resource";
    92 DUPLICATE_RESOURCE false Fatal "the request names the same resource twice";
    93 UNACCEPTABLE_CREDENTIAL false Fatal "the credential does not meet the broker's rules";
    94 INCONSISTENT_VOTER_SET false Fatal "sender or receiver is not one of the quorum's voters";
    95 INVALID_UPDATE_VERSION false Fatal "the version of the update is not valid";
    96 FEATURE_UPDATE_FAILED false Fatal "the broker could not update its features";
    97 PRINCIPAL_DESERIALIZATION_FAILURE false Fatal
        "the brokers do not understand each other's principals";
    98 SNAPSHOT_NOT_FOUND false Fatal "there is no such snapshot";
    99 POSITION_OUT_OF_RANGE false Fatal "the position lies outside of the snapshot";
    100 UNKNOWN_TOPIC_ID true RefreshMetadata
        "the broker has no topic of this id: deleted, re-created, or not known yet";
    101 DUPLICATE_BROKER_REGISTRATION false Fatal "the broker id is in use already";
    102 BROKER_ID_NOT_REGISTERED false Fatal "the broker id is not registered";
    103 INCONSISTENT_TOPIC_ID true RefreshMetadata
        "the log belongs to another topic id than the request";
    104 INCONSISTENT_CLUSTER_ID false Fatal "the request is for another cluster";
    105 TRANSACTIONAL_ID_NOT_FOUND false Fatal "there is no such transactional id";
    106 FETCH_SESSION_TOPIC_ID_ERROR true Retry "the fetch session mixed topic names and ids";
    107 INELIGIBLE_REPLICA false Fatal "a replica that may not be in sync was named as such";
    108 NEW_LEADER_ELECTED false Fatal "the change was made, but the leader is another one now";
    109 OFFSET_MOVED_TO_TIERED_STORAGE false Fatal "the offset lies in tiered storage";
    110 FENCED_MEMBER_EPOCH false Fatal
        "the coordinator has fenced the member: give up its partitions and join again";
    111 UNRELEASED_INSTANCE_ID false Fatal "another member still holds this instance id";
    112 UNSUPPORTED_ASSIGNOR false Fatal "the group does not support this assignor";
    113 STALE_MEMBER_EPOCH false Wait
        "the member's epoch is old; the next heartbeat brings the new one";
    114 MISMATCHED_ENDPOINT_TYPE false Fatal "the request went to the wrong kind of endpoint";
    115 UNSUPPORTED_ENDPOINT_TYPE false Fatal "this kind of endpoint is not supported";
    116 UNKNOWN_CONTROLLER_ID false Fatal "there is no controller of this id";
    117 UNKNOWN_SUBSCRIPTION_ID false Fatal "the telemetry subscription is out of date";
    118 TELEMETRY_TOO_LARGE false Fatal "the telemetry is larger than the broker takes";
    119 INVALID_REGISTRATION false Fatal "the controller did not accept the broker's registration";
    120 TRANSACTION_ABORTABLE false AbortTransaction
        "the transaction failed and must be aborted; the producer can go on";
    121 INVALID_RECORD_STATE false Fatal
        "the record is not in a state in which it can be acknowledged";
    122 SHARE_SESSION_NOT_FOUND true Retry "the broker has dropped the share session";
    123 INVALID_SHARE_SESSION_EPOCH true Retry "the share session has moved on to another epoch";
    124 FENCED_STATE_EPOCH false Fatal "the share group's state has moved on to another epoch";
    125 INVALID_VOTER_KEY false Fatal
        "the voter's key is not the one of the replica that received it";
    126 DUPLICATE_VOTER false Fatal "the voter is in the quorum already";
    127 VOTER_NOT_FOUND false Fatal "the voter is not in the quorum";
    128 INVALID_REGULAR_EXPRESSION false Fatal "the regular expression is not valid";
    129 REBOOTSTRAP_REQUIRED false Fatal
        "the client's metadata is out of date: begin again at the bootstrap servers";
    130 STREAMS_INVALID_TOPOLOGY false Fatal "the streams topology is not valid";
    131 STREAMS_INVALID_TOPOLOGY_EPOCH false Fatal "the epoch of the streams topology is not valid";
    132 STREAMS_TOPOLOGY_FENCED false Fatal "the epoch of the streams topology is out of date";
    133 SHARE_SESSION_LIMIT_REACHED true Retry
        "the broker has as many share sessions as it may have";
}

#[cfg(test)]
mod tests {
    use kafka_protocol::ResponseError;

    use super::*;

    #[test]
    fn the_table_has_no_gaps() {
        for (index, row) in TABLE.iter().enumerate() {
            assert_eq!(
                usize::try_from(row.code + 1).unwrap(),
                index,
                "{}",
                row.name
            );
            assert!(
                !row.meaning.is_empty() && !row.meaning.ends_with('.'),
                "{}",
                row.name
            );
        }
    }

    /// Where the two tables differ, Kafka's own (its RetriableException) is right.
    const CRATE_RETRIABLE_DIFFERS: &[ErrorCode] = &[ErrorCode::CONCURRENT_TRANSACTIONS];

    #[test]
    fn codes_are_those_of_the_generated_messages() {
        for row in TABLE.iter().filter(|row| row.code != 0) {
            let known = ResponseError::try_from_code(row.code).expect("not zero");
            assert_eq!(known.code(), row.code);
            assert!(!matches!(known, ResponseError::Unknown(_)), "{}", row.name);
            let ours = row.name.replace('_', "").to_lowercase();
            let theirs = format!("{known:?}").to_lowercase();
            assert_eq!(
                ours.trim_end_matches("exception"),
                theirs.trim_end_matches("exception")
            );
            if !CRATE_RETRIABLE_DIFFERS.contains(&ErrorCode(row.code)) {
                assert_eq!(known.is_retriable(), row.retriable, "{}", row.name);
            }
        }
        let next = TABLE.last().expect("not empty").code + 1;
        assert_eq!(
            ResponseError::try_from_code(next),
            Some(ResponseError::Unknown(next))
        );
    }

    #[test]
    fn unknown_codes_are_printed_with_their_number() {
        assert_eq!(ErrorCode(6).to_string(), "NOT_LEADER_OR_FOLLOWER(6)");
        assert_eq!(ErrorCode(-1).to_string(), "UNKNOWN_SERVER_ERROR(-1)");
        for code in [i16::MIN, -2, 134, i16::MAX] {
            assert_eq!(ErrorCode(code).to_string(), format!("UNKNOWN({code})"));
            assert_eq!(ErrorCode(code).class(), Class::Fatal);
            assert_eq!(ErrorCode(code).produce_outcome(), Outcome::Ambiguous);
        }
    }

    #[test]
    fn only_these_codes_settle_a_batch() {
        let refused = [2, 10, 18, 19, 29, 31, 32, 44, 45, 47, 76, 87];
        for code in -1..=133 {
            let expected = match code {
                0 | 46 => Outcome::Delivered,
                _ if refused.contains(&code) => Outcome::Refused,
                _ => Outcome::Ambiguous,
            };
            assert_eq!(
                ErrorCode(code).produce_outcome(),
                expected,
                "{}",
                ErrorCode(code)
            );
        }
    }
}

//! The table behind [`shape`](super::shape): the messages that are decoded by generated code, in
//! all the versions that the generated code has. That a row is right is shown by its test: bytes
//! made from the row alone are decoded and encoded again to the same bytes.

use kafka_protocol::messages::ApiKey;

use super::group_shapes;
use super::shape::Field::{All, Between, Since, Tagged, Until};
use super::shape::Shape::{Array, ArrayOrNull, BytesOrNull, Fixed, Struct, Text, TextOrNull};
use super::shape::{Field, MessageShape, Shape};

/// The shape of an API's request.
pub(super) fn request(api: i16) -> Option<&'static MessageShape> {
    ApiKey::try_from(api).ok().and_then(|api| Some(row(api)?.0))
}

/// The shape of an API's response.
pub(super) fn response(api: i16) -> Option<&'static MessageShape> {
    ApiKey::try_from(api).ok().and_then(|api| Some(row(api)?.1))
}

fn row(api: ApiKey) -> Option<(&'static MessageShape, &'static MessageShape)> {
    Some(match api {
        ApiKey::Produce => (&PRODUCE_REQUEST, &PRODUCE_RESPONSE),
        ApiKey::Fetch => (&FETCH_REQUEST, &FETCH_RESPONSE),
        ApiKey::ListOffsets => (&LIST_OFFSETS_REQUEST, &LIST_OFFSETS_RESPONSE),
        ApiKey::Metadata => (&METADATA_REQUEST, &METADATA_RESPONSE),
        ApiKey::FindCoordinator => (&FIND_COORDINATOR_REQUEST, &FIND_COORDINATOR_RESPONSE),
        ApiKey::ApiVersions => (&API_VERSIONS_REQUEST, &API_VERSIONS_RESPONSE),
        ApiKey::CreateTopics => (&CREATE_TOPICS_REQUEST, &CREATE_TOPICS_RESPONSE),
        ApiKey::DeleteTopics => (&DELETE_TOPICS_REQUEST, &DELETE_TOPICS_RESPONSE),
        ApiKey::InitProducerId => (&INIT_PRODUCER_ID_REQUEST, &INIT_PRODUCER_ID_RESPONSE),
        ApiKey::DescribeConfigs => (&DESCRIBE_CONFIGS_REQUEST, &DESCRIBE_CONFIGS_RESPONSE),
        ApiKey::DescribeCluster => (&DESCRIBE_CLUSTER_REQUEST, &DESCRIBE_CLUSTER_RESPONSE),
        ApiKey::DescribeProducers => (&DESCRIBE_PRODUCERS_REQUEST, &DESCRIBE_PRODUCERS_RESPONSE),
        ApiKey::CreatePartitions => (&CREATE_PARTITIONS_REQUEST, &CREATE_PARTITIONS_RESPONSE),
        ApiKey::DeleteRecords => (&DELETE_RECORDS_REQUEST, &DELETE_RECORDS_RESPONSE),
        ApiKey::OffsetForLeaderEpoch => (&EPOCH_OFFSETS_REQUEST, &EPOCH_OFFSETS_RESPONSE),
        ApiKey::IncrementalAlterConfigs => (&ALTER_CONFIGS_REQUEST, &ALTER_CONFIGS_RESPONSE),
        other => return group_shapes::row(other),
    })
}

pub(super) const BOOL: Shape = Fixed(1);
pub(super) const I8: Shape = Fixed(1);
pub(super) const I16: Shape = Fixed(2);
pub(super) const I32: Shape = Fixed(4);
pub(super) const I64: Shape = Fixed(8);
pub(super) const UUID: Shape = Fixed(16);
pub(super) const I32S: Shape = Array(&I32);
pub(super) const TEXTS: Shape = Array(&Text);

pub(super) const fn message(flexible_since: i16, fields: &'static [Field]) -> MessageShape {
    MessageShape {
        flexible_since,
        fields,
    }
}

static PRODUCE_REQUEST: MessageShape = message(
    9,
    &[
        // transactional id, acks, time-out
        All(TextOrNull),
        All(I16),
        All(I32),
        All(Array(&Struct(&[
            // topic name or id
            Until(12, Text),
            Since(13, UUID),
            // partition, records
            All(Array(&Struct(&[All(I32), All(BytesOrNull)]))),
        ]))),
    ],
);

static PRODUCE_RESPONSE: MessageShape = message(
    9,
    &[
        All(Array(&Struct(&[
            // topic name or id
            Until(12, Text),
            Since(13, UUID),
            All(Array(&Struct(&[
                // partition, error, base offset, append time, log start offset
                All(I32),
                All(I16),
                All(I64),
                All(I64),
                Since(5, I64),
                // record errors, error message, current leader
                Since(8, Array(&Struct(&[All(I32), All(TextOrNull)]))),
                Since(8, TextOrNull),
                Tagged(0, 10, LEADER),
            ]))),
        ]))),
        // throttle time, node endpoints
        All(I32),
        Tagged(0, 10, NODE_ENDPOINTS),
    ],
);

const LEADER: Shape = Struct(&[All(I32), All(I32)]);
const NODE_ENDPOINTS: Shape = Array(&Struct(&[All(I32), All(Text), All(I32), All(TextOrNull)]));

static FETCH_REQUEST: MessageShape = message(
    12,
    &[
        // replica id, longest wait, fewest and most bytes, isolation level, session id and epoch
        Until(14, I32),
        All(I32),
        All(I32),
        All(I32),
        All(I8),
        Since(7, I32),
        Since(7, I32),
        All(Array(&Struct(&[
            Until(12, Text),
            Since(13, UUID),
            All(Array(&Struct(&[
                // partition, leader epoch, offset, last fetched epoch, log start offset, most bytes
                All(I32),
                Since(9, I32),
                All(I64),
                Since(12, I32),
                Since(5, I64),
                All(I32),
                // directory id, high watermark
                Tagged(0, 17, UUID),
                Tagged(1, 18, I64),
            ]))),
        ]))),
        // forgotten topics
        Since(
            7,
            Array(&Struct(&[Until(12, Text), Since(13, UUID), All(I32S)])),
        ),
        // rack
        Since(11, Text),
        // cluster id, replica's id and epoch
        Tagged(0, 12, TextOrNull),
        Tagged(1, 15, Struct(&[All(I32), All(I64)])),
    ],
);

static FETCH_RESPONSE: MessageShape = message(
    12,
    &[
        // throttle time, error, session id
        All(I32),
        Since(7, I16),
        Since(7, I32),
        All(Array(&Struct(&[
            Until(12, Text),
            Since(13, UUID),
            All(Array(&Struct(&[
                // partition, error, high watermark, last stable offset, log start offset
                All(I32),
                All(I16),
                All(I64),
                All(I64),
                Since(5, I64),
                // aborted transactions, preferred replica, records
                All(ArrayOrNull(&Struct(&[All(I64), All(I64)]))),
                Since(11, I32),
                All(BytesOrNull),
                // diverging epoch, current leader, snapshot
                Tagged(0, 12, Struct(&[All(I32), All(I64)])),
                Tagged(1, 12, LEADER),
                Tagged(2, 12, Struct(&[All(I64), All(I32)])),
            ]))),
        ]))),
        Tagged(0, 16, NODE_ENDPOINTS),
    ],
);

static LIST_OFFSETS_REQUEST: MessageShape = message(
    6,
    &[
        // replica id, isolation level
        All(I32),
        Since(2, I8),
        All(Array(&Struct(&[
            All(Text),
            // partition, leader epoch, timestamp
            All(Array(&Struct(&[All(I32), Since(4, I32), All(I64)]))),
        ]))),
        // time-out
        Since(10, I32),
    ],
);

static LIST_OFFSETS_RESPONSE: MessageShape = message(
    6,
    &[
        Since(2, I32),
        All(Array(&Struct(&[
            All(Text),
            // partition, error, timestamp, offset, leader epoch
            All(Array(&Struct(&[
                All(I32),
                All(I16),
                All(I64),
                All(I64),
                Since(4, I32),
            ]))),
        ]))),
    ],
);

static METADATA_REQUEST: MessageShape = message(
    9,
    &[
        // topic id, name
        All(ArrayOrNull(&Struct(&[
            Since(10, UUID),
            Until(9, Text),
            Since(10, TextOrNull),
        ]))),
        // create topics, authorized operations of the cluster, of the topics
        Since(4, BOOL),
        Between(8, 10, BOOL),
        Since(8, BOOL),
    ],
);

static METADATA_RESPONSE: MessageShape = message(
    9,
    &[
        Since(3, I32),
        // node id, host, port, rack
        All(Array(&Struct(&[
            All(I32),
            All(Text),
            All(I32),
            Since(1, TextOrNull),
        ]))),
        // cluster id, controller
        Since(2, TextOrNull),
        Since(1, I32),
        All(Array(&Struct(&[
            // error, name, id, is internal
            All(I16),
            Until(11, Text),
            Since(12, TextOrNull),
            Since(10, UUID),
            Since(1, BOOL),
            All(Array(&Struct(&[
                // error, partition, leader, leader epoch, replicas, in sync, offline
                All(I16),
                All(I32),
                All(I32),
                Since(7, I32),
                All(I32S),
                All(I32S),
                Since(5, I32S),
            ]))),
            // authorized operations
            Since(8, I32),
        ]))),
        Between(8, 10, I32),
        Since(13, I16),
    ],
);

static FIND_COORDINATOR_REQUEST: MessageShape =
    message(3, &[Until(3, Text), Since(1, I8), Since(4, TEXTS)]);

static FIND_COORDINATOR_RESPONSE: MessageShape = message(
    3,
    &[
        // throttle time, error, message, node, host, port
        Since(1, I32),
        Until(3, I16),
        Between(1, 3, TextOrNull),
        Until(3, I32),
        Until(3, Text),
        Until(3, I32),
        // key, node, host, port, error, message
        Since(
            4,
            Array(&Struct(&[
                All(Text),
                All(I32),
                All(Text),
                All(I32),
                All(I16),
                All(TextOrNull),
            ])),
        ),
    ],
);

static API_VERSIONS_REQUEST: MessageShape = message(3, &[Since(3, Text), Since(3, Text)]);

static API_VERSIONS_RESPONSE: MessageShape = message(
    3,
    &[
        // error, then key, lowest and highest version
        All(I16),
        All(Array(&Struct(&[All(I16), All(I16), All(I16)]))),
        Since(1, I32),
        // supported features, their epoch, finalized features, ready to migrate
        Tagged(0, 3, FEATURES),
        Tagged(1, 3, I64),
        Tagged(2, 3, FEATURES),
        Tagged(3, 3, BOOL),
    ],
);

const FEATURES: Shape = Array(&Struct(&[All(Text), All(I16), All(I16)]));

static CREATE_TOPICS_REQUEST: MessageShape = message(
    5,
    &[
        All(Array(&Struct(&[
            // name, partitions, replication factor, assignments, configs
            All(Text),
            All(I32),
            All(I16),
            All(Array(&Struct(&[All(I32), All(I32S)]))),
            All(Array(&Struct(&[All(Text), All(TextOrNull)]))),
        ]))),
        // time-out, only validate
        All(I32),
        All(BOOL),
    ],
);

static CREATE_TOPICS_RESPONSE: MessageShape = message(
    5,
    &[
        All(I32),
        All(Array(&Struct(&[
            // name, id, error, message, partitions, replication factor
            All(Text),
            Since(7, UUID),
            All(I16),
            All(TextOrNull),
            Since(5, I32),
            Since(5, I16),
            // name, value, read only, source, sensitive
            Since(
                5,
                ArrayOrNull(&Struct(&[
                    All(Text),
                    All(TextOrNull),
                    All(BOOL),
                    All(I8),
                    All(BOOL),
                ])),
            ),
            // why the configs are not there
            Tagged(0, 5, I16),
        ]))),
    ],
);

static DELETE_TOPICS_REQUEST: MessageShape = message(
    4,
    &[
        Since(6, Array(&Struct(&[All(TextOrNull), All(UUID)]))),
        Until(5, TEXTS),
        All(I32),
    ],
);

static DELETE_TOPICS_RESPONSE: MessageShape = message(
    4,
    &[
        All(I32),
        All(Array(&Struct(&[
            // name, id, error, message
            Until(5, Text),
            Since(6, TextOrNull),
            Since(6, UUID),
            All(I16),
            Since(5, TextOrNull),
        ]))),
    ],
);

static INIT_PRODUCER_ID_REQUEST: MessageShape = message(
    2,
    &[
        // transactional id, time-out, producer id and epoch
        All(TextOrNull),
        All(I32),
        Since(3, I64),
        Since(3, I16),
    ],
);

static INIT_PRODUCER_ID_RESPONSE: MessageShape = message(
    2,
    &[
        // throttle time, error, producer id and epoch, those of an ongoing transaction
        All(I32),
        All(I16),
        All(I64),
        All(I16),
        Since(6, I64),
        Since(6, I16),
    ],
);

static DESCRIBE_CONFIGS_REQUEST: MessageShape = message(
    4,
    &[
        All(Array(&Struct(&[
            All(I8),
            All(Text),
            All(ArrayOrNull(&Text)),
        ]))),
        // synonyms, documentation
        All(BOOL),
        Since(3, BOOL),
    ],
);

static DESCRIBE_CONFIGS_RESPONSE: MessageShape = message(
    4,
    &[
        All(I32),
        All(Array(&Struct(&[
            // error, message, resource type and name
            All(I16),
            All(TextOrNull),
            All(I8),
            All(Text),
            All(Array(&Struct(&[
                // name, value, read only, source, sensitive, synonyms, type, documentation
                All(Text),
                All(TextOrNull),
                All(BOOL),
                All(I8),
                All(BOOL),
                All(Array(&Struct(&[All(Text), All(TextOrNull), All(I8)]))),
                Since(3, I8),
                Since(3, TextOrNull),
            ]))),
        ]))),
    ],
);

static DESCRIBE_CLUSTER_REQUEST: MessageShape =
    message(0, &[All(BOOL), Since(1, I8), Since(2, BOOL)]);

static DESCRIBE_CLUSTER_RESPONSE: MessageShape = message(
    0,
    &[
        // throttle time, error, message, endpoint type, cluster id, controller
        All(I32),
        All(I16),
        All(TextOrNull),
        Since(1, I8),
        All(Text),
        All(I32),
        // id, host, port, rack, is fenced
        All(Array(&Struct(&[
            All(I32),
            All(Text),
            All(I32),
            All(TextOrNull),
            Since(2, BOOL),
        ]))),
        All(I32),
    ],
);

static DESCRIBE_PRODUCERS_REQUEST: MessageShape =
    message(0, &[All(Array(&Struct(&[All(Text), All(I32S)])))]);

static DESCRIBE_PRODUCERS_RESPONSE: MessageShape = message(
    0,
    &[
        All(I32),
        All(Array(&Struct(&[
            All(Text),
            All(Array(&Struct(&[
                // partition, error, message
                All(I32),
                All(I16),
                All(TextOrNull),
                // producer id, epoch, last sequence and timestamp, coordinator's epoch, transaction
                All(Array(&Struct(&[
                    All(I64),
                    All(I32),
                    All(I32),
                    All(I64),
                    All(I32),
                    All(I64),
                ]))),
            ]))),
        ]))),
    ],
);

static CREATE_PARTITIONS_REQUEST: MessageShape = message(
    2,
    &[
        All(Array(&Struct(&[
            // name, partitions, assignments
            All(Text),
            All(I32),
            All(ArrayOrNull(&Struct(&[All(I32S)]))),
        ]))),
        // time-out, only validate
        All(I32),
        All(BOOL),
    ],
);

static CREATE_PARTITIONS_RESPONSE: MessageShape = message(
    2,
    &[
        All(I32),
        // name, error, message
        All(Array(&Struct(&[All(Text), All(I16), All(TextOrNull)]))),
    ],
);

static DELETE_RECORDS_REQUEST: MessageShape = message(
    2,
    &[
        All(Array(&Struct(&[
            All(Text),
            // partition, offset
            All(Array(&Struct(&[All(I32), All(I64)]))),
        ]))),
        // time-out
        All(I32),
    ],
);

static DELETE_RECORDS_RESPONSE: MessageShape = message(
    2,
    &[
        All(I32),
        All(Array(&Struct(&[
            All(Text),
            // partition, low watermark, error
            All(Array(&Struct(&[All(I32), All(I64), All(I16)]))),
        ]))),
    ],
);

static EPOCH_OFFSETS_REQUEST: MessageShape = message(
    4,
    &[
        // replica id
        Since(3, I32),
        All(Array(&Struct(&[
            All(Text),
            // partition, current leader epoch, leader epoch
            All(Array(&Struct(&[All(I32), All(I32), All(I32)]))),
        ]))),
    ],
);

static EPOCH_OFFSETS_RESPONSE: MessageShape = message(
    4,
    &[
        All(I32),
        All(Array(&Struct(&[
            All(Text),
            // error, partition, leader epoch, end offset
            All(Array(&Struct(&[All(I16), All(I32), All(I32), All(I64)]))),
        ]))),
    ],
);

static ALTER_CONFIGS_REQUEST: MessageShape = message(
    1,
    &[
        All(Array(&Struct(&[
            // resource type and name
            All(I8),
            All(Text),
            // name, operation, value
            All(Array(&Struct(&[All(Text), All(I8), All(TextOrNull)]))),
        ]))),
        // only validate
        All(BOOL),
    ],
);

static ALTER_CONFIGS_RESPONSE: MessageShape = message(
    1,
    &[
        All(I32),
        // error, message, resource type and name
        All(Array(&Struct(&[
            All(I16),
            All(TextOrNull),
            All(I8),
            All(Text),
        ]))),
    ],
);

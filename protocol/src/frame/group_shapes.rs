//! The rows of groups in the table of [`shapes`](super::shapes).

use kafka_protocol::messages::ApiKey;

use super::shape::Field::{All, Between, Since, Until};
use super::shape::Shape::{Array, ArrayOrNull, Bytes, Struct, Text, TextOrNull};
use super::shape::{MessageShape, Shape};
use super::shapes::{BOOL, I16, I32, I32S, I64, TEXTS, UUID, message};

pub(super) fn row(api: ApiKey) -> Option<(&'static MessageShape, &'static MessageShape)> {
    Some(match api {
        ApiKey::JoinGroup => (&JOIN_REQUEST, &JOIN_RESPONSE),
        ApiKey::SyncGroup => (&SYNC_REQUEST, &SYNC_RESPONSE),
        ApiKey::Heartbeat => (&HEARTBEAT_REQUEST, &HEARTBEAT_RESPONSE),
        ApiKey::LeaveGroup => (&LEAVE_REQUEST, &LEAVE_RESPONSE),
        ApiKey::OffsetCommit => (&OFFSET_COMMIT_REQUEST, &OFFSET_COMMIT_RESPONSE),
        ApiKey::OffsetFetch => (&OFFSET_FETCH_REQUEST, &OFFSET_FETCH_RESPONSE),
        ApiKey::OffsetDelete => (&OFFSET_DELETE_REQUEST, &OFFSET_DELETE_RESPONSE),
        ApiKey::ListGroups => (&LIST_REQUEST, &LIST_RESPONSE),
        ApiKey::DescribeGroups => (&DESCRIBE_REQUEST, &DESCRIBE_RESPONSE),
        ApiKey::DeleteGroups => (&DELETE_REQUEST, &DELETE_RESPONSE),
        _ => return None,
    })
}

static JOIN_REQUEST: MessageShape = message(
    6,
    &[
        // group, session and rebalance time-out, member, instance, protocol type
        All(Text),
        All(I32),
        Since(1, I32),
        All(Text),
        Since(5, TextOrNull),
        All(Text),
        // name, metadata
        All(Array(&Struct(&[All(Text), All(Bytes)]))),
        // reason
        Since(8, TextOrNull),
    ],
);

static JOIN_RESPONSE: MessageShape = message(
    6,
    &[
        // throttle time, error, generation, protocol type and name
        Since(2, I32),
        All(I16),
        All(I32),
        Since(7, TextOrNull),
        Until(6, Text),
        Since(7, TextOrNull),
        // leader, skip assignment, member
        All(Text),
        Since(9, BOOL),
        All(Text),
        // member, instance, metadata
        All(Array(&Struct(&[
            All(Text),
            Since(5, TextOrNull),
            All(Bytes),
        ]))),
    ],
);

static SYNC_REQUEST: MessageShape = message(
    4,
    &[
        // group, generation, member, instance, protocol type and name
        All(Text),
        All(I32),
        All(Text),
        Since(3, TextOrNull),
        Since(5, TextOrNull),
        Since(5, TextOrNull),
        // member, assignment
        All(Array(&Struct(&[All(Text), All(Bytes)]))),
    ],
);

static SYNC_RESPONSE: MessageShape = message(
    4,
    &[
        // throttle time, error, protocol type and name, assignment
        Since(1, I32),
        All(I16),
        Since(5, TextOrNull),
        Since(5, TextOrNull),
        All(Bytes),
    ],
);

static HEARTBEAT_REQUEST: MessageShape = message(
    4,
    // group, generation, member, instance
    &[All(Text), All(I32), All(Text), Since(3, TextOrNull)],
);

static HEARTBEAT_RESPONSE: MessageShape = message(4, &[Since(1, I32), All(I16)]);

static LEAVE_REQUEST: MessageShape = message(
    4,
    &[
        // group, member
        All(Text),
        Until(2, Text),
        // member, instance, reason
        Since(
            3,
            Array(&Struct(&[All(Text), All(TextOrNull), Since(5, TextOrNull)])),
        ),
    ],
);

static LEAVE_RESPONSE: MessageShape = message(
    4,
    &[
        Since(1, I32),
        All(I16),
        // member, instance, error
        Since(3, Array(&Struct(&[All(Text), All(TextOrNull), All(I16)]))),
    ],
);

static OFFSET_COMMIT_REQUEST: MessageShape = message(
    8,
    &[
        // group, generation, member, instance, retention time
        All(Text),
        All(I32),
        All(Text),
        Since(7, TextOrNull),
        Between(2, 4, I64),
        All(Array(&Struct(&[
            All(Text),
            // partition, offset, leader epoch, metadata
            All(Array(&Struct(&[
                All(I32),
                All(I64),
                Since(6, I32),
                All(TextOrNull),
            ]))),
        ]))),
    ],
);

static OFFSET_COMMIT_RESPONSE: MessageShape = message(
    8,
    &[
        Since(3, I32),
        All(Array(&Struct(&[
            Until(9, Text),
            Since(10, UUID),
            // partition, error
            All(Array(&Struct(&[All(I32), All(I16)]))),
        ]))),
    ],
);

static OFFSET_FETCH_REQUEST: MessageShape = message(
    6,
    &[
        // group, its partitions by topic
        Until(7, Text),
        Until(1, Array(&ASKED_OFFSETS)),
        Between(2, 7, ArrayOrNull(&ASKED_OFFSETS)),
        // group, member, its epoch, partitions by topic
        Since(
            8,
            Array(&Struct(&[
                All(Text),
                Since(9, TextOrNull),
                Since(9, I32),
                All(ArrayOrNull(&ASKED_OFFSETS)),
            ])),
        ),
        // only what no transaction may change
        Since(7, BOOL),
    ],
);

const ASKED_OFFSETS: Shape = Struct(&[All(Text), All(I32S)]);

static OFFSET_FETCH_RESPONSE: MessageShape = message(
    6,
    &[
        Since(3, I32),
        Until(7, Array(&Struct(&[All(Text), All(Array(&FOUND_OFFSET))]))),
        Between(2, 7, I16),
        Since(
            8,
            Array(&Struct(&[
                All(Text),
                All(Array(&Struct(&[
                    Until(9, Text),
                    Since(10, UUID),
                    All(Array(&FOUND_OFFSET)),
                ]))),
                All(I16),
            ])),
        ),
    ],
);

/// Partition, offset, leader epoch, metadata, error.
const FOUND_OFFSET: Shape = Struct(&[All(I32), All(I64), Since(5, I32), All(TextOrNull), All(I16)]);

static OFFSET_DELETE_REQUEST: MessageShape = message(
    i16::MAX,
    &[
        All(Text),
        // topic, partitions
        All(Array(&Struct(&[
            All(Text),
            All(Array(&Struct(&[All(I32)]))),
        ]))),
    ],
);

static OFFSET_DELETE_RESPONSE: MessageShape = message(
    i16::MAX,
    &[
        // error, throttle time
        All(I16),
        All(I32),
        All(Array(&Struct(&[
            All(Text),
            // partition, error
            All(Array(&Struct(&[All(I32), All(I16)]))),
        ]))),
    ],
);

static LIST_REQUEST: MessageShape = message(
    3,
    // states, types
    &[Since(4, TEXTS), Since(5, TEXTS)],
);

static LIST_RESPONSE: MessageShape = message(
    3,
    &[
        Since(1, I32),
        All(I16),
        // group, protocol type, state, type
        All(Array(&Struct(&[
            All(Text),
            All(Text),
            Since(4, Text),
            Since(5, Text),
        ]))),
    ],
);

static DESCRIBE_REQUEST: MessageShape = message(
    5,
    // groups, authorized operations
    &[All(TEXTS), Since(3, BOOL)],
);

static DESCRIBE_RESPONSE: MessageShape = message(
    5,
    &[
        Since(1, I32),
        All(Array(&Struct(&[
            // error, message, group, state, protocol type and name
            All(I16),
            Since(6, TextOrNull),
            All(Text),
            All(Text),
            All(Text),
            All(Text),
            // member, instance, client, host, metadata, assignment
            All(Array(&Struct(&[
                All(Text),
                Since(4, TextOrNull),
                All(Text),
                All(Text),
                All(Bytes),
                All(Bytes),
            ]))),
            // authorized operations
            Since(3, I32),
        ]))),
    ],
);

static DELETE_REQUEST: MessageShape = message(2, &[All(TEXTS)]);

static DELETE_RESPONSE: MessageShape = message(
    2,
    &[
        All(I32),
        // group, error
        All(Array(&Struct(&[All(Text), All(I16)]))),
    ],
);

//! Well-formed messages in every version that is spoken, full of elements: what changes begin with.

use bytes::Bytes;
use kafka_protocol::messages::api_versions_response::{
    ApiVersion, FinalizedFeatureKey, SupportedFeatureKey,
};
use kafka_protocol::messages::create_partitions_request::{
    CreatePartitionsAssignment, CreatePartitionsTopic,
};
use kafka_protocol::messages::create_topics_request::{CreatableTopic, CreatableTopicConfig};
use kafka_protocol::messages::create_topics_response::{
    CreatableTopicConfigs, CreatableTopicResult,
};
use kafka_protocol::messages::delete_records_request::{
    DeleteRecordsPartition, DeleteRecordsTopic,
};
use kafka_protocol::messages::delete_topics_response::DeletableTopicResult;
use kafka_protocol::messages::describe_cluster_response::DescribeClusterBroker;
use kafka_protocol::messages::describe_configs_request::DescribeConfigsResource;
use kafka_protocol::messages::describe_configs_response::{
    DescribeConfigsResourceResult, DescribeConfigsResult, DescribeConfigsSynonym,
};
use kafka_protocol::messages::describe_producers_request::TopicRequest;
use kafka_protocol::messages::describe_producers_response::{
    PartitionResponse, ProducerState, TopicResponse,
};
use kafka_protocol::messages::fetch_request::{FetchPartition, FetchTopic};
use kafka_protocol::messages::fetch_response::{
    AbortedTransaction, FetchableTopicResponse, PartitionData,
};
use kafka_protocol::messages::find_coordinator_response::Coordinator;
use kafka_protocol::messages::incremental_alter_configs_request::{
    AlterConfigsResource, AlterableConfig,
};
use kafka_protocol::messages::list_offsets_request::{ListOffsetsPartition, ListOffsetsTopic};
use kafka_protocol::messages::list_offsets_response::{
    ListOffsetsPartitionResponse, ListOffsetsTopicResponse,
};
use kafka_protocol::messages::metadata_request::MetadataRequestTopic;
use kafka_protocol::messages::metadata_response::{
    MetadataResponseBroker, MetadataResponsePartition, MetadataResponseTopic,
};
use kafka_protocol::messages::offset_for_leader_epoch_request::{
    OffsetForLeaderPartition, OffsetForLeaderTopic,
};
use kafka_protocol::messages::produce_request::{PartitionProduceData, TopicProduceData};
use kafka_protocol::messages::produce_response::{
    BatchIndexAndErrorMessage, LeaderIdAndEpoch, PartitionProduceResponse, TopicProduceResponse,
};
use kafka_protocol::messages::{
    ApiKey, ApiVersionsRequest, ApiVersionsResponse, BrokerId, CreatePartitionsRequest,
    CreateTopicsRequest, CreateTopicsResponse, DeleteRecordsRequest, DeleteTopicsRequest,
    DeleteTopicsResponse, DescribeClusterRequest, DescribeClusterResponse, DescribeConfigsRequest,
    DescribeConfigsResponse, DescribeProducersRequest, DescribeProducersResponse, FetchRequest,
    FetchResponse, FindCoordinatorRequest, FindCoordinatorResponse, IncrementalAlterConfigsRequest,
    InitProducerIdRequest, InitProducerIdResponse, ListOffsetsRequest, ListOffsetsResponse,
    MetadataRequest, MetadataResponse, OffsetForLeaderEpochRequest, ProduceRequest,
    ProduceResponse, ProducerId, TopicName,
};
use kafka_protocol::protocol::{Request, StrBytes};

use protocol::api::SPOKEN;
use protocol::frame::{encode_request, encode_response};
use protocol::records::header::Compression;

/// API, version and frame of answers.
pub(super) fn answers() -> Vec<(ApiKey, i16, Vec<u8>)> {
    let mut samples = Vec::new();
    answer::<ApiVersionsRequest>(&mut samples, |_| api_versions());
    answer::<MetadataRequest>(&mut samples, |_| metadata());
    answer::<ProduceRequest>(&mut samples, produce);
    answer::<FetchRequest>(&mut samples, fetch);
    answer::<ListOffsetsRequest>(&mut samples, |_| list_offsets());
    answer::<InitProducerIdRequest>(&mut samples, |_| {
        InitProducerIdResponse::default().with_producer_id(ProducerId(7))
    });
    answer::<DescribeProducersRequest>(&mut samples, |_| describe_producers());
    answer::<DescribeConfigsRequest>(&mut samples, |_| describe_configs());
    answer::<CreateTopicsRequest>(&mut samples, create_topics);
    answer::<DeleteTopicsRequest>(&mut samples, delete_topics);
    answer::<DescribeClusterRequest>(&mut samples, |_| describe_cluster());
    answer::<FindCoordinatorRequest>(&mut samples, find_coordinator);
    samples
}

/// A sample in every version that is spoken.
fn answer<R: Request>(
    samples: &mut Vec<(ApiKey, i16, Vec<u8>)>,
    response: impl Fn(i16) -> R::Response,
) {
    let api = ApiKey::try_from(R::KEY).expect("a key");
    let row = SPOKEN.iter().find(|row| row.api == api).expect("spoken");
    for version in row.min..=row.max {
        let mut frame = Vec::new();
        encode_response::<R>(&response(version), version, 77, &mut frame).expect("encodes");
        samples.push((api, version, frame));
    }
}

/// Frames of requests, to a topic `t` of one partition where they name one.
pub(super) fn requests() -> Vec<Vec<u8>> {
    let mut frames = Vec::new();
    request(&mut frames, 0..=4, |_| ApiVersionsRequest::default());
    request(&mut frames, 0..=13, |_| {
        let topic = MetadataRequestTopic::default().with_name(Some(topic_t()));
        MetadataRequest::default().with_topics(Some(vec![topic; 2]))
    });
    request(&mut frames, 3..=12, |_| produce_request());
    request(&mut frames, 4..=12, |_| {
        let partition = FetchPartition::default().with_partition_max_bytes(1000);
        let topic = FetchTopic::default()
            .with_topic(topic_t())
            .with_partitions(vec![partition; 2]);
        FetchRequest::default()
            .with_replica_id(BrokerId(-1))
            .with_max_bytes(1000)
            .with_topics(vec![topic])
    });
    request(&mut frames, 1..=10, |_| {
        let partition = ListOffsetsPartition::default().with_timestamp(5);
        let topic = ListOffsetsTopic::default()
            .with_name(topic_t())
            .with_partitions(vec![partition; 2]);
        ListOffsetsRequest::default().with_topics(vec![topic])
    });
    request(&mut frames, 0..=5, |_| InitProducerIdRequest::default());
    request(&mut frames, 0..=0, |_| {
        let topic = TopicRequest::default()
            .with_name(topic_t())
            .with_partition_indexes(vec![0, 1, 2]);
        DescribeProducersRequest::default().with_topics(vec![topic])
    });
    request(&mut frames, 1..=4, |_| {
        let resource = DescribeConfigsResource::default()
            .with_resource_type(2)
            .with_resource_name(text("t"))
            .with_configuration_keys(Some(vec![text("cleanup.policy")]));
        DescribeConfigsRequest::default().with_resources(vec![resource])
    });
    request(&mut frames, 0..=2, |_| DescribeClusterRequest::default());
    requests_of_changes(&mut frames);
    frames
}

fn requests_of_changes(frames: &mut Vec<Vec<u8>>) {
    request(frames, 2..=7, |_| {
        let config = CreatableTopicConfig::default().with_name(text("segment.bytes"));
        let topic = CreatableTopic::default()
            .with_name(topic_name())
            .with_num_partitions(2)
            .with_replication_factor(1)
            .with_configs(vec![config.with_value(Some(text("1000")))]);
        CreateTopicsRequest::default().with_topics(vec![topic])
    });
    request(frames, 1..=5, |_| {
        DeleteTopicsRequest::default().with_topic_names(vec![topic_name()])
    });
    request(frames, 0..=3, |_| {
        let assignment = CreatePartitionsAssignment::default().with_broker_ids(vec![BrokerId(1)]);
        let topic = CreatePartitionsTopic::default()
            .with_name(topic_t())
            .with_count(3)
            .with_assignments(Some(vec![assignment]));
        CreatePartitionsRequest::default()
            .with_topics(vec![topic])
            .with_validate_only(true)
    });
    request(frames, 0..=2, |_| {
        let partition = DeleteRecordsPartition::default().with_offset(2);
        let topic = DeleteRecordsTopic::default()
            .with_name(topic_t())
            .with_partitions(vec![partition; 2]);
        DeleteRecordsRequest::default().with_topics(vec![topic])
    });
    request(frames, 2..=4, |_| {
        let partition = OffsetForLeaderPartition::default();
        let topic = OffsetForLeaderTopic::default()
            .with_topic(topic_t())
            .with_partitions(vec![partition; 2]);
        OffsetForLeaderEpochRequest::default().with_topics(vec![topic])
    });
    request(frames, 0..=1, |_| {
        let config = AlterableConfig::default()
            .with_name(text("retention.ms"))
            .with_value(Some(text("5")));
        let resource = AlterConfigsResource::default()
            .with_resource_type(2)
            .with_resource_name(text("t"))
            .with_configs(vec![config; 2]);
        IncrementalAlterConfigsRequest::default().with_resources(vec![resource])
    });
}

fn request<R: Request>(
    frames: &mut Vec<Vec<u8>>,
    versions: std::ops::RangeInclusive<i16>,
    request: impl Fn(i16) -> R,
) {
    for version in versions {
        let mut frame = Vec::new();
        encode_request(&request(version), version, 7, "me", &mut frame).expect("encodes");
        frames.push(frame);
    }
}

fn topic_t() -> TopicName {
    TopicName(text("t"))
}

fn produce_request() -> ProduceRequest {
    let batch = super::records::sample_batch(Compression::None);
    let partition = PartitionProduceData::default().with_records(Some(Bytes::from(batch)));
    let topic = TopicProduceData::default()
        .with_name(topic_t())
        .with_partition_data(vec![partition]);
    ProduceRequest::default()
        .with_acks(-1)
        .with_timeout_ms(1_000)
        .with_topic_data(vec![topic])
}

fn delete_topics(version: i16) -> DeleteTopicsResponse {
    let mut topic = DeletableTopicResult::default().with_name(Some(topic_name()));
    if version >= 6 {
        topic.topic_id = topic_id();
    }
    DeleteTopicsResponse::default().with_responses(vec![topic; 2])
}

fn describe_cluster() -> DescribeClusterResponse {
    let broker = DescribeClusterBroker::default()
        .with_broker_id(BrokerId(1))
        .with_host(text("broker-1.example"))
        .with_port(9092);
    DescribeClusterResponse::default()
        .with_cluster_id(text("cluster"))
        .with_brokers(vec![broker; 3])
}

fn find_coordinator(version: i16) -> FindCoordinatorResponse {
    if version < 4 {
        return FindCoordinatorResponse::default()
            .with_host(text("broker-1.example"))
            .with_port(9092);
    }
    let coordinator = Coordinator::default()
        .with_key(text("group"))
        .with_host(text("broker-1.example"))
        .with_port(9092);
    FindCoordinatorResponse::default().with_coordinators(vec![coordinator; 2])
}

fn text(text: &'static str) -> StrBytes {
    StrBytes::from_static_str(text)
}

fn topic_name() -> TopicName {
    TopicName(text("orders"))
}

fn topic_id() -> uuid::Uuid {
    uuid::Uuid::from_u128(0x1234_5678)
}

fn api_versions() -> ApiVersionsResponse {
    let keys = (0..40).map(|key| ApiVersion::default().with_api_key(key).with_max_version(9));
    let supported = SupportedFeatureKey::default().with_name(text("metadata.version"));
    let finalized = FinalizedFeatureKey::default().with_name(text("metadata.version"));
    ApiVersionsResponse::default()
        .with_api_keys(keys.collect())
        .with_throttle_time_ms(1)
        .with_supported_features(vec![supported])
        .with_finalized_features(vec![finalized])
        .with_finalized_features_epoch(5)
}

fn metadata() -> MetadataResponse {
    let broker = MetadataResponseBroker::default()
        .with_node_id(BrokerId(1))
        .with_host(text("broker-1.example"))
        .with_port(9092)
        .with_rack(Some(text("a")));
    let partitions = (0..4).map(|index| {
        MetadataResponsePartition::default()
            .with_partition_index(index)
            .with_leader_id(BrokerId(1))
            .with_leader_epoch(3)
            .with_replica_nodes(vec![BrokerId(1), BrokerId(2), BrokerId(3)])
            .with_isr_nodes(vec![BrokerId(1), BrokerId(2)])
            .with_offline_replicas(vec![BrokerId(3)])
    });
    let topic = MetadataResponseTopic::default()
        .with_name(Some(topic_name()))
        .with_topic_id(topic_id())
        .with_partitions(partitions.collect())
        .with_topic_authorized_operations(0xdf8);
    MetadataResponse::default()
        .with_brokers(vec![broker; 3])
        .with_cluster_id(Some(text("cluster")))
        .with_controller_id(BrokerId(1))
        .with_topics(vec![topic; 2])
}

fn produce(version: i16) -> ProduceResponse {
    let error = BatchIndexAndErrorMessage::default()
        .with_batch_index(1)
        .with_batch_index_error_message(Some(text("no")));
    let mut partition = PartitionProduceResponse::default()
        .with_index(3)
        .with_error_code(6)
        .with_record_errors(vec![error; 2])
        .with_error_message(Some(text("not here")));
    if version >= 10 {
        partition.current_leader = LeaderIdAndEpoch::default()
            .with_leader_id(BrokerId(2))
            .with_leader_epoch(9);
    }
    let mut topic = TopicProduceResponse::default().with_partition_responses(vec![partition; 2]);
    if version <= 12 {
        topic.name = topic_name();
    } else {
        topic.topic_id = topic_id();
    }
    ProduceResponse::default().with_responses(vec![topic; 2])
}

fn fetch(version: i16) -> FetchResponse {
    let aborted = AbortedTransaction::default().with_producer_id(ProducerId(1));
    let mut data = PartitionData::default()
        .with_partition_index(2)
        .with_high_watermark(100)
        .with_aborted_transactions(Some(vec![aborted; 2]))
        .with_records(Some(Bytes::from_static(&[42; 61])));
    data.diverging_epoch.epoch = 4;
    data.snapshot_id.end_offset = 4;
    let mut topic = FetchableTopicResponse::default().with_partitions(vec![data; 2]);
    if version <= 12 {
        topic.topic = topic_name();
    } else {
        topic.topic_id = topic_id();
    }
    FetchResponse::default().with_responses(vec![topic; 2])
}

fn list_offsets() -> ListOffsetsResponse {
    let partition = ListOffsetsPartitionResponse::default()
        .with_offset(5)
        .with_leader_epoch(1);
    let topic = ListOffsetsTopicResponse::default()
        .with_name(topic_name())
        .with_partitions(vec![partition; 3]);
    ListOffsetsResponse::default().with_topics(vec![topic; 2])
}

fn describe_producers() -> DescribeProducersResponse {
    let state = ProducerState::default()
        .with_producer_id(ProducerId(8))
        .with_last_sequence(4);
    let partition = PartitionResponse::default()
        .with_partition_index(1)
        .with_error_message(Some(text("none")))
        .with_active_producers(vec![state; 3]);
    let topic = TopicResponse::default()
        .with_name(topic_name())
        .with_partitions(vec![partition; 2]);
    DescribeProducersResponse::default().with_topics(vec![topic])
}

fn describe_configs() -> DescribeConfigsResponse {
    let synonym = DescribeConfigsSynonym::default()
        .with_name(text("message.max.bytes"))
        .with_value(Some(text("1048588")));
    let config = DescribeConfigsResourceResult::default()
        .with_name(text("max.message.bytes"))
        .with_value(Some(text("1048588")))
        .with_synonyms(vec![synonym; 2]);
    let result = DescribeConfigsResult::default()
        .with_resource_type(2)
        .with_resource_name(text("orders"))
        .with_configs(vec![config; 3]);
    DescribeConfigsResponse::default().with_results(vec![result; 2])
}

fn create_topics(version: i16) -> CreateTopicsResponse {
    let config = CreatableTopicConfigs::default()
        .with_name(text("cleanup.policy"))
        .with_value(Some(text("delete")));
    let mut topic = CreatableTopicResult::default()
        .with_name(topic_name())
        .with_error_message(Some(text("none")))
        .with_num_partitions(8)
        .with_replication_factor(3)
        .with_configs(Some(vec![config; 2]))
        .with_topic_config_error_code(29);
    if version >= 7 {
        topic.topic_id = topic_id();
    }
    CreateTopicsResponse::default().with_topics(vec![topic; 2])
}

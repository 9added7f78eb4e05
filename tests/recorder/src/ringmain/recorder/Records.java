package ringmain.recorder;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.util.Map;
import org.apache.kafka.common.record.TimestampType;
import org.apache.kafka.connect.connector.ConnectRecord;
import org.apache.kafka.connect.data.Schema;
import org.apache.kafka.connect.data.SchemaAndValue;
import org.apache.kafka.connect.header.ConnectHeaders;
import org.apache.kafka.connect.header.Header;
import org.apache.kafka.connect.sink.SinkRecord;
import org.apache.kafka.connect.source.SourceRecord;

/** Whole records as JSON. */
final class Records {
    private Records() {
    }

    static JsonNode encode(ConnectRecord<?> record) {
        if (record == null)
            return Codec.NODES.nullNode();
        ObjectNode node = Codec.NODES.objectNode();
        node.put("kind", record instanceof SinkRecord ? "sink" : "source");
        if (record.topic() != null)
            node.put("topic", record.topic());
        if (record.kafkaPartition() != null)
            node.put("partition", record.kafkaPartition());
        node.set("keySchema", Codec.encode(record.keySchema()));
        node.set("key", Codec.encode(record.key()));
        node.set("valueSchema", Codec.encode(record.valueSchema()));
        node.set("value", Codec.encode(record.value()));
        if (record.timestamp() != null)
            node.put("timestamp", record.timestamp());
        ArrayNode headers = node.putArray("headers");
        for (Header header : record.headers())
            headers.addArray().add(header.key()).add(Codec.encode(header.schema())).add(Codec.encode(header.value()));
        if (record instanceof SinkRecord) {
            SinkRecord sink = (SinkRecord) record;
            node.put("offset", sink.kafkaOffset());
            node.put("timestampType", sink.timestampType().name());
            node.put("originalTopic", sink.originalTopic());
            node.put("originalPartition", sink.originalKafkaPartition());
            node.put("originalOffset", sink.originalKafkaOffset());
        } else {
            SourceRecord source = (SourceRecord) record;
            node.set("sourcePartition", Codec.encode(source.sourcePartition()));
            node.set("sourceOffset", Codec.encode(source.sourceOffset()));
        }
        return node;
    }

    @SuppressWarnings("unchecked")
    static ConnectRecord<?> decode(JsonNode node) {
        ConnectHeaders headers = new ConnectHeaders();
        for (JsonNode header : node.path("headers")) {
            Schema schema = Codec.decodeSchema(header.get(1));
            headers.add(header.get(0).textValue(), new SchemaAndValue(schema, Codec.decode(header.get(2))));
        }
        String topic = node.path("topic").textValue();
        Integer partition = node.has("partition") ? node.get("partition").intValue() : null;
        Schema keySchema = Codec.decodeSchema(node.get("keySchema"));
        Object key = Codec.decode(node.get("key"));
        Schema valueSchema = Codec.decodeSchema(node.get("valueSchema"));
        Object value = Codec.decode(node.get("value"));
        Long timestamp = node.has("timestamp") ? node.get("timestamp").longValue() : null;
        if (!node.get("kind").textValue().equals("sink"))
            return new SourceRecord((Map<String, ?>) Codec.decode(node.get("sourcePartition")),
                (Map<String, ?>) Codec.decode(node.get("sourceOffset")), topic, partition, keySchema, key,
                valueSchema, value, timestamp, headers);
        TimestampType type = TimestampType.valueOf(node.path("timestampType").asText("NO_TIMESTAMP_TYPE"));
        return new SinkRecord(topic, partition == null ? 0 : partition, keySchema, key, valueSchema, value,
            node.path("offset").longValue(), timestamp, type, headers,
            node.path("originalTopic").asText(topic), node.path("originalPartition").asInt(0),
            node.path("originalOffset").longValue());
    }
}

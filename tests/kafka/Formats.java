import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.io.BufferedReader;
import java.io.ByteArrayInputStream;
import java.io.IOException;
import java.io.InputStreamReader;
import java.io.PrintStream;
import java.nio.charset.StandardCharsets;
import java.util.HashMap;
import java.util.HexFormat;
import java.util.Iterator;
import java.util.Map;
import java.util.regex.PatternSyntaxException;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.clients.producer.internals.BuiltInPartitioner;
import org.apache.kafka.common.KafkaException;
import org.apache.kafka.common.header.Header;
import org.apache.kafka.common.utils.Utils;
import org.apache.kafka.tools.LineMessageReader;

/**
 * What Apache Kafka's own code makes of lines and of keys. One JSON object a line in, one out.
 *
 * <p>{@code {"properties":{…},"lines":["…"]}} gives {@code {"records":[…]}}, each null for a line
 * that is refused, or {@code {"refused":"…"}} for properties that are. {@code
 * {"keys":["hex"],"partitions":n}} gives {@code {"hashes":[…],"partitions":[…]}}. Bytes are in hex.
 */
public final class Formats {
    private static final ObjectMapper JSON = new ObjectMapper();

    public static void main(String[] arguments) throws IOException {
        PrintStream answers = System.out;
        // The reader prompts where it believes that somebody is there.
        System.setOut(System.err);
        BufferedReader cases =
            new BufferedReader(new InputStreamReader(System.in, StandardCharsets.UTF_8));
        for (String line = cases.readLine(); line != null; line = cases.readLine()) {
            JsonNode request = JSON.readTree(line);
            JsonNode answer = request.has("keys") ? partitions(request) : records(request);
            answers.write((JSON.writeValueAsString(answer) + "\n").getBytes(StandardCharsets.UTF_8));
        }
        answers.flush();
    }

    private static JsonNode partitions(JsonNode request) {
        ObjectNode answer = JSON.createObjectNode();
        ArrayNode hashes = answer.putArray("hashes");
        ArrayNode partitions = answer.putArray("partitions");
        int count = request.get("partitions").asInt();
        for (JsonNode hex : request.get("keys")) {
            byte[] key = HexFormat.of().parseHex(hex.asText());
            hashes.add(Utils.murmur2(key));
            partitions.add(BuiltInPartitioner.partitionForKey(key, count));
        }
        return answer;
    }

    private static JsonNode records(JsonNode request) {
        ObjectNode answer = JSON.createObjectNode();
        Map<String, String> properties = new HashMap<>();
        properties.put("topic", "t");
        request.get("properties").fields()
            .forEachRemaining(entry -> properties.put(entry.getKey(), entry.getValue().asText()));
        StringBuilder text = new StringBuilder();
        request.get("lines").forEach(line -> text.append(line.asText()).append('\n'));
        LineMessageReader reader = new LineMessageReader();
        try {
            reader.configure(properties);
        } catch (KafkaException | PatternSyntaxException refused) {
            return answer.put("refused", refused.getMessage());
        }
        byte[] bytes = text.toString().getBytes(StandardCharsets.UTF_8);
        Iterator<ProducerRecord<byte[], byte[]>> records =
            reader.readRecords(new ByteArrayInputStream(bytes));
        ArrayNode array = answer.putArray("records");
        while (true) {
            try {
                if (!records.hasNext()) {
                    return answer;
                }
                array.add(record(records.next()));
            } catch (KafkaException refused) {
                array.addNull();
            }
        }
    }

    private static JsonNode record(ProducerRecord<byte[], byte[]> record) {
        ObjectNode node = JSON.createObjectNode();
        node.put("key", hex(record.key()));
        node.put("value", hex(record.value()));
        ArrayNode headers = node.putArray("headers");
        for (Header header : record.headers()) {
            byte[] name = header.key().getBytes(StandardCharsets.UTF_8);
            headers.addArray().add(hex(name)).add(hex(header.value()));
        }
        return node;
    }

    private static String hex(byte[] bytes) {
        return bytes == null ? null : HexFormat.of().formatHex(bytes);
    }
}

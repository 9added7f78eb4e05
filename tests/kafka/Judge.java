import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.io.BufferedOutputStream;
import java.io.BufferedReader;
import java.io.DataOutputStream;
import java.io.FileOutputStream;
import java.io.IOException;
import java.io.InputStreamReader;
import java.io.PrintStream;
import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.security.MessageDigest;
import java.security.NoSuchAlgorithmException;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Collection;
import java.util.HashMap;
import java.util.HexFormat;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Properties;
import java.util.Set;
import java.util.TreeMap;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicLong;
import java.util.concurrent.atomic.AtomicReference;
import java.util.concurrent.locks.LockSupport;
import java.util.stream.Collectors;
import org.apache.kafka.clients.admin.Admin;
import org.apache.kafka.clients.admin.AlterConfigOp;
import org.apache.kafka.clients.admin.ConfigEntry;
import org.apache.kafka.clients.admin.DescribeClusterOptions;
import org.apache.kafka.clients.admin.NewPartitionReassignment;
import org.apache.kafka.clients.admin.NewPartitions;
import org.apache.kafka.clients.admin.NewTopic;
import org.apache.kafka.clients.admin.OffsetSpec;
import org.apache.kafka.clients.admin.RecordsToDelete;
import org.apache.kafka.clients.admin.TopicDescription;
import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.apache.kafka.clients.consumer.KafkaConsumer;
import org.apache.kafka.clients.producer.KafkaProducer;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.common.ElectionType;
import org.apache.kafka.common.Node;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.TopicPartitionInfo;
import org.apache.kafka.common.acl.AccessControlEntry;
import org.apache.kafka.common.acl.AclBinding;
import org.apache.kafka.common.acl.AclOperation;
import org.apache.kafka.common.acl.AclPermissionType;
import org.apache.kafka.common.config.ConfigResource;
import org.apache.kafka.common.errors.ElectionNotNeededException;
import org.apache.kafka.common.header.Header;
import org.apache.kafka.common.resource.PatternType;
import org.apache.kafka.common.resource.ResourcePattern;
import org.apache.kafka.common.resource.ResourceType;
import org.apache.kafka.common.serialization.ByteArrayDeserializer;
import org.apache.kafka.common.serialization.ByteArraySerializer;

/**
 * Apache Kafka's own clients, kept warm in one JVM and driven by the test suite.
 *
 * <p>One JSON object a line in: {@code id}, {@code command}, {@code bootstrap}, and the command's
 * own fields. One JSON object a line out, in whatever order the commands finish: the {@code id} with
 * either {@code ok} or {@code error} (the exception's simple name) and {@code message}. Ends when
 * standard input does. It shares no code with the loader: that is its worth.
 */
public final class Judge {
    private static final ObjectMapper JSON = new ObjectMapper();
    private static final Map<String, Admin> ADMINS = new ConcurrentHashMap<>();
    private static final PrintStream ANSWERS = System.out;

    @FunctionalInterface
    private interface Command {
        JsonNode run(JsonNode request) throws Exception;
    }

    private static final Map<String, Command> COMMANDS = Map.ofEntries(
        Map.entry("ready", Judge::ready),
        Map.entry("forget", Judge::forget),
        Map.entry("create-topic", Judge::createTopic),
        Map.entry("delete-topic", Judge::deleteTopic),
        Map.entry("add-partitions", Judge::addPartitions),
        Map.entry("describe-topic", Judge::describeTopic),
        Map.entry("alter-config", Judge::alterConfig),
        Map.entry("create-acls", Judge::createAcls),
        Map.entry("delete-acls", Judge::deleteAcls),
        Map.entry("move-leader", Judge::moveLeader),
        Map.entry("offsets", Judge::offsets),
        Map.entry("delete-records", Judge::deleteRecords),
        Map.entry("describe-producers", Judge::describeProducers),
        Map.entry("read", Judge::read),
        Map.entry("produce", Judge::produce),
        Map.entry("produce-mixed", Judge::produceMixed));

    public static void main(String[] arguments) throws Exception {
        System.setOut(System.err); // whatever a library prints must not pass for an answer
        ExecutorService workers = Executors.newCachedThreadPool();
        BufferedReader requests =
            new BufferedReader(new InputStreamReader(System.in, StandardCharsets.UTF_8));
        for (String line = requests.readLine(); line != null; line = requests.readLine()) {
            JsonNode request = JSON.readTree(line);
            workers.execute(() -> answer(request));
        }
        Runtime.getRuntime().halt(0); // nobody listens any more: close nothing, wait for nothing
    }

    private static void answer(JsonNode request) {
        ObjectNode answer = JSON.createObjectNode();
        answer.set("id", request.get("id"));
        try {
            Command command = COMMANDS.get(request.get("command").asText());
            if (command == null) {
                throw new IllegalArgumentException("no such command: " + request.get("command"));
            }
            answer.set("ok", command.run(request));
        } catch (Throwable failure) {
            Throwable cause = failure;
            while (cause instanceof ExecutionException && cause.getCause() != null) {
                cause = cause.getCause();
            }
            answer.put("error", cause.getClass().getSimpleName());
            answer.put("message", String.valueOf(cause.getMessage()));
        }
        synchronized (ANSWERS) {
            ANSWERS.println(answer);
            ANSWERS.flush();
        }
    }

    // The cluster as a whole.

    private static Admin admin(JsonNode request) {
        return ADMINS.computeIfAbsent(request.get("bootstrap").asText(), bootstrap -> {
            Properties properties = clientProperties(bootstrap);
            properties.put("default.api.timeout.ms", "30000");
            properties.put("request.timeout.ms", "10000");
            return Admin.create(properties);
        });
    }

    private static Properties clientProperties(String bootstrap) {
        Properties properties = new Properties();
        properties.put("bootstrap.servers", bootstrap);
        properties.put("reconnect.backoff.ms", "20");
        properties.put("reconnect.backoff.max.ms", "200");
        properties.put("retry.backoff.ms", "20");
        properties.put("retry.backoff.max.ms", "200");
        properties.put("client.dns.lookup", "use_all_dns_ips");
        return properties;
    }

    /** Waits until all of {@code nodes} are registered, unfenced and known to whoever is asked. */
    private static JsonNode ready(JsonNode request) throws Exception {
        Set<Integer> wanted = Set.copyOf(integers(request.get("nodes")));
        long deadline = deadline(request);
        while (true) {
            String seen;
            try {
                var cluster = admin(request).describeCluster(
                    new DescribeClusterOptions().timeoutMs(2_000));
                Set<Integer> up = cluster.nodes().get().stream().map(Node::id)
                    .collect(Collectors.toSet());
                if (up.containsAll(wanted)) {
                    ObjectNode ok = JSON.createObjectNode();
                    ok.put("cluster_id", cluster.clusterId().get());
                    return ok;
                }
                seen = "nodes " + up;
            } catch (ExecutionException failure) {
                seen = String.valueOf(failure.getCause());
            }
            pause(deadline, "nodes " + wanted + " are not up, seen last: " + seen);
        }
    }

    /** Closes the admin client of a cluster that is gone, which would look for it for ever. */
    private static JsonNode forget(JsonNode request) {
        Admin admin = ADMINS.remove(request.get("bootstrap").asText());
        if (admin != null) {
            admin.close(Duration.ZERO);
        }
        return JSON.createObjectNode();
    }

    // Topics.

    private static JsonNode createTopic(JsonNode request) throws Exception {
        NewTopic topic = new NewTopic(topic(request), request.get("partitions").asInt(),
            (short) request.get("replication").asInt());
        topic.configs(strings(request.get("configs")));
        admin(request).createTopics(List.of(topic)).all().get();
        return awaitLeaders(request, request.get("partitions").asInt());
    }

    /** Waits until the topic is known with a leader for each of its partitions. */
    private static JsonNode awaitLeaders(JsonNode request, int partitions) throws Exception {
        long deadline = System.nanoTime() + TimeUnit.SECONDS.toNanos(30);
        while (true) {
            String seen;
            try {
                TopicDescription topic = describe(request);
                boolean led = topic.partitions().stream().allMatch(p -> p.leader() != null);
                if (led && topic.partitions().size() >= partitions) {
                    return topicAsJson(topic);
                }
                seen = topic.toString();
            } catch (ExecutionException failure) {
                seen = String.valueOf(failure.getCause());
            }
            pause(deadline, "not every partition has a leader, seen last: " + seen);
        }
    }

    private static JsonNode deleteTopic(JsonNode request) throws Exception {
        admin(request).deleteTopics(List.of(topic(request))).all().get();
        return JSON.createObjectNode();
    }

    private static JsonNode addPartitions(JsonNode request) throws Exception {
        int partitions = request.get("partitions").asInt();
        admin(request).createPartitions(
            Map.of(topic(request), NewPartitions.increaseTo(partitions))).all().get();
        return awaitLeaders(request, partitions);
    }

    private static JsonNode describeTopic(JsonNode request) throws Exception {
        return topicAsJson(describe(request));
    }

    private static TopicDescription describe(JsonNode request) throws Exception {
        String topic = topic(request);
        return admin(request).describeTopics(List.of(topic)).allTopicNames().get().get(topic);
    }

    private static JsonNode topicAsJson(TopicDescription topic) {
        ObjectNode ok = JSON.createObjectNode();
        ok.put("topic_id", topic.topicId().toString());
        ArrayNode partitions = ok.putArray("partitions");
        for (TopicPartitionInfo info : topic.partitions()) {
            ObjectNode partition = partitions.addObject();
            partition.put("partition", info.partition());
            partition.put("leader", info.leader() == null ? -1 : info.leader().id());
            info.replicas().forEach(node -> partition.withArray("replicas").add(node.id()));
            info.isr().forEach(node -> partition.withArray("isr").add(node.id()));
        }
        return ok;
    }

    private static JsonNode alterConfig(JsonNode request) throws Exception {
        ConfigResource resource =
            new ConfigResource(ConfigResource.Type.TOPIC, topic(request));
        Collection<AlterConfigOp> changes = new ArrayList<>();
        strings(request.get("configs")).forEach((key, value) -> changes.add(
            new AlterConfigOp(new ConfigEntry(key, value), AlterConfigOp.OpType.SET)));
        admin(request).incrementalAlterConfigs(Map.of(resource, changes)).all().get();
        return JSON.createObjectNode();
    }

    // Rights.

    private static List<AclBinding> acls(JsonNode request) {
        List<AclBinding> bindings = new ArrayList<>();
        for (JsonNode acl : request.get("acls")) {
            ResourcePattern resource = new ResourcePattern(
                ResourceType.fromString(acl.get("resource").asText()), acl.get("name").asText(),
                PatternType.LITERAL);
            AccessControlEntry entry = new AccessControlEntry(acl.get("principal").asText(), "*",
                AclOperation.fromString(acl.get("operation").asText()),
                AclPermissionType.fromString(acl.get("permission").asText()));
            bindings.add(new AclBinding(resource, entry));
        }
        return bindings;
    }

    private static JsonNode createAcls(JsonNode request) throws Exception {
        admin(request).createAcls(acls(request)).all().get();
        return JSON.createObjectNode();
    }

    private static JsonNode deleteAcls(JsonNode request) throws Exception {
        admin(request).deleteAcls(
            acls(request).stream().map(AclBinding::toFilter).toList()).all().get();
        return JSON.createObjectNode();
    }

    // Leadership.

    /** Puts {@code node} first among the replicas, elects it, and waits until it leads. */
    private static JsonNode moveLeader(JsonNode request) throws Exception {
        TopicPartition partition =
            new TopicPartition(topic(request), request.get("partition").asInt());
        int node = request.get("node").asInt();
        TopicPartitionInfo info = describe(request).partitions().get(partition.partition());
        List<Integer> replicas = new ArrayList<>(info.replicas().stream().map(Node::id).toList());
        if (!replicas.remove(Integer.valueOf(node))) {
            throw new IllegalArgumentException(node + " is no replica of " + partition);
        }
        replicas.add(0, node);
        admin(request).alterPartitionReassignments(
            Map.of(partition, Optional.of(new NewPartitionReassignment(replicas)))).all().get();
        long deadline = deadline(request);
        while (true) {
            try {
                admin(request).electLeaders(ElectionType.PREFERRED, Set.of(partition)).all().get();
            } catch (ExecutionException failure) {
                // It is said again below what leads; a node that has not caught up yet is refused.
                if (!(failure.getCause() instanceof ElectionNotNeededException)) {
                    pause(deadline, "not elected: " + failure.getCause());
                    continue;
                }
            }
            Node leader = describe(request).partitions().get(partition.partition()).leader();
            if (leader != null && leader.id() == node) {
                return JSON.createObjectNode();
            }
            pause(deadline, partition + " is led by " + leader);
        }
    }

    // Offsets and producers.

    private static List<TopicPartition> partitions(JsonNode request) throws Exception {
        String topic = topic(request);
        return describe(request).partitions().stream()
            .map(info -> new TopicPartition(topic, info.partition())).toList();
    }

    private static JsonNode offsets(JsonNode request) throws Exception {
        boolean earliest = request.get("which").asText().equals("earliest");
        OffsetSpec spec = earliest ? OffsetSpec.earliest() : OffsetSpec.latest();
        Map<TopicPartition, OffsetSpec> wanted = new HashMap<>();
        partitions(request).forEach(partition -> wanted.put(partition, spec));
        TreeMap<Integer, Long> found = new TreeMap<>();
        admin(request).listOffsets(wanted).all().get().forEach(
            (partition, offset) -> found.put(partition.partition(), offset.offset()));
        return JSON.valueToTree(found.values());
    }

    private static JsonNode deleteRecords(JsonNode request) throws Exception {
        TopicPartition partition =
            new TopicPartition(topic(request), request.get("partition").asInt());
        RecordsToDelete before = RecordsToDelete.beforeOffset(request.get("before").asLong());
        var deleted = admin(request).deleteRecords(Map.of(partition, before));
        return JSON.valueToTree(deleted.lowWatermarks().get(partition).get().lowWatermark());
    }

    private static JsonNode describeProducers(JsonNode request) throws Exception {
        TopicPartition partition =
            new TopicPartition(topic(request), request.get("partition").asInt());
        ArrayNode producers = JSON.createArrayNode();
        var described = admin(request).describeProducers(List.of(partition));
        described.partitionResult(partition).get().activeProducers().forEach(state -> {
            ObjectNode producer = producers.addObject();
            producer.put("producer_id", state.producerId());
            producer.put("producer_epoch", state.producerEpoch());
            producer.put("last_sequence", state.lastSequence());
            producer.put("last_timestamp", state.lastTimestamp());
        });
        return producers;
    }

    // Records.

    /** Reads every partition from its beginning to the end it has when the command comes. */
    private static JsonNode read(JsonNode request) throws Exception {
        long deadline = deadline(request);
        Properties properties = clientProperties(request.get("bootstrap").asText());
        properties.put("isolation.level", request.get("isolation").asText());
        properties.put("enable.auto.commit", "false");
        properties.put("auto.offset.reset", "none");
        properties.put("max.partition.fetch.bytes", String.valueOf(8 << 20));
        properties.put("max.poll.records", "100000");
        Path directory = request.hasNonNull("directory")
            ? Path.of(request.get("directory").asText()) : null;
        try (var consumer = new KafkaConsumer<>(
                properties, new ByteArrayDeserializer(), new ByteArrayDeserializer())) {
            List<TopicPartition> partitions = partitions(request);
            consumer.assign(partitions);
            Map<TopicPartition, Long> begins = consumer.beginningOffsets(partitions);
            Map<TopicPartition, Long> ends = consumer.endOffsets(partitions);
            Map<TopicPartition, Read> reads = new HashMap<>();
            for (TopicPartition partition : partitions) {
                consumer.seek(partition, begins.get(partition));
                reads.put(partition, new Read(
                    partition.partition(), begins.get(partition), ends.get(partition), directory));
            }
            List<TopicPartition> left = new ArrayList<>(partitions);
            left.removeIf(partition -> consumer.position(partition) >= ends.get(partition));
            while (!left.isEmpty()) {
                for (var record : consumer.poll(Duration.ofMillis(200))) {
                    reads.get(new TopicPartition(record.topic(), record.partition())).add(record);
                }
                left.removeIf(partition -> consumer.position(partition) >= ends.get(partition));
                if (System.nanoTime() > deadline && !left.isEmpty()) {
                    throw new IllegalStateException(
                        "time is up, not read to their ends: " + left + ", ends " + ends);
                }
            }
            ArrayNode answer = JSON.createArrayNode();
            for (TopicPartition partition : partitions) {
                answer.add(reads.get(partition).finish());
            }
            return answer;
        }
    }

    /** What one partition held. */
    private static final class Read {
        private static final int GAPS_MAX = 1_000;

        private final ObjectNode result = JSON.createObjectNode();
        private final MessageDigest digest = sha256();
        private final ArrayNode gaps = JSON.createArrayNode();
        private final DataOutputStream file;
        private final long begin;
        private final long end;
        private long count;
        private long first = -1;
        private long last = -1;
        private long timestampMin = Long.MAX_VALUE;
        private long timestampMax = Long.MIN_VALUE;

        Read(int partition, long begin, long end, Path directory) throws IOException {
            this.begin = begin;
            this.end = end;
            result.put("partition", partition);
            result.put("begin", begin);
            result.put("end", end);
            file = directory == null ? null : new DataOutputStream(new BufferedOutputStream(
                new FileOutputStream(directory.resolve("partition-" + partition).toFile()),
                1 << 20));
        }

        void add(ConsumerRecord<byte[], byte[]> record) throws IOException {
            if (record.offset() >= end) {
                return; // appended after we asked for the end
            }
            long expected = last < 0 ? begin : last + 1;
            if (record.offset() != expected && gaps.size() < GAPS_MAX) {
                gaps.addArray().add(expected).add(record.offset());
            }
            if (first < 0) {
                first = record.offset();
            }
            last = record.offset();
            count += 1;
            timestampMin = Math.min(timestampMin, record.timestamp());
            timestampMax = Math.max(timestampMax, record.timestamp());
            put(record);
        }

        private void put(ConsumerRecord<byte[], byte[]> record) throws IOException {
            if (file != null) {
                file.writeLong(record.offset());
                file.writeLong(record.timestamp());
            }
            put(record.key());
            put(record.value());
            Header[] headers = record.headers().toArray();
            putInt(headers.length);
            for (Header header : headers) {
                put(header.key().getBytes(StandardCharsets.UTF_8));
                put(header.value());
            }
        }

        private void put(byte[] bytes) throws IOException {
            putInt(bytes == null ? -1 : bytes.length);
            if (bytes != null) {
                digest.update(bytes);
                if (file != null) {
                    file.write(bytes);
                }
            }
        }

        private void putInt(int value) throws IOException {
            digest.update(ByteBuffer.allocate(4).putInt(value).array());
            if (file != null) {
                file.writeInt(value);
            }
        }

        ObjectNode finish() throws IOException {
            if (file != null) {
                file.close();
            }
            result.put("count", count);
            result.put("first", first);
            result.put("last", last);
            result.put("timestamp_min", count == 0 ? -1 : timestampMin);
            result.put("timestamp_max", count == 0 ? -1 : timestampMax);
            result.put("sha256", HexFormat.of().formatHex(digest.digest()));
            result.set("gaps", gaps);
            return result;
        }

        private static MessageDigest sha256() {
            try {
                return MessageDigest.getInstance("SHA-256");
            } catch (NoSuchAlgorithmException missing) {
                throw new IllegalStateException(missing);
            }
        }
    }

    /** Sends each line of a file as a value, dealt over the partitions or all into one. */
    private static JsonNode produce(JsonNode request) throws Exception {
        Properties properties = clientProperties(request.get("bootstrap").asText());
        properties.putAll(strings(request.get("properties")));
        String topic = topic(request);
        int partitions = partitions(request).size();
        int fixed = request.get("partition").asInt(-1);
        byte delimiter = (byte) request.get("delimiter").asInt();
        AtomicLong acknowledged = new AtomicLong();
        AtomicReference<Exception> failed = new AtomicReference<>();
        try (var producer = new KafkaProducer<>(
                properties, new ByteArraySerializer(), new ByteArraySerializer())) {
            byte[] input = Files.readAllBytes(Path.of(request.get("file").asText()));
            int sent = 0;
            for (int start = 0; start < input.length; sent++) {
                int stop = start;
                while (stop < input.length && input[stop] != delimiter) {
                    stop++;
                }
                byte[] value = java.util.Arrays.copyOfRange(input, start, stop);
                int partition = fixed >= 0 ? fixed : sent % partitions;
                producer.send(new ProducerRecord<>(topic, partition, null, value),
                    (metadata, failure) -> {
                        if (failure == null) {
                            acknowledged.incrementAndGet();
                        } else {
                            failed.compareAndSet(null, failure);
                        }
                    });
                start = stop + 1;
            }
            producer.flush();
        }
        if (failed.get() != null) {
            throw failed.get();
        }
        return JSON.valueToTree(acknowledged.get());
    }

    /** Records of every kind: what a reader must tell apart. */
    private static JsonNode produceMixed(JsonNode request) throws Exception {
        Properties properties = clientProperties(request.get("bootstrap").asText());
        properties.putAll(strings(request.get("properties")));
        String topic = topic(request);
        int partitions = partitions(request).size();
        int count = request.get("count").asInt();
        boolean transactional = request.get("transactional").asBoolean();
        boolean allKeyed = request.get("all_keyed").asBoolean();
        java.util.Random random = new java.util.Random(request.get("seed").asLong());
        if (transactional) {
            properties.put("transactional.id", topic);
        }
        AtomicReference<Exception> failed = new AtomicReference<>();
        try (var producer = new KafkaProducer<>(
                properties, new ByteArraySerializer(), new ByteArraySerializer())) {
            if (transactional) {
                producer.initTransactions();
                producer.beginTransaction();
            }
            for (int sent = 0; sent < count; sent++) {
                if (transactional && sent % 60 == 59) {
                    if (random.nextBoolean()) {
                        producer.commitTransaction();
                    } else {
                        producer.flush();
                        producer.abortTransaction();
                    }
                    producer.beginTransaction();
                }
                byte[] key = !allKeyed && random.nextInt(4) == 0 ? null : text(random, 1 + random.nextInt(2));
                byte[] value = random.nextInt(10) == 0 ? null : text(random, random.nextInt(300));
                var record = new ProducerRecord<>(topic, sent % partitions, null, key, value);
                for (int header = random.nextInt(6) - 3; header > 0; header--) {
                    byte[] of = random.nextInt(5) == 0 ? null : text(random, random.nextInt(20));
                    record.headers().add("h" + random.nextInt(3), of);
                }
                producer.send(record, (metadata, failure) -> {
                    if (failure != null && !transactional) {
                        failed.compareAndSet(null, failure);
                    }
                });
            }
            if (transactional) {
                producer.commitTransaction();
            }
            producer.flush();
        }
        if (failed.get() != null) {
            throw failed.get();
        }
        return JSON.valueToTree(count);
    }

    private static byte[] text(java.util.Random random, int length) {
        byte[] bytes = new byte[length];
        for (int index = 0; index < length; index++) {
            bytes[index] = (byte) ('a' + random.nextInt(26));
        }
        return bytes;
    }

    // Small things.

    private static String topic(JsonNode request) {
        return request.get("topic").asText();
    }

    private static long deadline(JsonNode request) {
        long limit = request.get("timeout_ms").asLong();
        return System.nanoTime() + TimeUnit.MILLISECONDS.toNanos(limit);
    }

    /** Kafka tells nobody when a cluster has changed: ask again later, until the deadline. */
    private static void pause(long deadline, String state) {
        if (System.nanoTime() > deadline) {
            throw new IllegalStateException("time is up: " + state);
        }
        LockSupport.parkNanos(TimeUnit.MILLISECONDS.toNanos(25));
    }

    private static List<Integer> integers(JsonNode array) {
        List<Integer> values = new ArrayList<>();
        array.forEach(value -> values.add(value.asInt()));
        return values;
    }

    private static Map<String, String> strings(JsonNode object) {
        Map<String, String> values = new HashMap<>();
        object.properties().forEach(
            field -> values.put(field.getKey(), field.getValue().asText()));
        return values;
    }
}

package ringmain.recorder;

import com.fasterxml.jackson.databind.node.ObjectNode;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.function.Consumer;
import org.apache.kafka.connect.connector.ConnectRecord;
import org.apache.kafka.connect.data.SchemaAndValue;

/** Every predicate, and what depends on the topic: RegexRouter and TimestampRouter. */
final class PredicateCorpus implements Corpus {
    private static final String PACKAGE = TransformCorpus.PACKAGE + "predicates.";
    private static final List<String> TOPICS = List.of("topic", "my-topic", "prod.orders.7", "A", "a", "", "topic\n", "\u00e9", "_internal",
        "db.schema.table");

    @Override
    public String name() {
        return "transforms/predicates";
    }

    @Override
    public void cases(Consumer<ObjectNode> sink) {
        List<ConnectRecord<?>> records = new ArrayList<>();
        for (SchemaAndValue content : TransformSamples.contents()) {
            records.add(TransformSamples.source(false, content));
            records.add(TransformSamples.sink(false, content));
        }
        records.add(TransformSamples.topic(null, null));
        for (String topic : TOPICS)
            records.add(TransformSamples.topic(topic, 0L));
        test(new Cases(sink, PACKAGE + "HasHeaderKey"), records, List.of(Map.of("name", "h"), Map.of("name", "nul"), Map.of("name", "H"),
            Map.of("name", " other "), Map.of("name", ""), Map.of()));
        test(new Cases(sink, PACKAGE + "RecordIsTombstone"), records, List.of(Map.of(), Map.of("x", "y")));
        test(new Cases(sink, PACKAGE + "TopicNameMatches"), records, List.of(Map.of("pattern", "topic"), Map.of("pattern", ".*"), Map.of("pattern", "my-.*"),
            Map.of("pattern", "(?i)a"), Map.of("pattern", "[^.]+(\\.[^.]+){2}"), Map.of("pattern", "to|topic"), Map.of("pattern", "["), Map.of("pattern", "*"),
            Map.of("pattern", ""), Map.of("pattern", "(?<!x)topic$"), Map.of()));
        routers(sink);
    }

    private static void test(Cases cases, List<ConnectRecord<?>> records, List<Map<String, String>> configs) {
        int number = 0;
        for (Map<String, String> config : configs) {
            cases.group("config " + ++number).configure(config);
            if (!cases.accepts(config))
                continue;
            for (ConnectRecord<?> record : records) {
                ObjectNode node = cases.node("test", config);
                node.set("record", Records.encode(record));
                cases.put(node);
            }
        }
    }

    private static void routers(Consumer<ObjectNode> sink) {
        Cases regex = new Cases(sink, TransformCorpus.PACKAGE + "RegexRouter").group("topics");
        for (Map<String, String> config : List.of(Map.of("regex", "(.*)", "replacement", "$1-new"), Map.of("regex", "my-(.*)", "replacement", "$1"),
            Map.of("regex", "t|topic", "replacement", "X"), Map.of("regex", "(?<env>\\w+)\\.(\\w+)\\.(\\w+)", "replacement", "${env}_$2_$3$4"),
            Map.of("regex", ".*", "replacement", "\\"), Map.of("regex", ".*", "replacement", "$"), Map.of("regex", ".*", "replacement", "${x}"),
            Map.of("regex", "(a)", "replacement", "$2"), Map.of("regex", "", "replacement", "empty"), Map.of("regex", ".*", "replacement", "")))
            topics(regex, config);
        Cases time = new Cases(sink, TransformCorpus.PACKAGE + "TimestampRouter").group("topics");
        for (Map<String, String> config : List.of(Map.<String, String>of(), Map.of("topic.format", "${topic}${topic}-${timestamp}-$1\\"),
            Map.of("timestamp.format", "yyyy'-W'ww", "topic.format", "${timestamp}"), Map.of("timestamp.format", "'${topic}'yyyy"), Map.of("timestamp.format", "XXXX")))
            topics(time, config);
    }

    private static void topics(Cases cases, Map<String, String> config) {
        TransformCorpus.apply(cases, config, TransformSamples.topic(null, 1L));
        for (String topic : TOPICS) {
            TransformCorpus.apply(cases, config, TransformSamples.topic(topic, 1_700_000_000_000L));
            TransformCorpus.apply(cases, config, TransformSamples.topic(topic, null));
        }
    }
}

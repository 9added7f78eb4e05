package ringmain.recorder;

import com.fasterxml.jackson.databind.node.ObjectNode;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.function.Consumer;
import org.apache.kafka.connect.connector.ConnectRecord;
import org.apache.kafka.connect.data.SchemaAndValue;

/** Every transform: each configuration over keys and values of every kind. */
final class TransformCorpus implements Corpus {
    static final String PACKAGE = "org.apache.kafka.connect.transforms.";
    private Consumer<ObjectNode> sink;

    @Override
    public String name() {
        return "transforms/transforms";
    }

    @Override
    public void cases(Consumer<ObjectNode> sink) {
        this.sink = sink;
        for (String part : List.of("$Key", "$Value"))
            for (Configurations.Transform transform : Configurations.OF_PARTS)
                each(transform.name() + part, transform.configs());
        for (Configurations.Transform transform : Configurations.OF_RECORDS)
            each(transform.name(), transform.configs());
        casts();
        times();
    }

    private void each(String name, List<Map<String, String>> configs) {
        boolean asKey = name.endsWith("$Key");
        Cases cases = new Cases(sink, PACKAGE + name);
        int number = 0;
        for (Map<String, String> config : configs) {
            cases.group("config " + ++number);
            cases.configure(config);
            if (!cases.accepts(config))
                continue;
            List<SchemaAndValue> contents = TransformSamples.contents();
            int compounds = contents.size() - TransformSamples.simple().size();
            for (int i = 0; i < contents.size(); i++) {
                // Keys and values share their code: of keys every third content will do, of what has no members too.
                if ((asKey || i >= compounds) && (i + number) % 3 != 0)
                    continue;
                boolean fromSink = (i + number) % 2 == 0;
                ConnectRecord<?> record = fromSink
                    ? TransformSamples.sink(asKey, contents.get(i))
                    : TransformSamples.source(asKey, contents.get(i));
                apply(cases, config, record);
            }
        }
    }

    static void apply(Cases cases, Map<String, String> config, ConnectRecord<?> record) {
        ObjectNode node = cases.node("apply", config);
        node.set("record", Records.encode(record));
        cases.put(node);
    }

    /** Every type cast to every other, with texts that are numbers, nearly numbers and none. */
    private void casts() {
        Cases cases = new Cases(sink, PACKAGE + "Cast$Value");
        List<Object> values = new ArrayList<>(Samples.mixed());
        values.addAll(Samples.floats());
        values.addAll(Samples.doubles());
        values.addAll(Samples.decimals());
        values.addAll(Samples.dates());
        values.addAll(Samples.of(org.apache.kafka.connect.data.Schema.Type.INT64));
        values.addAll(Samples.of(org.apache.kafka.connect.data.Schema.Type.INT32));
        values.add(new java.math.BigInteger("-340282366920938463463374607431768211456"));
        values.addAll(List.of("127", "128", "-128", "-129", "+5", "-0", "32768", "2147483648", "9223372036854775807", "9223372036854775808", "1.0",
            " 1", "1 ", "1e3", "", "+", "-", "0x10", "0x1p3", "0x1.8p-1", "0x1.fffffffffffff8p1023", "NaN", "nan", "Infinity", "-Infinity",
            "+Infinity", "inf", " 1.5 ", "1.5f", "1.5d", "1.5L", ".5", "5.", ".", "1e400", "1e-400", "3.4028236e38", "16777217", "TRUE", "True",
            "true ", "yes", "1", "\u0664\u0662", "-\u0664", "1_000", "0.1", "1.17549435E-38", "4.9e-324", "\t7\n", "0x.8p0", "0x1p", "1e", "--1"));
        for (String type : List.of("int8", "int16", "int32", "int64", "float32", "float64", "boolean", "string")) {
            cases.group("to " + type);
            for (Object value : values)
                apply(cases, Map.of("spec", type), TransformSamples.source(false, new SchemaAndValue(null, value)));
        }
    }

    /** TimestampConverter from every kind of time to every other, at every precision. */
    private void times() {
        Cases cases = new Cases(sink, PACKAGE + "TimestampConverter$Value");
        for (String target : List.of("string", "unix", "Date", "Time", "Timestamp"))
            for (String precision : List.of("seconds", "milliseconds", "microseconds", "nanoseconds")) {
                Map<String, String> config = Map.of("target.type", target, "unix.precision", precision, "format", "yyyy-MM-dd'T'HH:mm:ss.SSSXXX");
                cases.group(target + " " + precision);
                for (long time : new long[] {0, 1, -1, 999, -999, 1_000_000, 1_700_000_000_123L, 1_700_000_000_123_456_789L, Long.MAX_VALUE,
                    Long.MIN_VALUE, -62_135_596_800_001L})
                    apply(cases, config, TransformSamples.source(false, new SchemaAndValue(null, time)));
                for (Object date : Samples.dates())
                    apply(cases, config, TransformSamples.source(false, new SchemaAndValue(null, date)));
                for (String text : List.of("2023-11-14T22:13:20.123Z", "2023-11-14T22:13:20.123+05:30", "2023-13-45T25:61:61.1234Zjunk",
                    "2023-11-14", "", "0001-01-01T00:00:00.000Z", "1582-10-10T00:00:00.000Z"))
                    apply(cases, config, TransformSamples.source(false, new SchemaAndValue(null, text)));
            }
    }
}

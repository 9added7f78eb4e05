package ringmain.recorder;

import com.sun.management.OperatingSystemMXBean;
import java.io.IOException;
import java.lang.management.ManagementFactory;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import org.apache.kafka.connect.data.SchemaAndValue;
import org.apache.kafka.connect.json.JsonConverter;
import org.apache.kafka.connect.source.SourceRecord;
import org.apache.kafka.connect.transforms.Transformation;

/**
 * {@code transform-speed FILE CLASS{key=value,…}…}: how many records a second of CPU time Java's classes take through JsonConverter, a chain
 * of transforms, and JsonConverter again. The lines of the file are the records; whether they have schemas shows in the first.
 */
final class TransformSpeed {
    private static final int ROUNDS = 5;
    private static final long ROUND_NANOS = 2_000_000_000L;

    private TransformSpeed() {
    }

    static void run(String[] arguments) throws IOException {
        List<byte[]> records = new ArrayList<>();
        for (String line : Files.readAllLines(Path.of(arguments[1])))
            records.add(line.getBytes(StandardCharsets.UTF_8));
        boolean hasSchemas = new String(records.get(0), StandardCharsets.UTF_8).startsWith("{\"schema\"");
        JsonConverter converter = new JsonConverter();
        converter.configure(Map.of("schemas.enable", String.valueOf(hasSchemas)), false);
        List<Transformation<SourceRecord>> chain = new ArrayList<>();
        for (int i = 2; i < arguments.length; i++)
            chain.add(transform(arguments[i]));
        OperatingSystemMXBean system = (OperatingSystemMXBean) ManagementFactory.getOperatingSystemMXBean();
        double best = 0;
        // The first rounds warm up; the best counts. Rounds are of CPU time: others may use the machine too.
        for (int round = 0; round < ROUNDS; round++) {
            long cpu = system.getProcessCpuTime();
            long count = 0;
            long bytes = 0;
            while (system.getProcessCpuTime() - cpu < ROUND_NANOS) {
                for (byte[] record : records)
                    bytes += one(converter, chain, record).length;
                count += records.size();
            }
            if (bytes == 0)
                throw new IllegalStateException("nothing came out");
            best = Math.max(best, count * 1e9 / (system.getProcessCpuTime() - cpu));
        }
        System.out.println(new String(one(converter, chain, records.get(0)), StandardCharsets.UTF_8));
        System.out.printf("%.0f%n", best);
    }

    private static byte[] one(JsonConverter converter, List<Transformation<SourceRecord>> chain, byte[] bytes) {
        SchemaAndValue value = converter.toConnectData("topic", bytes);
        SourceRecord record = new SourceRecord(null, null, "topic", null, null, null, value.schema(), value.value());
        for (Transformation<SourceRecord> transform : chain)
            record = transform.apply(record);
        return converter.fromConnectData("topic", record.valueSchema(), record.value());
    }

    /** From {@code Class$Value{key=value;key=value}}. */
    @SuppressWarnings("unchecked")
    private static Transformation<SourceRecord> transform(String text) {
        String name = text.substring(0, text.indexOf('{'));
        Map<String, String> config = new LinkedHashMap<>();
        for (String entry : text.substring(name.length() + 1, text.length() - 1).split(";"))
            config.put(entry.substring(0, entry.indexOf('=')), entry.substring(entry.indexOf('=') + 1));
        Transformation<SourceRecord> transform = (Transformation<SourceRecord>) Runner.make(TransformCorpus.PACKAGE + name);
        transform.configure(config);
        return transform;
    }
}

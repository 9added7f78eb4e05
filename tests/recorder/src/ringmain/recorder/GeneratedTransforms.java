package ringmain.recorder;

import com.fasterxml.jackson.databind.node.ObjectNode;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Random;
import java.util.function.Consumer;
import java.util.stream.Collectors;
import org.apache.kafka.connect.data.Schema;
import org.apache.kafka.connect.data.Schema.Type;
import org.apache.kafka.connect.data.SchemaAndValue;
import org.apache.kafka.connect.data.SchemaBuilder;
import org.apache.kafka.connect.data.Struct;

/** Random structs and maps through randomly configured transforms. RINGMAIN_SEED changes what is generated. */
final class GeneratedTransforms implements Corpus {
    private static final int CASES = 1_200;
    private static final List<String> NAMES = List.of("a", "b", "c", "d", "e", "f", "a.b", "name", "id", "x");
    private static final List<String> TYPES = List.of("int8", "int16", "int32", "int64", "float32", "float64", "boolean", "string");
    private Random random;

    @Override
    public String name() {
        return "transforms/generated";
    }

    @Override
    public void cases(Consumer<ObjectNode> sink) {
        String given = System.getenv("RINGMAIN_SEED");
        long seed = given == null ? 11 : Long.parseLong(given);
        System.err.println("generated transforms: RINGMAIN_SEED=" + seed);
        random = new Random(seed);
        Map<String, Cases> cases = new LinkedHashMap<>();
        for (int i = 0; i < CASES; i++) {
            boolean asKey = random.nextInt(4) == 0;
            String part = asKey ? "$Key" : "$Value";
            Map<String, String> config = new LinkedHashMap<>();
            String name = configure(config) + part;
            if (random.nextInt(4) == 0)
                config.put("replace.null.with.default", "false");
            SchemaAndValue content = content();
            Cases of = cases.computeIfAbsent(name, n -> new Cases(sink, TransformCorpus.PACKAGE + n).group("seed " + seed));
            TransformCorpus.apply(of, config, random.nextBoolean() ? TransformSamples.source(asKey, content) : TransformSamples.sink(asKey, content));
        }
    }

    private <T> T any(List<T> list) {
        return list.get(random.nextInt(list.size()));
    }

    private String names(int most) {
        return random.ints(1 + random.nextInt(most), 0, NAMES.size()).distinct().mapToObj(NAMES::get).collect(Collectors.joining(","));
    }

    /** Fills in a configuration and answers whose it is. */
    private String configure(Map<String, String> config) {
        switch (random.nextInt(9)) {
            case 0:
                config.put("spec", Arrays.stream(names(4).split(",")).map(n -> n + ":" + any(TYPES)).collect(Collectors.joining(",")));
                return "Cast";
            case 1:
                config.put("field", names(1) + (random.nextBoolean() ? "." + names(1) : ""));
                config.put("field.syntax.version", random.nextBoolean() ? "V1" : "V2");
                return "ExtractField";
            case 2:
                config.put("delimiter", any(List.of(".", "_", "")));
                return "Flatten";
            case 3:
                String fields = names(3);
                config.put("fields", fields);
                config.put("headers", fields.replace("a", "h"));
                config.put("operation", any(List.of("move", "copy")));
                return "HeaderFrom";
            case 4:
                config.put("topic.field", names(1) + any(List.of("", "!", "?", "1")));
                config.put("timestamp.field", "at" + any(List.of("", "!", "?")));
                return "InsertField";
            case 5:
                config.put("fields", names(4));
                if (random.nextInt(3) == 0)
                    config.put("replacement", any(List.of("1", "x", "-7.5", "99999999999")));
                return "MaskField";
            case 6:
                if (random.nextBoolean())
                    config.put("exclude", names(3));
                if (random.nextBoolean())
                    config.put("include", names(6));
                config.put("renames", names(1) + ":" + any(List.of("new", "b", "c", "id")));
                return "ReplaceField";
            case 7:
                config.put("schema.name", "renamed");
                return "SetSchemaMetadata";
            default:
                config.put("field", names(1));
                config.put("target.type", any(List.of("unix", "Date", "Time", "Timestamp", "string")));
                config.put("format", "yyyy-MM-dd HH:mm:ss");
                return "TimestampConverter";
        }
    }

    private SchemaAndValue content() {
        if (random.nextInt(3) == 0)
            return new SchemaAndValue(null, map(2));
        Schema schema = structure(2);
        return new SchemaAndValue(schema, fill(schema));
    }

    private Map<Object, Object> map(int depth) {
        Map<Object, Object> map = new LinkedHashMap<>();
        for (String name : names(6).split(","))
            map.put(name, depth > 0 && random.nextInt(4) == 0 ? map(depth - 1) : random.nextInt(8) == 0 ? null : any(Samples.mixed()));
        return map;
    }

    private Schema structure(int depth) {
        SchemaBuilder builder = SchemaBuilder.struct();
        if (random.nextBoolean())
            builder.name("gen").version(random.nextInt(3));
        if (random.nextInt(4) == 0)
            builder.optional();
        for (String name : names(6).split(","))
            builder.field(name, depth > 0 && random.nextInt(4) == 0 ? structure(depth - 1) : member());
        return builder.build();
    }

    private Schema member() {
        Type type = any(List.of(Type.values()));
        SchemaBuilder builder = type == Type.STRUCT ? Samples.builder(Type.STRING) : Samples.builder(type);
        if (random.nextBoolean())
            builder.optional();
        if (random.nextInt(3) == 0)
            builder.defaultValue(Samples.of(builder.type()).get(0));
        return builder.build();
    }

    private Struct fill(Schema schema) {
        Struct struct = new Struct(schema);
        schema.fields().forEach(field -> {
            Schema member = field.schema();
            // One in ten that must have a value has none: what a careless connector sends.
            if (random.nextInt(10) == 0)
                return;
            List<Object> values = new ArrayList<>();
            if (member.type() != Type.STRUCT)
                values.addAll(Samples.of(member.type()));
            // Halves of surrogate pairs are the converters' matter.
            values.removeIf(value -> value instanceof String && ((String) value).chars().anyMatch(c -> Character.isSurrogate((char) c)));
            if (member.isOptional())
                values.add(null);
            if (member.type() == Type.STRUCT)
                put(struct, field.name(), fill(member));
            else
                struct.put(field, any(values));
        });
        return struct;
    }

    /** A nested struct that lacks something cannot be put: then there is none. */
    private static void put(Struct struct, String name, Struct content) {
        try {
            content.validate();
            struct.put(name, content);
        } catch (RuntimeException incomplete) {
            // stays unset
        }
    }
}

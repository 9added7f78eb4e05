package ringmain.recorder;

import java.math.BigDecimal;
import java.math.BigInteger;
import java.util.ArrayList;
import java.util.Date;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Random;
import org.apache.kafka.connect.data.Decimal;
import org.apache.kafka.connect.data.Field;
import org.apache.kafka.connect.data.Schema;
import org.apache.kafka.connect.data.SchemaBuilder;
import org.apache.kafka.connect.data.Struct;
import org.apache.kafka.connect.data.Time;
import org.apache.kafka.connect.data.Timestamp;

/** Schemas with values, and JSON texts, from a seed. */
final class JsonGenerated {
    private static final int VALUES = 300;
    private static final int TEXTS = 300;
    private final Random random;

    JsonGenerated(long seed) {
        random = new Random(seed);
    }

    void cases(Cases cases) {
        cases.group("generated/value");
        for (int i = 0; i < VALUES; i++) {
            Schema schema = schema(3);
            Object value = value(schema);
            cases.from(JsonCorpus.ENVELOPE, schema, value);
            cases.from(JsonCorpus.PLAIN, schema, value);
            cases.from(Map.of("decimal.format", "NUMERIC", "replace.null.with.default", "false"), schema, value);
        }
        cases.group("generated/text");
        for (int i = 0; i < TEXTS; i++) {
            StringBuilder text = new StringBuilder();
            text(text, 4);
            if (random.nextInt(4) == 0)
                text.setCharAt(random.nextInt(text.length()), (char) (32 + random.nextInt(96)));
            cases.to(JsonCorpus.PLAIN, JsonTexts.utf8(text.toString()));
        }
    }

    private Schema schema(int depth) {
        SchemaBuilder builder = builder(depth);
        if (random.nextInt(3) == 0)
            builder.optional();
        if (builder.name() == null && random.nextInt(5) == 0)
            builder.name("n" + random.nextInt(9)).version(random.nextInt(5));
        if (random.nextInt(8) == 0)
            builder.doc(string());
        if (random.nextInt(8) == 0)
            builder.parameter(string(), string());
        if (builder.type() != Schema.Type.STRUCT && random.nextInt(4) == 0)
            builder.defaultValue(required(builder.build()));
        return builder.build();
    }

    private SchemaBuilder builder(int depth) {
        switch (random.nextInt(depth > 0 ? 17 : 13)) {
            case 9:
                return Decimal.builder(random.nextInt(5) - 1);
            case 10:
                return org.apache.kafka.connect.data.Date.builder();
            case 11:
                return Time.builder();
            case 12:
                return Timestamp.builder();
            case 13:
                return SchemaBuilder.array(schema(depth - 1));
            case 14:
                return SchemaBuilder.map(random.nextBoolean() ? Schema.STRING_SCHEMA : Schema.INT32_SCHEMA, schema(depth - 1));
            case 15:
            case 16:
                SchemaBuilder struct = SchemaBuilder.struct();
                int fields = random.nextInt(6);
                for (int i = 0; i < fields; i++)
                    struct.field("f" + i, schema(depth - 1));
                return struct;
            default:
                return SchemaBuilder.type(Schema.Type.values()[random.nextInt(9)]);
        }
    }

    private Object value(Schema schema) {
        return schema.isOptional() && random.nextInt(4) == 0 ? null : required(schema);
    }

    private Object required(Schema schema) {
        if (schema.name() != null && schema.name().startsWith("org.apache"))
            return logical(schema);
        switch (schema.type()) {
            case INT8:
                return (byte) random.nextInt();
            case INT16:
                return (short) random.nextInt();
            case INT32:
                return random.nextInt();
            case INT64:
                return random.nextLong();
            case FLOAT32:
                return random.nextBoolean() ? Float.intBitsToFloat(random.nextInt()) : random.nextInt(100_000) / 100f;
            case FLOAT64:
                return random.nextBoolean() ? Double.longBitsToDouble(random.nextLong()) : random.nextInt(1_000_000) / 1000d;
            case BOOLEAN:
                return random.nextBoolean();
            case STRING:
                return string();
            case BYTES:
                byte[] bytes = new byte[random.nextInt(20)];
                random.nextBytes(bytes);
                return bytes;
            case ARRAY:
                List<Object> list = new ArrayList<>();
                for (int i = random.nextInt(4); i > 0; i--)
                    list.add(value(schema.valueSchema()));
                return list;
            case MAP:
                Map<Object, Object> map = new LinkedHashMap<>();
                for (int i = random.nextInt(4); i > 0; i--)
                    map.put(required(schema.keySchema()), value(schema.valueSchema()));
                return map;
            default:
                Struct struct = new Struct(schema);
                for (Field field : schema.fields())
                    if (field.schema().defaultValue() == null || random.nextBoolean())
                        struct.put(field, value(field.schema()));
                return struct;
        }
    }

    private Object logical(Schema schema) {
        switch (schema.name()) {
            case Decimal.LOGICAL_NAME:
                int scale = Integer.parseInt(schema.parameters().get("scale"));
                return new BigDecimal(new BigInteger(random.nextInt(120), random), scale);
            case org.apache.kafka.connect.data.Date.LOGICAL_NAME:
                return new Date((random.nextInt(200_000) - 100_000) * Samples.DAY);
            case Time.LOGICAL_NAME:
                return new Date(random.nextInt(86_400_001));
            default:
                return new Date(random.nextLong() >> random.nextInt(40));
        }
    }

    private String string() {
        StringBuilder text = new StringBuilder();
        for (int i = random.nextInt(12); i > 0; i--)
            text.appendCodePoint(codePoint());
        return text.toString();
    }

    private int codePoint() {
        switch (random.nextInt(8)) {
            case 0:
                return random.nextInt(32);
            case 1:
                return 0x80 + random.nextInt(0x700);
            case 2:
                return 0x1f600 + random.nextInt(64);
            case 3:
                return 0x3040 + random.nextInt(96);
            case 4:
                return "\"\\/<>&'".charAt(random.nextInt(7));
            default:
                return 'a' + random.nextInt(26);
        }
    }

    private void text(StringBuilder out, int depth) {
        switch (random.nextInt(depth > 0 ? 8 : 6)) {
            case 0:
                out.append(List.of("null", "true", "false", "0", "-0", "-0.0").get(random.nextInt(6)));
                break;
            case 1:
                out.append(random.nextInt() >> random.nextInt(31));
                break;
            case 2:
                out.append(random.nextLong()).append(random.nextInt(5) == 0 ? "0" : "");
                break;
            case 3:
                out.append(Double.toString(random.nextBoolean() ? Double.longBitsToDouble(random.nextLong() & ~(1L << 62)) : random.nextGaussian()));
                break;
            case 4:
            case 5:
                quoted(out);
                break;
            case 6:
                out.append('[');
                for (int i = random.nextInt(5); i > 0; i--) {
                    text(out, depth - 1);
                    out.append(i > 1 ? "," : " ");
                }
                out.append(']');
                break;
            default:
                out.append('{');
                for (int i = random.nextInt(5); i > 0; i--) {
                    quoted(out);
                    out.append(random.nextInt(4) == 0 ? " : " : ":");
                    text(out, depth - 1);
                    out.append(i > 1 ? "," : "");
                }
                out.append('}');
        }
    }

    private void quoted(StringBuilder out) {
        out.append('"');
        for (int i = random.nextInt(8); i > 0; i--) {
            int c = codePoint();
            if (c < 32 || c == '"' || c == '\\' || random.nextInt(10) == 0)
                for (char unit : Character.toChars(c))
                    out.append(String.format("\\u%04x", (int) unit));
            else
                out.appendCodePoint(c);
        }
        out.append('"');
    }
}

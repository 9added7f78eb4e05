package ringmain.recorder;

import java.math.BigDecimal;
import java.math.BigInteger;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Collections;
import java.util.Date;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import org.apache.kafka.connect.data.Schema;
import org.apache.kafka.connect.data.Schema.Type;
import org.apache.kafka.connect.data.SchemaBuilder;
import org.apache.kafka.connect.data.Struct;

/** Values worth a try, for every type: ordinary ones and those at the edges. */
final class Samples {
    static final Schema NESTED = SchemaBuilder.struct().name("inner").field("n", Schema.INT32_SCHEMA)
        .field("s", Schema.OPTIONAL_STRING_SCHEMA).field("d", SchemaBuilder.int8().defaultValue((byte) 5).build())
        .build();
    static final long DAY = 86_400_000L;

    private Samples() {
    }

    static List<Object> of(Type type) {
        switch (type) {
            case INT8:
                return List.of((byte) 0, (byte) 1, (byte) -1, Byte.MAX_VALUE, Byte.MIN_VALUE);
            case INT16:
                return List.of((short) 0, (short) 12, Short.MAX_VALUE, Short.MIN_VALUE);
            case INT32:
                return List.of(0, 1, -1, 12345, Integer.MAX_VALUE, Integer.MIN_VALUE);
            case INT64:
                return List.of(0L, 1L, -1L, 1L << 53, Long.MAX_VALUE, Long.MIN_VALUE);
            case FLOAT32:
                return floats();
            case FLOAT64:
                return doubles();
            case BOOLEAN:
                return List.of(true, false);
            case STRING:
                return new ArrayList<>(strings());
            case BYTES:
                return List.of(new byte[0], new byte[] {0}, "hello".getBytes(StandardCharsets.UTF_8),
                    new byte[] {-1, -2, -3, 0x7f, -0x80});
            case ARRAY:
                return List.of(List.of(), List.of("a"), List.of("a", "", "ä\"\\"));
            case MAP:
                return List.of(Map.of(), Map.of("k", 1), map("b", 2, "a", 1, "", -3));
            default:
                return List.of(nested(1, "x", (byte) 7), nested(0, null, null), nested(-5, "", (byte) -1));
        }
    }

    /** A schema of the type whose values {@link #of} gives. */
    static SchemaBuilder builder(Type type) {
        switch (type) {
            case ARRAY:
                return SchemaBuilder.array(Schema.STRING_SCHEMA);
            case MAP:
                return SchemaBuilder.map(Schema.STRING_SCHEMA, Schema.INT32_SCHEMA);
            case STRUCT:
                SchemaBuilder builder = SchemaBuilder.struct().name("inner");
                NESTED.fields().forEach(field -> builder.field(field.name(), field.schema()));
                return builder;
            default:
                return SchemaBuilder.type(type);
        }
    }

    static Struct nested(int n, String s, Byte d) {
        Struct struct = new Struct(NESTED).put("n", n).put("s", s);
        return d == null ? struct : struct.put("d", d);
    }

    /** The same values in a struct of another, perhaps not equal, schema. */
    static Object inSchema(Object value, Schema schema) {
        if (!(value instanceof Struct) || ((Struct) value).schema().equals(schema))
            return value;
        Struct struct = new Struct(schema);
        schema.fields().forEach(field -> {
            Object content = ((Struct) value).getWithoutDefault(field.name());
            if (content != null)
                struct.put(field, content);
        });
        return struct;
    }

    static List<Object> floats() {
        return List.of(0.0f, -0.0f, 1.0f, 1.1f, -2.5f, 0.1f, 1.0e10f, 1.0e-7f, 100.0f, 1.0e7f, 9999999.0f, 0.001f, 9.999e-4f,
            3.4028235e38f, 1.17549435e-38f, 1.4e-45f, 2.8e-45f, 16777216f, 33554432f, 1.00000001e8f, 8.5e9f,
            Float.NaN, Float.POSITIVE_INFINITY, Float.NEGATIVE_INFINITY);
    }

    static List<Object> doubles() {
        return List.of(0.0, -0.0, 1.0, 1.1, -2.5, 0.1, 1.0e10, 1.0e-7, 100.0, 1.0e7, 9999999.0, 0.001, 9.999e-4, 1.0e23,
            2.0e-3, 123456789.125, 4.9e-324, 2.2250738585072014e-308, 1.7976931348623157e308, 9007199254740993.0,
            2.2e-322, 8.41e21, 2.0e22, 5.0e-324, 1.0E21, 123456789012345680.0, 3.141592653589793, 1.0 / 3,
            Double.NaN, Double.POSITIVE_INFINITY, Double.NEGATIVE_INFINITY);
    }

    static List<String> strings() {
        return List.of("", "a", "hello world", "\"quoted\"", "back\\slash", "/slash/", "<html>&'", "tab\tnl\ncr\rff\fbs\b",
            "\u0000\u0001\u001f\u007f\u0080\u009f", "äöüß", "日本語", "😀 \uD83D\uDE00", "\u2028\u2029\ufeff\uffff", "null", "true",
            "12", "{\"a\":1}", " leading and trailing ", "\ud800", "a\udc00b", "\udc00\ud800");
    }

    static List<BigDecimal> decimals() {
        List<BigDecimal> result = new ArrayList<>();
        for (String text : Arrays.asList("0", "0.00", "1.50", "-1.50", "1E+3", "1E-10", "0E+3", "0E-9", "123456789012345678901234567890",
            "1.56", "-128", "127", "128", "-129", "0.000001", "0.0000001", "1E+400", "12345.678E-50"))
            result.add(new BigDecimal(text));
        return result;
    }

    static List<Date> dates() {
        List<Date> result = new ArrayList<>();
        for (long millis : new long[] {0, 1, -1, DAY - 1, DAY, DAY + 1, -DAY, 10_000 * DAY, 1_511_000_000_123L, -62_135_596_800_000L,
            DAY * Integer.MAX_VALUE, Long.MAX_VALUE, Long.MIN_VALUE, -12_219_292_800_001L, 253_402_300_800_000L})
            result.add(new Date(millis));
        return result;
    }

    /** One or two values of every class that can stand in a record. */
    static List<Object> mixed() {
        List<Object> result = new ArrayList<>();
        for (Type type : Type.values())
            result.addAll(of(type).subList(0, 2));
        result.add(new BigDecimal("1.5"));
        result.add(new Date(DAY));
        result.add(new BigInteger("12345678901234567890"));
        return result;
    }

    /** Lists and maps without schema, nested and of many classes. */
    static List<Object> compounds() {
        List<Object> result = new ArrayList<>();
        result.add(Arrays.asList(1, "a", null, true, 1.5));
        result.add(List.of(List.of(List.of()), Map.of("a", List.of(1L))));
        result.add(map(1, "a", 2, "b"));
        result.add(map("a", null, null, "b"));
        result.add(map("a", map("b", map("c", new byte[] {1, 2, 3}))));
        result.add(map(true, 1));
        result.add(map("s", nested(1, "x", null)));
        result.add(map("t", new Date(5)));
        result.add(map("f", 1.0f, "g", Double.NaN));
        result.add(Collections.singletonList(new BigDecimal("2.50")));
        return result;
    }

    static Map<Object, Object> map(Object... entries) {
        Map<Object, Object> map = new LinkedHashMap<>();
        for (int i = 0; i < entries.length; i += 2)
            map.put(entries[i], entries[i + 1]);
        return map;
    }
}

package ringmain.recorder;

import com.fasterxml.jackson.databind.node.ObjectNode;
import java.math.BigDecimal;
import java.util.Date;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.function.Consumer;
import org.apache.kafka.connect.data.ConnectSchema;
import org.apache.kafka.connect.data.Decimal;
import org.apache.kafka.connect.data.Schema;
import org.apache.kafka.connect.data.Schema.Type;
import org.apache.kafka.connect.data.SchemaBuilder;
import org.apache.kafka.connect.data.Time;
import org.apache.kafka.connect.data.Timestamp;

/** JsonConverter: every type × null × default × with and without schema × options, and texts of all kinds. */
final class JsonCorpus implements Corpus {
    private static final String CLASS = "org.apache.kafka.connect.json.JsonConverter";
    static final Map<String, String> ENVELOPE = Map.of();
    static final Map<String, String> PLAIN = Map.of("schemas.enable", "false");
    private static final Map<String, String> KEEP_NULL = Map.of("replace.null.with.default", "false");
    private static final Map<String, String> KEEP_NULL_PLAIN = Map.of("replace.null.with.default", "false", "schemas.enable", "false");
    private static final Map<String, String> NUMERIC = Map.of("decimal.format", "numeric");
    private static final Map<String, String> NUMERIC_PLAIN = Map.of("decimal.format", "NUMERIC", "schemas.enable", "false");

    @Override
    public String name() {
        return "converters/json";
    }

    @Override
    public void cases(Consumer<ObjectNode> sink) {
        Cases cases = new Cases(sink, CLASS);
        primitives(cases);
        wrongTypes(cases);
        logical(cases);
        compounds(cases);
        decorated(cases);
        texts(cases);
        payloads(cases);
        schemas(cases);
        options(cases);
        new JsonGenerated(20_260_721L).cases(cases);
    }

    private static void primitives(Cases cases) {
        for (Type type : Type.values()) {
            cases.group("from/" + type);
            List<Object> values = Samples.of(type);
            Object preset = type == Type.STRUCT ? null : values.get(values.size() - 1);
            for (Schema schema : variants(type, preset)) {
                for (Map<String, String> config : List.of(ENVELOPE, PLAIN, KEEP_NULL, KEEP_NULL_PLAIN)) {
                    cases.from(config, schema, null);
                    boolean edges = schema.defaultValue() == null && !schema.isOptional() && !config.containsKey("replace.null.with.default");
                    for (Object value : edges ? values : values.subList(0, 1))
                        cases.from(config, schema, Samples.inSchema(value, schema));
                }
            }
        }
        cases.group("from/schemaless");
        for (Map<String, String> config : List.of(ENVELOPE, PLAIN)) {
            cases.from(config, null, null);
            for (Type type : Type.values())
                Samples.of(type).forEach(value -> cases.from(config, null, value));
            Samples.mixed().forEach(value -> cases.from(config, null, value));
            Samples.compounds().forEach(value -> cases.from(config, null, value));
        }
    }

    /** Required, optional, with a default, and with both. */
    private static List<Schema> variants(Type type, Object preset) {
        Schema required = Samples.builder(type).build();
        Schema optional = Samples.builder(type).optional().build();
        if (preset == null)
            return List.of(required, optional);
        return List.of(required, optional, Samples.builder(type).defaultValue(preset).build(),
            Samples.builder(type).optional().defaultValue(preset).build());
    }

    private static void wrongTypes(Cases cases) {
        cases.group("wrong");
        for (Type type : Type.values()) {
            for (Object value : Samples.mixed()) {
                cases.from(PLAIN, Samples.builder(type).build(), value);
            }
        }
        for (Schema schema : List.of(Decimal.schema(2), org.apache.kafka.connect.data.Date.SCHEMA, Time.SCHEMA, Timestamp.SCHEMA))
            Samples.mixed().forEach(value -> cases.from(PLAIN, schema, value));
    }

    private static void logical(Cases cases) {
        cases.group("decimal");
        for (BigDecimal number : Samples.decimals()) {
            for (Map<String, String> config : List.of(ENVELOPE, NUMERIC, NUMERIC_PLAIN)) {
                cases.from(config, Decimal.schema(number.scale()), number);
                cases.from(config, Decimal.schema(2), number);
            }
        }
        cases.from(ENVELOPE, Decimal.builder(1).optional().defaultValue(new BigDecimal("1.5")).build(), null);
        cases.from(NUMERIC, Decimal.builder(1).optional().defaultValue(new BigDecimal("1.5")).build(), null);
        cases.from(ENVELOPE, SchemaBuilder.bytes().name(Decimal.LOGICAL_NAME).build(), BigDecimal.ONE);
        cases.from(ENVELOPE, SchemaBuilder.bytes().name(Decimal.LOGICAL_NAME).parameter("scale", "x").build(), BigDecimal.ONE);
        cases.from(ENVELOPE, SchemaBuilder.bytes().name(Decimal.LOGICAL_NAME).parameter("other", "1").build(), BigDecimal.ONE);
        cases.from(PLAIN, SchemaBuilder.int32().name(Decimal.LOGICAL_NAME).parameter("scale", "0").build(), BigDecimal.TEN);
        cases.group("date");
        for (Date date : Samples.dates()) {
            for (Schema schema : List.of(org.apache.kafka.connect.data.Date.SCHEMA, Time.SCHEMA, Timestamp.SCHEMA)) {
                cases.from(ENVELOPE, schema, date);
                cases.from(PLAIN, schema, date);
            }
        }
        cases.from(ENVELOPE, Timestamp.builder().optional().defaultValue(new Date(42)).build(), null);
        cases.from(ENVELOPE, Time.builder().optional().build(), null);
    }

    private static void compounds(Cases cases) {
        cases.group("compound");
        Schema any = SchemaBuilder.struct().name("outer").version(3)
            .field("list", SchemaBuilder.array(Samples.NESTED).optional().build())
            .field("map", SchemaBuilder.map(Schema.INT32_SCHEMA, SchemaBuilder.array(Schema.OPTIONAL_FLOAT64_SCHEMA).build()).optional().build())
            .field("decimals", SchemaBuilder.array(Decimal.schema(2)).optional().build())
            .field("times", SchemaBuilder.map(Schema.STRING_SCHEMA, Timestamp.SCHEMA).optional().build())
            .field("opt", Schema.OPTIONAL_BYTES_SCHEMA)
            .field("def", SchemaBuilder.string().optional().defaultValue("zz").build())
            .build();
        org.apache.kafka.connect.data.Struct full = new org.apache.kafka.connect.data.Struct(any)
            .put("list", List.of(Samples.nested(1, "a", null), Samples.nested(2, null, (byte) 2)))
            .put("map", Samples.map(1, List.of(1.5, -0.0), -2, List.of()))
            .put("decimals", List.of(new BigDecimal("1.00"), new BigDecimal("-99.99")))
            .put("times", Samples.map("t", new Date(99)))
            .put("opt", new byte[] {1});
        for (Map<String, String> config : List.of(ENVELOPE, PLAIN, KEEP_NULL, NUMERIC)) {
            cases.from(config, any, full);
            cases.from(config, any, new org.apache.kafka.connect.data.Struct(any));
        }
        Schema noFields = SchemaBuilder.struct().build();
        cases.from(ENVELOPE, noFields, new org.apache.kafka.connect.data.Struct(noFields));
        Schema other = SchemaBuilder.struct().name("inner2").field("n", Schema.INT32_SCHEMA).build();
        cases.from(ENVELOPE, other, Samples.nested(1, "x", null));
        cases.from(ENVELOPE, Samples.builder(Type.STRUCT).doc("other").build(), Samples.nested(1, "x", null));
        for (Schema key : List.of(Schema.STRING_SCHEMA, Schema.OPTIONAL_STRING_SCHEMA, Schema.INT64_SCHEMA, Schema.BOOLEAN_SCHEMA, Schema.OPTIONAL_INT8_SCHEMA))
            for (Map<Object, Object> map : List.of(Samples.map("a", "b"), Samples.map(1L, "b"), Samples.map(true, null), Samples.map(null, "x")))
                cases.from(PLAIN, SchemaBuilder.map(key, Schema.OPTIONAL_STRING_SCHEMA).build(), map);
        cases.from(PLAIN, SchemaBuilder.map(SchemaBuilder.string().optional().defaultValue("dk").build(), Schema.STRING_SCHEMA).build(), Samples.map(null, "x"));
        cases.from(ENVELOPE, new ConnectSchema(Type.ARRAY), List.of());
        cases.from(PLAIN, new ConnectSchema(Type.ARRAY), List.of(1, "a"));
        cases.from(PLAIN, new ConnectSchema(Type.MAP), Map.of());
    }

    private static void decorated(Cases cases) {
        cases.group("decorated");
        Schema full = SchemaBuilder.int32().name("n\u00e4me").version(-7).doc("d\"oc").parameter("b", "2").parameter("a", "\u0001").optional().defaultValue(8).build();
        cases.from(ENVELOPE, full, 1);
        cases.from(ENVELOPE, SchemaBuilder.struct().field("f", full).field("g\"", full).build(), null);
        cases.from(ENVELOPE, SchemaBuilder.struct().field("f", full).field("g\"", full).optional().build(), null);
        cases.from(ENVELOPE, SchemaBuilder.array(full).version(1).name("x").build(), List.of(1));
        cases.from(ENVELOPE, SchemaBuilder.map(full, full).doc("m").build(), Samples.map(1, 2));
        cases.from(ENVELOPE, SchemaBuilder.bytes().optional().defaultValue(new byte[] {1, 2}).build(), null);
        cases.from(ENVELOPE, SchemaBuilder.array(Schema.INT8_SCHEMA).optional().defaultValue(List.of((byte) 1)).build(), null);
        cases.from(ENVELOPE, SchemaBuilder.float64().defaultValue(Double.NaN).build(), 1.0);
        cases.from(ENVELOPE, SchemaBuilder.string().name("").doc("").build(), "");
    }

    private static void texts(Cases cases) {
        cases.group("text");
        for (Map<String, String> config : List.of(PLAIN, ENVELOPE)) {
            cases.to(config, null);
            JsonTexts.LITERALS.forEach(text -> cases.to(config, JsonTexts.utf8(text)));
            JsonTexts.WELL_FORMED.forEach(text -> cases.to(config, JsonTexts.utf8(text)));
            JsonTexts.MALFORMED.forEach(text -> cases.to(config, JsonTexts.utf8(text)));
            JsonTexts.notUtf8().forEach(bytes -> cases.to(config, bytes));
        }
        cases.group("limit");
        JsonTexts.limits().forEach(text -> cases.to(PLAIN, JsonTexts.utf8(text)));
    }

    /** Every literal as the payload of every type. */
    private static void payloads(Cases cases) {
        Map<String, String> schemas = new LinkedHashMap<>();
        for (String name : List.of("int8", "int16", "int32", "int64", "float", "double", "boolean", "string", "bytes"))
            schemas.put(name, "\"type\":\"" + name + "\"");
        schemas.put("array", "\"type\":\"array\",\"items\":{\"type\":\"string\",\"optional\":true}");
        schemas.put("map", "\"type\":\"map\",\"keys\":{\"type\":\"string\"},\"values\":{\"type\":\"int32\"}");
        schemas.put("pairs", "\"type\":\"map\",\"keys\":{\"type\":\"int32\"},\"values\":{\"type\":\"int64\"}");
        schemas.put("struct", "\"type\":\"struct\",\"fields\":[{\"field\":\"n\",\"type\":\"int32\"},{\"field\":\"s\",\"type\":\"string\",\"optional\":true},"
            + "{\"field\":\"d\",\"type\":\"int8\",\"default\":5}]");
        String logical = "\"name\":\"org.apache.kafka.connect.data.";
        schemas.put("decimal", "\"type\":\"bytes\"," + logical + "Decimal\",\"parameters\":{\"scale\":\"2\"}");
        schemas.put("date", "\"type\":\"int32\"," + logical + "Date\"");
        schemas.put("time", "\"type\":\"int32\"," + logical + "Time\"");
        schemas.put("timestamp", "\"type\":\"int64\"," + logical + "Timestamp\"");
        schemas.forEach((name, schema) -> {
            cases.group("payload/" + name);
            for (String literal : JsonTexts.LITERALS)
                cases.to(ENVELOPE, JsonTexts.utf8("{\"schema\":{" + schema + "},\"payload\":" + literal + "}"));
            cases.to(ENVELOPE, JsonTexts.utf8("{\"payload\":null,\"schema\":{" + schema + ",\"optional\":true}}"));
            cases.to(KEEP_NULL, JsonTexts.utf8("{\"payload\":null,\"schema\":{" + schema + ",\"optional\":true,\"default\":null}}"));
            cases.to(Map.of("schema.content", "{" + schema + ",\"optional\":true}"), JsonTexts.utf8("1"));
            for (String literal : List.of("1", "\"AJw=\"", "[]", "{}", "null"))
                for (Map<String, String> config : List.of(ENVELOPE, KEEP_NULL))
                    cases.to(config, JsonTexts.utf8("{\"schema\":{" + schema + ",\"optional\":true,\"default\":" + literal + "},\"payload\":null}"));
        });
    }

    private static void schemas(Cases cases) {
        cases.group("schema");
        for (String schema : List.of("null", "1", "\"string\"", "[]", "{}", "{\"type\":1}", "{\"type\":null}", "{\"type\":\"\"}", "{\"type\":\"INT8\"}", "{\"type\":\"float32\"}",
            "{\"type\":\"array\"}", "{\"type\":\"array\",\"items\":null}", "{\"type\":\"array\",\"items\":1}", "{\"type\":\"array\",\"items\":{}}", "{\"type\":\"map\"}",
            "{\"type\":\"map\",\"keys\":{\"type\":\"string\"}}", "{\"type\":\"map\",\"values\":{\"type\":\"string\"}}", "{\"type\":\"map\",\"keys\":null,\"values\":null}",
            "{\"type\":\"struct\"}", "{\"type\":\"struct\",\"fields\":{}}", "{\"type\":\"struct\",\"fields\":[1]}", "{\"type\":\"struct\",\"fields\":[{}]}",
            "{\"type\":\"struct\",\"fields\":[{\"field\":1,\"type\":\"int8\"}]}", "{\"type\":\"struct\",\"fields\":[{\"field\":\"\",\"type\":\"int8\"}]}",
            "{\"type\":\"struct\",\"fields\":[{\"field\":\"a\"}]}", "{\"type\":\"struct\",\"fields\":[null]}",
            "{\"type\":\"struct\",\"fields\":[{\"field\":\"a\",\"type\":\"int8\"},{\"field\":\"a\",\"type\":\"int8\"}]}",
            "{\"type\":\"struct\",\"fields\":[]}", "{\"type\":\"int8\",\"optional\":\"true\"}", "{\"type\":\"int8\",\"optional\":1}", "{\"type\":\"int8\",\"optional\":true}",
            "{\"type\":\"int8\",\"name\":1,\"version\":\"1\",\"doc\":[],\"parameters\":1}", "{\"type\":\"int8\",\"name\":\"n\",\"version\":3000000000,\"doc\":\"d\"}",
            "{\"type\":\"int8\",\"version\":1.5}", "{\"type\":\"int8\",\"version\":1.0}", "{\"type\":\"int8\",\"version\":2}", "{\"type\":\"int8\",\"parameters\":{\"a\":1}}",
            "{\"type\":\"int8\",\"parameters\":{\"a\":null}}", "{\"type\":\"int8\",\"parameters\":{}}", "{\"type\":\"int8\",\"parameters\":{\"b\":\"x\",\"a\":\"y\"}}",
            "{\"type\":\"int8\",\"default\":null}", "{\"type\":\"int8\",\"default\":\"a\"}", "{\"type\":\"int8\",\"default\":300}", "{\"type\":\"string\",\"default\":1}",
            "{\"type\":\"string\",\"default\":1,\"optional\":true}", "{\"type\":\"array\",\"items\":{\"type\":\"int8\"},\"default\":[1,2]}",
            "{\"type\":\"array\",\"items\":{\"type\":\"int8\"},\"default\":[null]}", "{\"type\":\"array\",\"items\":{\"type\":\"string\"},\"default\":[1]}",
            "{\"type\":\"map\",\"keys\":{\"type\":\"string\"},\"values\":{\"type\":\"int8\"},\"default\":{\"a\":1}}",
            "{\"type\":\"struct\",\"fields\":[{\"field\":\"a\",\"type\":\"int8\"}],\"default\":{\"a\":1}}",
            "{\"type\":\"struct\",\"fields\":[{\"field\":\"a\",\"type\":\"int8\"}],\"default\":{}}",
            "{\"type\":\"bytes\",\"name\":\"org.apache.kafka.connect.data.Decimal\"}",
            "{\"type\":\"bytes\",\"name\":\"org.apache.kafka.connect.data.Decimal\",\"parameters\":{\"scale\":\"x\"},\"default\":\"AA==\"}",
            "{\"type\":\"bytes\",\"name\":\"org.apache.kafka.connect.data.Decimal\",\"parameters\":{\"scale\":\"1\"},\"default\":1.5}",
            "{\"type\":\"string\",\"name\":\"org.apache.kafka.connect.data.Date\"}",
            "{\"type\":\"int8\",\"type\":\"int16\"}", "{\"type\":\"struct\",\"fields\":[{\"field\":\"a\",\"type\":\"struct\",\"fields\":[{\"field\":\"b\",\"type\":\"int8\"}]}]}")) {
            for (String payload : List.of("null", "1", "{\"a\":{\"b\":1}}"))
                cases.to(ENVELOPE, JsonTexts.utf8("{\"schema\":" + schema + ",\"payload\":" + payload + "}"));
        }
        cases.group("envelope");
        for (String text : List.of("{}", "{\"schema\":null}", "{\"payload\":null}", "{\"schema\":null,\"payload\":1,\"x\":2}", "{\"schema\":null,\"payload\":{\"a\":[1]}}",
            "{\"payload\":1,\"schema\":null}", "{\"schema\":null,\"schema\":{\"type\":\"int8\"},\"payload\":1}", "{\"schema\":null,\"payload\":1,\"payload\":2}",
            "{\"schema\":{\"type\":\"int8\"},\"payload\":1} trailing", "{\"schema\":{\"type\":\"int8\"},\"payload\":1", "{\"Schema\":null,\"payload\":1}"))
            cases.to(ENVELOPE, JsonTexts.utf8(text));
    }

    private static void options(Cases cases) {
        cases.group("option");
        for (Map<String, String> config : List.of(ENVELOPE, PLAIN, NUMERIC, Map.of("schemas.enable", "maybe"), Map.of("schemas.enable", " TRUE "),
            Map.of("schemas.cache.size", "-1"), Map.of("schemas.cache.size", "x"), Map.of("schemas.cache.size", "0"), Map.of("decimal.format", "hex"),
            Map.of("decimal.format", ""), Map.of("replace.null.with.default", "1"), Map.of("schema.content", ""), Map.of("schema.content", "{"),
            Map.of("schema.content", "{\"type\":\"int8\"}"), Map.of("schema.content", "{}"), Map.of("schema.content", "null"), Map.of("unknown", "1"),
            Map.of("schema.content", "{\"type\":\"nope\"}"), Map.of("schema.content", " {\"type\":\"int8\"} "), Map.of("converter.type", "header")))
            cases.configure(config);
        for (String content : List.of("{\"type\":\"int8\"}", "{\"type\":\"string\",\"optional\":true}", "{\"type\":\"struct\",\"fields\":[{\"field\":\"a\",\"type\":\"int8\"}]}"))
            for (String text : List.of("1", "null", "\"s\"", "{\"a\":1}", "{\"schema\":{\"type\":\"int8\"},\"payload\":1}", "", "{"))
                for (String enabled : List.of("true", "false"))
                    cases.to(Map.of("schema.content", content, "schemas.enable", enabled), JsonTexts.utf8(text));
        cases.group("header");
        for (Map<String, String> config : List.of(ENVELOPE, PLAIN)) {
            cases.put("fromHeader", config, Schema.STRING_SCHEMA, "a\"b");
            cases.put("fromHeader", config, null, null);
            cases.put("toHeader", config, JsonTexts.utf8("{\"schema\":{\"type\":\"int8\"},\"payload\":1}"));
            cases.put("toHeader", config, (byte[]) null);
        }
    }
}

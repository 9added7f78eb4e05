package ringmain.recorder;

import java.math.BigDecimal;
import java.math.BigInteger;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Date;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import org.apache.kafka.common.record.TimestampType;
import org.apache.kafka.connect.connector.ConnectRecord;
import org.apache.kafka.connect.data.ConnectSchema;
import org.apache.kafka.connect.data.Decimal;
import org.apache.kafka.connect.data.Schema;
import org.apache.kafka.connect.data.SchemaAndValue;
import org.apache.kafka.connect.data.SchemaBuilder;
import org.apache.kafka.connect.data.Struct;
import org.apache.kafka.connect.data.Time;
import org.apache.kafka.connect.data.Timestamp;
import org.apache.kafka.connect.header.ConnectHeaders;
import org.apache.kafka.connect.header.Headers;
import org.apache.kafka.connect.sink.SinkRecord;
import org.apache.kafka.connect.source.SourceRecord;

/** Keys, values and records to try transforms and predicates on. */
final class TransformSamples {
    /** One value of every type by the name of the member that holds it in the structs below. */
    static final Map<String, Object> MEMBERS = new LinkedHashMap<>();
    private static final Date NOW = new Date(1_700_000_000_123L);

    static {
        MEMBERS.put("i8", (byte) 8);
        MEMBERS.put("i16", (short) 300);
        MEMBERS.put("i32", 70_000);
        MEMBERS.put("i64", 1_700_000_000_123L);
        MEMBERS.put("f32", 3.99f);
        MEMBERS.put("f64", -1.0e20);
        MEMBERS.put("b", true);
        MEMBERS.put("s", "42");
        MEMBERS.put("by", new byte[] {1, 2, 3});
        MEMBERS.put("dec", new BigDecimal("12.34"));
        MEMBERS.put("date", new Date(19_675L * Samples.DAY));
        MEMBERS.put("time", new Date(3_723_004));
        MEMBERS.put("ts", NOW);
        MEMBERS.put("arr", Arrays.asList("p", "q"));
        MEMBERS.put("map", Samples.map("k", 1));
        MEMBERS.put("st", Samples.nested(7, "in", null));
    }

    private TransformSamples() {
    }

    private static SchemaBuilder member(String name) {
        switch (name) {
            case "i8":
                return SchemaBuilder.int8();
            case "i16":
                return SchemaBuilder.int16();
            case "i32":
                return SchemaBuilder.int32();
            case "i64":
                return SchemaBuilder.int64();
            case "f32":
                return SchemaBuilder.float32();
            case "f64":
                return SchemaBuilder.float64();
            case "b":
                return SchemaBuilder.bool();
            case "s":
                return SchemaBuilder.string();
            case "by":
                return SchemaBuilder.bytes();
            case "dec":
                return Decimal.builder(2);
            case "date":
                return org.apache.kafka.connect.data.Date.builder();
            case "time":
                return Time.builder();
            case "ts":
                return Timestamp.builder();
            case "arr":
                return SchemaBuilder.array(Schema.STRING_SCHEMA);
            case "map":
                return SchemaBuilder.map(Schema.STRING_SCHEMA, Schema.INT32_SCHEMA);
            default:
                return Samples.builder(Schema.Type.STRUCT);
        }
    }

    /** How the members of a struct are declared. */
    enum Members { REQUIRED, OPTIONAL, DEFAULTED }

    static Schema schema(Members members) {
        SchemaBuilder builder = SchemaBuilder.struct().name("outer").version(3).doc("a struct").parameter("p", "1");
        MEMBERS.forEach((name, value) -> {
            SchemaBuilder member = member(name);
            if (members == Members.OPTIONAL)
                member.optional();
            if (members == Members.DEFAULTED && !(value instanceof Struct))
                member.defaultValue(value);
            builder.field(name, member.build());
        });
        return builder.build();
    }

    static Struct full(Schema schema) {
        Struct struct = new Struct(schema);
        MEMBERS.forEach((name, value) -> struct.put(name, Samples.inSchema(value, schema.field(name).schema())));
        return struct;
    }

    /** The same members, and some of classes that no schema has, in a map. */
    static Map<Object, Object> map() {
        Map<Object, Object> map = new LinkedHashMap<>(MEMBERS);
        map.remove("st");
        map.put("big", new BigInteger("-98765432109876543210"));
        map.put("nul", null);
        map.put("inner", Samples.map("x", 1L, "y", Samples.map("z", "deep", "w", null)));
        map.put("list", Arrays.asList(1, Samples.map("a", 2), null));
        map.put("a.b", "dotted");
        return map;
    }

    /** A struct three deep; what is optional and what has defaults differs on the way. */
    static Schema deep(boolean innerOptional) {
        Schema leaf = SchemaBuilder.struct().optional().field("z", Schema.STRING_SCHEMA)
            .field("d", SchemaBuilder.int32().defaultValue(9).build()).field("o", Schema.OPTIONAL_INT64_SCHEMA).build();
        SchemaBuilder inner = SchemaBuilder.struct().name("Inner").field("y", leaf).field("n", Schema.INT32_SCHEMA)
            .field("l", SchemaBuilder.array(Schema.INT32_SCHEMA).optional().doc("numbers").build());
        if (innerOptional)
            inner.optional();
        return SchemaBuilder.struct().name("Deep").field("inner", inner.build()).field("s", Schema.OPTIONAL_STRING_SCHEMA)
            .field("a.b", Schema.OPTIONAL_STRING_SCHEMA).build();
    }

    static Struct deep(boolean innerOptional, boolean withLeaf) {
        Schema schema = deep(innerOptional);
        Schema inner = schema.field("inner").schema();
        Struct struct = new Struct(inner).put("n", 5).put("l", Arrays.asList(1, 2));
        if (withLeaf)
            struct.put("y", new Struct(inner.field("y").schema()).put("z", "zet"));
        return new Struct(schema).put("inner", struct).put("a.b", "dotted");
    }

    /** Keys and values of all kinds, with schema and without. */
    static List<SchemaAndValue> contents() {
        List<SchemaAndValue> result = new ArrayList<>();
        result.add(SchemaAndValue.NULL);
        result.add(new SchemaAndValue(null, map()));
        result.add(new SchemaAndValue(null, Samples.map()));
        for (Members members : Members.values()) {
            Schema schema = schema(members);
            result.add(new SchemaAndValue(schema, full(schema)));
            result.add(new SchemaAndValue(schema, new Struct(schema)));
        }
        for (boolean innerOptional : new boolean[] {false, true})
            for (boolean withLeaf : new boolean[] {false, true}) {
                Struct deep = deep(innerOptional, withLeaf);
                result.add(new SchemaAndValue(deep.schema(), deep));
            }
        Schema empty = deep(true);
        result.add(new SchemaAndValue(empty, new Struct(empty)));
        Schema optional = SchemaBuilder.struct().optional().name("opt").field("i32", Schema.INT32_SCHEMA).build();
        result.add(new SchemaAndValue(optional, null));
        result.add(new SchemaAndValue(optional, new Struct(optional).put("i32", 1)));
        result.add(new SchemaAndValue(Samples.NESTED, null));
        result.add(withDefault());
        Schema none = SchemaBuilder.struct().build();
        result.add(new SchemaAndValue(none, new Struct(none)));
        result.addAll(simple());
        return result;
    }

    /** A struct whose schema has a default of its own. */
    static SchemaAndValue withDefault() {
        Schema plain = SchemaBuilder.struct().name("def").optional().field("i64", Schema.INT64_SCHEMA)
            .field("s", Schema.OPTIONAL_STRING_SCHEMA).build();
        Struct standard = new Struct(plain).put("i64", 1_000L).put("s", "from default");
        Schema schema = new ConnectSchema(Schema.Type.STRUCT, true, standard, "def", null, null, null, plain.fields(), null, null);
        return new SchemaAndValue(schema, new Struct(schema).put("i64", 2_000L));
    }

    /** What is no struct and no map, with schema and without. */
    static List<SchemaAndValue> simple() {
        List<SchemaAndValue> result = new ArrayList<>();
        MEMBERS.forEach((name, value) -> {
            if (name.equals("st"))
                return;
            Schema schema = member(name).build();
            result.add(new SchemaAndValue(schema, value));
            if (!name.equals("map"))
                result.add(new SchemaAndValue(null, value));
        });
        result.add(new SchemaAndValue(Schema.OPTIONAL_STRING_SCHEMA, null));
        result.add(new SchemaAndValue(Schema.STRING_SCHEMA, null));
        result.add(new SchemaAndValue(SchemaBuilder.int64().optional().defaultValue(5L).name("n").version(2).doc("d").build(), 17L));
        return result;
    }

    static Headers headers() {
        return new ConnectHeaders().addString("h", "one").addInt("h", 2).addLong("other", 3L).add("nul", null, null);
    }

    static SourceRecord source(boolean asKey, SchemaAndValue content) {
        Map<String, Object> partition = Map.of("file", "f");
        Map<String, Object> offset = Map.of("position", 12L);
        return asKey
            ? new SourceRecord(partition, offset, "topic", null, content.schema(), content.value(), Schema.STRING_SCHEMA, "v",
                NOW.getTime(), headers())
            : new SourceRecord(partition, offset, "topic", 3, Schema.STRING_SCHEMA, "k", content.schema(), content.value(), null,
                headers());
    }

    static SinkRecord sink(boolean asKey, SchemaAndValue content) {
        return asKey
            ? new SinkRecord("topic", 4, content.schema(), content.value(), null, null, 99L, null, TimestampType.NO_TIMESTAMP_TYPE,
                new ConnectHeaders())
            : new SinkRecord("topic", 5, null, null, content.schema(), content.value(), 100L, NOW.getTime(), TimestampType.CREATE_TIME,
                headers());
    }

    static ConnectRecord<?> topic(String topic, Long timestamp) {
        return new SourceRecord(null, null, topic, null, null, null, null, "v", timestamp);
    }
}

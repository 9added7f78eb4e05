package ringmain.recorder;

import com.fasterxml.jackson.databind.node.ObjectNode;
import java.math.BigDecimal;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Date;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.function.Consumer;
import org.apache.kafka.connect.connector.ConnectRecord;
import org.apache.kafka.connect.data.ConnectSchema;
import org.apache.kafka.connect.data.Decimal;
import org.apache.kafka.connect.data.Schema;
import org.apache.kafka.connect.data.SchemaAndValue;
import org.apache.kafka.connect.data.SchemaBuilder;
import org.apache.kafka.connect.data.Struct;
import org.apache.kafka.connect.data.Time;
import org.apache.kafka.connect.data.Timestamp;

/** The situations of Kafka's own unit tests of the transforms ({@code CastTest}, {@code FlattenTest} …), as data. */
final class UpstreamTransforms implements Corpus {
    private static final String RND = "replace.null.with.default";
    private static final Schema DEFAULTED = SchemaBuilder.string().optional().defaultValue("default").build();
    private Consumer<ObjectNode> sink;

    @Override
    public String name() {
        return "transforms/upstream";
    }

    @Override
    public void cases(Consumer<ObjectNode> sink) {
        this.sink = sink;
        cast();
        extract();
        flatten();
        headerFrom();
        hoistAndInsert();
        mask();
        replace();
        metadata();
        times();
        toKey();
        defaults();
    }

    /** Members of a struct: name, schema, value, and so on. */
    private static SchemaAndValue struct(Object... members) {
        SchemaBuilder builder = SchemaBuilder.struct();
        for (int i = 0; i < members.length; i += 3)
            builder.field((String) members[i], (Schema) members[i + 1]);
        Schema schema = builder.build();
        Struct struct = new Struct(schema);
        for (int i = 0; i < members.length; i += 3)
            if (members[i + 2] != null)
                struct.put((String) members[i], members[i + 2]);
        return new SchemaAndValue(schema, struct);
    }

    private static SchemaAndValue map(Object... entries) {
        return new SchemaAndValue(null, Samples.map(entries));
    }

    private static Map<String, String> config(String... entries) {
        Map<String, String> config = new LinkedHashMap<>();
        for (int i = 0; i < entries.length; i += 2)
            config.put(entries[i], entries[i + 1]);
        return config;
    }

    /** As key and as value, from a source and a sink. */
    private void both(String group, String name, Map<String, String> config, SchemaAndValue... contents) {
        for (boolean asKey : new boolean[] {true, false}) {
            Cases cases = new Cases(sink, TransformCorpus.PACKAGE + name + (asKey ? "$Key" : "$Value")).group(group);
            for (SchemaAndValue content : contents) {
                TransformCorpus.apply(cases, config, TransformSamples.source(asKey, content));
                TransformCorpus.apply(cases, config, TransformSamples.sink(asKey, content));
            }
        }
    }

    private void cast() {
        both("null", "Cast", config("spec", "foo:int64"), new SchemaAndValue(Schema.OPTIONAL_STRING_SCHEMA, null), SchemaAndValue.NULL);
        for (String type : List.of("int8", "int16", "int32", "int64", "float32", "float64", "boolean", "string"))
            both("whole " + type, "Cast", config("spec", type), new SchemaAndValue(Schema.INT32_SCHEMA, 42), new SchemaAndValue(null, 42),
                new SchemaAndValue(Schema.INT32_SCHEMA, 0), new SchemaAndValue(Decimal.schema(0), new BigDecimal(42)),
                new SchemaAndValue(Timestamp.SCHEMA, new Date(1_575_244_800_000L)), new SchemaAndValue(null, List.of("foo")),
                new SchemaAndValue(SchemaBuilder.float32().defaultValue(-42.125f).build(), 42.125f),
                new SchemaAndValue(SchemaBuilder.float32().defaultValue(42f).optional().build(), null));
        both("members", "Cast", config("spec", "int8:int16,int16:int32,int32:int64,int64:boolean,float32:float64,float64:boolean,boolean:int8,string:int32,"
            + "bigdecimal:string,date:string,optional:int32,bytes:string,byteArray:string"),
            struct("int8", Schema.INT8_SCHEMA, (byte) 8, "int16", Schema.OPTIONAL_INT16_SCHEMA, (short) 16, "int32", SchemaBuilder.int32().defaultValue(2).build(), 32,
                "int64", Schema.INT64_SCHEMA, 64L, "float32", Schema.FLOAT32_SCHEMA, 32.f, "float64", SchemaBuilder.float64().defaultValue(-1.125).build(), -64.,
                "boolean", Schema.BOOLEAN_SCHEMA, true, "string", Schema.STRING_SCHEMA, "42", "bigdecimal", Decimal.schema(0), new BigDecimal(42),
                "date", org.apache.kafka.connect.data.Date.SCHEMA, new Date(10 * Samples.DAY), "optional", Schema.OPTIONAL_FLOAT32_SCHEMA, null,
                "timestamp", Timestamp.SCHEMA, new Date(0), "bytes", Schema.BYTES_SCHEMA, "bytes".getBytes(), "byteArray", Schema.BYTES_SCHEMA, new byte[] {1, -1}),
            map("int8", (byte) 8, "int16", (short) 16, "int32", 32, "int64", 64L, "float32", 32.f, "float64", -64., "boolean", true, "string", "42"));
        both("logical", "Cast", config("spec", "date:int32,ts:int64,time:int64,dec:int32,far:float64,null:int32"),
            struct("date", org.apache.kafka.connect.data.Date.SCHEMA, new Date(10 * Samples.DAY), "ts", Timestamp.SCHEMA, new Date(0), "time", Time.SCHEMA, new Date(1),
                "dec", Decimal.schema(2), new BigDecimal((long) Integer.MAX_VALUE + 1), "far", Timestamp.SCHEMA, new Date(Long.MAX_VALUE),
                "null", Timestamp.builder().optional().build(), null));
    }

    private void extract() {
        SchemaAndValue nested = struct("foo", struct("bar", SchemaBuilder.struct().field("baz", Schema.INT32_SCHEMA).build(), null).schema(), null);
        both("plain", "ExtractField", config("field", "magic"), map("magic", 42), map(), SchemaAndValue.NULL, struct("magic", Schema.INT32_SCHEMA, 42),
            new SchemaAndValue(SchemaBuilder.struct().field("magic", Schema.INT32_SCHEMA).optional().build(), null), struct("other", Schema.INT32_SCHEMA, 42));
        both("nested", "ExtractField", config("field", "magic.foo", "field.syntax.version", "V2"), map("magic", Samples.map("foo", 42)), map("magic", null),
            struct("magic", Samples.NESTED, Samples.nested(1, "x", null)), nested);
    }

    private void flatten() {
        Schema inner = SchemaBuilder.struct().field("opt_int32", Schema.OPTIONAL_INT32_SCHEMA).build();
        Schema optional = SchemaBuilder.struct().optional().field("opt_int32", Schema.OPTIONAL_INT32_SCHEMA).build();
        both("plain", "Flatten", config(), struct("B", inner, new Struct(inner)), struct("B", optional, null), new SchemaAndValue(optional, null),
            map("B", Samples.map("opt_int32", null)), map("A", Samples.map("B", 12)),
            map("foo", Arrays.asList("bar", Samples.map("baz", Samples.map("lfg", "lfg")))),
            map("firstNull", null, "firstNonNull", "nonNull", "secondNull", null, "secondNonNull", "alsoNonNull"), parentDefault(), arrayOfStructs());
        both("delimiter", "Flatten", config("delimiter", "#"), map("A", Samples.map("B", Samples.map("int8", (byte) 8, "float64", 64., "bytes", "bytes".getBytes()))));
        both("map in struct", "Flatten", config(), struct("map", SchemaBuilder.map(Schema.INT32_SCHEMA, Schema.STRING_SCHEMA).build(), Samples.map(1, "a")));
    }

    /** A default of the parent goes to the member that has none of its own. */
    private static SchemaAndValue parentDefault() {
        Schema plain = SchemaBuilder.struct().optional().field("req_field", Schema.STRING_SCHEMA)
            .field("opt_field", SchemaBuilder.string().optional().defaultValue("child_default").build()).build();
        Struct standard = new Struct(plain).put("req_field", "req_default");
        Schema schema = new ConnectSchema(Schema.Type.STRUCT, true, standard, null, null, null, null, plain.fields(), null, null);
        return new SchemaAndValue(schema, new Struct(schema));
    }

    private static SchemaAndValue arrayOfStructs() {
        Schema nested = SchemaBuilder.struct().field("lfg", Schema.STRING_SCHEMA).build();
        return struct("foo", SchemaBuilder.array(nested).doc("durk").build(), List.of(new Struct(nested).put("lfg", "lfg")));
    }

    private void headerFrom() {
        List<SchemaAndValue> contents = new ArrayList<>();
        contents.add(struct("field1", Schema.STRING_SCHEMA, "value 1", "field2", Schema.STRING_SCHEMA, "value 2"));
        contents.add(struct("field1", SchemaBuilder.struct().field("foo", Schema.INT32_SCHEMA).build(), null, "field2", Schema.STRING_SCHEMA, "value 2"));
        contents.add(struct("field1", Schema.OPTIONAL_STRING_SCHEMA, null, "field2", DEFAULTED, null));
        contents.add(map("field1", "value 1", "field2", Samples.map("foo", 1)));
        contents.add(map("field1", null));
        SchemaAndValue[] all = contents.toArray(new SchemaAndValue[0]);
        for (String operation : List.of("copy", "move"))
            for (String defaults : List.of("true", "false"))
                both(operation + " " + defaults, "HeaderFrom", config("fields", "field1,field2", "headers", "inserted1,h", "operation", operation, RND, defaults), all);
    }

    private void hoistAndInsert() {
        both("hoist", "HoistField", config("field", "magic"), new SchemaAndValue(null, 42), new SchemaAndValue(Schema.INT32_SCHEMA, 42), SchemaAndValue.NULL,
            new SchemaAndValue(Schema.OPTIONAL_INT32_SCHEMA, null), new SchemaAndValue(Schema.INT32_SCHEMA, null));
        Map<String, String> all = config("topic.field", "topic_field!", "partition.field", "partition_field", "timestamp.field", "timestamp_field?",
            "static.field", "instance_id", "static.value", "my-instance-id");
        Schema named = SchemaBuilder.struct().name("name").version(1).doc("doc").field("magic", Schema.OPTIONAL_INT64_SCHEMA).build();
        both("insert", "InsertField", all, new SchemaAndValue(named, new Struct(named).put("magic", 42L)), map("magic", 42L), new SchemaAndValue(named, null),
            SchemaAndValue.NULL, new SchemaAndValue(Schema.STRING_SCHEMA, "top-level"), struct("magic", DEFAULTED, null));
    }

    private void mask() {
        SchemaAndValue typed = struct("magic", Schema.INT32_SCHEMA, 42, "bool", Schema.BOOLEAN_SCHEMA, true, "byte", Schema.INT8_SCHEMA, (byte) 42, "short", Schema.INT16_SCHEMA, (short) 42,
            "int", Schema.INT32_SCHEMA, 42, "long", Schema.INT64_SCHEMA, 42L, "float", Schema.FLOAT32_SCHEMA, 42f, "double", Schema.FLOAT64_SCHEMA, 42d, "string", Schema.STRING_SCHEMA, "55.121.20.20",
            "date", org.apache.kafka.connect.data.Date.SCHEMA, new Date(0), "time", Time.SCHEMA, new Date(5), "timestamp", Timestamp.SCHEMA, new Date(7), "decimal", Decimal.schema(0), new BigDecimal(42),
            "array", SchemaBuilder.array(Schema.INT32_SCHEMA).build(), List.of(1, 2), "map", SchemaBuilder.map(Schema.STRING_SCHEMA, Schema.STRING_SCHEMA).build(), Map.of("key", "value"),
            "withDefault", DEFAULTED, null);
        Map<Object, Object> untyped = new LinkedHashMap<>();
        Struct struct = (Struct) typed.value();
        struct.schema().fields().forEach(field -> untyped.put(field.name(), struct.getWithoutDefault(field.name())));
        for (String field : List.of("magic", "bool", "byte", "short", "int", "long", "float", "double", "string", "date", "time", "timestamp", "decimal", "array", "map", "withDefault"))
            for (String replacement : Arrays.asList(null, "123", "3.5", "text")) {
                Map<String, String> config = replacement == null ? config("fields", field) : config("fields", field, "replacement", replacement);
                both(field + " " + replacement, "MaskField", config, typed, new SchemaAndValue(null, untyped));
            }
    }

    private void replace() {
        SchemaAndValue typed = struct("dont", Schema.STRING_SCHEMA, "whatever", "abc", Schema.INT32_SCHEMA, 42, "foo", Schema.BOOLEAN_SCHEMA, true, "etc", Schema.STRING_SCHEMA, "etc");
        SchemaAndValue untyped = map("dont", "whatever", "abc", 42, "foo", true, "etc", "etc");
        both("exclude and rename", "ReplaceField", config("exclude", "dont", "renames", "abc:xyz,foo:bar"), typed, untyped, SchemaAndValue.NULL, new SchemaAndValue(typed.schema(), null));
        both("include and rename", "ReplaceField", config("include", "abc,foo", "renames", "abc:xyz,foo:bar"), typed, untyped);
        both("exclude the renamed", "ReplaceField", config("exclude", "xyz", "renames", "abc:xyz"), typed, untyped);
    }

    private void metadata() {
        both("both", "SetSchemaMetadata", config("schema.name", "foo", "schema.version", "42"), struct(), struct("f1", Schema.STRING_SCHEMA, "value1", "f2", Schema.INT32_SCHEMA, 1),
            new SchemaAndValue(SchemaBuilder.struct().build(), null), new SchemaAndValue(null, 42), SchemaAndValue.NULL, new SchemaAndValue(Schema.INT32_SCHEMA, 1));
    }

    private void times() {
        String format = "yyyy MM dd HH mm ss SSS z";
        String text = "1970 01 01 00 00 01 234 UTC";
        List<SchemaAndValue> contents = new ArrayList<>();
        for (Object value : List.of(new Date(86_401_234L), 86_401_234L, text, 1234, true))
            contents.add(new SchemaAndValue(null, value));
        contents.add(new SchemaAndValue(Timestamp.SCHEMA, new Date(86_401_234L)));
        contents.add(new SchemaAndValue(org.apache.kafka.connect.data.Date.SCHEMA, new Date(Samples.DAY)));
        contents.add(new SchemaAndValue(Time.SCHEMA, new Date(1_234L)));
        contents.add(new SchemaAndValue(Schema.INT64_SCHEMA, 86_401_234L));
        contents.add(new SchemaAndValue(Schema.STRING_SCHEMA, text));
        contents.add(new SchemaAndValue(Schema.INT32_SCHEMA, 5));
        contents.add(new SchemaAndValue(Timestamp.builder().optional().build(), null));
        contents.add(new SchemaAndValue(Schema.OPTIONAL_STRING_SCHEMA, null));
        contents.add(SchemaAndValue.NULL);
        SchemaAndValue[] all = contents.toArray(new SchemaAndValue[0]);
        for (String target : List.of("string", "unix", "Date", "Time", "Timestamp")) {
            both("whole " + target, "TimestampConverter", config("target.type", target, "format", format), all);
            SchemaAndValue[] members = contents.stream().filter(content -> content.schema() != null && (content.value() != null || content.schema().isOptional()))
                .map(content -> struct("ts", content.schema(), content.value(), "other", Schema.STRING_SCHEMA, "test")).toArray(SchemaAndValue[]::new);
            both("member " + target, "TimestampConverter", config("target.type", target, "format", format, "field", "ts"), members);
        }
        for (String precision : List.of("seconds", "milliseconds", "microseconds", "nanoseconds"))
            both("unix " + precision, "TimestampConverter", config("target.type", "unix", "unix.precision", precision), new SchemaAndValue(null, 86_401_234_567_890L), new SchemaAndValue(null, new Date(86_401_234L)));
    }

    private void toKey() {
        Cases cases = new Cases(sink, TransformCorpus.PACKAGE + "ValueToKey").group("upstream");
        for (Map<String, String> config : List.of(config("fields", "a,b"), config("fields", "a,withDefault", RND, "true"), config("fields", "a,withDefault", RND, "false")))
            for (SchemaAndValue content : List.of(map("a", 1, "b", 2, "c", 3), struct("a", Schema.INT32_SCHEMA, 1, "b", Schema.INT32_SCHEMA, 2, "c", Schema.INT32_SCHEMA, 3),
                struct("a", Schema.INT32_SCHEMA, 1, "withDefault", DEFAULTED, null), new SchemaAndValue(null, null))) {
                ConnectRecord<?> record = TransformSamples.sink(false, content);
                TransformCorpus.apply(cases, config, record);
            }
    }

    /** {@code replace.null.with.default} of every transform that has it. */
    private void defaults() {
        SchemaAndValue content = struct("magic", DEFAULTED, null, "id", Schema.INT64_SCHEMA, 5L);
        for (String defaults : List.of("true", "false")) {
            both("defaults " + defaults, "Cast", config("spec", "magic:string", RND, defaults), content);
            both("defaults " + defaults, "ExtractField", config("field", "magic", RND, defaults), content);
            both("defaults " + defaults, "InsertField", config("topic.field", "t", RND, defaults), content);
            both("defaults " + defaults, "MaskField", config("fields", "magic", RND, defaults), content);
            both("defaults " + defaults, "ReplaceField", config("renames", "magic:new", RND, defaults), content);
            both("defaults " + defaults, "SetSchemaMetadata", config("schema.name", "n", RND, defaults), content);
            both("defaults " + defaults, "TimestampConverter", config("field", "id", "target.type", "Timestamp", RND, defaults), content);
        }
    }
}

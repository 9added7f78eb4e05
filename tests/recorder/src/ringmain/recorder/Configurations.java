package ringmain.recorder;

import java.util.List;
import java.util.Map;

/** Configurations of transforms: ordinary ones, and those that are refused. */
final class Configurations {
    /** A class's simple name, without `$Key` and `$Value`, and its configurations. */
    record Transform(String name, List<Map<String, String>> configs) {
    }

    private static final String RND = "replace.null.with.default";
    private static final String SPEC = "spec";
    private static final String FIELD = "field";
    private static final String FIELDS = "fields";
    private static final String SYNTAX = "field.syntax.version";

    /** Transforms of keys and values. */
    static final List<Transform> OF_PARTS = List.of(
        new Transform("Cast", List.of(
            Map.of(SPEC, "i8:int64,i16:int8,i32:string,i64:float64,f32:int32,f64:int32,b:int8,s:int32,dec:float64,date:int32,time:int64,ts:string"),
            Map.of(SPEC, "i8:boolean,i32:int16,i64:string,b:string,s:float32,by:string,dec:string,date:string,time:string,ts:int64,nul:int8", RND, "false"),
            Map.of(SPEC, "s:boolean, f64:float32 ,missing:string"),
            Map.of(SPEC, "arr:string"), Map.of(SPEC, "map:int8"), Map.of(SPEC, "st:string"), Map.of(SPEC, "by:int8"), Map.of(SPEC, "ts:int32"),
            Map.of(SPEC, "big:int64,dec:int8"), Map.of(SPEC, "inner:string"), Map.of(SPEC, "list:int8"), Map.of(SPEC, "z:string,n:int64"),
            Map.of(SPEC, "string"), Map.of(SPEC, "int8"), Map.of(SPEC, " FLOAT32 "), Map.of(SPEC, "boolean"), Map.of(SPEC, "int64", RND, "false"),
            Map.of(), Map.of(SPEC, ""), Map.of(SPEC, "bar"), Map.of(SPEC, "a:bar"), Map.of(SPEC, "a:b:c"), Map.of(SPEC, "bytes"), Map.of(SPEC, "a:struct"),
            Map.of(SPEC, "int8,int16"), Map.of(SPEC, "a:int8,int16"), Map.of(SPEC, "a:"), Map.of(SPEC, ":int8"), Map.of(SPEC, ":"), Map.of(SPEC, ","),
            Map.of(SPEC, "i8:int8,i8:string"), Map.of(SPEC, "a:int8", RND, "maybe"))),
        new Transform("ExtractField", List.of(
            Map.of(FIELD, "i32"), Map.of(FIELD, "ts", RND, "false"), Map.of(FIELD, "st"), Map.of(FIELD, "a.b"), Map.of(FIELD, "missing"), Map.of(FIELD, ""),
            Map.of(FIELD, "inner.y.z", SYNTAX, "V2"), Map.of(FIELD, "inner.y.d", SYNTAX, "v2", RND, "false"), Map.of(FIELD, "inner.y.d", SYNTAX, "V2"),
            Map.of(FIELD, "`a.b`", SYNTAX, "V2"), Map.of(FIELD, "inner.y", SYNTAX, "V2"), Map.of(FIELD, "s.x", SYNTAX, "V2"), Map.of(FIELD, "st.d", SYNTAX, "V2"),
            Map.of(FIELD, "st.d", SYNTAX, "V2", RND, "false"), Map.of(FIELD, "nul.x", SYNTAX, "V2"), Map.of(FIELD, "inner..z", SYNTAX, "V2"), Map.of(FIELD, "", SYNTAX, "V2"),
            Map.of(FIELD, "map.k", SYNTAX, "V2"), Map.of(FIELD, "inner.y.z"), Map.of(FIELD, "`a", SYNTAX, "V2"), Map.of(FIELD, "a.`b\\`", SYNTAX, "V2"),
            Map.of(), Map.of(FIELD, "a", SYNTAX, "V3"))),
        new Transform("Flatten", List.of(Map.of(), Map.of("delimiter", "_"), Map.of("delimiter", " "), Map.of("delimiter", "#-#"))),
        new Transform("HeaderFrom", List.of(
            Map.of(FIELDS, "i32,s", "headers", "hi,hs", "operation", "copy"), Map.of(FIELDS, "i32,s", "headers", "hi,hs", "operation", "move"),
            Map.of(FIELDS, "ts", "headers", "h", "operation", "move", RND, "false"), Map.of(FIELDS, "dec,date,arr", "headers", "x,x,x", "operation", "copy", RND, "false"),
            Map.of(FIELDS, "missing", "headers", "h", "operation", "copy"), Map.of(FIELDS, "missing,i8", "headers", "h,g", "operation", "move"),
            Map.of(FIELDS, "s,s", "headers", "a,b", "operation", "move"), Map.of(FIELDS, "inner", "headers", "h", "operation", "move"),
            Map.of(FIELDS, "a,b", "headers", "c", "operation", "move"), Map.of(FIELDS, "", "headers", "", "operation", "move"), Map.of(FIELDS, "a", "headers", "b", "operation", "MOVE"), Map.of())),
        new Transform("HoistField", List.of(Map.of(FIELD, "magic"), Map.of(FIELD, ""), Map.of())),
        new Transform("InsertField", List.of(
            Map.of("topic.field", "topic", "partition.field", "partition?", "timestamp.field", "when!", "static.field", "st1!", "static.value", "fixed"),
            Map.of("offset.field", "offset!"), Map.of("offset.field", "off", "topic.field", "t!", RND, "false"), Map.of("partition.field", "p!"), Map.of("timestamp.field", "t?"),
            Map.of("static.field", "x", "static.value", ""), Map.of("topic.field", "s"), Map.of("topic.field", "?"), Map.of("topic.field", "a!?"), Map.of("topic.field", "i32", "static.field", "n", "static.value", "1"),
            Map.of(), Map.of("static.value", "x"), Map.of("static.field", ""))),
        new Transform("MaskField", List.of(
            Map.of(FIELDS, "i8,i16,i32,i64,f32,f64,b,s,dec,date,time,ts,arr,map,big,nul,missing"), Map.of(FIELDS, "i8,i16,i32,i64,f32,f64,s,big,nul", "replacement", "123"),
            Map.of(FIELDS, "i8,i64", "replacement", "300.7", RND, "false"), Map.of(FIELDS, "dec", "replacement", "1.5"), Map.of(FIELDS, "dec", "replacement", "x"), Map.of(FIELDS, "big", "replacement", "1.5"),
            Map.of(FIELDS, "i32", "replacement", "abc"), Map.of(FIELDS, "f64,f32", "replacement", "1e400"), Map.of(FIELDS, "f64", "replacement", "NaN"), Map.of(FIELDS, "b", "replacement", "true"), Map.of(FIELDS, "date", "replacement", "1"), Map.of(FIELDS, "by"), Map.of(FIELDS, "st"), Map.of(FIELDS, "inner"),
            Map.of(FIELDS, "s,s"), Map.of(FIELDS, "s, ,i8"), Map.of(FIELDS, ""), Map.of(), Map.of(FIELDS, "a", "replacement", ""))),
        new Transform("ReplaceField", List.of(
            Map.of("exclude", "i8,by,st,map,missing"), Map.of("include", "i32,s,inner"), Map.of("include", "i32,s", "exclude", "s", "renames", "i32:number,s:text", RND, "false"), Map.of("renames", "i32:int,s:str,inner:outer,ts:when"),
            Map.of("renames", "i32:s"), Map.of("renames", "i32:s,s:i32"), Map.of("renames", "i8:i16,i16:i8", "include", "i8,i16"), Map.of("renames", "s:x,i32:x"), Map.of("renames", "i8:s", "exclude", "i8"), Map.of("whitelist", "s", "blacklist", "i8"), Map.of(), Map.of("exclude", "a,a"), Map.of("include", ","), Map.of("renames", "x"), Map.of("renames", "a:b:c"), Map.of("renames", "a:"), Map.of("renames", ":a"), Map.of("renames", ","))),
        new Transform("SetSchemaMetadata", List.of(Map.of("schema.name", "new"), Map.of("schema.version", "42"), Map.of("schema.name", "n", "schema.version", "-1", RND, "false"), Map.of("schema.name", ""), Map.of(), Map.of("schema.version", "x"))),
        new Transform("TimestampConverter", List.of(
            Map.of("target.type", "Timestamp"), Map.of("target.type", "Date"), Map.of("target.type", "Time"), Map.of("target.type", "unix"), Map.of("target.type", "string", "format", "yyyy-MM-dd HH:mm"),
            Map.of("target.type", "Timestamp", FIELD, "i64"), Map.of("target.type", "string", FIELD, "ts", "format", "yyyyMMdd"), Map.of("target.type", "unix", FIELD, "date", RND, "false"), Map.of("target.type", "Date", FIELD, "time"),
            Map.of("target.type", "Timestamp", FIELD, "s", "format", "yyyy"), Map.of("target.type", "unix", FIELD, "s"), Map.of("target.type", "unix", FIELD, "missing"), Map.of("target.type", "unix", FIELD, "i32"), Map.of("target.type", "string", FIELD, "i64", "format", "yyyy-MM-dd", "unix.precision", "seconds"),
            Map.of("target.type", "string"), Map.of("target.type", "string", "format", "  "), Map.of("target.type", "string", "format", "foo"), Map.of("target.type", "unix", "format", "yyyy'"), Map.of("target.type", "bogus"), Map.of("target.type", "unix", "unix.precision", "hours"), Map.of())));

    /** Transforms of records as a whole. */
    static final List<Transform> OF_RECORDS = List.of(
        new Transform("DropHeaders", List.of(Map.of("headers", "h"), Map.of("headers", "h,nul,none"), Map.of("headers", "H"), Map.of("headers", "h,h"), Map.of("headers", ""), Map.of("headers", ","), Map.of())),
        new Transform("Filter", List.of(Map.of(), Map.of("anything", "x"))),
        new Transform("InsertHeader", List.of(Map.of("header", "new", "value.literal", "text"), Map.of("header", "h", "value.literal", "123"), Map.of("header", "h", "value.literal", "[1, 2.5]"), Map.of("header", "h", "value.literal", "null"),
            Map.of("header", "", "value.literal", ""), Map.of("header", "d", "value.literal", "2020-01-02"), Map.of("header", "d", "value.literal", "{\"a\":true}"), Map.of("header", "x"), Map.of("value.literal", "x"), Map.of())),
        new Transform("RegexRouter", List.of(Map.of("regex", "to(p)ic", "replacement", "$1-x"), Map.of("regex", "none", "replacement", "x"), Map.of("regex", "[", "replacement", "x"), Map.of("regex", "a"), Map.of())),
        new Transform("TimestampRouter", List.of(Map.of(), Map.of("topic.format", "${timestamp}.${topic}.${topic}", "timestamp.format", "yyyy.MM.dd.HH"), Map.of("topic.format", "fixed"), Map.of("timestamp.format", "foo"), Map.of("timestamp.format", ""))),
        new Transform("ValueToKey", List.of(Map.of(FIELDS, "i32"), Map.of(FIELDS, "s,i64,ts", RND, "false"), Map.of(FIELDS, "missing"), Map.of(FIELDS, "s,st"), Map.of(FIELDS, "inner"), Map.of(FIELDS, "n,s"), Map.of(FIELDS, ""), Map.of(FIELDS, "a,a"), Map.of(FIELDS, "a,"), Map.of())));

    private Configurations() {
    }
}

package ringmain.recorder;

import com.fasterxml.jackson.databind.node.ObjectNode;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Random;
import java.util.function.Consumer;
import org.apache.kafka.connect.data.Date;
import org.apache.kafka.connect.data.Schema;
import org.apache.kafka.connect.data.Time;
import org.apache.kafka.connect.data.Timestamp;

/** {@code Values}: the grammar of header texts, and conversions from every class to every other. */
final class ValuesCorpus implements Corpus {
    private static final String CLASS = "org.apache.kafka.connect.data.Values";
    private static final int GENERATED = 1500;
    private static final List<String> TARGETS = List.of("boolean", "int8", "int16", "int32", "int64", "float32", "float64", "string", "list", "map",
        "struct", "date", "time", "timestamp", "decimal");

    static final List<String> TEXTS = texts();

    @Override
    public String name() {
        return "converters/values";
    }

    private static List<String> texts() {
        List<String> texts = new ArrayList<>(List.of("null", "true", "false", "TRUE", " true", "true ", "true}", "true,", "{true}", "nullx", "null ", " null",
            "0", "1", "-1", "+1", "127", "128", "-128", "-129", "32767", "32768", "-32769", "2147483647", "2147483648", "-2147483649",
            "9223372036854775807", "9223372036854775808", "-9223372036854775808", "-9223372036854775809", "1.0", "1.5", "-1.5", "1.50", ".5", "5.", "-.5",
            "1e3", "1E3", "1e-3", "1e+3", "1e", "3.4028235e38", "3.5e38", "1.7976931348623157e308", "1.8e308", "1e400", "1e-400", "1.1e400", "12345678901234567890.5",
            "0.1234567890123456789", "1e18", "1e19", "9.3e18", "00012", "0x10", "1_000", "1 2", "1,2", "12abc", "-", "+", "--1", "-abc", "1-2", "1.2.3",
            "2019-08-23", "2019-8-23", "2019-13-45", "0000-00-00", "9999-99-99", "14:34:54.346Z", "14:34:54.346", "24:00:00.000Z", "99:99:99.999Z", "14:34:54.3Z",
            "2019-08-23T14:34:54.346Z", "2019-08-23T14:34:54.346z", "2019-08-23T14:34:54Z", "2019-08-23T99:34:54.346Z", "2019-08-23 14:34:54.346Z",
            "14\\:34\\:54.346Z", "2019-08-23T14\\:34\\:54.346Z", "\"14:34:54.346Z\"", "2019-08-23T14:34:54.346+01:00", "-019-08-23", "+019-08-23", "1582-10-10", "1500-02-29",
            "[]", "[ ]", "[1]", "[1,2,3]", "[1, 2, 3]", "[1,]", "[,1]", "[1,,2]", "[1", "1]", "[1 2]", "[null]", "[null,1]", "[null,null]", "[1,\"a\"]", "[1,1.5]",
            "[1,128,40000,3000000000]", "[1,true]", "[true,false]", "[\"a\",\"b\"]", "[a,b]", "[\"a\", b]", "[[1],[2]]", "[[],[]]", "[[1],[\"a\"]]", "[1]x", "[1] ", " [1]", "x[1]",
            "[1.5,2.5e300]", "[2019-08-23]", "[14:34:54.346Z]", "[\"2019-08-23T14:34:54.346Z\"]", "[2019-08-23T14:34:54.346Z,2019-08-23]", "[1e400,1]", "[123456789012345678901234567890]",
            "{}", "{ }", "{1:2}", "{\"a\":1}", "{\"a\":\"b\"}", "{a:1}", "{\"a\":b}", "{\"a\":1,\"b\":2}", "{\"a\":1 \"b\":2}", "{\"a\":1,}", "{,\"a\":1}", "{\"a\"}", "{\"a\":}", "{\"a\":,}",
            "{:1}", "{null:1}", "{\"a\":null}", "{\"a\":null,\"b\":null}", "{1:2,3:\"x\"}", "{1:2,\"x\":3}", "{\"a\":1,\"a\":2}", "{\"a\":[1,{\"b\":2}]}", "{[1]:{2:3}}", "{\"a\":1", "\"a\":1}",
            "{true:false}", "{\"a\":true,\"b\":1}", "{1:1,128:128}", "{\"a\\\"b\":\"c\\\\d\"}", "{\"k\":14:34:54.346Z}", "{\"k\":2019-08-23T14:34:54.346Z}",
            "\"quoted\"", "\"a\\\"b\"", "\"unterminated", "un\"quoted\"", "\"\"", "\"a\",\"b\"", "a:b", "a,b", ":", ",", "{", "}", "[", "]", "\"", "\\", "\\\"", "\\:", "\\\\", "[\"\\\"\"]",
            "[\"a", "[\"a\"", "[\"\"]", "[\" \"]", "[ \" a \" ]", " ", "  ", "\t", "\n", " a ", "a b", "ä", "😀", "[\"😀\"]", "٣", "٣٤", "१", "1٣", "1e5000", "1e-5000", "-1e5000", "[1e5000]",
            "{\"3\":\"a\"}", "1:2:3:4", "12:34", "[[[[[[1]]]]]]", "truefalse", "[true]true", "[NaN]", "NaN", "Infinity", "[-1,-200]", "{-1:+1}", "1\u0000", "\u0000", "[1\u00a0]", "1\u00a0", "\u20281"));
        texts.addAll(Samples.strings());
        return texts;
    }

    @Override
    public void cases(Consumer<ObjectNode> sink) {
        Cases cases = new Cases(sink, CLASS);
        cases.group("parse");
        for (String text : TEXTS)
            cases.put("parse", Map.of(), null, text);
        cases.put("parse", Map.of(), null, null);
        conversions(cases);
        generated(cases);
    }

    private static void conversions(Cases cases) {
        List<Object> values = new ArrayList<>(Samples.mixed());
        values.addAll(Samples.decimals().subList(0, 8));
        values.addAll(Samples.floats());
        values.addAll(Samples.doubles());
        values.addAll(Samples.compounds());
        for (String text : List.of("1", "300", "-1.9", "1e20", "true", "false", "x", "", "null", "[1,2]", "{\"a\":1}", "2019-08-23", "14:34:54.346Z",
            "2019-08-23T14:34:54.346Z", "1.50", "12345678901234567890", "NaN"))
            values.add(text);
        values.add(null);
        for (String target : TARGETS) {
            cases.group("convert/" + target);
            for (Object value : values)
                convert(cases, target, null, value);
            for (Object value : Samples.dates())
                for (Schema schema : java.util.Arrays.asList(null, Date.SCHEMA, Time.SCHEMA, Timestamp.SCHEMA, Schema.INT64_SCHEMA))
                    convert(cases, target, schema, value);
            convert(cases, target, Schema.STRING_SCHEMA, "x");
            convert(cases, target, Schema.INT32_SCHEMA, List.of());
        }
    }

    private static void convert(Cases cases, String target, Schema schema, Object value) {
        ObjectNode node = cases.node("convert", Map.of());
        node.put("to", target);
        node.set("schema", Codec.encode(schema));
        node.set("value", Codec.encode(value));
        cases.put(node);
    }

    private static void generated(Cases cases) {
        cases.group("generated");
        Random random = new Random(20_260_722L);
        String[] tokens = {"1", "-2", "300", "1.5", "true", "false", "null", "\"", "\"a\"", "[", "]", "{", "}", ",", ":", " ", "\\", "a", "2019-08-23", "14:34:54.346Z",
            "\"b c\"", "1e9", "[1,2]", "{\"k\":1}", "70000", "9999999999", "é"};
        for (int i = 0; i < GENERATED; i++) {
            StringBuilder text = new StringBuilder();
            if (i % 2 == 0)
                for (int n = random.nextInt(8); n >= 0; n--)
                    text.append(tokens[random.nextInt(tokens.length)]);
            else
                nested(random, text, 3);
            cases.put("parse", Map.of(), null, text.toString());
        }
    }

    private static void nested(Random random, StringBuilder text, int depth) {
        String[] scalars = {"1", "-2", "300", "1.5", "true", "false", "null", "\"a\"", "\"b c\"", "2019-08-23", "14:34:54.346Z", "\"x\\\"y\"", "70000", "9999999999", "1e30", " 5"};
        int kind = random.nextInt(depth > 0 ? 4 : 2);
        if (kind < 2) {
            text.append(scalars[random.nextInt(scalars.length)]);
            return;
        }
        int size = random.nextInt(4);
        text.append(kind == 2 ? '[' : '{');
        String keys = List.of("1", "\"k\"", "true", "2.5").get(random.nextInt(4));
        for (int i = 0; i < size; i++) {
            if (kind == 3)
                text.append(random.nextInt(5) == 0 ? scalars[random.nextInt(scalars.length)] : keys).append(random.nextInt(5) == 0 ? " : " : ":");
            nested(random, text, depth - 1);
            if (i + 1 < size)
                text.append(random.nextInt(5) == 0 ? " , " : ",");
        }
        text.append(kind == 2 ? ']' : '}');
    }
}

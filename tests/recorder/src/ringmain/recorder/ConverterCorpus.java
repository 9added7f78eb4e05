package ringmain.recorder;

import com.fasterxml.jackson.databind.node.ObjectNode;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.function.Consumer;
import org.apache.kafka.connect.data.Schema;
import org.apache.kafka.connect.data.Schema.Type;

/** The converters of strings, bytes, numbers and booleans. */
final class ConverterCorpus implements Corpus {
    private static final String STRING = "org.apache.kafka.connect.storage.StringConverter";
    private static final List<String> OTHERS = List.of("ByteArrayConverter", "BooleanConverter", "ShortConverter", "IntegerConverter",
        "LongConverter", "FloatConverter", "DoubleConverter");

    @Override
    public String name() {
        return "converters/simple";
    }

    @Override
    public void cases(Consumer<ObjectNode> sink) {
        Cases strings = new Cases(sink, STRING);
        all(strings, Map.of());
        encodings(strings);
        for (String name : OTHERS)
            all(new Cases(sink, "org.apache.kafka.connect.converters." + name), Map.of());
    }

    /** Both ways, as value and as header, with every class of value, and with schemas that do not fit. */
    private static void all(Cases cases, Map<String, String> config) {
        cases.group("from");
        for (Object value : values()) {
            if (value instanceof byte[] && cases.node("from", config).get("class").textValue().equals(STRING))
                continue; // shows where the array lies in memory
            cases.from(config, null, value);
        }
        cases.group("schema");
        for (Type type : Type.values())
            for (Object value : List.of("text", 1, 2L, (short) 3, 1.5f, 2.5, true, (byte) 4))
                cases.from(config, Samples.builder(type).build(), value);
        for (Type type : Type.values())
            cases.from(config, Samples.builder(type).optional().build(), null);
        cases.group("to");
        for (byte[] bytes : bytes())
            cases.to(config, bytes);
        cases.group("header");
        for (Object value : List.of("text", 1, 2L, (short) 3, 1.5f, 2.5, true))
            cases.put("fromHeader", config, null, value);
        for (byte[] bytes : bytes())
            cases.put("toHeader", config, bytes);
        cases.group("configure").configure(config);
        cases.configure(Map.of("converter.type", "nonsense"));
    }

    static List<Object> values() {
        List<Object> values = new ArrayList<>();
        values.add(null);
        for (Type type : Type.values())
            values.addAll(Samples.of(type));
        values.addAll(Samples.decimals());
        values.addAll(Samples.dates());
        values.addAll(Samples.mixed());
        for (Object compound : Samples.compounds())
            if (!String.valueOf(compound).contains("[B@"))
                values.add(compound);
        return values;
    }

    static List<byte[]> bytes() {
        List<byte[]> bytes = new ArrayList<>();
        bytes.add(null);
        for (int length = 0; length <= 9; length++) {
            byte[] some = new byte[length];
            for (int i = 0; i < length; i++)
                some[i] = (byte) (0x3f + 37 * i);
            bytes.add(some);
            bytes.add(new byte[length]);
        }
        bytes.add(new byte[] {1});
        bytes.add(new byte[] {2});
        bytes.add(new byte[] {-1});
        bytes.add(new byte[] {0x7f, -0x40, 0, 1});
        bytes.add(new byte[] {0x7f, -0x10, 0, 0, 0, 0, 0, 0});
        bytes.add(new byte[] {0x7f, -0x80, 0, 0});
        for (String text : Samples.strings())
            bytes.add(text.getBytes(StandardCharsets.UTF_8));
        bytes.addAll(JsonTexts.notUtf8());
        return bytes;
    }

    private static void encodings(Cases cases) {
        for (String encoding : List.of("UTF-8", "utf8", "US-ASCII", "ISO-8859-1", "latin1", "UTF-16", "UTF-16BE", "UTF-16LE", "UTF-32", "windows-1252",
            "ISO-8859-15", "Shift_JIS", "EUC-JP", "GBK", "Big5", "KOI8-R", "nonsense", "", "UTF 8", "IBM037")) {
            Map<String, String> config = Map.of("converter.encoding", encoding);
            cases.group("encoding/" + encoding);
            cases.configure(config);
            for (String text : Samples.strings())
                cases.from(config, null, text);
            for (byte[] bytes : bytes())
                cases.to(config, bytes);
        }
        cases.group("encoding/by type");
        for (String as : List.of("key", "value")) {
            ObjectNode node = cases.node("from", Map.of("key.converter.encoding", "UTF-16", "value.converter.encoding", "UTF-16BE"));
            node.put("as", as);
            node.set("schema", Codec.encode((Schema) null));
            node.set("value", Codec.encode("a"));
            cases.put(node);
        }
    }
}

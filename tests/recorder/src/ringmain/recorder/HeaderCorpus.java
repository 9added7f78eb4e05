package ringmain.recorder;

import com.fasterxml.jackson.databind.node.ObjectNode;
import java.nio.charset.StandardCharsets;
import java.util.Map;
import java.util.function.Consumer;
import org.apache.kafka.connect.data.Schema;

/** SimpleHeaderConverter. */
final class HeaderCorpus implements Corpus {
    private static final String CLASS = "org.apache.kafka.connect.storage.SimpleHeaderConverter";

    @Override
    public String name() {
        return "converters/headers";
    }

    @Override
    public void cases(Consumer<ObjectNode> sink) {
        Cases cases = new Cases(sink, CLASS);
        cases.group("from");
        for (Object value : ConverterCorpus.values())
            cases.put("fromHeader", Map.of(), null, value);
        cases.put("fromHeader", Map.of(), Schema.OPTIONAL_STRING_SCHEMA, null);
        cases.group("to");
        for (byte[] bytes : ConverterCorpus.bytes())
            cases.put("toHeader", Map.of(), bytes);
        for (String text : ValuesCorpus.TEXTS)
            cases.put("toHeader", Map.of(), text.getBytes(StandardCharsets.UTF_8));
        for (String piece : new String[] {"[", "{", "{1:", "\"", "[1,"})
            cases.put("toHeader", Map.of(), piece.repeat(50_000).getBytes(StandardCharsets.UTF_8));
        cases.group("configure").configure(Map.of());
    }
}

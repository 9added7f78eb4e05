package ringmain.recorder;

import com.fasterxml.jackson.databind.node.ObjectNode;
import java.util.Base64;
import java.util.Map;
import java.util.function.Consumer;
import org.apache.kafka.connect.data.Schema;

/** Makes cases of one class and numbers them within a group. */
final class Cases {
    private final Consumer<ObjectNode> sink;
    private final String className;
    private String group = "";
    private int number;

    Cases(Consumer<ObjectNode> sink, String className) {
        this.sink = sink;
        this.className = className;
    }

    /** The cases that follow are called {@code name/1}, {@code name/2} … */
    Cases group(String name) {
        group = className.substring(className.lastIndexOf('.') + 1) + "/" + name;
        number = 0;
        return this;
    }

    ObjectNode node(String op, Map<String, String> config) {
        ObjectNode node = Codec.NODES.objectNode();
        node.put("id", group + "/" + ++number);
        node.put("class", className);
        node.put("op", op);
        if (!config.isEmpty()) {
            ObjectNode entries = node.putObject("config");
            config.forEach(entries::put);
        }
        return node;
    }

    void from(Map<String, String> config, Schema schema, Object value) {
        put("from", config, schema, value);
    }

    void put(String op, Map<String, String> config, Schema schema, Object value) {
        ObjectNode node = node(op, config);
        node.set("schema", Codec.encode(schema));
        node.set("value", Codec.encode(value));
        sink.accept(node);
    }

    void to(Map<String, String> config, byte[] bytes) {
        put("to", config, bytes);
    }

    void put(String op, Map<String, String> config, byte[] bytes) {
        ObjectNode node = node(op, config);
        node.put("bytes", bytes == null ? null : Base64.getEncoder().encodeToString(bytes));
        sink.accept(node);
    }

    boolean accepts(Map<String, String> config) {
        return Runner.accepts(className, config);
    }

    void put(ObjectNode node) {
        sink.accept(node);
    }

    void configure(Map<String, String> config) {
        sink.accept(node("configure", config));
        sink.accept(node("validate", config));
    }
}

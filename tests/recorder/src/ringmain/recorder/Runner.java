package ringmain.recorder;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.util.Base64;
import java.util.HashMap;
import java.util.LinkedHashMap;
import java.util.Map;
import org.apache.kafka.common.Configurable;
import org.apache.kafka.common.config.ConfigDef;
import org.apache.kafka.common.config.ConfigValue;
import org.apache.kafka.connect.connector.ConnectRecord;
import org.apache.kafka.connect.data.Schema;
import org.apache.kafka.connect.data.SchemaAndValue;
import org.apache.kafka.connect.data.Values;
import org.apache.kafka.connect.storage.Converter;
import org.apache.kafka.connect.storage.HeaderConverter;
import org.apache.kafka.connect.transforms.Transformation;
import org.apache.kafka.connect.transforms.predicates.Predicate;

/**
 * Runs one case through Apache's class and adds what came of it: {@code "out"}, or {@code "error"} with the class and
 * the message of the exception.
 */
final class Runner {
    private static final int DEPTH_MAX = 100;
    /** Instances that were configured, by class, configuration and what they are configured as. */
    private final Map<String, Object> instances = new HashMap<>();

    ObjectNode run(ObjectNode input) {
        ObjectNode result = input.deepCopy();
        try {
            JsonNode out = outcome(input);
            // Readers of JSON bound its depth: of what is deeper only that it is there is kept.
            result.set("out", depth(out) > DEPTH_MAX ? Codec.NODES.objectNode().put("deep", true) : out);
        } catch (RuntimeException | StackOverflowError error) {
            ObjectNode node = result.putObject("error");
            node.put("class", error.getClass().getName());
            node.put("message", error.getMessage());
        }
        return result;
    }

    private static int depth(JsonNode node) {
        int deepest = 0;
        for (JsonNode child : node)
            deepest = Math.max(deepest, depth(child));
        return deepest + 1;
    }

    private JsonNode outcome(JsonNode input) {
        switch (input.get("op").textValue()) {
            case "from":
                return bytes(((Converter) instance(input)).fromConnectData(topic(input), schema(input), value(input)));
            case "to":
                return pair(((Converter) instance(input)).toConnectData(topic(input), content(input)));
            case "fromHeader":
                return bytes(((HeaderConverter) instance(input))
                    .fromConnectHeader(topic(input), "header", schema(input), value(input)));
            case "toHeader":
                return pair(((HeaderConverter) instance(input)).toConnectHeader(topic(input), "header", content(input)));
            case "configure":
                instance(input);
                return Codec.NODES.nullNode();
            case "validate":
                return validated(input);
            case "parse":
                return pair(Values.parseString((String) value(input)));
            case "convert":
                return Codec.encode(Conversions.convert(input.get("to").textValue(), schema(input), value(input)));
            case "regex":
                return JavaLibrary.regex(input);
            case "format":
                return JavaLibrary.format(input);
            case "parseDate":
                return JavaLibrary.parse(input);
            case "apply":
                return Records.encode(apply((Transformation<?>) instance(input), Records.decode(input.get("record"))));
            case "test":
                return Codec.encode(test((Predicate<?>) instance(input), Records.decode(input.get("record"))));
            default:
                throw new IllegalArgumentException("no operation is called " + input.get("op"));
        }
    }

    @SuppressWarnings("unchecked")
    private static <R extends ConnectRecord<R>> ConnectRecord<?> apply(Transformation<?> transform, Object record) {
        return ((Transformation<R>) transform).apply((R) record);
    }

    @SuppressWarnings("unchecked")
    private static <R extends ConnectRecord<R>> boolean test(Predicate<?> predicate, Object record) {
        return ((Predicate<R>) predicate).test((R) record);
    }

    private static String topic(JsonNode input) {
        return input.path("topic").asText("topic");
    }

    private static Schema schema(JsonNode input) {
        return Codec.decodeSchema(input.get("schema"));
    }

    private static Object value(JsonNode input) {
        return Codec.decode(input.get("value"));
    }

    private static byte[] content(JsonNode input) {
        JsonNode bytes = input.get("bytes");
        return bytes == null || bytes.isNull() ? null : Base64.getDecoder().decode(bytes.textValue());
    }

    private static JsonNode bytes(byte[] bytes) {
        return bytes == null ? Codec.NODES.nullNode() : Codec.NODES.textNode(Base64.getEncoder().encodeToString(bytes));
    }

    /** No result at all is what the runtime takes for a null without schema. */
    private static JsonNode pair(SchemaAndValue answer) {
        SchemaAndValue result = answer == null ? SchemaAndValue.NULL : answer;
        ObjectNode node = Codec.NODES.objectNode();
        node.set("schema", Codec.encode(result.schema()));
        node.set("value", Codec.encode(result.value()));
        return node;
    }

    private static Map<String, String> config(JsonNode input) {
        Map<String, String> config = new LinkedHashMap<>();
        input.path("config").properties().forEach(e -> config.put(e.getKey(), e.getValue().textValue()));
        return config;
    }

    private Object instance(JsonNode input) {
        String as = input.get("op").textValue().endsWith("Header") ? "header" : input.path("as").asText("value");
        String name = input.get("class").textValue() + " " + as + " " + input.path("config");
        Object known = instances.get(name);
        if (known != null)
            return known;
        Object made = make(input.get("class").textValue());
        Map<String, String> config = config(input);
        if (made instanceof HeaderConverter && as.equals("header")) {
            config.put("converter.type", "header");
            ((Configurable) made).configure(config);
        } else if (made instanceof Converter) {
            ((Converter) made).configure(config, as.equals("key"));
        } else {
            ((Configurable) made).configure(config);
        }
        instances.put(name, made);
        return made;
    }

    static Object make(String name) {
        try {
            return Class.forName(name).getDeclaredConstructor().newInstance();
        } catch (ReflectiveOperationException error) {
            throw new IllegalArgumentException("cannot make a " + name, error);
        }
    }

    /** Whether the class takes the configuration. */
    static boolean accepts(String name, Map<String, String> config) {
        try {
            ((Configurable) make(name)).configure(config);
            return true;
        } catch (RuntimeException refused) {
            return false;
        }
    }

    /** What each key's validation says, in the order of the names. */
    private JsonNode validated(JsonNode input) {
        Object made = make(input.get("class").textValue());
        ConfigDef definition;
        if (made instanceof Transformation)
            definition = ((Transformation<?>) made).config();
        else if (made instanceof Predicate)
            definition = ((Predicate<?>) made).config();
        else if (made instanceof Converter)
            definition = ((Converter) made).config();
        else
            definition = ((HeaderConverter) made).config();
        Map<String, ConfigValue> verdicts = new java.util.TreeMap<>(definition.validateAll(config(input)));
        ArrayNode list = Codec.NODES.arrayNode();
        for (ConfigValue verdict : verdicts.values()) {
            ConfigDef.ConfigKey key = definition.configKeys().get(verdict.name());
            ObjectNode node = list.addObject().put("name", verdict.name());
            node.put("value", ConfigDef.convertToString(verdict.value(), key.type));
            ArrayNode errors = node.putArray("errors");
            verdict.errorMessages().forEach(errors::add);
            node.put("visible", verdict.visible());
            node.put("type", key.type.name());
            node.put("required", !key.hasDefault());
            node.put("default", key.hasDefault() ? ConfigDef.convertToString(key.defaultValue, key.type) : null);
            node.put("importance", key.importance.name());
            node.put("doc", key.documentation);
            node.put("group", key.group);
            node.put("order", key.orderInGroup);
            node.put("width", key.width.name());
            node.put("display", key.displayName);
        }
        return list;
    }
}

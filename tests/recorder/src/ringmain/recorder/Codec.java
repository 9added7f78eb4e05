package ringmain.recorder;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.JsonNodeFactory;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.math.BigDecimal;
import java.math.BigInteger;
import java.nio.ByteBuffer;
import java.util.ArrayList;
import java.util.Base64;
import java.util.Date;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import org.apache.kafka.connect.data.ConnectSchema;
import org.apache.kafka.connect.data.Field;
import org.apache.kafka.connect.data.Schema;
import org.apache.kafka.connect.data.SchemaBuilder;
import org.apache.kafka.connect.data.Struct;

/**
 * Values and schemas as JSON that says of everything what it is, so that nothing is guessed when it is read back:
 * {@code {"int8":1}}, {@code {"float64":"<bits in hex>"}}, {@code {"map":[[key,value],…]}} and so on.
 */
final class Codec {
    static final JsonNodeFactory NODES = new JsonNodeFactory(true);

    private Codec() {
    }

    static JsonNode encode(Object value) {
        if (value == null)
            return NODES.nullNode();
        ObjectNode node = NODES.objectNode();
        if (value instanceof Byte)
            return node.put("int8", (Byte) value);
        if (value instanceof Short)
            return node.put("int16", (Short) value);
        if (value instanceof Integer)
            return node.put("int32", (Integer) value);
        if (value instanceof Long)
            return node.put("int64", (Long) value);
        if (value instanceof Float)
            return node.put("float32", String.format("%08x", Float.floatToIntBits((Float) value)));
        if (value instanceof Double)
            return node.put("float64", String.format("%016x", Double.doubleToLongBits((Double) value)));
        if (value instanceof Boolean)
            return node.put("boolean", (Boolean) value);
        if (value instanceof String)
            return encodeString(node, (String) value);
        if (value instanceof byte[])
            return node.put("bytes", Base64.getEncoder().encodeToString((byte[]) value));
        if (value instanceof ByteBuffer)
            return node.put("bytes", Base64.getEncoder().encodeToString(content((ByteBuffer) value)));
        if (value instanceof BigDecimal) {
            BigDecimal number = (BigDecimal) value;
            node.putArray("decimal").add(number.unscaledValue().toString()).add(number.scale());
            return node;
        }
        if (value instanceof BigInteger)
            return node.put("bigint", value.toString());
        if (value instanceof Date)
            return node.put("date", ((Date) value).getTime());
        return encodeCompound(node, value);
    }

    private static JsonNode encodeCompound(ObjectNode node, Object value) {
        if (value instanceof List) {
            ArrayNode list = node.putArray("array");
            for (Object element : (List<?>) value)
                list.add(encode(element));
            return node;
        }
        if (value instanceof Map) {
            ArrayNode entries = node.putArray("map");
            for (Map.Entry<?, ?> entry : ((Map<?, ?>) value).entrySet())
                entries.addArray().add(encode(entry.getKey())).add(encode(entry.getValue()));
            return node;
        }
        if (value instanceof Struct) {
            Struct struct = (Struct) value;
            ObjectNode content = node.putObject("struct");
            content.set("schema", encode(struct.schema()));
            ArrayNode slots = content.putArray("slots");
            for (Field field : struct.schema().fields())
                slots.add(encode(struct.getWithoutDefault(field.name())));
            return node;
        }
        throw new IllegalArgumentException("no vector can hold a " + value.getClass());
    }

    /** Half a surrogate pair alone is no Unicode; such strings are given in UTF-16. */
    private static JsonNode encodeString(ObjectNode node, String text) {
        boolean whole = text.codePoints().noneMatch(c -> c >= 0xd800 && c < 0xe000);
        if (whole)
            return node.put("string", text);
        ArrayNode units = node.putArray("utf16");
        text.chars().forEach(units::add);
        return node;
    }

    private static byte[] content(ByteBuffer buffer) {
        byte[] bytes = new byte[buffer.remaining()];
        buffer.duplicate().get(bytes);
        return bytes;
    }

    static Object decode(JsonNode node) {
        if (node == null || node.isNull())
            return null;
        Map.Entry<String, JsonNode> only = node.properties().iterator().next();
        JsonNode content = only.getValue();
        switch (only.getKey()) {
            case "int8":
                return (byte) content.intValue();
            case "int16":
                return (short) content.intValue();
            case "int32":
                return content.intValue();
            case "int64":
                return content.longValue();
            case "float32":
                return Float.intBitsToFloat(Integer.parseUnsignedInt(content.textValue(), 16));
            case "float64":
                return Double.longBitsToDouble(Long.parseUnsignedLong(content.textValue(), 16));
            case "boolean":
                return content.booleanValue();
            case "string":
                return content.textValue();
            case "utf16":
                StringBuilder text = new StringBuilder();
                content.forEach(unit -> text.append((char) unit.intValue()));
                return text.toString();
            case "bytes":
                return Base64.getDecoder().decode(content.textValue());
            case "decimal":
                return new BigDecimal(new BigInteger(content.get(0).textValue()), content.get(1).intValue());
            case "bigint":
                return new BigInteger(content.textValue());
            case "date":
                return new Date(content.longValue());
            default:
                return decodeCompound(only.getKey(), content);
        }
    }

    private static Object decodeCompound(String kind, JsonNode content) {
        switch (kind) {
            case "array":
                List<Object> list = new ArrayList<>();
                content.forEach(element -> list.add(decode(element)));
                return list;
            case "map":
                Map<Object, Object> map = new LinkedHashMap<>();
                content.forEach(entry -> map.put(decode(entry.get(0)), decode(entry.get(1))));
                return map;
            case "struct":
                Schema schema = decodeSchema(content.get("schema"));
                Struct struct = new Struct(schema);
                for (Field field : schema.fields()) {
                    Object value = decode(content.get("slots").get(field.index()));
                    if (value != null)
                        struct.put(field, value);
                }
                return struct;
            default:
                throw new IllegalArgumentException("no value is of kind " + kind);
        }
    }

    static JsonNode encode(Schema schema) {
        if (schema == null)
            return NODES.nullNode();
        ObjectNode node = NODES.objectNode().put("type", schema.type().name());
        if (schema.isOptional())
            node.put("optional", true);
        if (schema.name() != null)
            node.put("name", schema.name());
        if (schema.version() != null)
            node.put("version", schema.version());
        if (schema.doc() != null)
            node.put("doc", schema.doc());
        // A struct that is a default can have the very builder of its schema for its own: that would not end.
        if (schema.defaultValue() != null && !(schema instanceof SchemaBuilder))
            node.set("default", encode(schema.defaultValue()));
        if (schema.parameters() != null) {
            ArrayNode parameters = node.putArray("parameters");
            schema.parameters().forEach((key, value) -> parameters.addArray().add(key).add(value));
        }
        switch (schema.type()) {
            case STRUCT:
                ArrayNode fields = node.putArray("fields");
                for (Field field : schema.fields())
                    fields.addArray().add(field.name()).add(encode(field.schema()));
                break;
            case MAP:
                node.set("keys", encode(schema.keySchema()));
                node.set("values", encode(schema.valueSchema()));
                break;
            case ARRAY:
                node.set("values", encode(schema.valueSchema()));
                break;
            default:
        }
        return node;
    }

    /** Makes the schema without a builder, so that what a builder would refuse can be made too. */
    static Schema decodeSchema(JsonNode node) {
        if (node == null || node.isNull())
            return null;
        Map<String, String> parameters = null;
        if (node.has("parameters")) {
            parameters = new LinkedHashMap<>();
            for (JsonNode entry : node.get("parameters"))
                parameters.put(entry.get(0).textValue(), entry.get(1).textValue());
        }
        List<Field> fields = null;
        if (node.has("fields")) {
            fields = new ArrayList<>();
            for (JsonNode field : node.get("fields"))
                fields.add(new Field(field.get(0).textValue(), fields.size(), decodeSchema(field.get(1))));
        }
        return new ConnectSchema(
            Schema.Type.valueOf(node.get("type").textValue()),
            node.path("optional").booleanValue(),
            decode(node.get("default")),
            node.path("name").textValue(),
            node.has("version") ? node.get("version").intValue() : null,
            node.path("doc").textValue(),
            parameters,
            fields,
            decodeSchema(node.get("keys")),
            decodeSchema(node.get("values")));
    }
}

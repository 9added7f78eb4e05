package ringmain.recorder;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.ArrayNode;
import java.text.ParseException;
import java.text.SimpleDateFormat;
import java.util.Date;
import java.util.TimeZone;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/** What Java's own regular expressions and date patterns do. */
final class JavaLibrary {
    private JavaLibrary() {
    }

    /** Whether the text matches as a whole, and the text with the first match replaced. */
    static JsonNode regex(JsonNode input) {
        Matcher matcher = Pattern.compile(input.get("pattern").textValue()).matcher(input.get("text").textValue());
        ArrayNode out = Codec.NODES.arrayNode();
        out.add(matcher.matches());
        out.add(matcher.replaceFirst(input.get("replacement").textValue()));
        return out;
    }

    static JsonNode format(JsonNode input) {
        return Codec.NODES.textNode(pattern(input).format(new Date(input.get("time").longValue())));
    }

    /** The time in the text; null if it is none. */
    static JsonNode parse(JsonNode input) {
        try {
            return Codec.NODES.numberNode(pattern(input).parse(input.get("text").textValue()).getTime());
        } catch (ParseException none) {
            return Codec.NODES.nullNode();
        }
    }

    private static SimpleDateFormat pattern(JsonNode input) {
        SimpleDateFormat format = new SimpleDateFormat(input.get("pattern").textValue());
        format.setTimeZone(TimeZone.getTimeZone("UTC"));
        return format;
    }
}

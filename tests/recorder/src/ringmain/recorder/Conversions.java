package ringmain.recorder;

import org.apache.kafka.connect.data.Schema;
import org.apache.kafka.connect.data.Values;

/** {@code Values.convertTo…} by the name of what is wanted. */
final class Conversions {
    private Conversions() {
    }

    static Object convert(String to, Schema schema, Object value) {
        switch (to) {
            case "boolean":
                return Values.convertToBoolean(schema, value);
            case "int8":
                return Values.convertToByte(schema, value);
            case "int16":
                return Values.convertToShort(schema, value);
            case "int32":
                return Values.convertToInteger(schema, value);
            case "int64":
                return Values.convertToLong(schema, value);
            case "float32":
                return Values.convertToFloat(schema, value);
            case "float64":
                return Values.convertToDouble(schema, value);
            case "string":
                return Values.convertToString(schema, value);
            case "list":
                return Values.convertToList(schema, value);
            case "map":
                return Values.convertToMap(schema, value);
            case "struct":
                return Values.convertToStruct(schema, value);
            case "date":
                return Values.convertToDate(schema, value);
            case "time":
                return Values.convertToTime(schema, value);
            case "timestamp":
                return Values.convertToTimestamp(schema, value);
            case "decimal":
                return Values.convertToDecimal(schema, value, 2);
            default:
                throw new IllegalArgumentException("nothing is converted to " + to);
        }
    }
}

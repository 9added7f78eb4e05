package ringmain.recorder;

import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.List;

/** Texts that a JSON parser meets: right, wrong, and at the limits. */
final class JsonTexts {
    /** One of each kind of value, for schemas of each type. */
    static final List<String> LITERALS = List.of("null", "true", "false", "0", "1", "-1", "127", "128", "300", "-129", "32768", "3000000000",
        "9223372036854775807", "9223372036854775808", "-9223372036854775809", "123456789012345678901234567890", "1.0", "1.9", "-1.9",
        "0.1", "1e3", "1E400", "-1e-400", "-0.0", "-0", "1.50", "12345678901234567890.5", "1e40", "\"\"", "\"5\"", "\"a\"",
        "\"AJw=\"", "\"AJw\"", "\"AJ w=\"", "\"####\"", "\"NaN\"", "\"Infinity\"", "\"true\"", "[]", "[1,2]", "[\"a\",null]",
        "[[\"k\",1],[\"l\",2]]", "[[1,2,3]]", "{}", "{\"a\":1}", "{\"n\":1,\"s\":\"x\",\"d\":2}", "{\"n\":1}", "{\"s\":\"x\"}", "{\"n\":\"1\",\"zz\":[]}",
        "86400000", "86400001", "1511000000123");

    static final List<String> WELL_FORMED = List.of("  1  ", "\n\t{ \"a\" : [ 1 , 2 ] }\r\n", "1 2", "{} x", "[1] ]", "007", "-007", "00", "01.5",
        "1.0e+5", "1E-5", "1e0005", "12345678901234567890", "-12345678901234567890", "1.7976931348623157e309", "4.9e-324", "1e-400",
        "0.1234567890123456789012345678901234567890", "\"\\u0041\\n\\t\\r\\b\\f\\/\\\\\\\"\"", "\"\\ud83d\\ude00\"", "\"\\u00e4ä\"",
        "{\"a\":1,\"a\":2}", "{\"a\":1,\"b\":2,\"a\":3}", "{\"\":0}", "[[[[[[]]]]]]", "[null,true,false,1,1.5,\"s\",{},[]]",
        "{\"a\":{\"b\":{\"c\":[1,{\"d\":null}]}}}", "\"\\ud800\"", "\"\\udc00x\"", "{\"\\ud800\":1}", "100000000000000000000000",
        "9223372036854775807", "9223372036854775808", "-9223372036854775808", "-9223372036854775809", "2147483648", "1.0", "10.10",
        "1e1", "1E1", "123.456e-2", "0e0", "0.0", "-0", "-0.0", "\"\u007f\"", "{\"schema\":null,\"payload\":1}", "\ufeff{}", "\"\uffff\"");

    static final List<String> MALFORMED = List.of("", " ", "\n", "{", "[", "\"", "{\"a\"", "{\"a\":", "{\"a\":1", "{\"a\":1,", "{\"a\":1,}", "[1,", "[1,]",
        "[,1]", "{,}", "nul", "tru", "truee", "nullx", "NaN", "Infinity", "-Infinity", "+1", "-", ".5", "5.", "1e", "1e+", "0x10", "'a'", "{a:1}",
        "{'a':1}", "// c\n1", "/* c */1", "# c\n1", "\"\t\"", "\"\n\"", "\"\u0000\"", "\"\\x\"", "\"\\u12\"", "\"\\u12G4\"", "\"abc", "]", "}", ":", ",",
        "{\"a\" 1}", "{\"a\"::1}", "[1 2]", "{1:2}", "[}", "{]", "\\", "\u00a01", "1.5.5", "1-", "--1", "-a", "1a", "1.e5", "True", "\"\\ud83d\\u0041\"", "undefined");

    private JsonTexts() {
    }

    static List<byte[]> notUtf8() {
        List<byte[]> result = new ArrayList<>();
        for (int[] units : new int[][] {{'"', 0xff, '"'}, {'"', 0xc3, '"'}, {'"', 0xc3, 0x28, '"'}, {'"', 0xe2, 0x82, '"'}, {'"', 0xed, 0xa0, 0x80, '"'},
            {'"', 0xc0, 0x80, '"'}, {'"', 0xf8, 0x88, 0x80, 0x80, 0x80, '"'}, {0xff, 0xfe}, {0xfe, 0xff, 0, '1'}, {0xff, 0xfe, '1', 0},
            {0, '1'}, {'1', 0}, {0, 0, 0, '1'}, {'1', 0, 0, 0}, {0, '{', 0, '}'}, {'{', 0, '}', 0}, {0xef, 0xbb, 0xbf}, {0xef, 0xbb, 0xbf, '1'},
            {0xef, 0xbb, '1'}, {0}, {0, 0}, {0x80}, {'"', 0xf4, 0x90, 0x80, 0x80, '"'}, {'[', '"', 0xf0, 0x9f, 0x98, 0x80, '"', ']'}}) {
            byte[] bytes = new byte[units.length];
            for (int i = 0; i < units.length; i++)
                bytes[i] = (byte) units[i];
            result.add(bytes);
        }
        return result;
    }

    /** At and past the limits that Jackson sets. */
    static List<String> limits() {
        List<String> result = new ArrayList<>();
        for (int depth : new int[] {499, 500, 501, 999, 1000, 1001, 5000}) {
            result.add("[".repeat(depth) + "]".repeat(depth));
            result.add("{\"a\":".repeat(depth) + "1" + "}".repeat(depth));
        }
        result.add("[".repeat(100_000));
        for (int digits : new int[] {999, 1000, 1001, 2000}) {
            result.add("1".repeat(digits));
            result.add("-" + "1".repeat(digits));
            result.add("0." + "1".repeat(digits - 1));
            result.add("1." + "0".repeat(digits - 1));
            result.add("1e" + "0".repeat(digits - 2) + "1");
        }
        for (String exponent : new String[] {"99999", "100000", "100001", "2147483647", "2147483648", "9999999999", "99999999999"}) {
            result.add("1e" + exponent);
            result.add("1e-" + exponent);
        }
        result.add("{\"" + "k".repeat(49_999) + "\":1}");
        result.add("{\"" + "k".repeat(50_000) + "\":1}");
        result.add("{\"" + "k".repeat(50_001) + "\":1}");
        return result;
    }

    static byte[] utf8(String text) {
        return text.getBytes(StandardCharsets.UTF_8);
    }
}

package ringmain.recorder;

import com.fasterxml.jackson.databind.node.ObjectNode;
import java.text.SimpleDateFormat;
import java.util.Date;
import java.util.List;
import java.util.Random;
import java.util.TimeZone;
import java.util.function.Consumer;
import java.util.regex.Pattern;
import java.util.regex.PatternSyntaxException;

/** Regular expressions and date patterns of Java, which people write into configurations. */
final class LibraryCorpus implements Corpus {
    private static final long SEED = 4;
    private static final int DATES = 1_500;
    private static final String LETTERS = "GyYMLwWDdFEuaHkKhmsSzZX";
    private static final List<String> SEPARATORS = List.of("", "", "-", "/", " ", "'T'", ":", ".", "''", ", ", "\u00e9");
    /** What is put into texts to spoil them. */
    private static final String SPOILERS = "0123456789-+:. TZEa/GMPF,\t";
    /** No years before Christ by their weeks: Java does not count these itself as it says. */
    private static final long YEAR_ONE = -62_135_769_600_000L;

    private static final List<String> DATE_PATTERNS = List.of(
        "yyyy-MM-dd", "yyyy-MM-dd HH:mm:ss", "yyyy-MM-dd'T'HH:mm:ss.SSS'Z'", "yyyy-MM-dd'T'HH:mm:ss.SSSXXX",
        "yyyy-MM-dd'T'HH:mm:ssZ", "yyyyMMdd", "yyyyMMddHHmmssSSS", "dd/MM/yyyy", "dd MMM yyyy",
        "EEE, d MMM yyyy HH:mm:ss Z", "EEE MMM dd HH:mm:ss z yyyy", "MM/dd/yy hh:mm a", "MMMM d, yyyy",
        "YYYY-'W'ww-u", "yyyy-DDD", "HH:mm:ss.SSS", "h:mm a", "K:mm a", "k:mm", "yyyy 'year' MM", "''yy''", "G yyyy",
        "W 'week' MM yyyy", "F E MM yyyy", "w yyyy E", "yyyy-MM-dd'T'HH:mm:ss.SSSSSS",
        "yyyy-MM-dd HH:mm:ss.SSSSSSSSS", "EEEE, MMMM dd, yyyy", "yyyy.MM.dd G 'at' HH:mm:ss z", "yyMMddHHmmssZ",
        "yyyy-MM", "YYYY", "yyyy", "yy", "y", "dMy", "LLL yyyy", "ssmmHH", "S", "X", "XX", "XXX",
        "HH 'o''clock' a, zzzz");
    private static final List<String> BAD_DATE_PATTERNS = List.of("foo", "yyyy-MM-ddT", "'", "yyyy'", "XXXX", "b",
        "yyyy-MM-dd'T'HH:mm:ss.SSSnnn", "''", "", "'x'");
    private static final List<String> REGEXES = List.of(
        "[", "(", "a{", "*", "a{2,1}", "(?<n>a)(?<n>b)", "\\k<x>", "\\p{Foo}", "\\q", "[z-a]", "(?z)", "a)", "\\",
        "[a", "\\x{110000}", "(?<1>a)", "\\p{", "\\pL\\p{IsLatin}\\p{InGreek}", "(?<a", "a++b", "[a&&]",
        "x{99999999999}", "a{1", "\\Q(", "(?", "(?<", "[[:alpha:]]", "\\u12", "\\0", "\\c", "[]", "[^]", "(?i",
        "a**", "a|*", "{", "}", "]", "(?$a)", "(?:", "\\p{Lower}x**", "日本(", "\t(", "(?x) a # c\n(", "\\p{IsFoo}",
        "\\p{sc=Foo}", "\\p{foo=bar}", "\\p{}", "\\G\\Q.*\\E(?>a)", "[a-", "[a-z", "[\\", "[a\\", "(?<n", "a{1,2",
        "a{1,x}", "\\k", "\\k<", "\\k<n", "(?<n>", "[a-\\d]", "(?=", "(?!a", "(?<=a", "x{2}{3}", "a?{2}", "(?i)[",
        "\\x", "\\x4", "\\xg", "\\x{", "\\x{41", "\\x{41}", "\\u0041", "\\ud83d\\ude00", "\\07", "\\0101", "\\0400",
        "\\cA", "\\1", "(a)\\1", "(a)\\11", "\\2(a)(b)", "(.*)", "(.+)-(.+)", "prod\\.(\\w+)\\.(\\d+)", "^topic$",
        "topic", "t(op)?ic", "(?i)TOPIC", "(?iu)ÄB", "(?i)Äb", "a|ab", "ab|a", "(?<x>[a-z]+)-(?<y>\\d+)",
        "[a-c&&[b-d]]+", "[a-z&&[^m-p]]+", "[^a-z&&[^0-9]]+", "[a&&b]", "[\\w&&[^_]]+", "[.-]+", "[]a]", "[a-]",
        "[-a]", "[\\]a]+", "[a[bc]d]+", "\\btopic\\b", "\\Btopic", "(?<=my-).*", "(?<!my-)topic", "topic(?!-x)",
        "(?=.*\\d)[a-z0-9]+", "(a+)+b", "(?>a+)ab", "a*+ab", "a{2,3}+a", "a{2}", "a{2,}", "a{,2}",
        "[0-9]{4}-[0-9]{2}", "\\d{4}\\.\\d{2}", "\\Qa.b\\E.*", "a\\.b.*", ".*\\.(?:json|avro)", "(\\w)(\\w)\\2\\1",
        "\\p{Alpha}+", "\\p{Punct}+", "\\P{L}+", "\\p{IsAlphabetic}+", "\\p{javaLowerCase}+", "(?s)a.b", "a.b",
        "(?m)^a$", "a$", "a\\Z", "a\\z", "\\Aa", "\\R", "\\h+\\v*", "(?x) a b # c", "(?d)a.b", "(?-i)a", "((?i)a)b",
        "(?i:a)b", "(?:a|b)*?c", "(a?)*b", "(|a)+", "()", "", "a||b", "(a|b|)c", "é+", "\\x{1F600}", "[😀-😂]+", ".",
        "..", "\\S+", "\\s", "(?U)\\w+", "\\w+", "(?i)[k-s]+", "(?i)[^a]+", "(?i)straße", "(?iu)STRASSE",
        "(?iu)[ä]+", "\\t", "\\e", "\\a", "[\\t ]", "[\\b]", "\\z$", "(?<a1>x)\\k<a1>", "[a-z]+\\.[A-Z]{2,}",
        "connect-(?:source|sink)-[^.]+(\\.dlq)?", "([^.]*)\\.([^.]*)\\.(.*)", "^([a-z]{2})_(.*)_v(\\d+)$",
        "(?!.*internal).*", "_.*|__.*", "[\\p{L}&&[^\\p{Lu}]]+", "[\\w.]+@[\\w.]+", "[\\d\\-]+", "\\-", "a\\ b",
        "[^\\n]+", "#", "(?x)[a #b]", "~!@%", "<>=", "(?<=a|bc)x", "(?<=a{1,3})x", "\\N", "\\y");
    private static final List<String> TEXTS = List.of(
        "topic", "my-topic", "topic-x", "TOPIC", "prod.orders.7", "prod.orders.2020.01", "a", "ab", "aab", "aaab",
        "aaa", "abc", "", "a\nb", "a\n", "a\r\nb", "2020-01", "orders-12", "a.b.c", "a.b", "_internal",
        "__consumer_offsets", "connect-source-x.dlq", "connect-sink-y", "us_orders_v3", "abba", "é", "ÄB", "äb",
        "Äb", "😀", "😁x", "a b", "ab c", "\t", "straße", "STRASSE", "x", "xx", "bcx", "K\u212a", "#", "-", "aac", "c",
        "b", "file.json", "db.schema.table", "A1b2", "\u001b", "ab\n");
    private static final List<String> REPLACEMENTS = List.of(
        "$0", "x", "$1", "[$1|$2]", "${x}", "${y}-${x}", "\\$1", "$", "\\", "$9", "${", "${x", "${1}", "$10", "a$1b",
        "\\\\", "$x", "${}", "${a1}", "$1$1");

    private Consumer<ObjectNode> sink;
    private int number;

    @Override
    public String name() {
        return "transforms/library";
    }

    @Override
    public void cases(Consumer<ObjectNode> sink) {
        this.sink = sink;
        Random random = new Random(SEED);
        REGEXES.forEach(pattern -> regex(random, pattern));
        for (String pattern : BAD_DATE_PATTERNS)
            for (String text : List.of("", "x", "'"))
                date(pattern, 0, text);
        for (int i = 0; i < DATES; i++)
            date(random);
    }

    private ObjectNode node(String op, String pattern) {
        ObjectNode node = Codec.NODES.objectNode();
        node.put("id", op + "/" + ++number);
        node.put("class", op.equals("regex") ? Pattern.class.getName() : SimpleDateFormat.class.getName());
        node.put("op", op);
        return node.put("pattern", pattern);
    }

    /** A pattern over the texts in which it finds something, and over a few of the others. */
    private void regex(Random random, String pattern) {
        Pattern compiled;
        try {
            compiled = Pattern.compile(pattern);
        } catch (PatternSyntaxException refused) {
            sink.accept(node("regex", pattern).put("text", "").put("replacement", ""));
            return;
        }
        for (String text : TEXTS) {
            boolean finds = compiled.matcher(text).find();
            if (!finds && random.nextInt(8) != 0)
                continue;
            for (int i = 0; i < (finds ? 2 : 1); i++) {
                String replacement = i == 0 ? "<$0>" : REPLACEMENTS.get(random.nextInt(REPLACEMENTS.size()));
                sink.accept(node("regex", pattern).put("text", text).put("replacement", replacement));
            }
        }
    }

    private void date(String pattern, long time, String text) {
        sink.accept(node("format", pattern).put("time", time));
        sink.accept(node("parseDate", pattern).put("text", text));
    }

    /** A pattern, a time written with it, and the same text spoilt. */
    private void date(Random random) {
        String pattern = random.nextInt(3) > 0 ? DATE_PATTERNS.get(random.nextInt(DATE_PATTERNS.size())) : randomPattern(random);
        long time = randomTime(random);
        if (pattern.contains("Y") && time < YEAR_ONE)
            time = -time;
        SimpleDateFormat format = new SimpleDateFormat(pattern);
        format.setTimeZone(TimeZone.getTimeZone("UTC"));
        String text = format.format(new Date(time));
        date(pattern, time, text);
        String spoilt = spoil(random, text);
        if (!pattern.contains("Y") || !pattern.contains("G"))
            sink.accept(node("parseDate", pattern).put("text", spoilt));
    }

    private static String randomPattern(Random random) {
        StringBuilder pattern = new StringBuilder();
        for (int pieces = 1 + random.nextInt(6); pieces > 0; pieces--) {
            char letter = LETTERS.charAt(random.nextInt(LETTERS.length()));
            int count = 1 + random.nextInt(letter == 'X' ? 3 : 5);
            pattern.append(String.valueOf(letter).repeat(count));
            pattern.append(SEPARATORS.get(random.nextInt(SEPARATORS.size())));
        }
        // What stands side by side may have become too long for the one letter that has a limit.
        return pattern.toString().replaceAll("X{4,}", "XXX");
    }

    private static long randomTime(Random random) {
        switch (random.nextInt(6)) {
            case 0:
                return random.nextLong();
            case 1:
                return random.nextLong() >> 16;
            case 2:
                return -12_219_292_800_000L + random.nextInt();
            case 3:
                return random.nextInt(100) * 86_400_000L;
            default:
                return (long) (random.nextDouble() * 4e12);
        }
    }

    private static String spoil(Random random, String text) {
        StringBuilder spoilt = new StringBuilder(text);
        for (int changes = 1 + random.nextInt(3); changes > 0 && spoilt.length() > 0; changes--) {
            int at = random.nextInt(spoilt.length());
            char other = SPOILERS.charAt(random.nextInt(SPOILERS.length()));
            switch (random.nextInt(4)) {
                case 0:
                    spoilt.deleteCharAt(at);
                    break;
                case 1:
                    spoilt.insert(at, other);
                    break;
                case 2:
                    spoilt.setCharAt(at, other);
                    break;
                default:
                    char c = spoilt.charAt(at);
                    spoilt.setCharAt(at, Character.isDigit(c) ? (char) ('0' + random.nextInt(10))
                        : Character.isUpperCase(c) ? Character.toLowerCase(c) : Character.toUpperCase(c));
            }
        }
        return spoilt.toString();
    }
}

package ringmain.recorder;

import com.fasterxml.jackson.core.StreamReadConstraints;
import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.io.BufferedReader;
import java.io.IOException;
import java.io.InputStreamReader;
import java.io.OutputStream;
import java.io.PrintStream;
import java.io.UncheckedIOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.HashSet;
import java.util.List;
import java.util.Locale;
import java.util.Set;
import java.util.TimeZone;
import java.util.zip.GZIPOutputStream;

/**
 * {@code record DIRECTORY}: runs every corpus through Apache's classes and writes the vectors.
 * {@code run}: reads cases from standard input, one a line, and writes each with what came of it.
 */
public final class Main {
    private static final ObjectMapper JSON = mapper();
    private static final List<Corpus> CORPORA = List.of(new JsonCorpus(), new ConverterCorpus(), new HeaderCorpus(),
        new ValuesCorpus(),
        new TransformCorpus(), new UpstreamTransforms(), new GeneratedTransforms(), new PredicateCorpus(), new LibraryCorpus());

    private Main() {
    }

    private static ObjectMapper mapper() {
        ObjectMapper mapper = new ObjectMapper().setNodeFactory(Codec.NODES);
        mapper.getFactory().setStreamReadConstraints(
            StreamReadConstraints.builder().maxNestingDepth(100_000).maxNumberLength(100_000).build());
        return mapper;
    }

    public static void main(String[] arguments) throws IOException {
        // What is recorded must not depend on where.
        TimeZone.setDefault(TimeZone.getTimeZone("UTC"));
        Locale.setDefault(Locale.US);
        if (arguments.length == 2 && arguments[0].equals("record")) {
            for (Corpus corpus : CORPORA)
                record(corpus, Path.of(arguments[1], corpus.name() + ".jsonl.gz"));
        } else if (arguments.length == 1 && arguments[0].equals("run")) {
            run();
        } else if (arguments.length > 2 && arguments[0].equals("transform-speed")) {
            TransformSpeed.run(arguments);
        } else {
            System.err.println("usage: record DIRECTORY | run | transform-speed FILE TRANSFORM…");
            System.exit(2);
        }
    }

    private static void record(Corpus corpus, Path file) throws IOException {
        Files.createDirectories(file.getParent());
        Runner runner = new Runner();
        Set<String> ids = new HashSet<>();
        try (OutputStream out = new GZIPOutputStream(Files.newOutputStream(file), 1 << 16) {
            {
                def.setLevel(9);
            }
        }) {
            corpus.cases(input -> {
                String id = input.get("id").textValue();
                if (!ids.add(id))
                    throw new IllegalStateException("two cases are called " + id);
                try {
                    out.write(JSON.writeValueAsBytes(runner.run(input)));
                    out.write('\n');
                } catch (IOException error) {
                    throw new UncheckedIOException(error);
                }
            });
        }
        System.out.printf("%s: %d cases, %d bytes%n", file, ids.size(), Files.size(file));
    }

    private static void run() throws IOException {
        Runner runner = new Runner();
        BufferedReader in = new BufferedReader(new InputStreamReader(System.in, StandardCharsets.UTF_8));
        PrintStream out = new PrintStream(System.out, false, StandardCharsets.UTF_8);
        for (String line = in.readLine(); line != null; line = in.readLine()) {
            JsonNode input = JSON.readTree(line);
            out.write(JSON.writeValueAsBytes(runner.run((ObjectNode) input)));
            out.write('\n');
            if (!in.ready())
                out.flush();
        }
        out.flush();
    }
}

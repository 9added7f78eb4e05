package ringmain.recorder;

import com.fasterxml.jackson.databind.node.ObjectNode;
import java.util.function.Consumer;

/** Cases of one kind, without what comes of them. */
interface Corpus {
    /** The file that they are kept in, below tests/vectors, without its extension. */
    String name();

    /** Hands out every case; each has an {@code id} that no other has. */
    void cases(Consumer<ObjectNode> sink);
}

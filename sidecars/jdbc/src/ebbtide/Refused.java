package ebbtide;

import java.util.ArrayList;
import java.util.List;

/**
 * An error of the sidecar's own: a word for its class, a message, and what was tried.
 */
final class Refused extends Exception {
    final String word;
    final List<String> causes;

    Refused(String word, String message) {
        this(word, message, new ArrayList<String>());
    }

    Refused(String word, String message, List<String> causes) {
        super(message, null, false, false);
        this.word = word;
        this.causes = causes;
    }
}

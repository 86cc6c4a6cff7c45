package ebbtide;

import java.sql.SQLException;
import java.util.ArrayList;
import java.util.List;

/**
 * Writes errors as {@code FAILED}.
 */
final class Failure {
    private static final int DRIVER = 0;
    private static final int OWN = 1;
    private static final int SKIPPED = 2;
    private static final int UNKNOWN = 3;
    /** No chain of causes has more; some drivers chain one error for each row of a batch. */
    private static final int CAUSES = 16;
    /** The SQLSTATE of any error, and the class of those of lost connections. */
    private static final String ANY = "HY000";
    private static final String LOST = "08";
    private static final String[] DETAILS = {"constraint", "table", "column", "schema", "detail", "hint", "position"};

    private Failure() {
    }

    /** Answers that the request was skipped because the one before it failed. */
    static void skipped(Frames frames, int request) {
        write(frames, request, SKIPPED, false, "skipped", "", 0, "the request before this one failed", new ArrayList<String>());
        frames.u16(0);
        frames.end();
    }

    /**
     * Answers with an error, also if memory is missing for a moment, or if the driver's error cannot be read: a library that
     * waits for an answer must not wait for ever.
     */
    static void tell(Frames frames, int request, Throwable error, boolean closed) {
        for (int failed = 0;; failed++) {
            try {
                frames.drop();
                write(frames, request, error, closed);
                return;
            } catch (OutOfMemoryError missing) {
                Memory.await(failed);
            } catch (RuntimeException | LinkageError | StackOverflowError bad) {
                frames.drop();
                String message = "the driver failed with " + error.getClass().getName() + ", which cannot be read: ";
                write(frames, request, new SQLException(message + bad.getClass().getName()), closed);
                return;
            }
        }
    }

    /** Answers with an error. */
    static void write(Frames frames, int request, Throwable error, boolean closed) {
        if (error instanceof Refused) {
            Refused refused = (Refused) error;
            write(frames, request, OWN, closed, refused.word, "", 0, refused.getMessage(), refused.causes);
            frames.u16(0);
        } else if (error instanceof SQLException) {
            SQLException failed = (SQLException) error;
            write(frames, request, DRIVER, closed, error.getClass().getName(), state(failed), code(failed), message(error), causes(error));
            details(frames, error);
        } else {
            write(frames, request, UNKNOWN, closed, error.getClass().getName(), "", 0, message(error), causes(error));
            frames.u16(0);
        }
        frames.end();
    }

    private static void write(Frames frames, int request, int origin, boolean closed, String type, String state, long code,
            String message, List<String> causes) {
        frames.begin(request, Frames.FAILED);
        frames.u8(origin);
        frames.u8(closed ? 1 : 0);
        frames.str(type);
        frames.str(state);
        frames.i64(code);
        frames.str(message);
        frames.u16(causes.size());
        for (String cause : causes) {
            frames.str(cause);
        }
    }

    /** Returns the vendor's code, which is a severity from Derby and tells nothing; sqlite-jdbc leaves out the part that tells the kinds of constraints apart. */
    private static long code(SQLException error) {
        if (error.getClass().getName().equals("org.sqlite.SQLiteException")) {
            try {
                Object result = Methods.call(error, "getResultCode");
                return ((Number) result.getClass().getField("code").get(result)).longValue();
            } catch (ReflectiveOperationException | RuntimeException other) {
                // The short code is right, too.
            }
        }
        Throwable cause = error.getCause();
        return cause != null && cause.getClass().getName().startsWith("org.apache.derby.") ? 0 : error.getErrorCode();
    }

    private static String message(Throwable error) {
        String message = error.getMessage();
        return message == null || message.isEmpty() ? error.getClass().getName() : message;
    }

    /** Returns the SQLSTATE. An error that has none of its own has that of a lost connection that it was caused by. */
    private static String state(SQLException error) {
        String own = error.getSQLState();
        if (own == null || own.isEmpty() || own.equals(ANY)) {
            for (Throwable cause : chain(error)) {
                String state = cause instanceof SQLException ? ((SQLException) cause).getSQLState() : null;
                if (state != null && state.startsWith(LOST)) {
                    return state;
                }
            }
        }
        return own == null ? "" : own;
    }

    private static List<String> causes(Throwable error) {
        List<String> causes = new ArrayList<String>();
        for (Throwable cause : chain(error)) {
            causes.add(cause.getClass().getName() + ": " + message(cause));
        }
        return causes;
    }

    /** Returns the causes and the next errors, each once. */
    private static List<Throwable> chain(Throwable error) {
        List<Throwable> seen = new ArrayList<Throwable>();
        seen.add(error);
        for (int i = 0; i < seen.size() && seen.size() <= CAUSES; i++) {
            Throwable one = seen.get(i);
            add(seen, one.getCause());
            if (one instanceof SQLException) {
                add(seen, ((SQLException) one).getNextException());
            }
        }
        return seen.subList(1, Math.min(seen.size(), CAUSES + 1));
    }

    private static void add(List<Throwable> seen, Throwable next) {
        if (next != null && !seen.contains(next)) {
            seen.add(next);
        }
    }

    /** Writes what pgjdbc knows of an error of the server; other drivers have texts only. */
    private static void details(Frames frames, Throwable error) {
        List<String> pairs = new ArrayList<String>();
        try {
            Object server = Methods.call(error, "getServerErrorMessage");
            if (server != null) {
                for (String name : DETAILS) {
                    Object value = Methods.call(server, "get" + Character.toUpperCase(name.charAt(0)) + name.substring(1));
                    if (value != null && !"0".equals(value.toString())) {
                        pairs.add(name);
                        pairs.add(value.toString());
                    }
                }
            }
        } catch (ReflectiveOperationException other) {
            // Another driver.
        }
        frames.u16(pairs.size() / 2);
        for (String text : pairs) {
            frames.str(text);
        }
    }
}

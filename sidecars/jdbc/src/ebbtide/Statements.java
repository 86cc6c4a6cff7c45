package ebbtide;

import java.sql.Connection;
import java.sql.PreparedStatement;
import java.sql.SQLException;
import java.sql.Statement;
import java.util.Iterator;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.concurrent.atomic.AtomicInteger;

/**
 * The prepared statements of a connection by their text, those least recently used forgotten first.
 */
final class Statements extends LinkedHashMap<String, PreparedStatement> {
    /** Counts the changes of tables by all sessions of this process. */
    private static final AtomicInteger CHANGES = new AtomicInteger();
    private static final int KEPT = 100;
    /** Longer texts are made for one use. */
    private static final int LONGEST = 16 * 1024;

    private int seen;
    /** Set once one was prepared: drivers keep statements that are forgotten here. */
    private boolean used;

    Statements() {
        super(64, 0.75f, true);
    }

    /** Says that tables have changed: databases inside of this process run old plans, and read wrong columns. */
    static void changed() {
        CHANGES.incrementAndGet();
    }

    /** Returns the number of changes of tables so far. */
    static int changes() {
        return CHANGES.get();
    }

    /** Returns the kept statement of a text, null if there is none. */
    PreparedStatement find(Session session, String text) {
        int changes = CHANGES.get();
        if (changes != seen) {
            if (used) {
                session.product.changed(session.connection);
            }
            end();
            seen = changes;
        }
        used = true;
        return get(text);
    }

    /** Prepares a statement. */
    static PreparedStatement prepare(Session session, String text, boolean keys) throws SQLException {
        String spelled = session.product.spelled(text);
        Connection connection = session.connection;
        return keys ? connection.prepareStatement(spelled, Statement.RETURN_GENERATED_KEYS)
                : connection.prepareStatement(spelled);
    }

    /** Keeps a statement that has been run, or closes it. */
    void keep(String text, PreparedStatement statement, boolean lasting) {
        if (lasting && text.length() <= LONGEST) {
            put(text, statement);
        } else {
            close(statement);
        }
    }

    /** Closes a statement that failed: its plan may be the reason. */
    void forget(String text, Statement statement) {
        if (get(text) == statement) {
            remove(text);
        }
        close(statement);
    }

    /** Closes all statements. */
    void end() {
        for (Iterator<PreparedStatement> all = values().iterator(); all.hasNext();) {
            close(all.next());
            all.remove();
        }
    }

    @Override
    protected boolean removeEldestEntry(Map.Entry<String, PreparedStatement> eldest) {
        if (size() <= KEPT) {
            return false;
        }
        close(eldest.getValue());
        return true;
    }

    static void close(Statement statement) {
        try {
            if (statement != null) {
                statement.close();
            }
        } catch (SQLException error) {
            // The driver has let go of it.
        }
    }
}

package ebbtide;

import java.sql.Connection;
import java.sql.PreparedStatement;
import java.sql.ResultSet;
import java.sql.SQLException;
import java.sql.Savepoint;
import java.sql.Statement;
import java.util.HashMap;
import java.util.Locale;
import java.util.Map;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/**
 * Derby, which does not know java.time: dates travel as texts, in which the server reads and writes all digits.
 */
final class Derby extends Product {
    private static final int KEPT = 100;
    private static final String NAME = "(\"(?:[^\"]|\"\")+\"|\\w+)";
    private static final Pattern INSERT = Pattern.compile("(?i)INSERT\\s+INTO\\s+(?:" + NAME + "\\s*\\.\\s*)?" + NAME);

    private static final Pattern SAVEPOINT = Pattern.compile(
            "(?is)(SAVEPOINT|RELEASE(?:\\s+TO)?\\s+SAVEPOINT|ROLLBACK(?:\\s+WORK)?\\s+TO\\s+SAVEPOINT)\\s+" + NAME
            + "(\\s+(?:UNIQUE|ON\\s+ROLLBACK\\s+RETAIN\\s+(?:CURSORS|LOCKS)))*[\\s;]*");

    private final Map<String, Savepoint> savepoints = new HashMap<String, Savepoint>();
    private final Map<String, Boolean> generating = new HashMap<String, Boolean>();
    private int seen;

    @Override
    boolean streams() {
        return true;
    }

    @Override
    String date(ResultSet rows, int column) throws SQLException {
        return rows.getString(column);
    }

    @Override
    String time(ResultSet rows, int column) throws SQLException {
        return rows.getString(column);
    }

    @Override
    String datetime(ResultSet rows, int column) throws SQLException {
        return Texts.trimmed(rows.getString(column));
    }

    /** The driver has no cancelling, but its time-outs have. */
    @Override
    void cancel(Connection connection, Statement statement) throws SQLException {
        try {
            Object language = Methods.call(connection, "getLanguageConnection");
            Object context = Methods.call(language, "getStatementContext");
            if (context != null) {
                Methods.call(context, "cancel");
            }
        } catch (ReflectiveOperationException error) {
            statement.cancel();
        }
    }

    /** For a table that generates no keys the driver repeats the last key of another one. */
    @Override
    boolean tellsKeys(Connection connection, String text) throws SQLException {
        if (seen != Statements.changes() || generating.size() > KEPT) {
            generating.clear();
            seen = Statements.changes();
        }
        Boolean known = generating.get(text);
        if (known == null) {
            known = generates(connection, text);
            generating.put(text, known);
        }
        return known;
    }

    private static boolean generates(Connection connection, String text) throws SQLException {
        Matcher insert = INSERT.matcher(text.substring(Words.start(text)));
        if (!insert.lookingAt()) {
            return false;
        }
        String schema = insert.group(1) == null ? connection.getSchema() : name(insert.group(1));
        ResultSet columns = connection.getMetaData().getColumns(null, schema, name(insert.group(2)), null);
        try {
            while (columns.next()) {
                if ("YES".equals(columns.getString("IS_AUTOINCREMENT"))) {
                    return true;
                }
            }
            return false;
        } finally {
            columns.close();
        }
    }

    private static String name(String written) {
        return written.startsWith("\"") ? written.substring(1, written.length() - 1).replace("\"\"", "\"")
                : written.toUpperCase(Locale.ROOT);
    }

    @Override
    void begin(Connection connection, int level, boolean readOnly) throws SQLException, Refused {
        savepoints.clear();
        super.begin(connection, level, readOnly);
    }

    /** The statements refuse a savepoint within another; the interface takes any number. */
    @Override
    boolean savepoint(Connection connection, String text) throws SQLException {
        Matcher parts = SAVEPOINT.matcher(text.substring(Words.start(text)));
        if (!parts.matches() || connection.getAutoCommit()) {
            return false;
        }
        String name = name(parts.group(2));
        char word = Character.toUpperCase(parts.group(1).charAt(1));
        if (word == 'A') {
            Savepoint made = connection.setSavepoint();
            savepoints.put(name, made);
            return true;
        }
        Savepoint known = word == 'E' ? savepoints.remove(name) : savepoints.get(name);
        if (known == null) {
            throw new SQLException("There is no savepoint " + name + ".", "3B001");
        }
        if (word == 'E') {
            connection.releaseSavepoint(known);
        } else {
            connection.rollback(known);
        }
        return true;
    }

    @Override
    boolean old(SQLException error, boolean inTransaction) {
        return "XCL10".equals(error.getSQLState());
    }

    /** NULL needs a type that can be converted to that of its place. */
    @Override
    void nothing(PreparedStatement to, int place, int tag) throws SQLException {
        to.setNull(place, to.getParameterMetaData().getParameterType(place));
    }

    @Override
    void text(PreparedStatement to, int place, int tag, String text) throws SQLException {
        to.setString(place, tag == Frames.TIMESTAMP ? Texts.utc(text) : text);
    }

    @Override
    void array(PreparedStatement to, int place, Object[] elements) throws SQLException, Refused {
        throw new Refused("unsupported", "parameter " + place + " is an array, which Derby does not have");
    }
}

package ebbtide;

import java.lang.reflect.InvocationTargetException;
import java.lang.reflect.Method;
import java.math.BigDecimal;
import java.sql.Connection;
import java.sql.PreparedStatement;
import java.sql.ResultSet;
import java.sql.ResultSetMetaData;
import java.sql.SQLException;
import java.sql.Statement;
import java.sql.Types;
import java.util.Locale;

/**
 * pgjdbc. Everything but numbers, truth values and bytes is the server's own text.
 */
final class Postgres extends Product {
    private static final int FETCHED = 500;
    private static final String[] READING =
            {"SELECT", "WITH", "TABLE", "VALUES", "INSERT", "UPDATE", "DELETE", "MERGE", "("};
    private static final String[] WRITING = {"INSERT", "UPDATE", "DELETE", "MERGE"};

    private Method typeName;
    private Method state;
    private Class<?> typed;

    @Override
    boolean streams() {
        return true;
    }

    /** The driver reads a whole result into memory unless it has a portal, which lives in a transaction. */
    @Override
    boolean streamsInTransaction(String text) {
        return begins(text, READING);
    }

    @Override
    boolean returnsWritten(String text) {
        return begins(text, WRITING);
    }

    private static boolean begins(String text, String[] words) {
        int start = Words.start(text);
        for (String word : words) {
            if (text.regionMatches(true, start, word, 0, word.length())) {
                return true;
            }
        }
        return false;
    }

    @Override
    void stream(Statement statement) throws SQLException {
        statement.setFetchSize(FETCHED);
    }

    /** The driver reads the whole row that was inserted; the server has RETURNING. */
    @Override
    boolean tellsKeys(Connection connection, String text) {
        return false;
    }

    /** The words of the server are for one transaction only; the driver's own are for the session. */
    @Override
    void begin(Connection connection, int level, boolean readOnly) throws SQLException, Refused {
        StringBuilder text = new StringBuilder();
        if (level != 0) {
            text.append(" ISOLATION LEVEL ").append(Session.name(level).toUpperCase(Locale.ROOT));
        }
        if (readOnly) {
            text.append(text.length() == 0 ? " READ ONLY" : ", READ ONLY");
        }
        connection.setAutoCommit(false);
        if (text.length() > 0) {
            Statement statement = connection.createStatement();
            try {
                statement.execute("SET TRANSACTION" + text);
            } finally {
                Statements.close(statement);
            }
        }
    }

    @Override
    boolean outlasting() {
        return false;
    }

    /** Older versions of the driver commit a failed transaction without an error, although the server rolls it back. */
    @Override
    boolean doomed(Connection connection) throws SQLException {
        try {
            if (state == null) {
                state = connection.getClass().getMethod("getTransactionState");
            }
            return "FAILED".equals(String.valueOf(state.invoke(connection)));
        } catch (ReflectiveOperationException error) {
            return false;
        }
    }

    /** The name in the metadata costs a query, and is {@code serial} for a column with a sequence. */
    @Override
    String typeName(ResultSet rows, ResultSetMetaData about, int column) throws SQLException {
        try {
            if (typeName == null) {
                typeName = Methods.find(rows.getClass(), "getPGType", int.class);
            }
            Object name = typeName.invoke(rows, column);
            return name == null ? "" : name.toString();
        } catch (InvocationTargetException error) {
            if (error.getCause() instanceof SQLException) {
                throw (SQLException) error.getCause();
            }
            return about.getColumnTypeName(column);
        } catch (ReflectiveOperationException error) {
            return about.getColumnTypeName(column);
        }
    }

    @Override
    int kind(ResultSetMetaData about, int column, String name) {
        switch (name) {
            case "int2":
            case "int4":
            case "int8":
            case "oid":
                return Kind.INTEGER;
            case "float4":
                return Kind.FLOAT;
            case "float8":
                return Kind.DOUBLE;
            case "bool":
                return Kind.BOOLEAN;
            case "bytea":
                return Kind.BYTES;
            default:
                return Kind.SERVER_TEXT;
        }
    }

    /** The driver finds what the server has prepared by the text, and cannot prepare it again inside of a transaction. */
    @Override
    void changed(Connection connection) {
        try {
            Statement statement = connection.createStatement();
            statement.execute("DEALLOCATE ALL");
            statement.close();
        } catch (SQLException error) {
            // The transaction has failed, and what comes next fails, too.
        }
    }

    /** In a transaction the error has ended it. Outside of one the driver repeats by itself, but not while it streams. */
    @Override
    boolean old(SQLException error, boolean inTransaction) {
        if (inTransaction || !"0A000".equals(error.getSQLState())) {
            return false;
        }
        try {
            Object server = Methods.call(error, "getServerErrorMessage");
            return server != null && "RevalidateCachedQuery".equals(Methods.call(server, "getRoutine"));
        } catch (ReflectiveOperationException other) {
            return false;
        }
    }

    @Override
    void nothing(PreparedStatement to, int place, int tag) throws SQLException {
        to.setNull(place, Types.NULL);
    }

    @Override
    void bind(PreparedStatement to, int place, int tag, Payload from) throws SQLException, Refused {
        if (tag == Frames.FLOAT) {
            // setFloat sends a double.
            typed(to, place, "float4", Float.toString(Float.intBitsToFloat(from.i32())));
            return;
        }
        if (tag != Frames.DECIMAL) {
            super.bind(to, place, tag, from);
            return;
        }
        String text = from.str();
        try {
            to.setBigDecimal(place, new BigDecimal(text));
        } catch (NumberFormatException error) {
            typed(to, place, "numeric", text);
        }
    }

    @Override
    void text(PreparedStatement to, int place, int tag, String text) throws SQLException {
        switch (tag) {
            case Frames.DATE:
                typed(to, place, "date", text);
                break;
            case Frames.TIME:
                typed(to, place, "time", text);
                break;
            case Frames.DATETIME:
                typed(to, place, "timestamp", text);
                break;
            case Frames.TIMESTAMP:
                typed(to, place, "timestamptz", text);
                break;
            case Frames.UUID:
                typed(to, place, "uuid", text);
                break;
            case Frames.INET:
                typed(to, place, "inet", text);
                break;
            default:
                // With stringtype=unspecified the server decides.
                to.setString(place, text);
        }
    }

    @Override
    void interval(PreparedStatement to, int place, int months, int days, long microseconds) throws SQLException {
        String sign = microseconds < 0 ? "-" : "";
        long seconds = Math.abs(microseconds / 1000000);
        String fraction = String.format(Locale.ROOT, "%06d", Math.abs(microseconds % 1000000));
        typed(to, place, "interval", months + " mons " + days + " days " + sign + seconds + "." + fraction + " secs");
    }

    @Override
    void array(PreparedStatement to, int place, Object[] elements) throws SQLException {
        String type = type(elements);
        String text = literal(elements);
        if (type == null) {
            to.setString(place, text);
        } else {
            typed(to, place, type, text);
        }
    }

    /** Returns the type of an array whose elements have one, null if the server has to decide. */
    private static String type(Object[] elements) {
        String found = null;
        for (Object element : elements) {
            if (element == null) {
                continue;
            }
            String type = element instanceof Object[] ? type((Object[]) element) : Words.arrayType(element);
            if (type == null || found != null && !found.equals(type)) {
                return null;
            }
            found = type;
        }
        return found;
    }

    private static String literal(Object[] elements) {
        StringBuilder text = new StringBuilder("{");
        for (Object element : elements) {
            if (text.length() > 1) {
                text.append(',');
            }
            if (element == null) {
                text.append("NULL");
            } else if (element instanceof Object[]) {
                text.append(literal((Object[]) element));
            } else {
                String inner = element instanceof byte[] ? Words.hex((byte[]) element) : element.toString();
                text.append('"').append(inner.replace("\\", "\\\\").replace("\"", "\\\"")).append('"');
            }
        }
        return text.append('}').toString();
    }

    private void typed(PreparedStatement to, int place, String type, String text) throws SQLException {
        try {
            if (typed == null) {
                typed = to.getClass().getClassLoader().loadClass("org.postgresql.util.PGobject");
            }
            Object value = typed.getDeclaredConstructor().newInstance();
            typed.getMethod("setType", String.class).invoke(value, type);
            typed.getMethod("setValue", String.class).invoke(value, text);
            to.setObject(place, value);
        } catch (ReflectiveOperationException error) {
            to.setString(place, text);
        }
    }
}

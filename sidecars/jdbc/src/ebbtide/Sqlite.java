package ebbtide;

import java.lang.reflect.Method;
import java.nio.charset.StandardCharsets;
import java.sql.DatabaseMetaData;
import java.sql.PreparedStatement;
import java.sql.ResultSet;
import java.sql.ResultSetMetaData;
import java.sql.SQLException;
import java.util.Arrays;
import java.util.Locale;

/**
 * sqlite-jdbc. Values have the class that they are stored with; dates and decimals are texts.
 */
final class Sqlite extends Product {
    private static final char REPLACED = '\ufffd';

    private Method declared;

    @Override
    boolean byInterface() {
        return false;
    }

    @Override
    boolean streams() {
        return true;
    }

    /** The driver repeats the last count without an end. */
    @Override
    boolean manyResults(DatabaseMetaData about) {
        return false;
    }

    /** The driver keeps the columns of a star from before a change of the table. */
    @Override
    boolean lasting(String text) {
        for (int star = text.indexOf('*'); star >= 0; star = text.indexOf('*', star + 1)) {
            if (star + 1 == text.length() || text.charAt(star + 1) != ')') {
                return false;
            }
        }
        return true;
    }

    /** The metadata invent a type for an expression, and leave out the length that a type was declared with. */
    @Override
    String typeName(ResultSet rows, ResultSetMetaData about, int column) throws SQLException {
        try {
            if (declared == null) {
                declared = Methods.find(rows.getClass(), "getColumnDeclType", int.class);
            }
            Object name = declared.invoke(rows, column);
            return name == null ? "" : name.toString();
        } catch (ReflectiveOperationException error) {
            return about.getColumnTypeName(column);
        }
    }

    @Override
    int flags(ResultSetMetaData about, int column, String name) {
        String upper = name.toUpperCase(Locale.ROOT);
        return upper.equals("BOOLEAN") || upper.equals("BOOL") ? 2 : 0;
    }

    @Override
    int kind(ResultSetMetaData about, int column, String name) {
        return Kind.STORED;
    }

    @Override
    void read(ResultSet rows, int column, int kind, String name, Frames to) throws SQLException {
        Object value = rows.getObject(column);
        if (value == null) {
            to.nothing();
        } else if (value instanceof String) {
            String text = (String) value;
            if (text.indexOf(REPLACED) >= 0
                    && !Arrays.equals(rows.getBytes(column), text.getBytes(StandardCharsets.UTF_8))) {
                to.unreadable("the text is not UTF-8");
            } else {
                to.text(Frames.TEXT, text);
            }
        } else if (value instanceof Integer || value instanceof Long) {
            to.integer(((Number) value).longValue());
        } else if (value instanceof Double) {
            to.real((Double) value);
        } else if (value instanceof byte[]) {
            to.bytes((byte[]) value);
        } else {
            to.unreadable("the driver returned a " + value.getClass().getName());
        }
    }

    @Override
    int places(PreparedStatement statement) throws SQLException {
        return statement.getParameterMetaData().getParameterCount();
    }

    @Override
    void nothing(PreparedStatement to, int place, int tag) throws SQLException {
        to.setNull(place, 0);
    }

    @Override
    void bind(PreparedStatement to, int place, int tag, Payload from) throws SQLException, Refused {
        if (tag == Frames.DECIMAL) {
            to.setString(place, from.str());
        } else if (tag == Frames.FLOAT) {
            to.setDouble(place, Float.intBitsToFloat(from.i32()));
        } else {
            super.bind(to, place, tag, from);
        }
    }

    @Override
    void unsigned(PreparedStatement to, int place, long bits) throws SQLException, Refused {
        if (bits < 0) {
            throw new Refused("unsupported", "parameter " + place + " is larger than SQLite's integers");
        }
        to.setLong(place, bits);
    }

    @Override
    void text(PreparedStatement to, int place, int tag, String text) throws SQLException {
        to.setString(place, text);
    }

    @Override
    void array(PreparedStatement to, int place, Object[] elements) throws SQLException, Refused {
        throw new Refused("unsupported", "parameter " + place + " is an array, which SQLite does not have");
    }
}

package ebbtide;

import java.lang.reflect.Field;
import java.sql.Connection;
import java.sql.PreparedStatement;
import java.sql.ResultSet;
import java.sql.ResultSetMetaData;
import java.sql.SQLException;
import java.sql.Statement;
import java.sql.Types;
import java.time.LocalDate;
import java.util.Locale;

/**
 * MariaDB Connector/J and MySQL Connector/J. Their {@code commit()} on a lost connection says nothing, so transactions are
 * texts.
 */
final class MySql extends Product {
    private static final int UNKNOWN_STATEMENT = 1243;

    private final boolean oracle;

    MySql(boolean oracle) {
        this.oracle = oracle;
    }

    @Override
    boolean byInterface() {
        return false;
    }

    @Override
    boolean streams() {
        return true;
    }

    /** {@code cancel()} of MariaDB's driver reads the rest of a result itself, while another thread reads it. */
    @Override
    void cancel(Connection connection, Statement statement) throws SQLException {
        if (oracle) {
            statement.cancel();
            return;
        }
        try {
            Field protocol = connection.getClass().getDeclaredField("protocol");
            protocol.setAccessible(true);
            Methods.call(protocol.get(connection), "cancelCurrentQuery");
        } catch (ReflectiveOperationException | RuntimeException error) {
            statement.cancel();
        }
    }

    @Override
    void stream(Statement statement) throws SQLException {
        statement.setFetchSize(oracle ? Integer.MIN_VALUE : 500);
    }

    @Override
    String typeName(ResultSet rows, ResultSetMetaData about, int column) throws SQLException {
        String name = about.getColumnTypeName(column).toUpperCase(Locale.ROOT);
        String whole = name.startsWith("INTEGER") ? "INT" + name.substring(7) : name;
        boolean number = whole.endsWith("INT") || whole.equals("DECIMAL") || whole.equals("FLOAT") || whole.equals("DOUBLE");
        return number && !about.isSigned(column) ? whole + " UNSIGNED" : whole;
    }

    @Override
    int flags(ResultSetMetaData about, int column, String name) throws SQLException {
        int unsigned = name.endsWith(" UNSIGNED") || name.equals("BIT") ? 1 : 0;
        return name.equals("TINYINT") && about.getPrecision(column) == 1 ? unsigned | 2 : unsigned;
    }

    @Override
    int kind(ResultSetMetaData about, int column, String name) throws SQLException {
        String word = name.replace(" UNSIGNED", "");
        switch (word) {
            case "TINYINT":
            case "SMALLINT":
            case "MEDIUMINT":
            case "INT":
            case "BIGINT":
                return word.equals(name) ? Kind.INTEGER : Kind.UNSIGNED;
            case "FLOAT":
                return Kind.FLOAT;
            case "DOUBLE":
                return Kind.DOUBLE;
            case "DECIMAL":
                return Kind.DECIMAL_TEXT;
            case "DATE":
            case "DATETIME":
            case "TIMESTAMP":
                return Kind.ZERO_DATE;
            case "TIME":
            case "YEAR":
                return Kind.SERVER_TEXT;
            case "BIT":
                return Kind.BITS;
            case "JSON":
                return Kind.JSON;
            default:
                return binary(about.getColumnType(column)) ? Kind.BYTES : Kind.TEXT;
        }
    }

    private static boolean binary(int type) {
        return type == Types.BINARY || type == Types.VARBINARY || type == Types.LONGVARBINARY || type == Types.BLOB;
    }

    @Override
    void read(ResultSet rows, int column, int kind, String name, Frames to) throws SQLException {
        switch (kind) {
            case Kind.UNSIGNED:
                String number = rows.getString(column);
                if (number == null) {
                    to.nothing();
                } else {
                    to.unsigned(Long.parseUnsignedLong(number));
                }
                break;
            case Kind.BITS:
                byte[] bytes = rows.getBytes(column);
                if (bytes == null) {
                    to.nothing();
                } else {
                    long bits = 0;
                    for (byte one : bytes) {
                        bits = bits << 8 | one & 0xff;
                    }
                    to.unsigned(bits);
                }
                break;
            case Kind.ZERO_DATE:
                String text = rows.getString(column);
                if (text == null && rows.getBytes(column) != null) {
                    // The driver makes NULL of a zero date that comes in binary form.
                    text = name.equals("DATE") ? "0000-00-00" : "0000-00-00 00:00:00";
                }
                to.text(Frames.SERVER_TEXT, name.equals("DATE") ? day(rows, column, text) : Texts.trimmed(text));
                break;
            case Kind.DECIMAL_TEXT:
                to.text(Frames.DECIMAL, rows.getString(column));
                break;
            default:
                super.read(rows, column, kind, name, to);
        }
    }

    /** The text of MariaDB's driver goes through a calendar, which moves days before November 1582. */
    private String day(ResultSet rows, int column, String text) throws SQLException {
        if (oracle || text == null || text.startsWith("0000") || text.compareTo("1583") >= 0) {
            return text;
        }
        LocalDate day = rows.getObject(column, LocalDate.class);
        return day == null ? text : day.toString();
    }

    /** The server knows a prepared statement no longer: nothing has run. */
    @Override
    boolean old(SQLException error, boolean inTransaction) {
        return error.getErrorCode() == UNKNOWN_STATEMENT;
    }

    @Override
    int places(PreparedStatement statement) throws SQLException {
        return statement.getParameterMetaData().getParameterCount();
    }

    @Override
    void nothing(PreparedStatement to, int place, int tag) throws SQLException {
        to.setNull(place, tag == 0 ? Types.NULL : Types.VARCHAR);
    }

    /** Texts are exact; the objects of java.time go through a calendar. */
    @Override
    void text(PreparedStatement to, int place, int tag, String text) throws SQLException {
        to.setString(place, tag == Frames.TIMESTAMP ? Texts.utc(text) : text);
    }

    @Override
    void array(PreparedStatement to, int place, Object[] elements) throws SQLException, Refused {
        throw new Refused("unsupported", "parameter " + place + " is an array, which MySQL and MariaDB do not have");
    }
}

package ebbtide;

import java.lang.reflect.Field;
import java.sql.Connection;
import java.sql.PreparedStatement;
import java.sql.ResultSet;
import java.sql.ResultSetMetaData;
import java.sql.SQLException;
import java.sql.Statement;
import java.sql.Types;

/**
 * HSQLDB.
 */
final class Hsqldb extends Product {
    @Override
    int kind(ResultSetMetaData about, int column, String name) throws SQLException {
        int type = about.getColumnType(column);
        // A string of bits has the number of a single one.
        return type == Types.BIT && about.getPrecision(column) > 1 ? Kind.TEXT : super.kind(about, column, name);
    }

    @Override
    boolean has(int level) {
        return level != Connection.TRANSACTION_READ_UNCOMMITTED;
    }

    /** The driver's own cancelling does not end a join; the flag is the one that its time-outs raise. */
    @Override
    void cancel(Connection connection, Statement statement) throws SQLException {
        if (!abort(connection, true)) {
            statement.cancel();
        }
    }

    @Override
    void cancelled(Connection connection) {
        abort(connection, false);
    }

    private static boolean abort(Connection connection, boolean raised) {
        try {
            Object session = connection.getClass().getMethod("getSession").invoke(connection);
            Field flag = session.getClass().getDeclaredField("abortAction");
            flag.setAccessible(true);
            flag.setBoolean(session, raised);
            return true;
        } catch (ReflectiveOperationException | RuntimeException error) {
            return false;
        }
    }

    @Override
    boolean old(SQLException error, boolean inTransaction) {
        return "07502".equals(error.getSQLState());
    }

    /** It would move the days that the calendar left out in 1582, without an error. */
    @Override
    void text(PreparedStatement to, int place, int tag, String text) throws SQLException {
        boolean dated = tag == Frames.DATE || tag == Frames.DATETIME || tag == Frames.TIMESTAMP;
        if (dated && text.compareTo("1582-10-05") >= 0 && text.compareTo("1582-10-15") < 0) {
            throw new SQLException("parameter " + place + " is the day " + text + ", which HSQLDB's calendar leaves out", "22008");
        }
        if (tag == Frames.TIMESTAMP && text.compareTo("1582-10-05") < 0) {
            // The driver counts such days by another calendar; a text is read as it stands.
            to.setString(place, Texts.utc(text) + "+0:00");
            return;
        }
        super.text(to, place, tag, text);
    }

    @Override
    void interval(PreparedStatement to, int place, int months, int days, long microseconds) throws SQLException, Refused {
        H2.standard(to, place, months, days, microseconds);
    }
}

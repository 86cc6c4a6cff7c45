package ebbtide;

import java.sql.Connection;
import java.sql.PreparedStatement;
import java.sql.ResultSet;
import java.sql.SQLException;
import java.sql.Statement;

/**
 * Derby, which does not know java.time: dates travel as texts, in which the server reads and writes all digits.
 */
final class Derby extends Product {
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

    @Override
    boolean old(SQLException error) {
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

package ebbtide;

import java.sql.PreparedStatement;
import java.sql.ResultSet;
import java.sql.ResultSetMetaData;
import java.sql.SQLException;
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
    void interval(PreparedStatement to, int place, int months, int days, long microseconds) throws SQLException, Refused {
        H2.standard(to, place, months, days, microseconds);
    }
}

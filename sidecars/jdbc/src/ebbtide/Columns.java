package ebbtide;

import java.sql.ResultSet;
import java.sql.ResultSetMetaData;
import java.sql.SQLException;

/**
 * The columns of a result, and how their values are read.
 */
final class Columns {
    private final Product product;
    private final int count;
    private final String[] names;
    private final String[] types;
    private final int[] flags;
    private final int[] kinds;

    Columns(Product product, ResultSet rows) throws SQLException {
        this.product = product;
        ResultSetMetaData about = rows.getMetaData();
        count = about.getColumnCount();
        names = new String[count];
        types = new String[count];
        flags = new int[count];
        kinds = new int[count];
        for (int i = 0; i < count; i++) {
            names[i] = text(about.getColumnLabel(i + 1));
            types[i] = text(product.typeName(rows, about, i + 1));
            flags[i] = product.flags(about, i + 1, types[i]);
            kinds[i] = product.kind(about, i + 1, types[i]);
        }
    }

    private static String text(String text) {
        return text == null ? "" : text;
    }

    /** Writes {@code COLUMNS}. */
    void describe(Frames to, int request) {
        to.begin(request, Frames.COLUMNS);
        to.u16(count);
        for (int i = 0; i < count; i++) {
            to.str(names[i]);
            to.str(types[i]);
            to.u8(flags[i]);
        }
        to.end();
    }

    /** Writes the values of the row that {@code rows} is at. A value that cannot be read leaves the others as they are. */
    void row(ResultSet rows, Frames to) throws SQLException {
        for (int i = 0; i < count; i++) {
            int mark = to.length();
            try {
                product.read(rows, i + 1, kinds[i], types[i], to);
            } catch (SQLException error) {
                if (rows.isClosed() || rows.getStatement().getConnection().isClosed()) {
                    throw error;
                }
                to.cut(mark);
                to.unreadable(String.valueOf(error.getMessage()));
            } catch (RuntimeException | LinkageError error) {
                to.cut(mark);
                to.unreadable(error.toString());
            }
        }
    }
}

package ebbtide;

import java.sql.PreparedStatement;
import java.sql.ResultSet;
import java.sql.ResultSetMetaData;
import java.sql.SQLException;
import java.sql.Statement;
import java.sql.Types;

/**
 * Runs one statement and sends what it returns.
 */
final class Runner {
    static final int SKIP = 1;
    private static final int WANTED = 2;
    private static final int PLAIN = 4;
    private static final int KEY = 8;
    private static final int FEW = 16;
    /** A batch of rows ends behind this number of bytes. */
    private static final int BATCH = 60 * 1024;
    private static final long NOT_TOLD = -1;

    private final Session session;
    private final Channel channel;
    private final Frames to;
    private boolean oldCounts;
    /** Number of rows that were read of a result. */
    private long read;

    Runner(Session session, Channel channel, Frames to) {
        this.session = session;
        this.channel = channel;
        this.to = to;
    }

    void run(Payload from, int flags) throws SQLException, Refused {
        int credits = from.i32();
        String text = from.str();
        int count = from.u16();
        channel.credits(credits);
        boolean wanted = (flags & WANTED) != 0;
        boolean plain = (flags & PLAIN) != 0;
        boolean streamed = wanted && (flags & FEW) == 0;
        if (plain && count > 0) {
            throw new Refused("protocol", "a plain statement has no parameters");
        }
        if (count == 0 && session.product.savepoint(session.connection, text)) {
            session.changedBy(text);
            done(to, from.request, 0, null);
            return;
        }
        boolean within = streamed && !plain && !session.inTransaction() && session.product.streamsInTransaction(text);
        if (within) {
            session.beginReading();
        }
        boolean done = false;
        try {
            if (plain) {
                plain(from, text, wanted, streamed);
            } else {
                prepared(from, text, count, flags, streamed, within);
            }
            done = true;
        } finally {
            if (within) {
                // The final answer lies in the buffer: it is sent only if this succeeds, too.
                endReading(done);
            }
        }
    }

    private void endReading(boolean done) throws SQLException {
        boolean ended = false;
        try {
            session.endReading(done);
            ended = true;
        } finally {
            if (done && !ended) {
                to.takeBack();
            }
        }
    }

    private void plain(Payload from, String text, boolean wanted, boolean streamed) throws SQLException, Refused {
        Statement statement = session.connection.createStatement();
        boolean done = false;
        try {
            if (streamed) {
                session.product.stream(statement);
            }
            channel.running(from, statement);
            done(to, from.request, results(statement, from, text, statement.execute(session.product.spelled(text)), wanted,
                    session.manyResults), null);
            done = true;
        } finally {
            channel.idle();
            if (!done) {
                session.product.failed(text);
            }
            session.changedBy(text);
            Statements.close(statement);
        }
    }

    private void prepared(Payload from, String text, int count, int flags, boolean streamed, boolean within)
            throws SQLException, Refused {
        boolean keys = (flags & KEY) != 0 && session.product.tellsKeys(session.connection, text);
        Statements known = keys ? session.withKeys : session.plain;
        int mark = from.mark();
        PreparedStatement kept = known.find(session, text);
        try {
            once(known, kept, from, text, count, flags, streamed, keys);
        } catch (SQLException error) {
            if (!session.product.old(error, session.inTransaction())) {
                throw error;
            }
            if (within) {
                session.restartReading();
            }
            from.back(mark);
            once(known, null, from, text, count, flags, streamed, keys);
        }
    }

    private void once(Statements known, PreparedStatement kept, Payload from, String text, int count, int flags,
            boolean streamed, boolean keys) throws SQLException, Refused {
        PreparedStatement statement = kept == null ? Statements.prepare(session, text, keys) : kept;
        boolean done = false;
        try {
            bind(statement, from, count);
            if (streamed) {
                session.product.stream(statement);
            } else if (session.product.streams()) {
                statement.setFetchSize(0);
            }
            channel.running(from, statement);
            long affected = results(statement, from, text, statement.execute(), (flags & WANTED) != 0,
                    session.manyResults && !keys);
            done(to, from.request, affected, keys && affected == 1 ? key(statement) : null);
            done = true;
        } finally {
            channel.idle();
            // A text that is kept changes nothing that others have kept.
            if (!done) {
                session.product.failed(text);
                known.forget(text, statement);
                session.changedBy(text);
            } else if (kept == null) {
                known.keep(text, statement, session.product.lasting(text) && !session.changedBy(text));
            }
        }
    }

    /** Values of an earlier use never stay: fewer values than places are an error of the driver. */
    private void bind(PreparedStatement statement, Payload from, int count) throws SQLException, Refused {
        try {
            statement.clearParameters();
            int places = session.product.places(statement);
            if (places >= 0 && places != count) {
                throw new Refused("bad-arguments", "the statement has " + places + " places, and " + count + " values came");
            }
            for (int place = 1; place <= count; place++) {
                session.product.bind(statement, place, from.u8(), from);
            }
        } catch (RuntimeException error) {
            throw new Refused("bad-arguments", "the driver does not take the parameters: " + error);
        }
    }

    /**
     * Sends all results in their order, or the first one only, and returns the number of rows affected. Some drivers forget
     * the generated keys when they are asked for another result.
     */
    private long results(Statement statement, Payload from, String text, boolean first, boolean wanted, boolean many)
            throws SQLException, Refused {
        long affected = NOT_TOLD;
        boolean rows = first;
        while (true) {
            if (rows) {
                long count = rows(statement, from, wanted);
                if (session.product.returnsWritten(text)) {
                    affected = Math.max(affected, 0) + count;
                }
            } else {
                long count = count(statement);
                if (count < 0) {
                    return affected;
                }
                affected = Math.max(affected, 0) + count;
            }
            if (!many) {
                return affected;
            }
            rows = statement.getMoreResults();
        }
    }

    private long count(Statement statement) throws SQLException {
        if (!oldCounts) {
            try {
                return statement.getLargeUpdateCount();
            } catch (SQLException | UnsupportedOperationException | LinkageError error) {
                oldCounts = true;
            }
        }
        return statement.getUpdateCount();
    }

    private long rows(Statement statement, Payload from, boolean wanted) throws SQLException, Refused {
        ResultSet rows = statement.getResultSet();
        try {
            read = 0;
            if (!wanted) {
                while (rows.next()) {
                    read++;
                    channel.checkCancelled(from);
                }
                return read;
            }
            Columns columns = new Columns(session.product, rows);
            columns.describe(to, from.request);
            boolean more = rows.next();
            while (more) {
                more = batch(rows, columns, from);
            }
            return read;
        } finally {
            rows.close();
        }
    }

    /** Sends a batch that begins with the row that {@code rows} is at; returns false if there are no more. */
    private boolean batch(ResultSet rows, Columns columns, Payload from) throws SQLException, Refused {
        channel.takeCredit(from, to);
        int start = to.length();
        to.begin(from.request, Frames.ROWS);
        int mark = to.length();
        to.u32(0);
        int whole = to.length();
        int count = 0;
        boolean more = true;
        try {
            while (more && to.length() - start < BATCH) {
                columns.row(rows, to);
                whole = to.length();
                count++;
                more = rows.next();
            }
        } finally {
            // The rows that came before an error are sent, without the cells of the one that it broke off.
            if (count == 0) {
                to.drop();
            } else {
                to.cut(whole);
                to.patch(mark, count);
                to.end();
            }
            read += count;
        }
        if (more) {
            to.flush();
            channel.checkCancelled(from);
        }
        return more;
    }

    /** Returns the generated key, that of the column that counts by itself or the only one; null if there is none. */
    private Long key(Statement statement) throws SQLException {
        try {
            return key(statement.getGeneratedKeys());
        } catch (SQLException error) {
            // The row is there, whatever the driver thinks of its key.
            if (session.closed()) {
                throw error;
            }
            return null;
        }
    }

    private static Long key(ResultSet keys) throws SQLException {
        if (keys == null) {
            return null;
        }
        try {
            if (!keys.next()) {
                return null;
            }
            ResultSetMetaData about = keys.getMetaData();
            int column = about.getColumnCount() == 1 ? 1 : counting(about);
            if (column == 0 || !whole(about.getColumnType(column))) {
                return null;
            }
            long key = keys.getLong(column);
            return keys.wasNull() || keys.next() ? null : key;
        } finally {
            keys.close();
        }
    }

    private static int counting(ResultSetMetaData about) throws SQLException {
        for (int i = 1; i <= about.getColumnCount(); i++) {
            if (about.isAutoIncrement(i)) {
                return i;
            }
        }
        return 0;
    }

    private static boolean whole(int type) {
        return type == Types.SMALLINT || type == Types.INTEGER || type == Types.BIGINT || type == Types.DECIMAL
                || type == Types.NUMERIC || type == Types.TINYINT;
    }

    /** Writes {@code DONE}. */
    static void done(Frames to, int request, long affected, Long key) {
        to.begin(request, Frames.DONE);
        to.i64(affected);
        to.u8(key == null ? 0 : 1);
        if (key != null) {
            to.i64(key);
        }
        to.end();
    }
}

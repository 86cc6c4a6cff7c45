package ebbtide;

import java.sql.Connection;
import java.sql.DatabaseMetaData;
import java.sql.SQLException;
import java.sql.SQLFeatureNotSupportedException;
import java.sql.Statement;
import java.util.ArrayList;
import java.util.List;
import java.util.Properties;

/**
 * A connection, and what is known of its transaction. The driver's word is not taken for that.
 */
final class Session {
    /** The levels of java.sql.Connection by their number in the protocol; 6 is what drivers call a snapshot. */
    private static final int[] LEVELS = {0, Connection.TRANSACTION_READ_UNCOMMITTED, Connection.TRANSACTION_READ_COMMITTED,
        Connection.TRANSACTION_REPEATABLE_READ, Connection.TRANSACTION_SERIALIZABLE, 6};
    private static final String[] NAMES =
            {"none", "read uncommitted", "read committed", "repeatable read", "serializable", "snapshot"};

    final Connection connection;
    final Product product;
    final boolean manyResults;
    final Statements plain = new Statements();
    final Statements withKeys = new Statements();
    private final DatabaseMetaData about;
    private boolean open;
    /** Set if tables were changed and that may be rolled back. */
    private boolean defined;
    private int oldLevel;
    private boolean oldReadOnly;
    /** Set if the connection is not what it was before a transaction, and must not be used again. */
    private boolean spoilt;

    private Session(Connection connection) throws SQLException {
        this.connection = connection;
        about = connection.getMetaData();
        product = Product.of(connection);
        manyResults = product.manyResults(about);
    }

    /** Connects as the pairs of {@code OPEN} say. */
    static Session open(Payload from) throws SQLException, Refused {
        List<String> jars = new ArrayList<String>();
        Properties properties = new Properties();
        String url = "";
        String driver = "";
        for (int left = from.u16(); left > 0; left--) {
            String name = from.str();
            String value = from.str();
            switch (name) {
                case "url":
                    url = value;
                    break;
                case "jar":
                    jars.add(value);
                    break;
                case "driver":
                    driver = value;
                    break;
                case "duplicate":
                    // All connections of a JVM share its databases.
                    break;
                case "property":
                    int equals = value.indexOf('=');
                    if (equals < 0) {
                        throw new Refused("bad-arguments", "the property " + value + " has no =");
                    }
                    properties.setProperty(value.substring(0, equals), value.substring(equals + 1));
                    break;
                default:
                    throw new Refused("protocol", "OPEN has the unknown name " + name);
            }
        }
        Product.defaults(url, properties);
        Connection connection = Drivers.connect(jars, driver, url, properties);
        try {
            return new Session(connection);
        } catch (SQLException | RuntimeException | Error error) {
            connection.close();
            throw error;
        }
    }

    /** Returns the name of a level of java.sql.Connection. */
    static String name(int level) {
        return NAMES[number(level)];
    }

    private static int number(int level) {
        for (int i = 0; i < LEVELS.length; i++) {
            if (LEVELS[i] == level) {
                return i;
            }
        }
        return 0;
    }

    /** Writes {@code OPENED}. */
    void describe(Frames to, int request) {
        List<String> pairs = Opened.pairs(about, product, LEVELS);
        to.begin(request, Frames.OPENED);
        to.u16(pairs.size() / 2);
        for (String text : pairs) {
            to.str(text);
        }
        to.end();
    }

    /** Returns true if a transaction was begun by the interface. */
    boolean inTransaction() {
        return open;
    }

    boolean spoilt() {
        return spoilt;
    }

    boolean closed() {
        try {
            return connection.isClosed();
        } catch (SQLException | RuntimeException | Error error) {
            return true;
        }
    }

    void begin(Payload from) throws SQLException, Refused {
        int level = from.u8();
        boolean readOnly = from.u8() != 0;
        String begin = from.str();
        String first = from.str();
        if (level >= LEVELS.length) {
            throw new Refused("protocol", "there is no isolation level " + level);
        }
        if (!product.byInterface()) {
            for (String text : begin.split(";")) {
                execute(text);
            }
            return;
        }
        if (open) {
            throw new Refused("protocol", "a transaction is open already");
        }
        boolean options = product.outlasting() && (level != 0 || readOnly);
        oldLevel = options ? connection.getTransactionIsolation() : 0;
        oldReadOnly = options && connection.isReadOnly();
        open = true;
        boolean begun = false;
        try {
            product.begin(connection, LEVELS[level], readOnly);
            if (!first.isEmpty()) {
                execute(first);
            }
            begun = true;
        } catch (SQLFeatureNotSupportedException error) {
            throw new Refused("unsupported", "the driver cannot begin such a transaction: " + error.getMessage());
        } finally {
            if (!begun) {
                undo();
            }
        }
    }

    void commit() throws SQLException, Refused {
        if (!product.byInterface()) {
            execute("COMMIT");
            defined = false;
            certain();
            return;
        }
        if (!open) {
            throw new Refused("protocol", "no transaction is open");
        }
        boolean committed = false;
        try {
            if (product.doomed(connection)) {
                throw new SQLException("a statement of the transaction failed, so it was rolled back", "25P02");
            }
            connection.commit();
            committed = true;
        } finally {
            if (committed) {
                ended();
            } else {
                undo();
            }
        }
        certain();
    }

    private void certain() throws SQLException {
        if (connection.isClosed()) {
            throw new SQLException("the connection was closed during the commit", "08007");
        }
    }

    void rollback() throws SQLException {
        changedBack();
        if (!product.byInterface()) {
            execute("ROLLBACK");
        } else if (open) {
            rollBack();
            ended();
        }
    }

    void ping() throws SQLException {
        if (!connection.isValid(0)) {
            throw new SQLException("the driver says that the connection is not valid", "08003");
        }
    }

    /**
     * Forgets prepared statements that the text makes old; called after it has run, or has failed half-way. Returns false if
     * it changes nothing.
     */
    boolean changedBy(String text) {
        int changes = Words.changes(text);
        if (changes == Words.TABLES) {
            defined = true;
            Statements.changed();
        } else if (changes == Words.SESSION) {
            plain.end();
            withKeys.end();
        } else if (changes == Words.BACK) {
            changedBack();
        }
        return changes != Words.NOTHING;
    }

    private void changedBack() {
        if (defined) {
            Statements.changed();
        }
    }

    /** Runs a text that returns nothing. */
    private void execute(String text) throws SQLException {
        Statement statement = connection.createStatement();
        try {
            statement.execute(text);
        } finally {
            Statements.close(statement);
        }
    }

    /** Begins a transaction that a result needs to be read as it comes. */
    void beginReading() throws SQLException {
        try {
            connection.setAutoCommit(false);
        } catch (SQLException error) {
            spoil();
            throw error;
        }
    }

    void restartReading() throws SQLException {
        rollBack();
    }

    /** Commits, or rolls back; the only error is that of the commit. */
    void endReading(boolean successful) throws SQLException {
        boolean committed = false;
        try {
            if (successful) {
                connection.commit();
                committed = true;
            }
        } finally {
            try {
                if (!committed) {
                    connection.rollback();
                }
                connection.setAutoCommit(true);
            } catch (SQLException error) {
                spoil();
            }
        }
    }

    private void rollBack() throws SQLException {
        try {
            connection.rollback();
        } catch (SQLException error) {
            spoil();
            throw error;
        }
    }

    /** Notes that the connection may be in a transaction that nobody knows of. One that is closed is in none. */
    private void spoil() {
        spoilt = spoilt || !closed();
    }

    /** Rolls back after an error; the error is what the caller hears of. */
    private void undo() {
        changedBack();
        try {
            if (!connection.isClosed()) {
                if (!connection.getAutoCommit()) {
                    connection.rollback();
                }
                ended();
            }
        } catch (SQLException error) {
            spoilt = true;
        }
        open = false;
    }

    /** Gives the session the state that it had before the transaction. */
    private void ended() {
        open = false;
        defined = false;
        try {
            connection.setAutoCommit(true);
            if (oldLevel != 0 && connection.getTransactionIsolation() != oldLevel) {
                connection.setTransactionIsolation(oldLevel);
            }
            if (product.outlasting() && connection.isReadOnly() != oldReadOnly && oldLevel != 0) {
                connection.setReadOnly(oldReadOnly);
            }
        } catch (SQLException error) {
            spoilt = true;
        }
        oldLevel = 0;
    }

    /** Closes the connection. What is open is rolled back: some drivers would commit it, others refuse to close. */
    void close() throws SQLException {
        plain.end();
        withKeys.end();
        if ((open || spoilt) && !connection.isClosed()) {
            try {
                connection.rollback();
            } catch (SQLException error) {
                // Closing is what ends it then.
            }
        }
        connection.close();
    }
}

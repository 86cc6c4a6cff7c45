package ebbtide;

import java.sql.Connection;
import java.sql.DatabaseMetaData;
import java.sql.SQLException;
import java.sql.Statement;
import java.util.Locale;
import java.util.Properties;

/**
 * What a driver can do, and how transactions travel through it. This class is for every driver that keeps to the standard;
 * subclasses are for those that lose something on its way.
 */
class Product extends Values {
    /** Returns the product that a connection belongs to, by its driver. */
    static Product of(Connection connection) {
        String name = connection.getClass().getName();
        if (name.startsWith("org.postgresql.")) {
            return new Postgres();
        }
        if (name.startsWith("org.mariadb.") || name.startsWith("com.mysql.")) {
            return new MySql(name.startsWith("com.mysql."));
        }
        if (name.startsWith("org.sqlite.")) {
            return new Sqlite();
        }
        if (name.startsWith("org.h2.")) {
            return new H2();
        }
        if (name.startsWith("org.hsqldb.")) {
            return new Hsqldb();
        }
        return name.startsWith("org.apache.derby.") ? new Derby() : new Product();
    }

    /** Sets what makes values exact, unless the user has set it. */
    static void defaults(String url, Properties properties) {
        String small = url.toLowerCase(Locale.ROOT);
        if (small.startsWith("jdbc:postgresql:")) {
            set(small, properties, "stringtype", "unspecified");
            // Binary values of pgjdbc differ from the server's text, and come from the fifth execution on.
            set(small, properties, "binaryTransfer", "false");
        } else if (small.startsWith("jdbc:mariadb:") || small.startsWith("jdbc:mysql:")) {
            set(small, properties, "tinyInt1isBit", "false");
            set(small, properties, "yearIsDateType", "false");
            // The text of a FLOAT has six digits; only a statement that the server prepares returns the number.
            set(small, properties, "useServerPrepStmts", "true");
            // Statements are kept here; the driver would give out one that the server has forgotten.
            set(small, properties, "cachePrepStmts", "false");
        }
    }

    private static void set(String url, Properties properties, String name, String value) {
        if (properties.getProperty(name) == null && !url.contains(name.toLowerCase(Locale.ROOT) + "=")) {
            properties.setProperty(name, value);
        }
    }

    // What the driver can do -----------------------------------------------------------------------------------------

    /** Returns true if transactions are switched by the interface, false if by texts. */
    boolean byInterface() {
        return true;
    }

    /** Returns true if rows are read as they come. */
    boolean streams() {
        return false;
    }

    /** Returns true if a text may have several results. */
    boolean manyResults(DatabaseMetaData about) throws SQLException {
        return about.supportsMultipleResultSets();
    }

    /** Returns true if a prepared statement may be used again. */
    boolean lasting(String text) {
        return true;
    }

    /** Returns the text as it is given to the driver. */
    String spelled(String text) {
        return text;
    }

    /** Runs a text about a savepoint by the driver's interface; returns false if it is another text, or to be run as one. */
    boolean savepoint(Connection connection, String text) throws SQLException {
        return false;
    }

    /** Notes that a text failed while it ran. */
    void failed(String text) {
    }

    /** Returns true if the rows that a text returns are those it has written, which the driver does not count. */
    boolean returnsWritten(String text) {
        return false;
    }

    /** Prepares a statement whose rows are wanted for reading them as they come. */
    void stream(Statement statement) throws SQLException {
    }

    /** Returns true if the rows of this text come one after the other only while autocommit is off. */
    boolean streamsInTransaction(String text) {
        return false;
    }

    /** Returns true if keys that the driver says were generated can be believed. */
    boolean tellsKeys(Connection connection, String text) throws SQLException {
        return true;
    }

    /** Returns false for an isolation level that the driver claims to have and silently changes. */
    boolean has(int level) {
        return true;
    }

    /** Begins a transaction with options, in this order: nothing is begun if one of them cannot be had. */
    void begin(Connection connection, int level, boolean readOnly) throws SQLException, Refused {
        if (level != 0) {
            connection.setTransactionIsolation(level);
            int given = connection.getTransactionIsolation();
            if (given != level) {
                throw new Refused("unsupported", "the driver was asked for the isolation level " + Session.name(level)
                        + " and silently took " + Session.name(given));
            }
        }
        if (readOnly) {
            connection.setReadOnly(true);
            if (!connection.isReadOnly()) {
                throw new Refused("unsupported", "the driver silently ignored that the transaction is read-only");
            }
        }
        connection.setAutoCommit(false);
    }

    /** Returns true if the level and the access of {@link #begin} outlast the transaction. */
    boolean outlasting() {
        return true;
    }

    /** Returns true if the transaction can only be rolled back, although the driver would commit it without an error. */
    boolean doomed(Connection connection) throws SQLException {
        return false;
    }

    /** Ends what the connection is doing, from another thread. */
    void cancel(Connection connection, Statement statement) throws SQLException {
        statement.cancel();
    }

    /** Undoes a {@link #cancel} that came when the statement had ended. */
    void cancelled(Connection connection) {
    }

    /** Has the driver forget statements of its own cache, because tables have changed. */
    void changed(Connection connection) {
    }

    /** Returns true if a kept statement was refused because tables have changed, and can be prepared again and run. */
    boolean old(SQLException error, boolean inTransaction) {
        return false;
    }
}

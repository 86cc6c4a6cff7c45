import java.io.InputStream;
import java.lang.reflect.InvocationHandler;
import java.lang.reflect.Method;
import java.lang.reflect.Proxy;
import java.sql.Connection;
import java.sql.DatabaseMetaData;
import java.sql.Driver;
import java.sql.DriverPropertyInfo;
import java.sql.PreparedStatement;
import java.sql.ResultSet;
import java.sql.ResultSetMetaData;
import java.sql.SQLException;
import java.sql.Timestamp;
import java.sql.Types;
import java.util.Properties;
import java.util.Scanner;
import java.util.concurrent.CountDownLatch;
import java.util.logging.Logger;

/** A driver that does what a driver should not. What it does is the text of the statement. */
public class FakeDriver implements Driver, InvocationHandler {
    private static final CountDownLatch CANCELLED = new CountDownLatch(1);
    private static final String VERSION = version();
    private static final String[] COLUMNS = {"good", "throws", "fails", "old", "more"};

    private String text;
    private int row;

    public FakeDriver() {
        this("");
    }

    private FakeDriver(String text) {
        this.text = text;
    }

    @Override
    public boolean acceptsURL(String url) {
        return url.startsWith("jdbc:fake:");
    }

    @Override
    public Connection connect(String url, Properties properties) throws SQLException {
        System.out.println("this line is no frame");
        if (url.endsWith("runtime")) {
            throw new IllegalStateException("not today");
        }
        return (Connection) proxy(Connection.class, url);
    }

    /** Returns what stands in the file beside the class: the class with another file is another version of the driver. */
    private static String version() {
        InputStream file = FakeDriver.class.getResourceAsStream("version.txt");
        return file == null ? "none" : new Scanner(file, "UTF-8").nextLine();
    }

    private static Object proxy(Class<?> type, String text) {
        return Proxy.newProxyInstance(FakeDriver.class.getClassLoader(), new Class<?>[] {type}, new FakeDriver(text));
    }

    @Override
    public Object invoke(Object on, Method method, Object[] arguments) throws Throwable {
        Class<?> returned = method.getReturnType();
        switch (method.getName()) {
            case "prepareStatement":
                return proxy(PreparedStatement.class, (String) arguments[0]);
            case "execute":
                if (arguments != null) {
                    text = (String) arguments[0];
                }
                return execute();
            case "next":
                return row++ == 0;
            case "getColumnCount":
                return COLUMNS.length;
            case "getColumnLabel":
                return COLUMNS[(Integer) arguments[0] - 1];
            case "getColumnTypeName":
                return (Integer) arguments[0] == 4 ? "TIMESTAMP" : "TEXT";
            case "getColumnType":
                return (Integer) arguments[0] == 4 ? Types.TIMESTAMP : Types.VARCHAR;
            case "cancel":
                return cancel();
            case "getString":
                return string((Integer) arguments[0]);
            case "getTimestamp":
                return Timestamp.valueOf("2026-03-29 02:30:00.5");
            case "getObject":
                throw new AbstractMethodError("a driver from before java.time");
            case "getLargeUpdateCount":
                throw new UnsupportedOperationException();
            case "getUpdateCount":
                return -1;
            case "getDatabaseProductName":
                throw new SQLException("no name");
            case "getDatabaseProductVersion":
                throw new NullPointerException("no version");
            case "equals":
                return on == arguments[0];
            default:
        }
        if (returned == boolean.class) {
            return method.getName().equals("getAutoCommit") || method.getName().equals("isValid");
        }
        if (returned == int.class) {
            return 0;
        }
        return returned == String.class ? "fake" : returned.isInterface() ? proxy(returned, text) : null;
    }

    private boolean execute() throws Throwable {
        switch (text) {
            case "ends, and cannot be cancelled":
                CANCELLED.await();
                return true;
            case "cannot be cancelled":
            case "hang":
                while (true) {
                    try {
                        Thread.sleep(100000);
                    } catch (InterruptedException error) {
                        // A driver that does not let itself be stopped.
                    }
                }
            case "lost":
                throw new SQLException("it went wrong", "HY000", new SQLException("the server is gone", "08006"));
            case "unreadable":
                throw new SQLException() {
                    @Override
                    public String getMessage() {
                        throw new IllegalStateException("not today");
                    }
                };
            case "memory":
                throw new OutOfMemoryError("fake");
            case "stack":
                return execute();
            case "runtime":
                throw new IllegalStateException("not today");
            case "deep":
                return deep(0) > 0;
            default:
                return true;
        }
    }

    private Object cancel() throws InterruptedException {
        if (text.equals("ends, and cannot be cancelled")) {
            CANCELLED.countDown();
        }
        if (text.endsWith("cannot be cancelled")) {
            new CountDownLatch(1).await();
        }
        return null;
    }

    private int deep(int level) {
        return deep(level + 1) + 1;
    }

    private String string(int column) throws SQLException {
        switch (column) {
            case 2:
                throw new SQLException("no such cell");
            case 3:
                throw new IllegalArgumentException("bad cell");
            default:
                return text.equals("version") ? VERSION : "value";
        }
    }

    @Override
    public DriverPropertyInfo[] getPropertyInfo(String url, Properties properties) {
        return new DriverPropertyInfo[0];
    }

    @Override
    public int getMajorVersion() {
        return 1;
    }

    @Override
    public int getMinorVersion() {
        return 0;
    }

    @Override
    public boolean jdbcCompliant() {
        return false;
    }

    @Override
    public Logger getParentLogger() {
        return null;
    }
}

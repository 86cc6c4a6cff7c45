import com.sun.management.OperatingSystemMXBean;
import java.io.BufferedReader;
import java.io.InputStreamReader;
import java.lang.management.ManagementFactory;
import java.sql.Connection;
import java.sql.DriverManager;
import java.sql.PreparedStatement;
import java.sql.ResultSet;
import java.sql.SQLException;
import java.sql.Statement;

/**
 * The lanes of measure.py inside the JVM: a driver of JDBC and nothing else. Reads a command a line and answers each with a
 * line: {@code prepare}, {@code select N}, {@code rows N}; the answers are microseconds an operation, by the clock and of processor
 * time.
 */
public final class Direct {
    private static final OperatingSystemMXBean SYSTEM =
            (OperatingSystemMXBean) ManagementFactory.getOperatingSystemMXBean();

    private final Connection connection;
    private final PreparedStatement one;
    private final PreparedStatement all;

    private Direct(String url, int count) throws SQLException {
        connection = DriverManager.getConnection(url);
        fill(url.contains(":sqlite:"), count);
        one = connection.prepareStatement("SELECT id, number, name, price, created FROM note WHERE id = ?");
        all = connection.prepareStatement("SELECT id, number, name, price, created FROM note");
    }

    /** Makes the table, with the rows that measure.py expects. */
    private void fill(boolean sqlite, int count) throws SQLException {
        try (Statement statement = connection.createStatement()) {
            statement.execute("DROP TABLE IF EXISTS note");
            statement.execute(
                    "CREATE TABLE note (id INTEGER PRIMARY KEY, number BIGINT, name VARCHAR(40), price DOUBLE PRECISION, created "
                            + (sqlite ? "TEXT)" : "TIMESTAMP)"));
        }
        connection.setAutoCommit(false);
        try (PreparedStatement insert = connection.prepareStatement("INSERT INTO note VALUES (?, ?, ?, ?, ?)")) {
            for (int id = 1; id <= count; id++) {
                insert.setInt(1, id);
                insert.setLong(2, id * 1_000_000_007L);
                insert.setString(3, "name " + id);
                insert.setDouble(4, id / 4.0);
                insert.setString(5, "2026-12-01 03:04:05.000006");
                insert.executeUpdate();
            }
        }
        connection.commit();
        connection.setAutoCommit(true);
    }

    /** Reads every value of the current row, and returns something that depends on all of them. */
    private static long read(ResultSet row) throws SQLException {
        return row.getInt(1) + row.getLong(2) + row.getString(3).length() + (long) row.getDouble(4) + row.getString(5).length();
    }

    private long select(int id) throws SQLException {
        one.setInt(1, id);
        try (ResultSet rows = one.executeQuery()) {
            rows.next();
            return read(rows);
        }
    }

    private long rows() throws SQLException {
        long sum = 0;
        try (ResultSet rows = all.executeQuery()) {
            while (rows.next()) {
                sum += read(rows);
            }
        }
        return sum;
    }

    /** Runs the lane. Arguments: the URL and the number of rows. */
    public static void main(String[] arguments) throws Exception {
        int count = Integer.parseInt(arguments[1]);
        Direct lane = new Direct(arguments[0], count);
        System.out.println("ready");
        BufferedReader commands = new BufferedReader(new InputStreamReader(System.in));
        long sum = 0;
        for (String line = commands.readLine(); line != null; line = commands.readLine()) {
            String[] words = line.split(" ");
            int times = Integer.parseInt(words[1]);
            long start = System.nanoTime();
            long used = SYSTEM.getProcessCpuTime();
            for (int turn = 0; turn < times; turn++) {
                sum += words[0].equals("select") ? lane.select(turn % count + 1) : lane.rows();
            }
            double clock = (System.nanoTime() - start) / 1000.0 / times;
            System.out.println(clock + " " + (SYSTEM.getProcessCpuTime() - used) / 1000.0 / times);
        }
        if (sum == 42) {
            System.err.println("The sum keeps the loops from being optimized away.");
        }
    }
}

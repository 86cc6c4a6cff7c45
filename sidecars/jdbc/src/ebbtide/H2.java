package ebbtide;

import java.nio.charset.StandardCharsets;
import java.sql.PreparedStatement;
import java.sql.SQLException;
import java.sql.SQLType;
import java.time.Duration;
import java.time.Period;
import java.time.temporal.ChronoUnit;
import java.util.LinkedHashMap;
import java.util.Map;

/**
 * H2.
 */
final class H2 extends Product {
    private static final int NOTED = 100;

    private final Map<String, Integer> failures = new LinkedHashMap<String, Integer>();
    private SQLType json;

    /**
     * A query that failed or was cancelled returns, when it is run again with the same parameters, what it returned for
     * those before; the database finds it by its text.
     */
    @Override
    String spelled(String text) {
        Integer count = failures.isEmpty() ? null : failures.get(text);
        StringBuilder spelled = new StringBuilder(text);
        for (int i = 0; count != null && i < count; i++) {
            spelled.append(' ');
        }
        return count == null ? text : spelled.toString();
    }

    @Override
    void failed(String text) {
        Integer count = failures.remove(text);
        failures.put(text, count == null ? 1 : count % NOTED + 1);
        if (failures.size() > NOTED) {
            // Far more texts than the database remembers.
            failures.remove(failures.keySet().iterator().next());
        }
    }

    /** A String would become a JSON string. */
    @Override
    void text(PreparedStatement to, int place, int tag, String text) throws SQLException {
        if (tag != Frames.JSON) {
            super.text(to, place, tag, text);
            return;
        }
        try {
            if (json == null) {
                Class<?> types = to.getClass().getClassLoader().loadClass("org.h2.api.H2Type");
                json = (SQLType) types.getField("JSON").get(null);
            }
            to.setObject(place, text.getBytes(StandardCharsets.UTF_8), json);
        } catch (ReflectiveOperationException error) {
            to.setBytes(place, text.getBytes(StandardCharsets.UTF_8));
        }
    }

    @Override
    void interval(PreparedStatement to, int place, int months, int days, long microseconds) throws SQLException, Refused {
        standard(to, place, months, days, microseconds);
    }

    /** Binds an interval of the standard, which has months or a time, but not both. */
    static void standard(PreparedStatement to, int place, int months, int days, long microseconds)
            throws SQLException, Refused {
        if (months != 0 && (days != 0 || microseconds != 0)) {
            throw new Refused("unsupported", "parameter " + place + " is an interval of months and days, which has no type");
        }
        if (months != 0) {
            to.setObject(place, Period.of(months / 12, months % 12, 0));
        } else {
            to.setObject(place, Duration.ofDays(days).plus(microseconds, ChronoUnit.MICROS));
        }
    }
}

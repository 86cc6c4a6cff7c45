package ebbtide;

import java.nio.charset.StandardCharsets;
import java.sql.PreparedStatement;
import java.sql.SQLException;
import java.sql.SQLType;
import java.time.Duration;
import java.time.Period;
import java.time.temporal.ChronoUnit;

/**
 * H2.
 */
final class H2 extends Product {
    private SQLType json;

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

package ebbtide;

import java.nio.ByteBuffer;
import java.time.DateTimeException;
import java.time.LocalDate;
import java.time.LocalDateTime;
import java.time.LocalTime;
import java.time.OffsetDateTime;
import java.time.OffsetTime;
import java.time.ZoneOffset;
import java.util.Arrays;
import java.util.UUID;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/**
 * The text forms of values: ISO 8601 with all digits that a value has.
 */
final class Texts {
    private static final Pattern QUOTED = Pattern.compile("(?i)^INTERVAL\\s*([-+])?\\s*'([^']*)'.*$");
    private static final Pattern YEARS = Pattern.compile("^([-+])?(\\d{1,9})(?:-(\\d{1,9}))?$");

    private static final Pattern NUMBER = Pattern.compile("^(\\d{1,18})(?:\\.(\\d{1,9}))?$");

    private Texts() {
    }

    /** Returns the text of a date. */
    static String of(LocalDate date) {
        return date == null ? null : date.toString();
    }

    /** Returns the text of a time. */
    static String of(LocalTime time) {
        return time == null ? null : append(new StringBuilder(18), time).toString();
    }

    /** Returns the text of a date and a time. */
    static String of(LocalDateTime datetime) {
        if (datetime == null) {
            return null;
        }
        StringBuilder text = new StringBuilder(30).append(datetime.toLocalDate()).append(' ');
        return append(text, datetime.toLocalTime()).toString();
    }

    /** Returns the text of a point in time, with its offset. */
    static String of(OffsetDateTime time) {
        return time == null ? null : of(time.toLocalDateTime()) + offset(time.getOffset());
    }

    /** Returns the text of a time with an offset. */
    static String of(OffsetTime time) {
        return time == null ? null : of(time.toLocalTime()) + offset(time.getOffset());
    }

    /** Returns the text of a date of old. */
    static String of(java.sql.Date date) {
        return date == null ? null : date.toString();
    }

    /** Returns the text of a timestamp of old, whose zone is that of this process. */
    static String of(java.sql.Timestamp time) {
        return time == null ? null : trimmed(time.toString());
    }

    /** Returns a text without the zeros that end its fraction. */
    static String trimmed(String text) {
        if (text == null || text.indexOf('.') < 0) {
            return text;
        }
        int end = text.length();
        while (text.charAt(end - 1) == '0') {
            end--;
        }
        return text.substring(0, text.charAt(end - 1) == '.' ? end - 1 : end);
    }

    private static StringBuilder append(StringBuilder to, LocalTime time) {
        two(two(two(to, time.getHour()).append(':'), time.getMinute()).append(':'), time.getSecond());
        int rest = time.getNano();
        if (rest != 0) {
            to.append('.');
            for (int place = 100000000; rest != 0; place /= 10) {
                to.append((char) ('0' + rest / place));
                rest %= place;
            }
        }
        return to;
    }

    private static StringBuilder two(StringBuilder to, int number) {
        return to.append((char) ('0' + number / 10)).append((char) ('0' + number % 10));
    }

    private static String offset(ZoneOffset offset) {
        String text = offset.getId();
        return text.equals("Z") ? "+00:00" : text;
    }

    /** Returns the text of a UUID in 16 bytes. */
    static String uuid(byte[] bytes) {
        ByteBuffer buffer = ByteBuffer.wrap(bytes);
        return new UUID(buffer.getLong(), buffer.getLong()).toString();
    }

    /** Returns the object of java.time or the UUID that a text is by its tag, or the text itself. */
    static Object parsed(int tag, String text) {
        try {
            switch (tag) {
                case Frames.DATE:
                    return LocalDate.parse(text);
                case Frames.TIME:
                    return LocalTime.parse(text);
                case Frames.DATETIME:
                    return LocalDateTime.parse(text.replace(' ', 'T'));
                case Frames.TIMESTAMP:
                    return OffsetDateTime.parse(text.replace(' ', 'T'));
                case Frames.UUID:
                    return UUID.fromString(text);
                default:
                    return text;
            }
        } catch (DateTimeException error) {
            return text;
        } catch (IllegalArgumentException error) {
            return text;
        }
    }

    /** Returns the text of a point in time as date and time in UTC, for databases whose types have no zone. */
    static String utc(String text) {
        Object time = parsed(Frames.TIMESTAMP, text);
        if (time instanceof OffsetDateTime) {
            return of(((OffsetDateTime) time).withOffsetSameInstant(ZoneOffset.UTC).toLocalDateTime());
        }
        return text;
    }

    /** Writes an interval of the standard: exactly, or as its text. */
    static void interval(String text, String typeName, Frames to) {
        if (text == null) {
            to.nothing();
            return;
        }
        Matcher quoted = QUOTED.matcher(text);
        String sign = "";
        String inner = text.trim();
        if (quoted.matches()) {
            sign = quoted.group(1) == null ? "" : quoted.group(1);
            inner = quoted.group(2);
        }
        try {
            if (!write(sign + inner, typeName.replaceAll("\\(.*?\\)", ""), to)) {
                to.text(Frames.TEXT, text);
            }
        } catch (ArithmeticException error) {
            to.text(Frames.TEXT, text);
        }
    }

    private static boolean write(String text, String typeName, Frames to) {
        String first = typeName.replaceFirst("(?i)^INTERVAL\\s*", "").split(" ")[0];
        switch (first) {
            case "YEAR":
                return months(text, 12, to);
            case "MONTH":
                return months(text, 1, to);
            default:
                return times(text, Arrays.asList("DAY", "HOUR", "MINUTE", "SECOND").indexOf(first), to);
        }
    }

    private static boolean months(String text, int factor, Frames to) {
        Matcher parts = YEARS.matcher(text);
        if (!parts.matches()) {
            return false;
        }
        long months = Long.parseLong(parts.group(2)) * factor + (parts.group(3) == null ? 0 : Long.parseLong(parts.group(3)));
        to.interval(Math.toIntExact("-".equals(parts.group(1)) ? -months : months), 0, 0);
        return true;
    }

    /** Writes an interval whose first number has the unit {@code unit}: days, hours, minutes or seconds. */
    private static boolean times(String text, int unit, Frames to) {
        String whole = text.replaceFirst("^[-+]", "");
        String[] pieces = (unit == 0 ? whole.replaceFirst(" ", ":") : whole).split(":");
        if (unit < 0 || unit + pieces.length > 4) {
            return false;
        }
        long[] numbers = new long[4];
        long micros = 0;
        for (int i = 0; i < pieces.length; i++) {
            Matcher number = NUMBER.matcher(pieces[i]);
            if (!number.matches()) {
                return false;
            }
            numbers[unit + i] = Long.parseLong(number.group(1));
            if (number.group(2) != null) {
                String nanos = (number.group(2) + "00000000").substring(0, 9);
                if (unit + i != 3 || !nanos.endsWith("000")) {
                    return false;
                }
                micros = Long.parseLong(nanos.substring(0, 6));
            }
        }
        long seconds = Math.addExact(Math.multiplyExact(numbers[1], 3600L), numbers[2] * 60 + numbers[3]);
        long total = Math.addExact(Math.multiplyExact(seconds, 1000000L), micros);
        int days = Math.toIntExact(numbers[0]);
        boolean negative = text.startsWith("-");
        to.interval(0, negative ? -days : days, negative ? -total : total);
        return true;
    }
}

package ebbtide;

import java.sql.Types;

/**
 * The ways in which the values of a column are read.
 */
final class Kind {
    static final int BOOLEAN = 1;
    static final int INTEGER = 2;
    static final int UNSIGNED = 3;
    static final int FLOAT = 4;
    static final int DOUBLE = 5;
    static final int DECIMAL = 6;
    static final int TEXT = 7;
    static final int BYTES = 8;
    static final int DATE = 9;
    static final int TIME = 10;
    static final int DATETIME = 11;
    static final int TIMESTAMP = 12;
    static final int UUID = 13;
    static final int JSON = 14;
    static final int SERVER_TEXT = 15;
    static final int INTERVAL = 16;
    static final int TIME_ZONE = 17;
    static final int ARRAY = 18;
    /** The bits of a number. */
    static final int BITS = 19;
    /** Each value has a class of its own. */
    static final int STORED = 20;
    /** A date of MySQL, which may be zero. */
    static final int ZERO_DATE = 21;
    /** A decimal number whose text is exact. */
    static final int DECIMAL_TEXT = 22;

    private Kind() {
    }

    /** Returns the tag of values that are read as text. */
    static int tag(int kind) {
        return kind == JSON || kind == SERVER_TEXT ? kind : Frames.TEXT;
    }

    /** Returns the type of java.sql.Types for a tag. */
    static int sqlType(int tag) {
        switch (tag) {
            case Frames.BOOLEAN:
                return Types.BOOLEAN;
            case Frames.INTEGER:
                return Types.BIGINT;
            case Frames.UNSIGNED:
            case Frames.DECIMAL:
                return Types.DECIMAL;
            case Frames.INT16:
                return Types.SMALLINT;
            case Frames.INT32:
                return Types.INTEGER;
            case Frames.FLOAT:
                return Types.REAL;
            case Frames.DOUBLE:
                return Types.DOUBLE;
            case Frames.BYTES:
                return Types.VARBINARY;
            case Frames.DATE:
                return Types.DATE;
            case Frames.TIME:
                return Types.TIME;
            case Frames.DATETIME:
                return Types.TIMESTAMP;
            case Frames.TIMESTAMP:
                return Types.TIMESTAMP_WITH_TIMEZONE;
            case Frames.TEXT:
                return Types.VARCHAR;
            default:
                return Types.NULL;
        }
    }
}

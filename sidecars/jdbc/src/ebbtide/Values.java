package ebbtide;

import java.math.BigDecimal;
import java.math.BigInteger;
import java.sql.Array;
import java.sql.PreparedStatement;
import java.sql.ResultSet;
import java.sql.ResultSetMetaData;
import java.sql.SQLException;
import java.sql.Types;
import java.time.LocalDate;
import java.time.LocalDateTime;
import java.time.LocalTime;
import java.time.OffsetDateTime;
import java.time.OffsetTime;
import java.time.ZoneOffset;
import java.util.ArrayList;
import java.util.List;

/**
 * How values travel through a driver that keeps to the standard.
 */
class Values {
    /** The vendors' numbers of types with a zone. */
    private static final int SQLSERVER_DATETIMEOFFSET = -155;
    private static final int ORACLE_TIMESTAMP_TZ = -101;

    // Columns --------------------------------------------------------------------------------------------------------

    /** Returns the server's name of a column's type. */
    String typeName(ResultSet rows, ResultSetMetaData about, int column) throws SQLException {
        return about.getColumnTypeName(column);
    }

    /** Returns the flags of a column in {@code COLUMNS}. */
    int flags(ResultSetMetaData about, int column, String typeName) throws SQLException {
        return 0;
    }

    /** Returns the way in which the values of a column are read. */
    int kind(ResultSetMetaData about, int column, String typeName) throws SQLException {
        switch (about.getColumnType(column)) {
            case Types.BOOLEAN:
            case Types.BIT:
                return Kind.BOOLEAN;
            case Types.TINYINT:
            case Types.SMALLINT:
            case Types.INTEGER:
            case Types.BIGINT:
                return Kind.INTEGER;
            case Types.REAL:
                return Kind.FLOAT;
            case Types.FLOAT:
            case Types.DOUBLE:
                return Kind.DOUBLE;
            case Types.DECIMAL:
            case Types.NUMERIC:
                return Kind.DECIMAL;
            case Types.BINARY:
            case Types.VARBINARY:
            case Types.LONGVARBINARY:
            case Types.BLOB:
                return typeName.equals("UUID") ? Kind.UUID : Kind.BYTES;
            case Types.DATE:
                return Kind.DATE;
            case Types.TIME:
                return Kind.TIME;
            case Types.TIMESTAMP:
                return Kind.DATETIME;
            case Types.TIME_WITH_TIMEZONE:
                return Kind.TIME_ZONE;
            case Types.TIMESTAMP_WITH_TIMEZONE:
            case SQLSERVER_DATETIMEOFFSET:
            case ORACLE_TIMESTAMP_TZ:
                return Kind.TIMESTAMP;
            case Types.ARRAY:
                return Kind.ARRAY;
            default:
                return named(typeName);
        }
    }

    private static int named(String typeName) {
        if (typeName.startsWith("INTERVAL")) {
            return Kind.INTERVAL;
        }
        if (typeName.equals("UUID")) {
            return Kind.UUID;
        }
        return typeName.equals("JSON") ? Kind.JSON : Kind.TEXT;
    }

    // Cells ----------------------------------------------------------------------------------------------------------

    /** Writes one value. Errors are those of the cell. */
    void read(ResultSet rows, int column, int kind, String typeName, Frames to) throws SQLException {
        switch (kind) {
            case Kind.BOOLEAN:
                boolean truth = rows.getBoolean(column);
                if (rows.wasNull()) {
                    to.nothing();
                } else {
                    to.bool(truth);
                }
                break;
            case Kind.INTEGER:
                long number = rows.getLong(column);
                if (rows.wasNull()) {
                    to.nothing();
                } else {
                    to.integer(number);
                }
                break;
            case Kind.FLOAT:
                float single = rows.getFloat(column);
                if (rows.wasNull()) {
                    to.nothing();
                } else {
                    to.single(single);
                }
                break;
            case Kind.DOUBLE:
                double real = rows.getDouble(column);
                if (rows.wasNull()) {
                    to.nothing();
                } else {
                    to.real(real);
                }
                break;
            case Kind.DECIMAL:
                BigDecimal decimal = rows.getBigDecimal(column);
                if (decimal == null) {
                    to.nothing();
                } else {
                    to.decimal(decimal);
                }
                break;
            case Kind.BYTES:
                to.bytes(rows.getBytes(column));
                break;
            case Kind.DATE:
                to.text(Frames.DATE, date(rows, column));
                break;
            case Kind.TIME:
                to.text(Frames.TIME, time(rows, column));
                break;
            case Kind.DATETIME:
                to.text(Frames.DATETIME, datetime(rows, column));
                break;
            case Kind.TIMESTAMP:
                to.text(Frames.TIMESTAMP, Texts.of(rows.getObject(column, OffsetDateTime.class)));
                break;
            case Kind.TIME_ZONE:
                to.text(Frames.TEXT, Texts.of(rows.getObject(column, OffsetTime.class)));
                break;
            case Kind.INTERVAL:
                Texts.interval(rows.getString(column), typeName, to);
                break;
            case Kind.UUID:
                Object id = rows.getObject(column);
                to.text(Frames.UUID, id instanceof byte[] ? Texts.uuid((byte[]) id) : id == null ? null : id.toString());
                break;
            case Kind.ARRAY:
                array(rows.getArray(column), to);
                break;
            default:
                to.text(Kind.tag(kind), rows.getString(column));
        }
    }

    String date(ResultSet rows, int column) throws SQLException {
        try {
            return Texts.of(rows.getObject(column, LocalDate.class));
        } catch (SQLException | LinkageError error) {
            return Texts.of(rows.getDate(column));
        }
    }

    String time(ResultSet rows, int column) throws SQLException {
        try {
            return Texts.of(rows.getObject(column, LocalTime.class));
        } catch (SQLException | LinkageError error) {
            return rows.getString(column);
        }
    }

    String datetime(ResultSet rows, int column) throws SQLException {
        try {
            return Texts.of(rows.getObject(column, LocalDateTime.class));
        } catch (SQLException | LinkageError error) {
            return Texts.of(rows.getTimestamp(column));
        }
    }

    /** Writes an array element by element, as the columns of a table are. */
    private void array(Array array, Frames to) throws SQLException {
        if (array == null) {
            to.nothing();
            return;
        }
        ResultSet elements = array.getResultSet();
        try {
            ResultSetMetaData about = elements.getMetaData();
            String name = typeName(elements, about, 2);
            int kind = kind(about, 2, name);
            to.u8(Frames.ARRAY);
            int mark = to.length();
            to.u32(0);
            int count = 0;
            for (; elements.next(); count++) {
                read(elements, 2, kind, name, to);
            }
            to.patch(mark, count);
        } finally {
            elements.close();
            array.free();
        }
    }

    // Parameters -----------------------------------------------------------------------------------------------------

    /** Returns the number of places of a statement whose driver would not miss a value, −1 for the others. */
    int places(PreparedStatement statement) throws SQLException {
        return -1;
    }

    /** Binds one value; {@code from} is behind its tag. */
    void bind(PreparedStatement to, int place, int tag, Payload from) throws SQLException, Refused {
        switch (tag) {
            case Frames.NULL:
                nothing(to, place, from.u8());
                break;
            case Frames.BOOLEAN:
                to.setBoolean(place, from.u8() != 0);
                break;
            case Frames.INTEGER:
                to.setLong(place, from.i64());
                break;
            case Frames.UNSIGNED:
                unsigned(to, place, from.i64());
                break;
            case Frames.FLOAT:
                to.setFloat(place, Float.intBitsToFloat(from.i32()));
                break;
            case Frames.DOUBLE:
                to.setDouble(place, Double.longBitsToDouble(from.i64()));
                break;
            case Frames.DECIMAL:
                to.setBigDecimal(place, new BigDecimal(from.str()));
                break;
            case Frames.BYTES:
                to.setBytes(place, from.bytes());
                break;
            case Frames.INT16:
                to.setShort(place, (short) from.u16());
                break;
            case Frames.INT32:
                to.setInt(place, from.i32());
                break;
            case Frames.INTERVAL:
                interval(to, place, from.i32(), from.i32(), from.i64());
                break;
            case Frames.ARRAY:
                array(to, place, elements(from));
                break;
            case Frames.TEXT:
            case Frames.DATE:
            case Frames.TIME:
            case Frames.DATETIME:
            case Frames.TIMESTAMP:
            case Frames.UUID:
            case Frames.JSON:
            case Frames.SERVER_TEXT:
            case Frames.INET:
                text(to, place, tag, from.str());
                break;
            default:
                throw new Refused("protocol", "parameter " + place + " has the unknown tag " + tag);
        }
    }

    /** Binds NULL; {@code tag} is that of its type, or 0. */
    void nothing(PreparedStatement to, int place, int tag) throws SQLException {
        to.setNull(place, Kind.sqlType(tag));
    }

    void unsigned(PreparedStatement to, int place, long bits) throws SQLException, Refused {
        if (bits >= 0) {
            to.setLong(place, bits);
        } else {
            to.setBigDecimal(place, unsigned(bits));
        }
    }

    static BigDecimal unsigned(long bits) {
        return new BigDecimal(new BigInteger(Long.toUnsignedString(bits)));
    }

    /** Binds a value whose form is a text; what java.time does not read is sent as it is. */
    void text(PreparedStatement to, int place, int tag, String text) throws SQLException {
        Object value = Texts.parsed(tag, text);
        if (value instanceof String) {
            to.setString(place, text);
            return;
        }
        try {
            to.setObject(place, value);
        } catch (SQLException | LinkageError error) {
            // A driver from before java.time.
            if (value instanceof LocalDate) {
                to.setDate(place, java.sql.Date.valueOf((LocalDate) value));
            } else if (value instanceof LocalDateTime) {
                to.setTimestamp(place, java.sql.Timestamp.valueOf((LocalDateTime) value));
            } else if (value instanceof OffsetDateTime) {
                LocalDateTime utc = ((OffsetDateTime) value).withOffsetSameInstant(ZoneOffset.UTC).toLocalDateTime();
                to.setTimestamp(place, java.sql.Timestamp.valueOf(utc));
            } else {
                to.setString(place, text);
            }
        }
    }

    void interval(PreparedStatement to, int place, int months, int days, long microseconds) throws SQLException, Refused {
        throw new Refused("unsupported", "parameter " + place + " is an interval, which this driver does not take");
    }

    void array(PreparedStatement to, int place, Object[] elements) throws SQLException, Refused {
        to.setObject(place, elements);
    }

    /** Reads the elements of an array as objects of Java. */
    private Object[] elements(Payload from) throws Refused {
        int count = from.i32();
        List<Object> elements = new ArrayList<Object>();
        for (int i = 0; i < count; i++) {
            elements.add(element(from));
        }
        return elements.toArray();
    }

    private Object element(Payload from) throws Refused {
        int tag = from.u8();
        switch (tag) {
            case Frames.NULL:
                from.u8();
                return null;
            case Frames.BOOLEAN:
                return from.u8() != 0;
            case Frames.INTEGER:
                return from.i64();
            case Frames.UNSIGNED:
                return unsigned(from.i64());
            case Frames.FLOAT:
                return Float.intBitsToFloat(from.i32());
            case Frames.DOUBLE:
                return Double.longBitsToDouble(from.i64());
            case Frames.DECIMAL:
                return new BigDecimal(from.str());
            case Frames.BYTES:
                return from.bytes();
            case Frames.INT16:
                return (short) from.u16();
            case Frames.INT32:
                return from.i32();
            case Frames.ARRAY:
                return elements(from);
            case Frames.INTERVAL:
                throw new Refused("unsupported", "an array of intervals cannot be a parameter");
            default:
                return Texts.parsed(tag, from.str());
        }
    }
}

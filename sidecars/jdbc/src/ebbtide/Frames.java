package ebbtide;

import java.io.FileOutputStream;
import java.io.IOException;
import java.math.BigDecimal;
import java.util.Arrays;

/**
 * Answers of one channel, collected in a buffer and written to the one output of the process together.
 */
final class Frames {
    static final int WELCOME = 129;
    static final int OPENED = 130;
    static final int COLUMNS = 131;
    static final int ROWS = 132;
    static final int DONE = 133;
    static final int FAILED = 134;

    static final int NULL = 0;
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
    static final int INET = 17;
    static final int ARRAY = 18;
    static final int UNREADABLE = 19;
    static final int INT16 = 20;
    static final int INT32 = 21;

    /** A buffer that grew beyond this for one large value is given back afterwards. */
    private static final int KEPT = 256 * 1024;
    /** The longest text of a decimal number; an exponent may ask for any number of zeros. */
    private static final int DIGITS = 100000;

    /** A row stays below the longest frame. */
    private static final long LARGEST = 900L << 20;
    /** Memory for a longer text is not guessed. */
    private static final int LONG = 64 * 1024;

    private final FileOutputStream output;
    private final int channel;
    private byte[] buffer = new byte[1024];
    private int length;
    /** The beginning of the answer that is being written, −1 between answers. */
    private int frame = -1;
    private int last;
    private boolean muted;

    Frames(FileOutputStream output, int channel) {
        this.output = output;
        this.channel = channel;
    }

    /** Begins an answer. */
    void begin(int request, int kind) {
        frame = length;
        u32(0);
        u32(channel);
        u32(request);
        u8(kind);
    }

    /** Ends the answer that {@link #begin} began. */
    void end() {
        patch(frame, length - frame - 4);
        last = frame;
        frame = -1;
    }

    /** Takes back an answer that has not been ended. */
    void drop() {
        if (frame >= 0) {
            length = frame;
            frame = -1;
        }
    }

    /** Writes the answers collected. An output that nobody reads ends the process. */
    void flush() {
        if (length == 0) {
            return;
        }
        try {
            synchronized (output) {
                if (!muted) {
                    output.write(buffer, 0, length);
                }
            }
        } catch (IOException error) {
            Runtime.getRuntime().halt(0);
        }
        length = 0;
        if (buffer.length > KEPT) {
            shrink();
        }
    }

    private void shrink() {
        try {
            buffer = new byte[KEPT / 4];
        } catch (OutOfMemoryError error) {
            // It is given back another time.
        }
    }

    /** Takes back the answer that was ended last and has not been sent. */
    void takeBack() {
        length = last;
    }

    /** Keeps what comes from now on from being written. */
    void mute() {
        synchronized (output) {
            muted = true;
        }
    }

    /** Returns the number of bytes collected. */
    int length() {
        return length;
    }

    /** Forgets everything that was written after {@code mark}. */
    void cut(int mark) {
        length = mark;
    }

    /** Writes {@code value} over the four bytes at {@code mark}. */
    void patch(int mark, int value) {
        buffer[mark] = (byte) (value >>> 24);
        buffer[mark + 1] = (byte) (value >>> 16);
        buffer[mark + 2] = (byte) (value >>> 8);
        buffer[mark + 3] = (byte) value;
    }

    void u8(int value) {
        room(1);
        buffer[length++] = (byte) value;
    }

    void u16(int value) {
        room(2);
        buffer[length++] = (byte) (value >>> 8);
        buffer[length++] = (byte) value;
    }

    void u32(int value) {
        room(4);
        patch(length, value);
        length += 4;
    }

    void i64(long value) {
        room(8);
        patch(length, (int) (value >>> 32));
        patch(length + 4, (int) value);
        length += 8;
    }

    /** Writes a text; half a surrogate pair becomes a question mark. */
    void str(String text) {
        if (!utf8(text)) {
            str(text.replaceAll("[\\ud800-\\udfff]", "?"));
        }
    }

    void bytes(byte[] bytes, int count) {
        u32(count);
        room(count);
        System.arraycopy(bytes, 0, buffer, length, count);
        length += count;
    }

    // Values ---------------------------------------------------------------------------------------------------------

    void nothing() {
        u8(NULL);
    }

    void bool(boolean value) {
        room(2);
        buffer[length++] = BOOLEAN;
        buffer[length++] = (byte) (value ? 1 : 0);
    }

    void integer(long value) {
        u8(INTEGER);
        i64(value);
    }

    void unsigned(long value) {
        u8(UNSIGNED);
        i64(value);
    }

    void single(float value) {
        u8(FLOAT);
        u32(Float.floatToRawIntBits(value));
    }

    void real(double value) {
        u8(DOUBLE);
        i64(Double.doubleToRawLongBits(value));
    }

    void decimal(BigDecimal value) {
        if (Math.abs((long) value.scale()) > DIGITS) {
            unreadable("a decimal number with the exponent " + -value.scale() + " has too many digits");
        } else {
            text(DECIMAL, value.toPlainString());
        }
    }

    /** Writes a value whose form is a text. */
    void text(int tag, String value) {
        if (value == null) {
            nothing();
            return;
        }
        if (tooLarge(value.length())) {
            return;
        }
        int mark = length;
        u8(tag);
        if (!utf8(value)) {
            cut(mark);
            unreadable("the text has half of a surrogate pair and cannot be written as UTF-8");
        }
    }

    void bytes(byte[] value) {
        if (value == null) {
            nothing();
            return;
        }
        if (tooLarge(value.length)) {
            return;
        }
        u8(BYTES);
        bytes(value, value.length);
    }

    void interval(int months, int days, long microseconds) {
        u8(INTERVAL);
        u32(months);
        u32(days);
        i64(microseconds);
    }

    void unreadable(String reason) {
        u8(UNREADABLE);
        str(reason);
    }

    private boolean tooLarge(int count) {
        if ((long) length - frame + count < LARGEST) {
            return false;
        }
        unreadable("the row would have more than " + LARGEST / 1024 / 1024 + " MiB");
        return true;
    }

    /** Writes length and UTF-8 of a text; false, with nothing written, if there are none. */
    private boolean utf8(String text) {
        int count = text.length();
        int start = length;
        room(4 + (count < LONG ? count * 3L : size(text)));
        byte[] to = buffer;
        int at = start + 4;
        for (int i = 0; i < count; i++) {
            char unit = text.charAt(i);
            if (unit < 0x80) {
                to[at++] = (byte) unit;
            } else if (unit < 0x800) {
                to[at++] = (byte) (0xc0 | unit >> 6);
                to[at++] = (byte) (0x80 | unit & 0x3f);
            } else if (Character.isSurrogate(unit)) {
                if (i + 1 == count || !Character.isSurrogatePair(unit, text.charAt(i + 1))) {
                    return false;
                }
                int point = Character.toCodePoint(unit, text.charAt(++i));
                to[at++] = (byte) (0xf0 | point >> 18);
                to[at++] = (byte) (0x80 | point >> 12 & 0x3f);
                to[at++] = (byte) (0x80 | point >> 6 & 0x3f);
                to[at++] = (byte) (0x80 | point & 0x3f);
            } else {
                to[at++] = (byte) (0xe0 | unit >> 12);
                to[at++] = (byte) (0x80 | unit >> 6 & 0x3f);
                to[at++] = (byte) (0x80 | unit & 0x3f);
            }
        }
        patch(start, at - start - 4);
        length = at;
        return true;
    }

    /** Returns the number of bytes that the UTF-8 of a text has, or a few more. */
    private static long size(String text) {
        long size = 0;
        for (int i = 0; i < text.length(); i++) {
            char unit = text.charAt(i);
            size += unit < 0x80 ? 1 : unit < 0x800 ? 2 : 3;
        }
        return size;
    }

    private void room(long count) {
        long needed = length + count;
        if (needed > buffer.length) {
            if (needed > Integer.MAX_VALUE - 16) {
                throw new OutOfMemoryError("an answer has more than 2 GiB");
            }
            buffer = Arrays.copyOf(buffer, (int) Math.min(Math.max(needed, buffer.length * 2L), Integer.MAX_VALUE - 16));
        }
    }
}

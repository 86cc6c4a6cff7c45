package ebbtide;

import java.nio.charset.StandardCharsets;
import java.util.Arrays;

/**
 * A request as it was read: its header and what is left of its payload.
 */
final class Payload {
    static final int HELLO = 1;
    static final int OPEN = 2;
    static final int RUN = 3;
    static final int BEGIN = 4;
    static final int COMMIT = 5;
    static final int ROLLBACK = 6;
    static final int PING = 7;
    static final int MORE = 8;
    static final int CANCEL = 9;
    static final int CLOSE = 10;

    final Integer channel;
    final int request;
    final int kind;
    volatile boolean cancelled;
    /** The payload, null if there was no memory for it. */
    final byte[] bytes;
    private int at;

    Payload(int channel, int request, int kind, byte[] bytes) {
        this.channel = channel;
        this.request = request;
        this.kind = kind;
        this.bytes = bytes;
    }

    /** Returns the place that reading has come to. */
    int mark() {
        return at;
    }

    /** Goes back to a place. */
    void back(int mark) {
        at = mark;
    }

    int u8() throws Refused {
        need(1);
        return bytes[at++] & 0xff;
    }

    int u16() throws Refused {
        return u8() << 8 | u8();
    }

    int i32() throws Refused {
        need(4);
        int value = bytes[at] << 24 | (bytes[at + 1] & 0xff) << 16 | (bytes[at + 2] & 0xff) << 8 | bytes[at + 3] & 0xff;
        at += 4;
        return value;
    }

    long i64() throws Refused {
        long high = i32();
        return high << 32 | i32() & 0xffffffffL;
    }

    String str() throws Refused {
        int count = count();
        String text = new String(bytes, at, count, StandardCharsets.UTF_8);
        at += count;
        return text;
    }

    byte[] bytes() throws Refused {
        int count = count();
        at += count;
        return Arrays.copyOfRange(bytes, at - count, at);
    }

    private int count() throws Refused {
        int count = i32();
        need(count);
        return count;
    }

    private void need(int count) throws Refused {
        if (bytes == null) {
            throw new Refused("no-memory", "there is no memory for the text and the values of the request");
        }
        if (count < 0 || count > bytes.length - at) {
            throw new Refused("protocol", "a frame ends before its fields do");
        }
    }
}

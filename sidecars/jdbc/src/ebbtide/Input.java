package ebbtide;

import java.io.EOFException;
import java.io.IOException;
import java.io.InputStream;

/**
 * The input of the process, frame by frame.
 */
final class Input {
    private static final int LONGEST = 1 << 30;
    /** Number of bytes of a frame before its payload. */
    private static final int HEAD = 9;
    /** A longer payload is passed over if there is no memory for it. */
    private static final int LONG = 64 * 1024;

    private final InputStream stream;
    private final byte[] buffer = new byte[LONG];
    private int start;
    private int end;

    Input(InputStream stream) {
        this.stream = stream;
    }

    /** Returns true if nothing has been read but the requests returned so far. */
    boolean empty() {
        return start == end;
    }

    /** Returns the next request. One for which there is no memory has no payload. */
    Payload next() throws IOException, Refused {
        int length = i32();
        if (length < HEAD || length > LONGEST) {
            throw new Refused("protocol", "a frame of " + length + " bytes");
        }
        Payload request = request(i32(), i32(), u8(), length - HEAD);
        read(request.bytes, length - HEAD);
        return request;
    }

    private static Payload request(int channel, int request, int kind, int length) {
        for (int failed = 0;; failed++) {
            try {
                return new Payload(channel, request, kind, failed > 0 && length > LONG ? null : new byte[length]);
            } catch (OutOfMemoryError error) {
                Memory.await(failed);
            }
        }
    }

    /** Reads into an array, or passes over as many bytes. */
    private void read(byte[] to, int length) throws IOException {
        for (int have = 0; have < length;) {
            if (start == end) {
                fill();
            }
            int count = Math.min(length - have, end - start);
            if (to != null) {
                System.arraycopy(buffer, start, to, have, count);
            }
            start += count;
            have += count;
        }
    }

    private void fill() throws IOException {
        start = 0;
        end = Math.max(0, stream.read(buffer, 0, buffer.length));
        if (end == 0) {
            throw new EOFException();
        }
    }

    private int i32() throws IOException {
        return u8() << 24 | u8() << 16 | u8() << 8 | u8();
    }

    private int u8() throws IOException {
        if (start == end) {
            fill();
        }
        return buffer[start++] & 0xff;
    }
}

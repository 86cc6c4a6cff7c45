package ebbtide;

import java.io.EOFException;
import java.io.IOException;
import java.io.InputStream;

/**
 * The input of the process, frame by frame.
 */
final class Input {
    private static final int LONGEST = 1 << 30;

    private final InputStream stream;
    private final byte[] buffer = new byte[64 * 1024];
    private int start;
    private int end;

    Input(InputStream stream) {
        this.stream = stream;
    }

    /** Returns true if nothing has been read but the frames returned so far. */
    boolean empty() {
        return start == end;
    }

    /** Returns the next frame without its length. */
    byte[] frame() throws IOException, Refused {
        int length = next() << 24 | next() << 16 | next() << 8 | next();
        if (length < 0 || length > LONGEST) {
            throw new Refused("protocol", "a frame of " + length + " bytes");
        }
        byte[] frame = new byte[length];
        int have = Math.min(length, end - start);
        System.arraycopy(buffer, start, frame, 0, have);
        start += have;
        while (have < length) {
            int count = stream.read(frame, have, length - have);
            if (count < 0) {
                throw new EOFException();
            }
            have += count;
        }
        return frame;
    }

    private int next() throws IOException {
        if (start == end) {
            start = 0;
            end = Math.max(0, stream.read(buffer, 0, buffer.length));
            if (end == 0) {
                throw new EOFException();
            }
        }
        return buffer[start++] & 0xff;
    }
}

package ebbtide;

import java.io.ByteArrayInputStream;
import java.io.FileDescriptor;
import java.io.FileInputStream;
import java.io.FileOutputStream;
import java.io.IOException;
import java.util.TimeZone;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.ConcurrentMap;

/**
 * Reads requests from standard input and gives them to their channels; docs/SIDECARS.md describes the protocol.
 */
public final class Sidecar implements Runnable {
    private static final int VERSION = 1;
    /** So many requests of one channel without one of another show that it is alone. */
    private static final int ALONE = 8;

    private final Input input;
    private final FileOutputStream output;
    private final Frames own;
    private final ConcurrentMap<Integer, Channel> channels = new ConcurrentHashMap<Integer, Channel>();
    private final Turns turns = new Turns();
    /** The channel of the last request, and how many were its own one after the other. */
    private Integer last = 0;
    private int same;

    private Sidecar(Input input, FileOutputStream output) {
        this.input = input;
        this.output = output;
        own = new Frames(output, 0);
    }

    /**
     * Runs until the input ends.
     *
     * @param arguments the names of the classes of this program: the files may be gone once it has answered the first time
     * @throws ClassNotFoundException if one of them is not there
     */
    public static void main(String[] arguments) throws ClassNotFoundException {
        FileInputStream input = new FileInputStream(FileDescriptor.in);
        FileOutputStream output = new FileOutputStream(FileDescriptor.out);
        // Drivers print, and nothing but frames may be written to the output.
        System.setOut(System.err);
        System.setIn(new ByteArrayInputStream(new byte[0]));
        for (String name : arguments) {
            Class.forName(name);
        }
        quietDerby();
        String zone = System.getProperty("user.timezone");
        if (zone == null || zone.isEmpty()) {
            // java.sql.Timestamp has no value for the hour that a zone leaves out in spring.
            TimeZone.setDefault(TimeZone.getTimeZone("UTC"));
        }
        Sidecar sidecar = new Sidecar(new Input(input), output);
        Daemons.start("ebbtide reader", sidecar);
        sidecar.serve(true);
    }

    @Override
    public void run() {
        serve(false);
    }

    /** Reads when it is the turn of this thread, and ends the process with the input. */
    private void serve(boolean reading) {
        int status = 0;
        try {
            if (reading) {
                read();
            }
            while (true) {
                turns.await();
                read();
            }
        } catch (IOException error) {
            // The library has gone.
        } catch (Throwable error) {
            error.printStackTrace();
            status = 3;
        }
        // Drivers have threads and hooks that would keep the process.
        Runtime.getRuntime().halt(status);
    }

    /** Derby writes a file into the folder that the program was started in, unless it is told where to write. */
    private static void quietDerby() {
        String prefix = "derby.stream.error.";
        for (String way : new String[] {"file", "method", "field"}) {
            if (System.getProperty(prefix + way) != null) {
                return;
            }
        }
        System.setProperty(prefix + "field", "java.lang.System.err");
    }

    /** Reads until another thread takes over. */
    private void read() throws IOException, Refused {
        while (true) {
            Payload request = input.next();
            Integer number = request.channel;
            Channel channel = channels.get(number);
            if (number == 0) {
                hello(request);
            } else if (request.kind == Payload.MORE) {
                if (channel != null) {
                    channel.more(request.request, request.i32());
                }
            } else if (request.kind == Payload.CANCEL) {
                if (channel != null) {
                    channel.cancel(request.request);
                }
            } else if (channel != null && alone(request) && channel.enter(request)) {
                long turn = turns.begin();
                channel.serveHere(request);
                if (!turns.end(turn)) {
                    return;
                }
            } else if (channel != null && channel.add(request)) {
                continue;
            } else if (channel == null && request.kind == Payload.OPEN) {
                open(request);
            } else {
                lost(request);
            }
        }
    }

    private void open(Payload request) {
        try {
            Channel channel = new Channel(request.channel, this);
            channels.put(request.channel, channel);
            channel.add(request);
            Daemons.start("ebbtide connection " + request.channel, channel);
        } catch (OutOfMemoryError error) {
            gone(request.channel);
            refuse(request, "no-thread", "no thread can be started for the connection");
        }
    }

    /** Returns true if nobody else waits while the reader serves the request itself. */
    private boolean alone(Payload request) {
        same = request.channel.equals(last) ? same + 1 : 0;
        last = request.channel;
        return same >= ALONE && request.kind >= Payload.RUN && request.kind <= Payload.PING && input.empty() && turns.guarded();
    }

    /** Called by a thread that has to wait for a frame. */
    void waits() {
        turns.waits();
    }

    private void hello(Payload request) throws Refused {
        if (request.kind == Payload.HELLO && request.u16() == VERSION) {
            own.begin(request.request, Frames.WELCOME);
            own.u16(VERSION);
            String[] pairs = {"runtime", "Java", "version", System.getProperty("java.version", ""), "machine",
                System.getProperty("java.vm.name", ""), "home", System.getProperty("java.home", "")};
            own.u16(pairs.length / 2);
            for (String text : pairs) {
                own.str(text);
            }
            own.end();
        } else {
            Refused error = new Refused("protocol", "this sidecar speaks version " + VERSION + " of the protocol");
            Failure.write(own, request.request, error, false);
        }
        own.flush();
    }

    /** Forgets a channel that has ended. */
    void gone(Integer number) {
        channels.remove(number);
    }

    /** Returns a buffer for answers on a channel. */
    Frames frames(int channel) {
        return new Frames(output, channel);
    }

    /** Answers a request of a channel that is not open. */
    void lost(Payload request) {
        refuse(request, "protocol", "the channel is not open");
    }

    /** Answers a request in the place of its channel. */
    void refuse(Payload request, String word, String message) {
        for (int failed = 0;; failed++) {
            try {
                Frames frames = frames(request.channel);
                if (request.kind == Payload.CLOSE) {
                    Runner.done(frames, request.request, -1, null);
                } else {
                    Failure.write(frames, request.request, new Refused(word, message), true);
                }
                frames.flush();
                return;
            } catch (OutOfMemoryError missing) {
                Memory.await(failed);
            }
        }
    }
}

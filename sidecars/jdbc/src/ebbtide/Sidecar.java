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
    private int last;
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
        Thread other = new Thread(sidecar, "ebbtide reader");
        other.setDaemon(true);
        other.start();
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
            Payload request = new Payload(input.frame());
            Integer number = request.channel;
            Channel channel = channels.get(number);
            if (request.channel == 0) {
                hello(request);
            } else if (request.kind == Payload.MORE) {
                if (channel != null) {
                    channel.more(request.request, request.i32());
                }
            } else if (request.kind == Payload.CANCEL) {
                if (channel != null) {
                    channel.cancel(request.request);
                }
            } else if (channel != null && alone(request) && channel.enter()) {
                long turn = turns.begin();
                channel.serveHere(request);
                if (!turns.end(turn)) {
                    return;
                }
            } else if (channel != null && channel.add(request)) {
                continue;
            } else if (channel == null && request.kind == Payload.OPEN) {
                channel = new Channel(number, this);
                channels.put(number, channel);
                channel.add(request);
                Thread thread = new Thread(channel, "ebbtide connection " + number);
                thread.setDaemon(true);
                thread.start();
            } else {
                lost(request);
            }
        }
    }

    /** Returns true if nobody else waits while the reader serves the request itself. */
    private boolean alone(Payload request) {
        same = request.channel == last ? same + 1 : 0;
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
        Frames frames = frames(request.channel);
        if (request.kind == Payload.CLOSE) {
            Runner.done(frames, request.request, -1, null);
        } else {
            Refused error = new Refused("protocol", "channel " + request.channel + " is not open");
            Failure.write(frames, request.request, error, true);
        }
        frames.flush();
    }
}

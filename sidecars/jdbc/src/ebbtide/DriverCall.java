package ebbtide;

import java.sql.SQLException;
import java.util.concurrent.Executor;
import java.util.concurrent.ThreadPoolExecutor;
import java.util.concurrent.atomic.AtomicBoolean;

/**
 * What a driver does to cancel a request. It may connect once more for that, and wait for a server that does not answer, so
 * it has one of a few threads, and no lock that another connection waits for.
 */
final class DriverCall implements Runnable, Executor {
    private static final int MOST = 4;
    /** So many calls that hang leave their places to others. */
    private static final int HANGING = 12;
    private static final ThreadPoolExecutor INTERRUPTS = Daemons.few("ebbtide cancel", MOST);
    private static final ThreadPoolExecutor ABORTS = Daemons.few("ebbtide abort", MOST);
    private static int hanging;

    private final Channel channel;
    private final Payload request;
    private final boolean aborts;
    /** Set while the call waits for a thread, or has one. A connection is aborted once. */
    private final AtomicBoolean started = new AtomicBoolean();
    /** When the call had its first thread, null before. */
    private Long first;
    private boolean inside;
    private boolean over;

    DriverCall(Channel channel, Payload request, boolean aborts) {
        this.channel = channel;
        this.request = request;
        this.aborts = aborts;
    }

    /** Starts the call, unless the one before has not ended. */
    void start() {
        if (!started.compareAndSet(false, true)) {
            return;
        }
        try {
            (aborts ? ABORTS : INTERRUPTS).execute(this);
        } catch (OutOfMemoryError error) {
            // There is no thread or no memory for it. It is started again.
            started.set(false);
        }
    }

    /** Returns for how many milliseconds the driver has had the call; 0 while it waits for a thread. */
    synchronized long taken() {
        return first == null ? 0 : (System.nanoTime() - first) / 1000000;
    }

    /** Ends an interruption: one that waits for a thread is not made, and one that hangs leaves its place to another. */
    synchronized void giveUp() {
        if (!over) {
            over = true;
            if (inside) {
                hang(1);
            }
        }
    }

    private synchronized boolean enter() {
        if (first == null) {
            first = System.nanoTime();
        }
        inside = !over;
        return inside;
    }

    private synchronized void leave() {
        inside = false;
        if (over) {
            hang(-1);
        }
    }

    private static synchronized void hang(int more) {
        hanging += more;
        try {
            INTERRUPTS.setCorePoolSize(MOST + Math.min(hanging, HANGING));
        } catch (OutOfMemoryError error) {
            // The next call has its thread made.
        }
    }

    @Override
    public void run() {
        if (!enter()) {
            return;
        }
        try {
            if (aborts) {
                channel.abort(request, this);
            } else {
                channel.interrupt(request);
            }
        } catch (SQLException | RuntimeException | Error error) {
            // The connection is aborted if the statement does not end, and the request is abandoned if that does not help.
        } finally {
            leave();
            started.set(aborts);
        }
    }

    /** Runs what a driver does to abort. */
    @Override
    public void execute(Runnable command) {
        command.run();
    }
}

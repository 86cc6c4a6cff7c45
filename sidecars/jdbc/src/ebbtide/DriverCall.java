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
    private static final ThreadPoolExecutor INTERRUPTS = Daemons.few("ebbtide cancel", MOST);
    private static final ThreadPoolExecutor ABORTS = Daemons.few("ebbtide abort", MOST);

    private final Channel channel;
    private final Payload request;
    private final boolean aborts;
    /** Set while the call waits for a thread, or has one. A connection is aborted once. */
    private final AtomicBoolean started = new AtomicBoolean();

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

    @Override
    public void run() {
        try {
            if (aborts) {
                channel.abort(request, this);
            } else {
                channel.interrupt(request);
            }
        } catch (SQLException | RuntimeException | Error error) {
            // The connection is aborted if the statement does not end, and the request is abandoned if that does not help.
        } finally {
            started.set(aborts);
        }
    }

    /** Runs what a driver does to abort. */
    @Override
    public void execute(Runnable command) {
        command.run();
    }
}

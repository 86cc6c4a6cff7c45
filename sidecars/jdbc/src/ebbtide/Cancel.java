package ebbtide;

import java.sql.SQLException;
import java.util.concurrent.Executor;

/**
 * Cancels one request. Each step has a thread of its own: a driver may connect once more to cancel, or not come back.
 */
final class Cancel implements Runnable, Executor {
    /** A driver that does not end a statement for so long has its connection aborted. */
    private static final long PATIENCE = 2000;
    /** One whose connection does not end for so long afterwards is left alone. */
    private static final long LAST = 500;
    /** A cancellation that comes just before the statement reaches the server is lost, so it is repeated. */
    private static final long REPEATED = 100;
    private static final int CANCELS = 0;
    private static final int WATCHES = 1;
    private static final int ABORTS = 2;

    private final Channel channel;
    private final int request;
    private final int step;

    private Cancel(Channel channel, int request, int step) {
        this.channel = channel;
        this.request = request;
        this.step = step;
    }

    static void start(Channel channel, int request) {
        daemon(new Cancel(channel, request, CANCELS));
        daemon(new Cancel(channel, request, WATCHES));
    }

    private static void daemon(Runnable work) {
        Thread thread = new Thread(work, "ebbtide cancel");
        thread.setDaemon(true);
        thread.start();
    }

    @Override
    public void run() {
        try {
            if (step == CANCELS) {
                while (channel.interrupt(request)) {
                    Thread.sleep(REPEATED);
                }
            } else if (step == WATCHES) {
                watch();
            } else {
                abort();
            }
        } catch (InterruptedException error) {
            // Given up.
        }
    }

    private void watch() throws InterruptedException {
        if (still(PATIENCE)) {
            daemon(new Cancel(channel, request, ABORTS));
            if (still(LAST)) {
                channel.abandon(request);
            }
        }
    }

    /** Returns true if the request is under way for the whole time. */
    private boolean still(long milliseconds) throws InterruptedException {
        for (long end = System.nanoTime() + milliseconds * 1000000; System.nanoTime() - end < 0;) {
            if (!channel.stuck(request)) {
                return false;
            }
            Thread.sleep(20);
        }
        return true;
    }

    private void abort() {
        try {
            channel.abort(request, this);
        } catch (SQLException | RuntimeException | LinkageError error) {
            // The request is abandoned.
        }
    }

    /** Runs what a driver does to abort. */
    @Override
    public void execute(Runnable command) {
        command.run();
    }
}

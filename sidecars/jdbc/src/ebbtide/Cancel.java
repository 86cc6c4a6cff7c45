package ebbtide;

import java.sql.SQLException;
import java.util.concurrent.Executor;

/**
 * Cancels one request. It has threads of its own: a driver may connect once more to cancel, or not come back.
 */
final class Cancel implements Runnable, Executor {
    /** A driver that does not end a statement for so long has its connection aborted. */
    private static final long PATIENCE = 2000;
    /** A cancellation that comes just before the statement reaches the server is lost, so it is repeated. */
    private static final long REPEATED = 100;

    private final Channel channel;
    private final int request;
    private final boolean last;

    private Cancel(Channel channel, int request, boolean last) {
        this.channel = channel;
        this.request = request;
        this.last = last;
    }

    static void start(Channel channel, int request) {
        daemon(new Cancel(channel, request, false), "cancel");
        daemon(new Cancel(channel, request, true), "abort");
    }

    private static void daemon(Runnable work, String name) {
        Thread thread = new Thread(work, "ebbtide " + name);
        thread.setDaemon(true);
        thread.start();
    }

    @Override
    public void run() {
        try {
            if (last) {
                abort();
            } else {
                while (channel.interrupt(request)) {
                    Thread.sleep(REPEATED);
                }
            }
        } catch (InterruptedException error) {
            // Given up.
        }
    }

    private void abort() throws InterruptedException {
        long end = System.nanoTime() + PATIENCE * 1000000;
        while (channel.stuck(request) != null) {
            if (System.nanoTime() - end > 0) {
                Session session = channel.stuck(request);
                try {
                    if (session != null) {
                        session.connection.abort(this);
                    }
                } catch (SQLException | RuntimeException | LinkageError error) {
                    // The library drops the channel, and in the end the process.
                }
                return;
            }
            Thread.sleep(20);
        }
    }

    /** Runs what a driver does to abort. */
    @Override
    public void execute(Runnable command) {
        command.run();
    }
}

package ebbtide;

import java.util.concurrent.Future;
import java.util.concurrent.ScheduledThreadPoolExecutor;
import java.util.concurrent.TimeUnit;

/**
 * Cancels one request: asks the driver again and again, then has it abort the connection, then answers in its place. One
 * clock looks after all requests that are cancelled, and calls no driver.
 */
final class Cancel implements Runnable {
    /** The time in milliseconds that a driver has to end a statement, and then a cancellation. */
    static final long PATIENCE = 2000;
    /** A connection that does not end for so long after it was aborted is left alone. */
    private static final long LAST = 500;
    /** The longest time that an interruption waits for a thread at no cost of its own time. */
    private static final long QUEUED = 2000;
    /** A cancellation that comes just before the statement reaches the server is lost, so it is repeated. */
    private static final long REPEATED = 100;
    private static final ScheduledThreadPoolExecutor CLOCK = new ScheduledThreadPoolExecutor(1, new Daemons("ebbtide clock"));

    private final Channel channel;
    private final Payload request;
    private final DriverCall interrupt;
    private final DriverCall abort;
    private final long start = System.nanoTime();
    private volatile Future<?> looks;

    private Cancel(Channel channel, Payload request) {
        this.channel = channel;
        this.request = request;
        interrupt = new DriverCall(channel, request, false);
        abort = new DriverCall(channel, request, true);
    }

    static void start(Channel channel, Payload request) {
        for (int failed = 0;; failed++) {
            try {
                Cancel cancel = new Cancel(channel, request);
                cancel.looks = CLOCK.scheduleWithFixedDelay(cancel, 0, REPEATED, TimeUnit.MILLISECONDS);
                return;
            } catch (OutOfMemoryError error) {
                Memory.await(failed);
            }
        }
    }

    @Override
    public void run() {
        long waited = Math.max(interrupt.taken(), (System.nanoTime() - start) / 1000000 - QUEUED);
        if (waited >= PATIENCE) {
            interrupt.giveUp();
        }
        if (waited >= PATIENCE + LAST) {
            channel.abandon(request);
        }
        if (channel.stuck(request)) {
            (waited < PATIENCE ? interrupt : abort).start();
        } else if (looks != null) {
            looks.cancel(false);
        }
    }
}

package ebbtide;

import java.util.concurrent.atomic.AtomicLong;
import java.util.concurrent.locks.LockSupport;

/**
 * Which of two threads reads the input. The reader may serve a request itself, which saves waking another thread; if it
 * does not come back soon, the other thread goes on reading.
 */
final class Turns {
    /** The other thread looks after the reader so often. */
    private static final long LOOKS = 1000000;
    /** It sleeps after having found nothing to look after so many times. */
    private static final int QUIET = 100;

    /** The number of the request that the reader serves itself; negative if that is over, or was taken from it. */
    private final AtomicLong served = new AtomicLong();
    private volatile long waits;
    private volatile Thread other;
    private volatile boolean asleep;

    /** Returns true if another thread would take over. Called by the reader. */
    boolean guarded() {
        return other != null;
    }

    /** Says that the reader serves a request, and returns its number. */
    long begin() {
        long number = Math.abs(served.get()) + 1;
        served.set(number);
        if (asleep) {
            LockSupport.unpark(other);
        }
        return number;
    }

    /** Says that the request has been served. Returns false if another thread has become the reader. */
    boolean end(long number) {
        return served.compareAndSet(number, -number);
    }

    /** Has the other thread take over at once. Called before a wait. */
    void waits() {
        long number = served.get();
        if (number > 0) {
            waits = number;
            LockSupport.unpark(other);
        }
    }

    /** Returns when the calling thread has become the reader. */
    void await() {
        other = Thread.currentThread();
        long seen = 0;
        int quiet = 0;
        while (true) {
            long now = served.get();
            if (now > 0 && (now == seen || now == waits) && served.compareAndSet(now, -now)) {
                other = null;
                return;
            }
            quiet = now == seen ? quiet + 1 : 0;
            seen = now;
            if (quiet < QUIET) {
                LockSupport.parkNanos(this, LOOKS);
            } else {
                sleep(now);
                quiet = 0;
            }
        }
    }

    /** Sleeps until the reader serves another request. It sees {@code asleep}, or this thread sees its number. */
    private void sleep(long now) {
        asleep = true;
        while (served.get() == now) {
            LockSupport.park(this);
        }
        asleep = false;
    }
}

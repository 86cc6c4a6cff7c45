package ebbtide;

import java.sql.SQLException;
import java.sql.Statement;
import java.util.ArrayDeque;
import java.util.concurrent.Executor;
import java.util.concurrent.atomic.AtomicReference;

/**
 * The thread of one connection. It answers requests in the order in which they were read.
 */
final class Channel implements Runnable {
    private static final long QUICK = 200000;

    private final int number;
    private final Sidecar sidecar;
    private final Frames to;
    /** The requests that wait; guards the two below, too, and the place of the request under way. */
    private final ArrayDeque<Payload> queue = new ArrayDeque<Payload>();
    private boolean serving;
    private boolean gone;
    private volatile Session session;
    private Runner runner;
    private boolean failed;
    /** Set if the last request took so little time that waking a thread is a part of it. */
    private boolean quick;
    private volatile boolean ended;

    /** Guards what the reader and the cancellers touch. */
    private final Object gate = new Object();
    /** The request under way, null if there is none. Who sets it to null writes the final answer. */
    private final AtomicReference<Payload> underWay = new AtomicReference<Payload>();
    private Statement running;
    /** Set while a canceller is inside the driver. */
    private volatile boolean interrupting;
    private long credits;

    Channel(int number, Sidecar sidecar) {
        this.number = number;
        this.sidecar = sidecar;
        this.to = sidecar.frames(number);
    }

    /** Adds a request; called by the reader. Returns false if the channel has ended. */
    boolean add(Payload request) {
        synchronized (queue) {
            if (gone) {
                return false;
            }
            queue.add(request);
            queue.notify();
            return true;
        }
    }

    /** Returns true if the reader may serve a request itself; it has to call {@link #serveHere} then. */
    boolean enter(Payload request) {
        synchronized (queue) {
            if (gone || ended || serving || !quick || !queue.isEmpty()) {
                return false;
            }
            serving = true;
            underWay.set(request);
            return true;
        }
    }

    /** Serves a request on the thread of the reader. */
    void serveHere(Payload request) {
        Thread.currentThread().setContextClassLoader(session.connection.getClass().getClassLoader());
        serve(request);
        done();
    }

    /** Waits for the next request; null if there is none any more. */
    private Payload take() {
        synchronized (queue) {
            while (serving || queue.isEmpty() || ended) {
                if (ended && !serving) {
                    return null;
                }
                try {
                    queue.wait();
                } catch (InterruptedException error) {
                    // A driver interrupted its own thread.
                }
            }
            serving = true;
            Payload request = queue.poll();
            underWay.set(request);
            return request;
        }
    }

    private void done() {
        synchronized (queue) {
            serving = false;
            if (ended || !queue.isEmpty()) {
                queue.notify();
            }
        }
    }

    /** Adds credits to the request under way; called by the reader. */
    void more(int request, int count) {
        synchronized (gate) {
            Payload now = underWay.get();
            if (now != null && now.request == request) {
                credits += count & 0xffffffffL;
                gate.notifyAll();
            }
        }
    }

    /** Cancels a request that is under way or waits for its turn; called by the reader. */
    void cancel(int number) {
        Payload request = find(number);
        if (request == null) {
            return;
        }
        synchronized (gate) {
            if (request.cancelled) {
                return;
            }
            request.cancelled = true;
            gate.notifyAll();
        }
        if (!stuck(request)) {
            return;
        }
        if (session == null) {
            // No driver ends an attempt to connect.
            abandon(request);
        } else {
            Cancel.start(this, request);
        }
    }

    /** Returns the request with a number, null if it has been answered. */
    private Payload find(int number) {
        synchronized (queue) {
            Payload now = underWay.get();
            if (now != null && now.request == number) {
                return now;
            }
            for (Payload request : queue) {
                if (request.request == number) {
                    return request;
                }
            }
            return null;
        }
    }

    @Override
    public void run() {
        try {
            for (Payload request = take(); request != null; request = take()) {
                serve(request);
                done();
            }
        } finally {
            leave();
        }
    }

    /** Answers what is still asked of a channel that has ended. */
    private void leave() {
        synchronized (queue) {
            gone = true;
            for (Payload left = queue.poll(); left != null; left = queue.poll()) {
                sidecar.lost(left);
            }
        }
        // Only now, because what comes from now on is answered at once.
        sidecar.gone(number);
    }

    private void serve(Payload request) {
        long start = System.nanoTime();
        try {
            checkCancelled(request);
            answer(request);
        } catch (Throwable error) {
            fail(request.request, error);
        }
        finish(request);
        if (session != null && session.spoilt() && !ended) {
            lose("the connection could not be given its state back");
        }
        to.flush();
        quick = session != null && System.nanoTime() - start < QUICK;
    }

    private void finish(Payload request) {
        boolean own;
        synchronized (gate) {
            own = underWay.compareAndSet(request, null);
            credits = 0;
        }
        if (!own) {
            // The request is answered, and the connection given up.
            to.mute();
            end();
        } else if (request.cancelled && session != null && !ended) {
            calmDown();
        }
    }

    /** Waits for a canceller that is inside the driver, so that it does not hit the next request. */
    private void calmDown() {
        if (interrupting) {
            sidecar.waits();
        }
        synchronized (gate) {
            long end = System.nanoTime() + Cancel.PATIENCE * 1000000;
            for (long left = Cancel.PATIENCE; interrupting && left > 0; left = (end - System.nanoTime()) / 1000000) {
                try {
                    gate.wait(left);
                } catch (InterruptedException error) {
                    // Asked again.
                }
            }
        }
        if (interrupting) {
            lose("the driver does not come back from the cancellation of a statement");
        } else {
            session.product.cancelled(session.connection);
        }
    }

    /** Ends a connection that must not be used again. */
    private void lose(String why) {
        Failure.tell(to, 0, new SQLException(why, "08000"), true);
        end();
    }

    private void fail(int request, Throwable error) {
        try {
            boolean own = error instanceof SQLException || error instanceof Refused;
            Failure.tell(to, request, error, !own || session == null || session.closed());
            failed = true;
            if (!own || session == null) {
                end();
            }
        } catch (Throwable worse) {
            // Nothing can be said any more, and a library that waits for an answer must not wait for ever.
            Runtime.getRuntime().halt(3);
        }
    }

    /** Lets go of the connection, and ends this thread after the request. */
    private void end() {
        if (ended) {
            return;
        }
        ended = true;
        if (session != null) {
            try {
                session.close();
            } catch (Throwable error) {
                // It is dropped either way.
            }
        }
    }

    private void answer(Payload request) throws SQLException, Refused {
        if (request.kind == Payload.OPEN) {
            if (session != null) {
                throw new Refused("protocol", "channel " + number + " is open already");
            }
            session = Session.open(request);
            runner = new Runner(session, this, to);
            session.describe(to, request.request);
            return;
        }
        if (session == null) {
            throw new Refused("protocol", "channel " + number + " is not open");
        }
        switch (request.kind) {
            case Payload.RUN:
                int flags = request.u8();
                if (skipped(flags, request.request)) {
                    return;
                }
                runner.run(request, flags);
                failed = false;
                return;
            case Payload.BEGIN:
                session.begin(request);
                break;
            case Payload.COMMIT:
                if (skipped(request.u8(), request.request)) {
                    return;
                }
                session.commit();
                break;
            case Payload.ROLLBACK:
                if (skipped(request.u8(), request.request)) {
                    return;
                }
                session.rollback();
                break;
            case Payload.PING:
                session.ping();
                break;
            case Payload.CLOSE:
                ended = true;
                session.close();
                break;
            default:
                throw new Refused("protocol", "there is no request of the kind " + request.kind);
        }
        failed = false;
        Runner.done(to, request.request, -1, null);
    }

    private boolean skipped(int flags, int request) {
        if ((flags & Runner.SKIP) == 0 || !failed) {
            return false;
        }
        Failure.skipped(to, request);
        return true;
    }

    // The request under way ------------------------------------------------------------------------------------------

    void credits(int count) {
        synchronized (gate) {
            credits += count & 0xffffffffL;
        }
    }

    /** Takes a credit of a request, and waits for one if there is none. */
    void takeCredit(Payload request, Frames frames) throws Refused {
        synchronized (gate) {
            if (credits > 0) {
                credits--;
                return;
            }
        }
        frames.flush();
        sidecar.waits();
        synchronized (gate) {
            while (credits == 0) {
                checkCancelled(request);
                try {
                    gate.wait();
                } catch (InterruptedException error) {
                    // Asked again.
                }
            }
            credits--;
        }
    }

    /** Says which statement of a request a cancellation is for. */
    void running(Payload request, Statement statement) throws Refused {
        synchronized (gate) {
            running = statement;
            checkCancelled(request);
        }
    }

    /** Says that the statement has ended. */
    void idle() {
        synchronized (gate) {
            running = null;
        }
    }

    void checkCancelled(Payload request) throws Refused {
        if (request.cancelled) {
            throw new Refused("cancelled", "the statement was cancelled");
        }
    }

    /** Cancels the statement of a request in the driver, if the request is still under way. */
    void interrupt(Payload request) throws SQLException {
        Statement statement;
        synchronized (gate) {
            if (!stuck(request) || running == null) {
                return;
            }
            statement = running;
            interrupting = true;
        }
        try {
            session.product.cancel(session.connection, statement);
        } finally {
            synchronized (gate) {
                interrupting = false;
                gate.notifyAll();
            }
        }
    }

    /** Returns true if a request is still under way; does not wait for a canceller. */
    boolean stuck(Payload request) {
        return underWay.get() == request;
    }

    /** Has the driver end the connection, if the request is still under way. */
    void abort(Payload request, Executor executor) throws SQLException {
        if (stuck(request)) {
            session.connection.abort(executor);
        }
    }

    /** Answers for a driver that does not come back. Its thread closes the connection when it does. */
    void abandon(Payload request) {
        if (!underWay.compareAndSet(request, null)) {
            return;
        }
        to.mute();
        sidecar.refuse(request, "cancelled", "the driver did not end what it was doing; the connection is lost");
        leave();
    }
}

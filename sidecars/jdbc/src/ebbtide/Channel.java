package ebbtide;

import java.sql.SQLException;
import java.sql.Statement;
import java.util.ArrayDeque;
import java.util.concurrent.Executor;
import java.util.concurrent.atomic.AtomicInteger;

/**
 * The thread of one connection. It answers requests in the order in which they were read.
 */
final class Channel implements Runnable {
    private static final long QUICK = 200000;

    private final int number;
    private final Sidecar sidecar;
    private final Frames to;
    /** The requests that wait; guards the two below, too. */
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
    /** The number of the request under way, 0 if there is none. Who sets it to 0 writes the final answer. */
    private final AtomicInteger underWay = new AtomicInteger();
    private Statement running;
    private int cancelled;
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

    /** Returns true if the reader may serve the next request itself; it has to call {@link #serveHere} then. */
    boolean enter() {
        synchronized (queue) {
            if (gone || ended || serving || !quick || !queue.isEmpty()) {
                return false;
            }
            serving = true;
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
            return queue.poll();
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
            if (request == underWay.get()) {
                credits += count & 0xffffffffL;
                gate.notifyAll();
            }
        }
    }

    /** Cancels a request that is under way or waits for its turn; called by the reader. */
    void cancel(int request) {
        synchronized (gate) {
            cancelled = request;
            gate.notifyAll();
        }
        if (request != underWay.get()) {
            return;
        }
        if (session == null) {
            // No driver ends an attempt to connect.
            abandon(request);
        } else {
            Cancel.start(this, request);
        }
    }

    @Override
    public void run() {
        for (Payload request = take(); request != null; request = take()) {
            serve(request);
            done();
        }
        leave();
    }

    /** Answers what is still asked of a channel that has ended. */
    private void leave() {
        sidecar.gone(number);
        synchronized (queue) {
            gone = true;
            for (Payload left = queue.poll(); left != null; left = queue.poll()) {
                sidecar.lost(left);
            }
        }
    }

    private void serve(Payload request) {
        long start = System.nanoTime();
        try {
            begin(request.request);
            answer(request);
        } catch (Throwable error) {
            fail(request.request, error);
        }
        finish(request.request);
        if (session != null && session.spoilt() && !ended) {
            Failure.write(to, 0, new SQLException("the connection could not be given its state back", "08000"), true);
            end();
        }
        to.flush();
        quick = session != null && System.nanoTime() - start < QUICK;
    }

    private void finish(int request) {
        boolean own;
        boolean hit;
        // A canceller that is inside the driver is waited for, so that it does not hit the next request.
        synchronized (gate) {
            own = underWay.compareAndSet(request, 0);
            hit = cancelled == request;
        }
        if (hit && session != null) {
            session.product.cancelled(session.connection);
        }
        if (!own && !ended) {
            end();
        }
    }

    private void begin(int request) throws Refused {
        synchronized (gate) {
            underWay.set(request);
            credits = 0;
            if (cancelled == request) {
                throw cancelledError();
            }
        }
    }

    private void fail(int request, Throwable error) {
        try {
            to.drop();
            boolean own = error instanceof SQLException || error instanceof Refused;
            Failure.write(to, request, error, !own || session == null || session.closed());
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

    /** Takes a credit, and waits for one if there is none. */
    void takeCredit(Frames frames) throws Refused {
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
                if (cancelled == underWay.get()) {
                    throw cancelledError();
                }
                try {
                    gate.wait();
                } catch (InterruptedException error) {
                    // Asked again.
                }
            }
            credits--;
        }
    }

    /** Says which statement a cancellation is for; null if none is running. */
    void running(Statement statement) throws Refused {
        synchronized (gate) {
            running = statement;
            if (statement != null && cancelled == underWay.get()) {
                throw cancelledError();
            }
        }
    }

    void checkCancelled() throws Refused {
        synchronized (gate) {
            if (cancelled == underWay.get()) {
                throw cancelledError();
            }
        }
    }

    private static Refused cancelledError() {
        return new Refused("cancelled", "the statement was cancelled");
    }

    /** Cancels the statement of a request in the driver; false if the request is no longer under way. */
    boolean interrupt(int request) {
        synchronized (gate) {
            if (underWay.get() != request) {
                return false;
            }
            try {
                if (running != null) {
                    session.product.cancel(session.connection, running);
                }
            } catch (SQLException | RuntimeException | LinkageError error) {
                // The connection is aborted if the statement does not end.
            }
            return true;
        }
    }

    /** Returns true if a request is still under way; does not wait for a canceller. */
    boolean stuck(int request) {
        return underWay.get() == request;
    }

    /** Has the driver end the connection, if the request is still under way. */
    void abort(int request, Executor executor) throws SQLException {
        if (stuck(request)) {
            session.connection.abort(executor);
        }
    }

    /** Answers for a driver that does not come back. Its thread closes the connection when it does. */
    void abandon(int request) {
        if (!underWay.compareAndSet(request, 0)) {
            return;
        }
        to.mute();
        Frames frames = sidecar.frames(number);
        Failure.write(frames, request, new Refused("cancelled", "the driver did not end what it was doing; the connection is lost"), true);
        frames.flush();
        leave();
    }
}

package ebbtide;

import java.util.concurrent.LinkedBlockingQueue;
import java.util.concurrent.ThreadFactory;
import java.util.concurrent.ThreadPoolExecutor;
import java.util.concurrent.TimeUnit;

/**
 * Makes threads that do not keep the process.
 */
final class Daemons implements ThreadFactory {
    private final String name;

    Daemons(String name) {
        this.name = name;
    }

    @Override
    public Thread newThread(Runnable work) {
        Thread thread = new Thread(work, name);
        thread.setDaemon(true);
        return thread;
    }

    /** Starts a thread. */
    static void start(String name, Runnable work) {
        new Daemons(name).newThread(work).start();
    }

    /** Returns what runs work on at most {@code count} threads, which end when there is none. */
    static ThreadPoolExecutor few(String name, int count) {
        ThreadPoolExecutor few = new ThreadPoolExecutor(count, Integer.MAX_VALUE, 1, TimeUnit.SECONDS,
                new LinkedBlockingQueue<Runnable>(), new Daemons(name));
        few.allowCoreThreadTimeOut(true);
        return few;
    }
}

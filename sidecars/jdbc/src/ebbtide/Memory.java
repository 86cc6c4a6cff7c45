package ebbtide;

/**
 * Memory that is missing for a moment: other threads that fail for want of it give back what they have.
 */
final class Memory {
    private static final int TRIES = 250;
    private static final long PAUSE = 20;

    private Memory() {
    }

    /** Waits a little after a try that failed; ends the process if none has succeeded for some seconds. */
    static void await(int failed) {
        if (failed > TRIES) {
            Runtime.getRuntime().halt(3);
        }
        try {
            Thread.sleep(PAUSE);
        } catch (InterruptedException error) {
            // It is tried again at once.
        }
    }
}

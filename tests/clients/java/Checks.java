import java.net.URI;
import java.security.MessageDigest;
import java.util.Arrays;
import java.util.Objects;
import java.util.Random;
import java.util.UUID;
import java.util.concurrent.BlockingQueue;
import java.util.concurrent.TimeUnit;

/** What the checks stand on: naming and printing, bodies, and bounded waits. */
final class Checks {
    static final int FRAME_MAX = 131072;
    /** Around the edge of one frame: a body frame carries FRAME_MAX - 8 bytes. */
    static final int[] BODY_SIZES = {
        0, 1, FRAME_MAX - 8, FRAME_MAX - 7, FRAME_MAX, 1 << 20
    };
    static final int LARGE_BODY = 64 << 20;
    /** Seconds that anything may take; far more than it needs, so that a broken check ends. */
    static final int LIMIT = 20;
    static final int HEARTBEAT = 1;
    /** Milliseconds, longer than the time after which either side gives up a silent peer. */
    static final int IDLE = 3500;
    static final int CHANNELS = 1000;
    static final String LOGIN_REFUSED =
            "ACCESS_REFUSED - Login was refused using authentication mechanism PLAIN. "
                    + "For details see the broker logfile.";

    /** Something that may fail in any way. */
    interface Work {
        void run() throws Exception;
    }

    /** A question that may fail in any way. */
    interface Ask<T> {
        T ask() throws Exception;
    }

    private Checks() {}

    /** Prints that the check holds if the work does not fail, and ends the program if it does. */
    static void check(String name, Work work) {
        try {
            work.run();
        } catch (Throwable error) {
            System.err.println("failed: " + name);
            error.printStackTrace();
            System.exit(1);
        }
        System.out.println("ok " + name);
    }

    static void equal(String what, Object actual, Object expected) {
        if (!Objects.deepEquals(actual, expected)) {
            throw new AssertionError(what + ": expected " + expected + ", got " + actual);
        }
    }

    /** A name that no other run uses. */
    static String unique(String name) {
        return "clients." + name + "." + UUID.randomUUID();
    }

    static String noQueue(String name) {
        return "NOT_FOUND - no queue '" + name + "' in vhost '/'";
    }

    static String inequivalentDurable(String name) {
        return "PRECONDITION_FAILED - inequivalent arg 'durable' for queue '" + name
                + "' in vhost '/': received 'true' but current is 'false'";
    }

    /** The broker's address with another password. */
    static URI withPassword(URI broker, String password) throws Exception {
        String user = broker.getUserInfo().split(":")[0];
        String place = broker.getHost() + ":" + broker.getPort();
        return new URI("amqp://" + user + ":" + password + "@" + place + broker.getRawPath());
    }

    /** As many bytes that do not repeat, the same ones at every call. */
    static byte[] body(int size) {
        byte[] bytes = new byte[size];
        new Random(size).nextBytes(bytes);
        return bytes;
    }

    /** Compares by length and hash: the difference of two large bodies is not worth printing. */
    static void sameBody(byte[] actual, byte[] expected) throws Exception {
        equal("length of the body", actual.length, expected.length);
        byte[] got = MessageDigest.getInstance("SHA-256").digest(actual);
        byte[] sent = MessageDigest.getInstance("SHA-256").digest(expected);
        equal("SHA-256 of the body", Arrays.toString(got), Arrays.toString(sent));
    }

    /** Asks until the answer is not null. */
    static <T> T eventually(String what, Ask<T> ask) throws Exception {
        long end = System.nanoTime() + TimeUnit.SECONDS.toNanos(LIMIT);
        while (true) {
            T answer = ask.ask();
            if (answer != null) {
                return answer;
            }
            if (System.nanoTime() > end) {
                throw new AssertionError("waited " + LIMIT + " s in vain until " + what);
            }
        }
    }

    /** The next item of a queue that another thread fills. */
    static <T> T take(String what, BlockingQueue<T> inbox) throws Exception {
        T item = inbox.poll(LIMIT, TimeUnit.SECONDS);
        if (item == null) {
            throw new AssertionError("waited " + LIMIT + " s in vain for " + what);
        }
        return item;
    }
}

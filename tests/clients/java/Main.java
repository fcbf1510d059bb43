import com.rabbitmq.client.AMQP;
import com.rabbitmq.client.AuthenticationFailureException;
import com.rabbitmq.client.Channel;
import com.rabbitmq.client.Connection;
import com.rabbitmq.client.ConnectionFactory;
import com.rabbitmq.client.DefaultConsumer;
import com.rabbitmq.client.Delivery;
import com.rabbitmq.client.Envelope;
import com.rabbitmq.client.GetResponse;
import com.rabbitmq.client.ShutdownSignalException;
import com.rabbitmq.client.impl.LongStringHelper;

import java.io.IOException;
import java.math.BigDecimal;
import java.net.URI;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Date;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.concurrent.BlockingQueue;
import java.util.concurrent.LinkedBlockingQueue;

/**
 * The checks of RabbitMQ's Java client, the one that Spring AMQP stands on. Started with the
 * broker's URL as the only argument, they print {@code ok <check>} for each that holds, and end
 * with an error at the first that does not.
 */
public final class Main {
    private final URI broker;

    private Main(URI broker) {
        this.broker = broker;
    }

    public static void main(String[] arguments) throws Exception {
        if (arguments.length != 1) {
            System.err.println("usage: java Main amqp://user:password@host:port/%2f");
            System.exit(2);
        }
        Main main = new Main(new URI(arguments[0]));
        Connection connection = main.connect(0);
        declare(connection);
        publish(connection);
        consume(connection);
        main.errors(connection);
        contents(connection);
        cancelled(connection);
        main.heartbeats();
        main.manyChannels();
        Checks.check("clean close", () -> {
            connection.close();
            Checks.equal("open", connection.isOpen(), false);
        });
        System.exit(0);
    }

    private Connection connect(int heartbeat) throws Exception {
        return factory(broker, heartbeat).newConnection();
    }

    private static ConnectionFactory factory(URI broker, int heartbeat) throws Exception {
        ConnectionFactory factory = new ConnectionFactory();
        factory.setUri(broker);
        factory.setAutomaticRecoveryEnabled(false);
        factory.setRequestedFrameMax(Checks.FRAME_MAX);
        if (heartbeat > 0) {
            factory.setRequestedHeartbeat(heartbeat);
        }
        factory.setConnectionTimeout(Checks.LIMIT * 1000);
        factory.setHandshakeTimeout(Checks.LIMIT * 1000);
        factory.setChannelRpcTimeout(Checks.LIMIT * 1000);
        return factory;
    }

    private static String ownQueue(Channel channel) throws IOException {
        return channel.queueDeclare("", false, true, false, null).getQueue();
    }

    private static int ready(Channel channel, String queue) throws IOException {
        return channel.queueDeclarePassive(queue).getMessageCount();
    }

    private static byte[] bytes(String text) {
        return text.getBytes(StandardCharsets.UTF_8);
    }

    private static String text(byte[] body) {
        return new String(body, StandardCharsets.UTF_8);
    }

    private static void send(Channel channel, String queue, byte[] body) throws IOException {
        channel.basicPublish("", queue, null, body);
    }

    private static GetResponse get(Channel channel, String queue) throws Exception {
        return Checks.eventually("there is a message", () -> channel.basicGet(queue, true));
    }

    private static void declare(Connection connection) throws Exception {
        Channel channel = connection.createChannel();
        Checks.check("declare", () -> {
            String name = Checks.unique("java");
            for (int i = 0; i < 2; i++) {
                AMQP.Queue.DeclareOk ok = channel.queueDeclare(name, false, true, false, null);
                Checks.equal("name", ok.getQueue(), name);
                Checks.equal("messages", ok.getMessageCount(), 0);
                Checks.equal("consumers", ok.getConsumerCount(), 0);
            }
        });
        String named = ownQueue(channel);
        Checks.check("server-named queue",
                () -> Checks.equal("start of " + named, named.substring(0, 8), "amq.gen-"));
        Checks.check("exchange and binding", () -> {
            String source = Checks.unique("java");
            String exchange = Checks.unique("java");
            channel.exchangeDeclare(source, "fanout", false, true, null);
            channel.exchangeDeclare(exchange, "topic", false, true, null);
            channel.exchangeBind(exchange, source, "");
            channel.queueBind(named, exchange, "stock.*");
            channel.basicPublish(source, "weather.tea", null, bytes("no"));
            channel.basicPublish(source, "stock.tea", null, bytes("yes"));
            GetResponse got = get(channel, named);
            Checks.equal("exchange", got.getEnvelope().getExchange(), source);
            Checks.equal("key", got.getEnvelope().getRoutingKey(), "stock.tea");
            Checks.equal("body", text(got.getBody()), "yes");
            channel.queueUnbind(named, exchange, "stock.*");
        });
        channel.close();
    }

    private static void publish(Connection connection) throws Exception {
        Channel channel = connection.createChannel();
        channel.confirmSelect();
        String queue = ownQueue(channel);
        Checks.check("confirmed publish", () -> {
            for (int i = 0; i < 100; i++) {
                send(channel, queue, bytes(Integer.toString(i)));
            }
            channel.waitForConfirmsOrDie(Checks.LIMIT * 1000);
            Checks.equal("messages", ready(channel, queue), 100);
        });
        Checks.check("mandatory return", () -> {
            List<Object> returned = new ArrayList<>();
            channel.addReturnListener((code, text, exchange, key, properties, body) ->
                    returned.addAll(Arrays.asList(code, text, exchange, key, text(body))));
            String missing = Checks.unique("nowhere");
            channel.basicPublish("amq.direct", missing, true, null, bytes("back"));
            channel.waitForConfirmsOrDie(Checks.LIMIT * 1000);
            // The return comes before the confirm.
            Checks.equal("return", returned,
                    Arrays.asList(312, "NO_ROUTE", "amq.direct", missing, "back"));
        });
        channel.close();
    }

    /** A consumer that puts what it gets into a queue, and its own end into another. */
    private static final class Inbox extends DefaultConsumer {
        final BlockingQueue<Delivery> deliveries = new LinkedBlockingQueue<>();
        final BlockingQueue<String> cancels = new LinkedBlockingQueue<>();

        Inbox(Channel channel) {
            super(channel);
        }

        @Override
        public void handleDelivery(
                String tag, Envelope envelope, AMQP.BasicProperties properties, byte[] body) {
            deliveries.add(new Delivery(envelope, properties, body));
        }

        @Override
        public void handleCancel(String tag) {
            cancels.add(tag);
        }

        Delivery next() throws Exception {
            return Checks.take("a delivery", deliveries);
        }
    }

    private static void consume(Connection connection) throws Exception {
        Channel channel = connection.createChannel();
        String queue = ownQueue(channel);
        Inbox inbox = new Inbox(channel);
        String tag = Checks.unique("consumer");
        Checks.check("consume with prefetch", () -> {
            for (int i = 0; i < 10; i++) {
                send(channel, queue, bytes(Integer.toString(i)));
            }
            Checks.eventually("all are there", () -> ready(channel, queue) == 10 ? true : null);
            channel.basicQos(3);
            channel.basicConsume(queue, false, tag, inbox);
            for (int got = 0; got < 10;) {
                Delivery last = null;
                for (int batch = 0; batch < 3 && got < 10; batch++, got++) {
                    last = inbox.next();
                    Checks.equal("body", text(last.getBody()), Integer.toString(got));
                }
                Checks.equal("messages", ready(channel, queue), 10 - got);
                Checks.equal("beyond the prefetch", inbox.deliveries.size(), 0);
                channel.basicAck(last.getEnvelope().getDeliveryTag(), true);
            }
        });
        Checks.check("nack and requeue", () -> {
            send(channel, queue, bytes("again"));
            Envelope first = inbox.next().getEnvelope();
            Checks.equal("redelivered", first.isRedeliver(), false);
            channel.basicNack(first.getDeliveryTag(), false, true);
            Delivery second = inbox.next();
            Checks.equal("redelivered", second.getEnvelope().isRedeliver(), true);
            Checks.equal("body", text(second.getBody()), "again");
            channel.basicReject(second.getEnvelope().getDeliveryTag(), false);
            channel.basicCancel(tag);
            Checks.equal("messages", ready(channel, queue), 0);
        });
        Checks.check("get", () -> {
            send(channel, queue, bytes("one"));
            send(channel, queue, bytes("two"));
            Checks.eventually("both are there", () -> ready(channel, queue) == 2 ? true : null);
            GetResponse got = channel.basicGet(queue, false);
            Checks.equal("messages left", got.getMessageCount(), 1);
            Checks.equal("body", text(got.getBody()), "one");
            channel.basicAck(got.getEnvelope().getDeliveryTag(), false);
            Checks.equal("body", text(channel.basicGet(queue, true).getBody()), "two");
            Checks.equal("an empty queue's message", channel.basicGet(queue, true), null);
        });
        channel.close();
    }

    private static void closedWith(Channel channel, int code, String text, Checks.Work work)
            throws Exception {
        try {
            work.run();
        } catch (IOException error) {
            ShutdownSignalException signal = (ShutdownSignalException) error.getCause();
            AMQP.Channel.Close close = (AMQP.Channel.Close) signal.getReason();
            Checks.equal("code", close.getReplyCode(), code);
            Checks.equal("text", close.getReplyText(), text);
            Checks.equal("channel is open", channel.isOpen(), false);
            return;
        }
        throw new AssertionError(code + " was expected, and nothing failed");
    }

    private void errors(Connection connection) throws Exception {
        Checks.check("missing queue", () -> {
            Channel channel = connection.createChannel();
            String missing = Checks.unique("missing");
            closedWith(channel, 404, Checks.noQueue(missing),
                    () -> channel.queueDeclarePassive(missing));
        });
        Checks.check("inequivalent declare", () -> {
            Channel channel = connection.createChannel();
            String queue = Checks.unique("java");
            channel.queueDeclare(queue, false, false, false, null);
            closedWith(channel, 406, Checks.inequivalentDurable(queue),
                    () -> channel.queueDeclare(queue, true, false, false, null));
            Channel other = connection.createChannel();
            other.queueDelete(queue);
            other.close();
        });
        Checks.check("wrong password", () -> {
            try {
                factory(Checks.withPassword(broker, "wrong"), 0).newConnection();
            } catch (AuthenticationFailureException error) {
                Checks.equal("text", error.getMessage(), Checks.LOGIN_REFUSED);
                return;
            }
            throw new AssertionError("a wrong password was taken");
        });
    }

    private static void contents(Connection connection) throws Exception {
        Channel channel = connection.createChannel();
        String queue = ownQueue(channel);
        Checks.check("body sizes", () -> {
            for (int size : Checks.BODY_SIZES) {
                send(channel, queue, Checks.body(size));
                Checks.sameBody(get(channel, queue).getBody(), Checks.body(size));
            }
        });
        Checks.check("large body", () -> {
            byte[] large = Checks.body(Checks.LARGE_BODY);
            send(channel, queue, large);
            Checks.sameBody(get(channel, queue).getBody(), large);
        });
        Checks.check("headers", () -> {
            Map<String, Object> headers = headers();
            AMQP.BasicProperties sent = new AMQP.BasicProperties(
                    "text/plain", "identity", headers, 2, 3, "correlation", "answers", "60000",
                    "message", new Date(1_700_000_000_000L), "kind", "guest", "checks", "cluster");
            channel.basicPublish("", queue, sent, new byte[0]);
            AMQP.BasicProperties got = get(channel, queue).getProps();
            Checks.equal("keys", got.getHeaders().keySet(), headers.keySet());
            for (Map.Entry<String, Object> header : headers.entrySet()) {
                Object value = got.getHeaders().get(header.getKey());
                Checks.equal(header.getKey(), value, header.getValue());
            }
            // They have no equality of their own, but print everything.
            Checks.equal("properties", got.builder().headers(null).build().toString(),
                    sent.builder().headers(null).build().toString());
        });
        channel.close();
    }

    private static Map<String, Object> headers() {
        Map<String, Object> headers = new HashMap<>();
        headers.put("text", LongStringHelper.asLongString("grüße"));
        headers.put("bytes", new byte[] {0, -1});
        headers.put("true", true);
        headers.put("false", false);
        headers.put("byte", (byte) -7);
        headers.put("short", (short) -300);
        headers.put("int", -100_000);
        headers.put("long", -(1L << 40));
        headers.put("float", 1.5f);
        headers.put("double", 1.1);
        headers.put("decimal", new BigDecimal("3.25"));
        headers.put("time", new Date(1_700_000_000_000L));
        Map<String, Object> inner = new HashMap<>();
        inner.put("deep", LongStringHelper.asLongString("yes"));
        headers.put("table", inner);
        headers.put("list", Arrays.asList(1, LongStringHelper.asLongString("two"), inner, null));
        headers.put("void", null);
        return headers;
    }

    private static void cancelled(Connection connection) {
        Checks.check("cancel notify", () -> {
            Channel channel = connection.createChannel();
            String queue = ownQueue(channel);
            Inbox inbox = new Inbox(channel);
            String tag = channel.basicConsume(queue, false, inbox);
            Channel other = connection.createChannel();
            other.queueDelete(queue);
            Checks.equal("consumer tag", Checks.take("the cancel", inbox.cancels), tag);
            other.close();
            channel.close();
        });
    }

    private void heartbeats() {
        Checks.check("heartbeats", () -> {
            Connection connection = connect(Checks.HEARTBEAT);
            Checks.equal("heartbeat", connection.getHeartbeat(), Checks.HEARTBEAT);
            BlockingQueue<String> ends = new LinkedBlockingQueue<>();
            connection.addShutdownListener(cause -> ends.add(cause.getMessage()));
            Thread.sleep(Checks.IDLE);
            Checks.equal("the end of the idle connection", ends.poll(), null);
            ownQueue(connection.createChannel());
            connection.close();
        });
    }

    private void manyChannels() {
        Checks.check("a thousand channels", () -> {
            Connection connection = connect(0);
            List<Channel> channels = new ArrayList<>();
            for (int i = 0; i < Checks.CHANNELS; i++) {
                channels.add(connection.createChannel());
            }
            for (int i : new int[] {0, 499, Checks.CHANNELS - 1}) {
                String queue = ownQueue(channels.get(i));
                send(channels.get(i), queue, bytes("tea"));
                Checks.equal("body", text(get(channels.get(i), queue).getBody()), "tea");
            }
            for (int i = 0; i < Checks.CHANNELS; i += 100) {
                channels.get(i).close();
            }
            connection.close();
        });
    }
}

"""pika's BlockingConnection."""

import pika
from pika import exceptions

import checks
from checks import check, equal, unique, until
from pika_content import HEADERS, PROPERTIES, parameters


def connect(**changes):
    return pika.BlockingConnection(parameters(**changes))


def get(connection, channel, queue, limit=checks.LIMIT, **options):
    """The next message of the queue, as soon as it is there."""
    found = []

    def look():
        answer = channel.basic_get(queue, **options)
        if answer[0] is not None:
            found.append(answer)
        else:
            connection.process_data_events(time_limit=0.01)

    until(f"{queue} has a message", lambda: found, look, limit)
    return found[0]


def ready(channel, queue):
    return channel.queue_declare(queue, passive=True).method.message_count


def declare(connection):
    channel = connection.channel()
    with check("declare"):
        queue = unique("pika")
        declared = channel.queue_declare(queue, exclusive=True).method
        equal(declared.queue, queue)
        equal((declared.message_count, declared.consumer_count), (0, 0))
        channel.queue_declare(queue, exclusive=True)
    with check("server-named queue"):
        named = channel.queue_declare("", exclusive=True).method.queue
        assert named.startswith("amq.gen-"), named
    with check("exchange and binding"):
        exchange = unique("pika")
        channel.exchange_declare(exchange, "topic", auto_delete=True)
        channel.queue_bind(named, exchange, "stock.*")
        channel.basic_publish(exchange, "weather.tea", b"no")
        channel.basic_publish(exchange, "stock.tea", b"yes")
        method, _, payload = get(connection, channel, named, auto_ack=True)
        equal((method.exchange, method.routing_key), (exchange, "stock.tea"))
        equal(payload, b"yes")
        channel.queue_unbind(named, exchange, "stock.*")
    channel.close()


def publish(connection):
    channel = connection.channel()
    channel.confirm_delivery()
    queue = channel.queue_declare("", exclusive=True).method.queue
    with check("confirmed publish"):
        for number in range(100):
            channel.basic_publish("", queue, str(number).encode())
        equal(ready(channel, queue), 100)
        channel.queue_purge(queue)
    with check("mandatory return"):
        missing = unique("nowhere")
        try:
            channel.basic_publish("amq.direct", missing, b"back", mandatory=True)
            raise AssertionError("an unroutable message was taken")
        except exceptions.UnroutableError as error:
            (returned,) = error.messages
        method = returned.method
        equal((method.reply_code, method.reply_text), (312, "NO_ROUTE"))
        equal((method.exchange, method.routing_key), ("amq.direct", missing))
        equal(returned.body, b"back")
        channel.basic_publish("", queue, b"routed", mandatory=True)
    channel.close()


def consume(connection):
    channel = connection.channel()
    queue = channel.queue_declare("", exclusive=True).method.queue
    got = []
    wait = lambda: connection.process_data_events(time_limit=0.05)
    with check("consume with prefetch"):
        for number in range(10):
            channel.basic_publish("", queue, str(number).encode())
        until("all are there", lambda: ready(channel, queue) == 10, wait)
        channel.basic_qos(prefetch_count=3)
        on_message = lambda _, method, properties, payload: got.append((method, payload))
        tag = channel.basic_consume(queue, on_message)
        for batch in range(1, 5):
            expected = min(3 * batch, 10)
            until("the next are delivered", lambda: len(got) >= expected, wait)
            equal((len(got), ready(channel, queue)), (expected, 10 - expected))
            channel.basic_ack(got[-1][0].delivery_tag, multiple=True)
        equal([payload for _, payload in got], [str(n).encode() for n in range(10)])
    with check("nack and requeue"):
        got.clear()
        channel.basic_publish("", queue, b"again")
        until("it is delivered", lambda: got, wait)
        equal(got[0][0].redelivered, False)
        channel.basic_nack(got[0][0].delivery_tag, requeue=True)
        until("it comes again", lambda: len(got) == 2, wait)
        equal((got[1][0].redelivered, got[1][1]), (True, b"again"))
        channel.basic_reject(got[1][0].delivery_tag, requeue=False)
        channel.basic_cancel(tag)
        equal(ready(channel, queue), 0)
    with check("get"):
        equal(channel.basic_get(queue), (None, None, None))
        channel.basic_publish("", queue, b"one")
        channel.basic_publish("", queue, b"two")
        until("both are there", lambda: ready(channel, queue) == 2, wait)
        method, _, payload = channel.basic_get(queue)
        equal((method.message_count, method.redelivered, payload), (1, False, b"one"))
        channel.basic_ack(method.delivery_tag)
        equal(channel.basic_get(queue, auto_ack=True)[2], b"two")
        equal(channel.basic_get(queue), (None, None, None))
    channel.close()


def closed_with(channel, code, text, operation):
    try:
        operation()
    except exceptions.ChannelClosedByBroker as error:
        equal((error.reply_code, error.reply_text), (code, text))
        assert channel.is_closed, "the channel is still open"
        return
    raise AssertionError(f"{code} was expected, and nothing failed")


def errors(connection):
    with check("missing queue"):
        missing = unique("missing")
        channel = connection.channel()
        declare = lambda: channel.queue_declare(missing, passive=True)
        closed_with(channel, 404, checks.no_queue(missing), declare)
    with check("inequivalent declare"):
        channel = connection.channel()
        queue = unique("pika")
        channel.queue_declare(queue)
        declare = lambda: channel.queue_declare(queue, durable=True)
        closed_with(channel, 406, checks.inequivalent_durable(queue), declare)
        connection.channel().queue_delete(queue)
    with check("wrong password"):
        try:
            connect(credentials=pika.PlainCredentials("guest", "wrong"))
            raise AssertionError("a wrong password was taken")
        except exceptions.ProbableAuthenticationError as error:
            equal(str(error.args[0]), f"ConnectionClosedByBroker: (403) {checks.LOGIN_REFUSED!r}")


def contents(connection):
    channel = connection.channel()
    channel.confirm_delivery()
    queue = channel.queue_declare("", exclusive=True).method.queue
    with check("body sizes"):
        for size in checks.BODY_SIZES:
            channel.basic_publish("", queue, checks.body(size))
            _, _, payload = get(connection, channel, queue, auto_ack=True)
            checks.same_body(payload, checks.body(size))
    with check("large body"):
        large = checks.body(checks.LARGE_BODY)
        channel.basic_publish("", queue, large)
        _, _, payload = get(connection, channel, queue, checks.LARGE_LIMIT, auto_ack=True)
        checks.same_body(payload, large)
    with check("headers"):
        channel.basic_publish("", queue, b"", pika.BasicProperties(**PROPERTIES))
        _, properties, _ = get(connection, channel, queue, auto_ack=True)
        checks.same_table(properties.headers, HEADERS)
        for name, value in PROPERTIES.items():
            equal(getattr(properties, name), value, name)
    channel.close()


def cancelled(connection):
    with check("cancel notify"):
        channel = connection.channel()
        queue = unique("pika")
        channel.queue_declare(queue, exclusive=True)
        ended = []
        channel.add_on_cancel_callback(lambda frame: ended.append(frame.method.consumer_tag))
        tag = channel.basic_consume(queue, lambda *_: None)
        connection.channel().queue_delete(queue)
        wait = lambda: connection.process_data_events(time_limit=0.05)
        until("the consumer is cancelled", lambda: ended, wait)
        equal(ended, [tag])
        channel.close()


def heartbeats():
    with check("heartbeats"):
        connection = connect(heartbeat=checks.HEARTBEAT)
        connection.process_data_events(time_limit=checks.IDLE)
        connection.channel().queue_declare("", exclusive=True)
        connection.close()


def many_channels():
    with check("a thousand channels"):
        connection = connect()
        channels = [connection.channel() for _ in range(checks.CHANNELS)]
        for channel in (channels[0], channels[499], channels[-1]):
            queue = channel.queue_declare("", exclusive=True).method.queue
            channel.basic_publish("", queue, b"tea")
            equal(get(connection, channel, queue, auto_ack=True)[2], b"tea")
        for channel in channels[::100]:
            channel.close()
        connection.close()


def main():
    connection = connect()
    for part in (declare, publish, consume, errors, contents, cancelled):
        part(connection)
    heartbeats()
    many_channels()
    with check("clean close"):
        connection.close()
        assert connection.is_closed


main()

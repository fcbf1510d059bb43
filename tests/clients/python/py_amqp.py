"""py-amqp, the client below kombu and Celery."""

import datetime
import decimal
import socket
import time
from urllib.parse import urlsplit

import amqp
from amqp.exceptions import AccessRefused, NotFound, PreconditionFailed

import checks
from checks import check, equal, unique, until

HEADERS = {
    "text": "grüße",
    "bytes": b"\x00\xff",
    "true": True,
    "false": False,
    "int": -7,
    "long": -(1 << 40),
    "double": 1.5,
    "decimal": decimal.Decimal("3.25"),
    "time": datetime.datetime(2024, 2, 29, 12, 30, 15),
    "table": {"inner": {"deep": "yes"}, "list": [1, "two"]},
    "list": [1, "two", {"three": True}, [None]],
    "void": None,
}
PROPERTIES = {
    "content_type": "text/plain",
    "content_encoding": "identity",
    "delivery_mode": 2,
    "priority": 3,
    "correlation_id": "correlation",
    "reply_to": "answers",
    "expiration": "60000",
    "message_id": "message",
    "timestamp": 1_700_000_000,
    "type": "kind",
    "user_id": "guest",
    "app_id": "checks",
    "cluster_id": "cluster",
}


def connect(**options):
    place = urlsplit(checks.url())
    options = {"userid": place.username, "password": place.password, **options}
    connection = amqp.Connection(
        f"{place.hostname}:{place.port}",
        frame_max=checks.FRAME_MAX,
        connect_timeout=checks.LIMIT,
        read_timeout=checks.LARGE_LIMIT,
        **options,
    )
    connection.connect()
    return connection


def drain(connection, pause=0.05):
    """Handles what arrives, or gives up after a moment."""
    try:
        connection.drain_events(timeout=pause)
    except socket.timeout:
        pass


def text(message):
    return message.body if isinstance(message.body, bytes) else message.body.encode()


def get(channel, queue, limit=checks.LIMIT):
    """The next message of the queue, as soon as it is there, as bytes."""
    found = []
    look = lambda: found.append(channel.basic_get(queue, no_ack=True))
    until(f"{queue} has a message", lambda: found and found[-1], look, limit)
    return found[-1]


def own_queue(channel):
    # Queues are deleted with their last consumer here, unless one says otherwise.
    return channel.queue_declare("", exclusive=True, auto_delete=False).queue


def ready(channel, queue):
    return channel.queue_declare(queue, passive=True).message_count


def send(channel, queue, payload, **properties):
    channel.basic_publish(amqp.Message(payload, **properties), "", queue)


def declare(connection):
    channel = connection.channel()
    with check("declare"):
        queue = unique("py-amqp")
        declared = channel.queue_declare(queue, exclusive=True)
        equal(tuple(declared), (queue, 0, 0))
        channel.queue_declare(queue, exclusive=True)
    with check("server-named queue"):
        named = own_queue(channel)
        assert named.startswith("amq.gen-"), named
    with check("exchange and binding"):
        source, exchange = unique("py-amqp"), unique("py-amqp")
        channel.exchange_declare(source, "direct", auto_delete=True)
        channel.exchange_declare(exchange, "topic", auto_delete=True)
        channel.exchange_bind(exchange, source, "stock.tea")
        channel.queue_bind(named, exchange, "#.tea")
        channel.basic_publish(amqp.Message(b"no"), source, "weather.tea")
        channel.basic_publish(amqp.Message(b"yes"), source, "stock.tea")
        message = get(channel, named)
        equal(message.delivery_info["exchange"], source)
        equal((message.delivery_info["routing_key"], text(message)), ("stock.tea", b"yes"))
        channel.queue_unbind(named, exchange, "#.tea")
    channel.close()


def publish():
    connection = connect(confirm_publish=True)
    channel = connection.channel()
    queue = own_queue(channel)
    with check("confirmed publish"):
        for number in range(100):
            send(channel, queue, str(number).encode())
        equal(ready(channel, queue), 100)
    with check("mandatory return"):
        returned = []
        channel.events["basic_return"].add(lambda *arguments: returned.append(arguments))
        missing = unique("nowhere")
        channel.basic_publish(amqp.Message(b"back"), "amq.direct", missing, mandatory=True)
        ((error, exchange, key, message),) = returned
        equal((error.reply_code, error.reply_text), (312, "NO_ROUTE"))
        equal((exchange, key, text(message)), ("amq.direct", missing, b"back"))
    connection.close()


def consume(connection):
    channel = connection.channel()
    queue = own_queue(channel)
    got = []
    wait = lambda: drain(connection)
    with check("consume with prefetch"):
        for number in range(10):
            send(channel, queue, str(number).encode())
        until("all are there", lambda: ready(channel, queue) == 10, lambda: None)
        channel.basic_qos(0, 3, False)
        tag = channel.basic_consume(queue, callback=got.append)
        for batch in range(1, 5):
            expected = min(3 * batch, 10)
            until("the next are delivered", lambda: len(got) >= expected, wait)
            equal((len(got), ready(channel, queue)), (expected, 10 - expected))
            channel.basic_ack(got[-1].delivery_tag, multiple=True)
        equal([text(message) for message in got], [str(n).encode() for n in range(10)])
    with check("nack and requeue"):
        got.clear()
        send(channel, queue, b"again")
        until("it is delivered", lambda: got, wait)
        equal(got[0].delivery_info["redelivered"], False)
        # py-amqp has no basic.nack.
        channel.basic_reject(got[0].delivery_tag, requeue=True)
        until("it comes again", lambda: len(got) == 2, wait)
        equal((got[1].delivery_info["redelivered"], text(got[1])), (True, b"again"))
        channel.basic_recover(requeue=True)
        until("it is recovered", lambda: len(got) == 3, wait)
        equal((got[2].delivery_info["redelivered"], text(got[2])), (True, b"again"))
        channel.basic_reject(got[2].delivery_tag, requeue=False)
        channel.basic_cancel(tag)
        equal(ready(channel, queue), 0)
    with check("get"):
        equal(channel.basic_get(queue), None)
        send(channel, queue, b"one")
        send(channel, queue, b"two")
        until("both are there", lambda: ready(channel, queue) == 2, lambda: None)
        message = channel.basic_get(queue)
        equal((message.delivery_info["message_count"], text(message)), (1, b"one"))
        channel.basic_ack(message.delivery_tag)
        equal(text(channel.basic_get(queue, no_ack=True)), b"two")
        equal(channel.basic_get(queue), None)
    channel.close()


def closed_with(error_type, code, message, operation):
    try:
        operation()
    except error_type as error:
        equal((error.reply_code, error.reply_text), (code, message))
        return
    raise AssertionError(f"{code} was expected, and nothing failed")


def errors(connection):
    # py-amqp opens a channel that the broker closed again at once, under the same number.
    channel = connection.channel()
    with check("missing queue"):
        missing = unique("missing")
        operation = lambda: channel.queue_declare(missing, passive=True)
        closed_with(NotFound, 404, checks.no_queue(missing), operation)
    with check("inequivalent declare"):
        queue = unique("py-amqp")
        channel.queue_declare(queue, auto_delete=False)
        operation = lambda: channel.queue_declare(queue, durable=True, auto_delete=False)
        closed_with(PreconditionFailed, 406, checks.inequivalent_durable(queue), operation)
        channel.queue_delete(queue)
    with check("wrong password"):
        operation = lambda: connect(password="wrong")
        # It takes AMQPLAIN where it is offered, unlike all others.
        refused = checks.LOGIN_REFUSED.replace("PLAIN", "AMQPLAIN")
        closed_with(AccessRefused, 403, refused, operation)
        connect(login_method="PLAIN").close()
    channel.close()


def contents(connection):
    channel = connection.channel()
    queue = own_queue(channel)
    with check("body sizes"):
        for size in checks.BODY_SIZES:
            send(channel, queue, checks.body(size))
            checks.same_body(text(get(channel, queue)), checks.body(size))
    with check("large body"):
        large = checks.body(checks.LARGE_BODY)
        send(channel, queue, large)
        checks.same_body(text(get(channel, queue, checks.LARGE_LIMIT)), large)
    with check("headers"):
        send(channel, queue, b"", application_headers=HEADERS, **PROPERTIES)
        message = get(channel, queue)
        checks.same_table(message.headers, HEADERS)
        for name, value in PROPERTIES.items():
            equal(message.properties[name], value, name)
    channel.close()


def cancelled(connection):
    with check("cancel notify"):
        channel = connection.channel()
        queue = own_queue(channel)
        ended = []
        tag = channel.basic_consume(queue, callback=print, on_cancel=ended.append)
        connection.channel().queue_delete(queue)
        until("the consumer is cancelled", lambda: ended, lambda: drain(connection))
        equal(ended, [tag])
        channel.close()


def heartbeats():
    with check("heartbeats"):
        connection = connect(heartbeat=checks.HEARTBEAT)
        equal(connection.heartbeat, checks.HEARTBEAT)
        end = time.monotonic() + checks.IDLE
        while time.monotonic() < end:
            drain(connection, pause=0.25)
            connection.heartbeat_tick()
        own_queue(connection.channel())
        connection.close()


def many_channels():
    with check("a thousand channels"):
        connection = connect()
        channels = [connection.channel() for _ in range(checks.CHANNELS)]
        for channel in (channels[0], channels[499], channels[-1]):
            queue = own_queue(channel)
            send(channel, queue, b"tea")
            equal(text(get(channel, queue)), b"tea")
        for channel in channels[::100]:
            channel.close()
        connection.close()


def main():
    connection = connect()
    declare(connection)
    publish()
    for part in (consume, errors, contents, cancelled):
        part(connection)
    heartbeats()
    many_channels()
    with check("clean close"):
        connection.close()
        assert not connection.connected


main()

"""aio-pika, over aiormq and pamqp."""

import asyncio
import datetime
import decimal

import aio_pika
from aio_pika import DeliveryMode, Message
from aio_pika.exceptions import (
    ChannelNotFoundEntity,
    ChannelPreconditionFailed,
    ProbableAuthenticationError,
    QueueEmpty,
)

import checks
from checks import check, equal, unique, within

HEADERS = {
    "text": "grüße",
    "bytes": bytearray(b"\x00\xff"),
    "true": True,
    "false": False,
    "signed octet": -7,
    "signed short": -300,
    "unsigned short": 40_000,
    "signed": -100_000,
    "unsigned": 3_000_000_000,
    "long": -(1 << 40),
    "double": 1.5,
    "decimal": decimal.Decimal("3.25"),
    "time": datetime.datetime(2024, 2, 29, 12, 30, 15, tzinfo=datetime.timezone.utc),
    "table": {"inner": {"deep": "yes"}, "list": [1, "two"]},
    "list": [1, "two", {"three": True}, [None]],
    "void": None,
}
PROPERTIES = {
    "content_type": "text/plain",
    "content_encoding": "identity",
    "delivery_mode": DeliveryMode.PERSISTENT,
    "priority": 3,
    "correlation_id": "correlation",
    "reply_to": "answers",
    "expiration": 60.0,
    "message_id": "message",
    "timestamp": datetime.datetime(2023, 11, 14, 22, 13, 20, tzinfo=datetime.timezone.utc),
    "type": "kind",
    "user_id": "guest",
    "app_id": "checks",
}


async def connect(**query):
    return await aio_pika.connect(checks.url(), timeout=checks.LIMIT, **query)


async def ready(channel, queue):
    return (await channel.declare_queue(queue.name, passive=True)).declaration_result.message_count


async def send(channel, queue, payload, **properties):
    await channel.default_exchange.publish(Message(payload, **properties), queue.name)


async def get(queue, limit=checks.LIMIT):
    return await within("a message", queue.get(no_ack=True, timeout=limit), limit)


async def declare(connection):
    channel = await connection.channel()
    with check("declare"):
        name = unique("aio-pika")
        queue = await channel.declare_queue(name, exclusive=True)
        result = queue.declaration_result
        equal((result.queue, result.message_count, result.consumer_count), (name, 0, 0))
        await channel.declare_queue(name, exclusive=True)
    with check("server-named queue"):
        named = await channel.declare_queue(exclusive=True)
        # aio-pika makes names of its own unless it is given an empty one.
        underlay = await channel.get_underlay_channel()
        declared = await underlay.queue_declare("", exclusive=True)
        assert declared.queue.startswith("amq.gen-"), declared.queue
    with check("exchange and binding"):
        headers = await channel.declare_exchange(unique("aio-pika"), "headers", auto_delete=True)
        arguments = {"x-match": "all", "kind": "tea", "hot": True}
        await named.bind(headers, arguments=arguments)
        other = Message(b"no", headers={"kind": "tea", "hot": False})
        await headers.publish(other, "", mandatory=False)
        await headers.publish(Message(b"yes", headers={"kind": "tea", "hot": True}), "")
        message = await get(named)
        equal((message.exchange, message.body), (headers.name, b"yes"))
        await named.unbind(headers, arguments=arguments)
    await channel.close()


async def publish(connection):
    channel = await connection.channel(on_return_raises=True)
    queue = await channel.declare_queue(exclusive=True)
    with check("confirmed publish"):
        sends = (send(channel, queue, str(number).encode()) for number in range(100))
        await within("the confirms", asyncio.gather(*sends))
        equal(await ready(channel, queue), 100)
    with check("mandatory return"):
        missing = unique("nowhere")
        direct = await channel.get_exchange("amq.direct")
        try:
            await direct.publish(Message(b"back"), missing)
            raise AssertionError("an unroutable message was taken")
        except aio_pika.exceptions.PublishError as error:
            returned = error.message
        method = returned.delivery
        equal((method.reply_code, method.reply_text), (312, "NO_ROUTE"))
        equal((method.exchange, method.routing_key), ("amq.direct", missing))
        equal(returned.body, b"back")
    await channel.close()


async def consume(connection):
    channel = await connection.channel()
    queue = await channel.declare_queue(exclusive=True)
    deliveries = asyncio.Queue()
    with check("consume with prefetch"):
        for number in range(10):
            await send(channel, queue, str(number).encode())
        await channel.set_qos(prefetch_count=3)
        tag = await queue.consume(deliveries.put)
        bodies = []
        for batch in range(1, 5):
            while len(bodies) < min(3 * batch, 10):
                message = await within("a delivery", deliveries.get())
                bodies.append(message.body)
            equal(await ready(channel, queue), 10 - len(bodies))
            assert deliveries.empty(), "more than the prefetch"
            await message.ack(multiple=True)
        equal(bodies, [str(number).encode() for number in range(10)])
    with check("nack and requeue"):
        await send(channel, queue, b"again")
        message = await within("a delivery", deliveries.get())
        equal(message.redelivered, False)
        await message.nack(requeue=True)
        message = await within("the same again", deliveries.get())
        equal((message.redelivered, message.body), (True, b"again"))
        await message.reject(requeue=False)
        await queue.cancel(tag)
        equal(await ready(channel, queue), 0)
    with check("get"):
        await send(channel, queue, b"one")
        await send(channel, queue, b"two")
        message = await queue.get()
        equal((message.message_count, message.redelivered, message.body), (1, False, b"one"))
        await message.ack()
        equal((await queue.get(no_ack=True)).body, b"two")
        try:
            await queue.get()
            raise AssertionError("the queue is not empty")
        except QueueEmpty:
            pass
    await channel.close()


async def closed_with(error_type, text, answer):
    """The library chooses the error's type by the reply code."""
    try:
        await within("the answer", answer)
    except error_type as error:
        equal(error.args[0], text)
        return
    raise AssertionError(f"{text!r} was expected, and nothing failed")


async def errors(connection):
    with check("missing queue"):
        channel = await connection.channel()
        missing = unique("missing")
        answer = channel.declare_queue(missing, passive=True)
        await closed_with(ChannelNotFoundEntity, checks.no_queue(missing), answer)
    with check("inequivalent declare"):
        channel = await connection.channel()
        name = unique("aio-pika")
        await channel.declare_queue(name)
        answer = channel.declare_queue(name, durable=True)
        text = checks.inequivalent_durable(name)
        await closed_with(ChannelPreconditionFailed, text, answer)
        channel = await connection.channel()
        await channel.queue_delete(name)
        await channel.close()
    with check("wrong password"):
        try:
            await aio_pika.connect(checks.with_wrong_password(), timeout=checks.LIMIT)
            raise AssertionError("a wrong password was taken")
        except ProbableAuthenticationError as error:
            equal(error.args[0], checks.LOGIN_REFUSED)


async def contents(connection):
    channel = await connection.channel()
    queue = await channel.declare_queue(exclusive=True)
    with check("body sizes"):
        for size in checks.BODY_SIZES:
            await send(channel, queue, checks.body(size))
            checks.same_body((await get(queue)).body, checks.body(size))
    with check("large body"):
        large = checks.body(checks.LARGE_BODY)
        await within("the confirm", send(channel, queue, large), checks.LARGE_LIMIT)
        checks.same_body((await get(queue, checks.LARGE_LIMIT)).body, large)
    with check("headers"):
        await send(channel, queue, b"", headers=HEADERS, **PROPERTIES)
        message = await get(queue)
        checks.same_table(message.headers, HEADERS)
        for name, value in PROPERTIES.items():
            equal(getattr(message, name), value, name)
    await channel.close()


async def cancelled(connection):
    with check("cancel notify"):
        channel = await connection.channel()
        queue = await channel.declare_queue(exclusive=True)
        underlay = await channel.get_underlay_channel()
        tag = await queue.consume(lambda _: None)
        assert tag in underlay.consumers
        other = await connection.channel()
        await other.queue_delete(queue.name)

        async def forgotten():
            while tag in underlay.consumers:
                await asyncio.sleep(0.01)

        await within("the consumer's end", forgotten())
        await channel.close()
        await other.close()


async def heartbeats():
    with check("heartbeats"):
        connection = await connect(heartbeat=checks.HEARTBEAT)
        equal(connection.transport.connection.connection_tune.heartbeat, checks.HEARTBEAT)
        closed = asyncio.ensure_future(connection.closed())
        await asyncio.wait([closed], timeout=checks.IDLE)
        assert not closed.done(), "the idle connection was closed"
        channel = await connection.channel()
        await channel.declare_queue(exclusive=True)
        await connection.close()


async def many_channels():
    with check("a thousand channels"):
        connection = await connect()
        opening = (connection.channel() for _ in range(checks.CHANNELS))
        channels = await within("the channels", asyncio.gather(*opening))
        for channel in (channels[0], channels[499], channels[-1]):
            queue = await channel.declare_queue(exclusive=True)
            await send(channel, queue, b"tea")
            equal((await get(queue)).body, b"tea")
        await asyncio.gather(*(channel.close() for channel in channels[::100]))
        await within("the close", connection.close())


async def main():
    connection = await connect()
    for part in (declare, publish, consume, errors, contents, cancelled):
        await part(connection)
    await heartbeats()
    await many_channels()
    with check("clean close"):
        await within("the close", connection.close())
        assert connection.is_closed


asyncio.run(main())

"""pika's AsyncioConnection: the same library without the blocking layer, all callbacks."""

import asyncio

import pika
from pika.adapters.asyncio_connection import AsyncioConnection

import checks
from checks import check, equal, unique, within
from pika_content import HEADERS, PROPERTIES, parameters


def future():
    return asyncio.get_running_loop().create_future()


class Channel:
    """A pika channel whose answers are awaited instead of called back."""

    def __init__(self, channel):
        self.channel = channel
        self.closed = future()
        self.returned = asyncio.Queue()
        self.confirmed = asyncio.Queue()
        self.got = asyncio.Queue()
        self.cancelled = asyncio.Queue()
        channel.add_on_close_callback(lambda _, reason: self.closed.set_result(reason))
        channel.add_on_return_callback(lambda _, *returned: self.returned.put_nowait(returned))
        channel.add_on_cancel_callback(self.cancelled.put_nowait)
        self.publish = channel.basic_publish

    async def call(self, operation, *arguments, **options):
        """The answer, or the error with which the broker closed the channel instead."""
        answer = future()
        getattr(self.channel, operation)(*arguments, callback=answer.set_result, **options)
        either = asyncio.wait([answer, self.closed], return_when=asyncio.FIRST_COMPLETED)
        await within(operation, either)
        if self.closed.done() and not answer.done():
            raise self.closed.result()
        return answer.result().method

    async def queue(self):
        return (await self.call("queue_declare", "", exclusive=True)).queue

    async def ready(self, queue):
        return (await self.call("queue_declare", queue, passive=True)).message_count

    async def confirm(self):
        confirmed = lambda frame: self.confirmed.put_nowait(frame.method)
        await self.call("confirm_delivery", confirmed)

    async def consume(self, queue, **options):
        got = lambda _, *delivery: self.got.put_nowait(delivery)
        return (await self.call("basic_consume", queue, got, **options)).consumer_tag

    async def delivery(self, limit=checks.LIMIT):
        return await within("a delivery", self.got.get(), limit)

    async def close(self):
        self.channel.close()
        await within("the channel to close", asyncio.wait([self.closed]))


class Connection:
    """A pika connection whose opening and closing are awaited."""

    def __init__(self, **changes):
        self.opened, self.closed = future(), future()
        self.connection = AsyncioConnection(
            parameters(**changes),
            on_open_callback=self.opened.set_result,
            on_open_error_callback=lambda _, error: self.opened.set_exception(error),
            on_close_callback=lambda _, reason: self.closed.set_result(reason),
        )

    async def open(self):
        await within("the connection to open", self.opened)
        return self

    async def channel(self):
        opened = future()
        self.connection.channel(on_open_callback=opened.set_result)
        return Channel(await within("a channel", opened))

    async def close(self):
        self.connection.close()
        reason = await within("the connection to close", self.closed)
        equal((reason.reply_code, reason.reply_text), (200, "Normal shutdown"))


async def eventually_ready(channel, queue, count):
    """Publishing is not answered: the count may lag behind."""

    async def look():
        while await channel.ready(queue) != count:
            pass

    await within(f"{count} messages in {queue}", look())


async def declare(connection):
    channel = await connection.channel()
    with check("declare"):
        queue = unique("pika-asyncio")
        declared = await channel.call("queue_declare", queue, exclusive=True)
        equal(declared.queue, queue)
        equal((declared.message_count, declared.consumer_count), (0, 0))
        await channel.call("queue_declare", queue, exclusive=True)
    with check("server-named queue"):
        named = await channel.queue()
        assert named.startswith("amq.gen-"), named
    with check("exchange and binding"):
        exchange = unique("pika-asyncio")
        await channel.call("exchange_declare", exchange, "fanout", auto_delete=True)
        await channel.call("queue_bind", named, exchange)
        await channel.consume(named, auto_ack=True)
        channel.publish(exchange, "any", b"yes")
        method, _, payload = await channel.delivery()
        equal((method.exchange, method.routing_key, payload), (exchange, "any", b"yes"))
        await channel.call("queue_unbind", named, exchange)
    await channel.close()


async def publish(connection):
    channel = await connection.channel()
    await channel.confirm()
    queue = await channel.queue()
    with check("confirmed publish"):
        for number in range(100):
            channel.publish("", queue, str(number).encode())
        unconfirmed = set(range(1, 101))
        while unconfirmed:
            method = await within("the confirms", channel.confirmed.get())
            assert isinstance(method, pika.spec.Basic.Ack), method
            if method.multiple:
                unconfirmed = {tag for tag in unconfirmed if tag > method.delivery_tag}
            else:
                unconfirmed.remove(method.delivery_tag)
        equal(await channel.ready(queue), 100)
    with check("mandatory return"):
        missing = unique("nowhere")
        channel.publish("amq.direct", missing, b"back", mandatory=True)
        method = await within("the confirm", channel.confirmed.get())
        equal((type(method), method.delivery_tag), (pika.spec.Basic.Ack, 101))
        # The return comes before the confirm.
        returned, _, payload = channel.returned.get_nowait()
        equal((returned.reply_code, returned.reply_text), (312, "NO_ROUTE"))
        equal((returned.exchange, returned.routing_key), ("amq.direct", missing))
        equal(payload, b"back")
    await channel.close()


async def consume(connection):
    channel = await connection.channel()
    queue = await channel.queue()
    with check("consume with prefetch"):
        for number in range(10):
            channel.publish("", queue, str(number).encode())
        await eventually_ready(channel, queue, 10)
        await channel.call("basic_qos", prefetch_count=3)
        tag = await channel.consume(queue)
        bodies = []
        for batch in range(1, 5):
            while len(bodies) < min(3 * batch, 10):
                method, _, payload = await channel.delivery()
                bodies.append(payload)
            equal(await channel.ready(queue), 10 - len(bodies))
            assert channel.got.empty(), "more than the prefetch"
            channel.channel.basic_ack(method.delivery_tag, multiple=True)
        equal(bodies, [str(number).encode() for number in range(10)])
    with check("nack and requeue"):
        channel.publish("", queue, b"again")
        method, _, _ = await channel.delivery()
        equal(method.redelivered, False)
        channel.channel.basic_nack(method.delivery_tag, requeue=True)
        method, _, payload = await channel.delivery()
        equal((method.redelivered, payload), (True, b"again"))
        channel.channel.basic_reject(method.delivery_tag, requeue=False)
        await channel.call("basic_cancel", tag)
        equal(await channel.ready(queue), 0)
    with check("get"):
        channel.publish("", queue, b"one")
        await eventually_ready(channel, queue, 1)
        got = future()
        channel.channel.basic_get(queue, lambda _, *answer: got.set_result(answer))
        method, _, payload = await within("the message", got)
        equal((method.message_count, payload), (0, b"one"))
        channel.channel.basic_ack(method.delivery_tag)
        empty = future()
        channel.channel.add_callback(empty.set_result, [pika.spec.Basic.GetEmpty])
        channel.channel.basic_get(queue, lambda *_: empty.cancel())
        await within("the empty answer", empty)
    await channel.close()


async def closed_with(code, text, answer):
    try:
        await answer
    except pika.exceptions.ChannelClosedByBroker as error:
        equal((error.reply_code, error.reply_text), (code, text))
        return
    raise AssertionError(f"{code} was expected, and nothing failed")


async def errors(connection):
    with check("missing queue"):
        channel = await connection.channel()
        missing = unique("missing")
        answer = channel.call("queue_declare", missing, passive=True)
        await closed_with(404, checks.no_queue(missing), answer)
    with check("inequivalent declare"):
        channel = await connection.channel()
        queue = unique("pika-asyncio")
        await channel.call("queue_declare", queue)
        answer = channel.call("queue_declare", queue, durable=True)
        await closed_with(406, checks.inequivalent_durable(queue), answer)
        channel = await connection.channel()
        await channel.call("queue_delete", queue)
        await channel.close()
    with check("wrong password"):
        wrong = Connection(credentials=pika.PlainCredentials("guest", "wrong"))
        try:
            await wrong.open()
            raise AssertionError("a wrong password was taken")
        except pika.exceptions.ProbableAuthenticationError as error:
            equal(str(error.args[0]), f"ConnectionClosedByBroker: (403) {checks.LOGIN_REFUSED!r}")


async def contents(connection):
    channel = await connection.channel()
    queue = await channel.queue()
    await channel.consume(queue, auto_ack=True)
    with check("body sizes"):
        for size in checks.BODY_SIZES:
            channel.publish("", queue, checks.body(size))
        for size in checks.BODY_SIZES:
            checks.same_body((await channel.delivery())[2], checks.body(size))
    with check("large body"):
        large = checks.body(checks.LARGE_BODY)
        channel.publish("", queue, large)
        checks.same_body((await channel.delivery(checks.LARGE_LIMIT))[2], large)
    with check("headers"):
        channel.publish("", queue, b"", pika.BasicProperties(**PROPERTIES))
        _, properties, _ = await channel.delivery()
        checks.same_table(properties.headers, HEADERS)
        for name, value in PROPERTIES.items():
            equal(getattr(properties, name), value, name)
    await channel.close()


async def cancelled(connection):
    with check("cancel notify"):
        channel = await connection.channel()
        queue = await channel.queue()
        tag = await channel.consume(queue)
        other = await connection.channel()
        await other.call("queue_delete", queue)
        frame = await within("the cancel", channel.cancelled.get())
        equal(frame.method.consumer_tag, tag)
        await channel.close()
        await other.close()


async def heartbeats():
    with check("heartbeats"):
        connection = await Connection(heartbeat=checks.HEARTBEAT).open()
        await asyncio.wait([connection.closed], timeout=checks.IDLE)
        assert not connection.closed.done(), connection.closed.result()
        await (await connection.channel()).queue()
        await connection.close()


async def many_channels():
    with check("a thousand channels"):
        connection = await Connection().open()
        channels = await asyncio.gather(*(connection.channel() for _ in range(checks.CHANNELS)))
        for channel in (channels[0], channels[499], channels[-1]):
            queue = await channel.queue()
            await channel.consume(queue, auto_ack=True)
            channel.publish("", queue, b"tea")
            equal((await channel.delivery())[2], b"tea")
        await asyncio.gather(*(channel.close() for channel in channels[::100]))
        await connection.close()


async def main():
    connection = await Connection().open()
    for part in (declare, publish, consume, errors, contents, cancelled):
        await part(connection)
    await heartbeats()
    await many_channels()
    with check("clean close"):
        await connection.close()


asyncio.run(main())

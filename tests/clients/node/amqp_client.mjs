// @cloudamqp/amqp-client. It asks for frames of 8192 bytes unless it is told otherwise.

import assert from 'node:assert/strict';

import { AMQPClient } from '@cloudamqp/amqp-client';

import * as checks from './checks.mjs';
import { check, eventually, Inbox, unique, within } from './checks.mjs';

const FRAME_MAX = 8192;
const OWN = { exclusive: true, durable: false, autoDelete: false };
const HEADERS = {
  text: 'grüße',
  bytes: new Uint8Array([0, 255]),
  true: true,
  false: false,
  int: -7,
  long: -(2 ** 40),
  bigint: 2n ** 40n,
  float: 1.5,
  double: 2 ** 40 + 0.5,
  time: new Date(1_700_000_000_000),
  table: { inner: { deep: 'yes' }, list: [1, 'two'] },
  list: [1, 'two', { three: true }, [null]],
  void: null,
};
const PROPERTIES = {
  contentType: 'text/plain',
  contentEncoding: 'identity',
  deliveryMode: 2,
  priority: 3,
  correlationId: 'correlation',
  replyTo: 'answers',
  expiration: '60000',
  messageId: 'message',
  timestamp: new Date(1_700_000_000_000),
  type: 'kind',
  userId: 'guest',
  appId: 'checks',
};

async function connect(parameters, parts) {
  const client = new AMQPClient(checks.url(parameters, parts));
  // Called for channels' errors too, which are where the operation fails.
  client.onerror = () => {};
  client.ondisconnect = (error) => {
    client.failure = error?.message;
  };
  return within('a connection', client.connect());
}

const ownQueue = async (channel) => (await channel.queueDeclare('', OWN)).name;
const ready = async (channel, queue) =>
  (await channel.queueDeclare(queue, { passive: true })).messageCount;
const get = (channel, queue, limit) =>
  eventually('there is a message', () => channel.basicGet(queue, { noAck: true }), limit);

async function declare(connection) {
  const channel = await connection.channel();
  await check('declare', async () => {
    const name = unique('amqp-client');
    const declared = await channel.queueDeclare(name, OWN);
    assert.deepEqual(declared, { name, messageCount: 0, consumerCount: 0 });
    await channel.queueDeclare(name, OWN);
  });
  const named = await ownQueue(channel);
  await check('server-named queue', () => assert.match(named, /^amq\.gen-/));
  await check('exchange and binding', async () => {
    const [source, exchange] = [unique('amqp-client'), unique('amqp-client')];
    await channel.exchangeDeclare(source, 'fanout', { autoDelete: true });
    await channel.exchangeDeclare(exchange, 'direct', { autoDelete: true });
    await channel.exchangeBind(exchange, source);
    await channel.queueBind(named, exchange, 'tea');
    await channel.basicPublish(source, 'coffee', 'no');
    await channel.basicPublish(source, 'tea', 'yes');
    const message = await get(channel, named);
    assert.deepEqual([message.exchange, message.routingKey], [source, 'tea']);
    assert.equal(message.bodyString(), 'yes');
    await channel.queueUnbind(named, exchange, 'tea');
  });
  await channel.close();
}

async function publish(connection) {
  const channel = await connection.channel();
  await channel.confirmSelect();
  const queue = await ownQueue(channel);
  await check('confirmed publish', async () => {
    const numbers = [...Array(100).keys()];
    const sends = numbers.map((number) => channel.basicPublish('', queue, `${number}`));
    const tags = await within('the confirms', Promise.all(sends));
    assert.deepEqual(tags, numbers.map((number) => number + 1));
    assert.equal(await ready(channel, queue), 100);
  });
  await check('mandatory return', async () => {
    const returned = new Inbox();
    channel.onReturn = returned.put;
    const missing = unique('nowhere');
    await channel.basicPublish('amq.direct', missing, 'back', {}, true);
    assert.equal(returned.length, 1, 'the return comes before the confirm');
    const message = await returned.take('the return');
    assert.deepEqual([message.replyCode, message.replyText], [312, 'NO_ROUTE']);
    assert.deepEqual([message.exchange, message.routingKey], ['amq.direct', missing]);
    assert.equal(message.bodyString(), 'back');
  });
  await channel.close();
}

async function consume(connection) {
  const channel = await connection.channel();
  const queue = await ownQueue(channel);
  const inbox = new Inbox();
  let consumer;
  await check('consume with prefetch', async () => {
    for (let number = 0; number < 10; number += 1)
      await channel.basicPublish('', queue, `${number}`);
    await eventually('all are there', async () => (await ready(channel, queue)) === 10);
    await channel.prefetch(3);
    consumer = await channel.basicConsume(queue, { noAck: false }, inbox.put);
    const bodies = [];
    for (let batch = 1; batch < 5; batch += 1) {
      let message;
      while (bodies.length < Math.min(3 * batch, 10)) {
        message = await inbox.take('a delivery');
        bodies.push(message.bodyString());
      }
      assert.equal(await ready(channel, queue), 10 - bodies.length);
      assert.equal(inbox.length, 0, 'more than the prefetch');
      await message.ack(true);
    }
    assert.deepEqual(bodies, [...Array(10).keys()].map(String));
  });
  await check('nack and requeue', async () => {
    await channel.basicPublish('', queue, 'again');
    const first = await inbox.take('a delivery');
    assert.equal(first.redelivered, false);
    await first.nack(true);
    const second = await inbox.take('the same again');
    assert.deepEqual([second.redelivered, second.bodyString()], [true, 'again']);
    await second.reject(false);
    await consumer.cancel();
    assert.equal(await ready(channel, queue), 0);
  });
  await check('get', async () => {
    await channel.basicPublish('', queue, 'one');
    await channel.basicPublish('', queue, 'two');
    await eventually('both are there', async () => (await ready(channel, queue)) === 2);
    const message = await channel.basicGet(queue, { noAck: false });
    assert.deepEqual([message.messageCount, message.bodyString()], [1, 'one']);
    await message.ack();
    assert.equal((await channel.basicGet(queue)).bodyString(), 'two');
    assert.equal(await channel.basicGet(queue), null);
  });
  await channel.close();
}

// The library's message: `channel 2 closed: TEXT - CODE`.
const closedBy = (channel, code, text) => (error) => {
  assert.ok(error.message.includes(text) && error.message.includes(code), error.message);
  assert.ok(channel.closed, 'the channel is still open');
  return true;
};

async function errors(connection) {
  await check('missing queue', async () => {
    const channel = await connection.channel();
    const missing = unique('missing');
    const declared = channel.queueDeclare(missing, { passive: true });
    await assert.rejects(declared, closedBy(channel, 404, checks.noQueue(missing)));
  });
  await check('inequivalent declare', async () => {
    const channel = await connection.channel();
    const queue = unique('amqp-client');
    await channel.queueDeclare(queue, { durable: false });
    const again = channel.queueDeclare(queue, { durable: true });
    await assert.rejects(again, closedBy(channel, 406, checks.inequivalentDurable(queue)));
    const other = await connection.channel();
    await other.queueDelete(queue);
    await other.close();
  });
  await check('wrong password', async () => {
    const refused = connect({}, { password: 'wrong' });
    await assert.rejects(refused, (error) => {
      assert.ok(error.message.includes(checks.LOGIN_REFUSED), error.message);
      assert.ok(error.message.includes('403'), error.message);
      return true;
    });
  });
}

async function contents(connection) {
  const channel = await connection.channel();
  await channel.confirmSelect();
  const queue = await ownQueue(channel);
  const sameBody = async (size, limit) => {
    const body = checks.body(size);
    await within('the confirm', channel.basicPublish('', queue, body), limit);
    checks.sameBody((await get(channel, queue, limit)).body ?? [], body);
  };
  await check('body sizes', async () => {
    for (const size of checks.bodySizes(FRAME_MAX)) await sameBody(size);
  });
  await check('large body', () => sameBody(checks.LARGE_BODY, checks.LARGE_LIMIT));
  await check('headers', async () => {
    await channel.basicPublish('', queue, '', { headers: HEADERS, ...PROPERTIES });
    const { headers, ...properties } = (await get(channel, queue)).properties;
    assert.deepEqual(headers, { ...HEADERS, bigint: 2 ** 40 });
    assert.deepEqual(properties, PROPERTIES);
  });
  await channel.close();
}

async function cancelled(connection) {
  await check('cancel notify', async () => {
    const channel = await connection.channel();
    const queue = await ownQueue(channel);
    const consumer = await channel.basicConsume(queue, {}, () => {});
    const ended = assert.rejects(consumer.wait(), /cancelled by the server/);
    const other = await connection.channel();
    await other.queueDelete(queue);
    await within('the cancel', ended);
    await other.close();
    await channel.close();
  });
}

// The client answers each of the broker's heartbeats with one of its own, and sends no others.
async function heartbeats() {
  await check('heartbeats', async () => {
    const connection = await connect({ heartbeat: checks.HEARTBEAT });
    assert.equal(connection.heartbeat, checks.HEARTBEAT);
    await checks.idle();
    assert.equal(connection.failure, undefined);
    await ownQueue(await connection.channel());
    await connection.close();
  });
}

async function manyChannels() {
  await check('a thousand channels', async () => {
    const connection = await connect();
    const opening = Array.from({ length: checks.CHANNELS }, () => connection.channel());
    const channels = await within('the channels', Promise.all(opening));
    for (const channel of [channels[0], channels[499], channels.at(-1)]) {
      const queue = await ownQueue(channel);
      await channel.basicPublish('', queue, 'tea');
      assert.equal((await get(channel, queue)).bodyString(), 'tea');
    }
    for (let at = 0; at < checks.CHANNELS; at += 100) await channels[at].close();
    await within('the close', connection.close());
  });
}

const connection = await connect();
for (const part of [declare, publish, consume, errors, contents, cancelled])
  await part(connection);
await heartbeats();
await manyChannels();
await check('clean close', async () => {
  await within('the close', connection.close());
  assert.ok(connection.closed);
  assert.equal(connection.failure, undefined);
});

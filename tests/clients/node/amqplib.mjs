// amqplib, with promises.

import assert from 'node:assert/strict';
import { once } from 'node:events';

import amqplib from 'amqplib';

import * as checks from './checks.mjs';
import { check, eventually, Inbox, unique, within } from './checks.mjs';

// What amqplib asked for until its version 2, and the least that the protocol allows.
const SMALL_FRAMES = 4096;

const typed = (type, value) => ({ '!': type, value });
const SENT = {
  text: 'grüße',
  bytes: Buffer.from([0, 255]),
  true: true,
  false: false,
  octet: typed('int8', -7),
  'unsigned octet': typed('uint8', 200),
  short: typed('int16', -300),
  'unsigned short': typed('uint16', 40_000),
  int: typed('int32', -100_000),
  'unsigned int': typed('uint32', 3_000_000_000),
  long: typed('int64', -(2 ** 40)),
  float: typed('float', 1.5),
  double: 1.1,
  decimal: typed('decimal', { places: 2, digits: 325 }),
  time: typed('timestamp', 1_700_000_000),
  table: { inner: { deep: 'yes' }, list: [1, 'two'] },
  list: [1, 'two', { three: true }, [null]],
  void: null,
};
// Numbers come back as numbers, the two others still with their types.
const isNumber = (value) => typeof value?.value === 'number' && value['!'] !== 'timestamp';
const GOT = Object.fromEntries(
  Object.entries(SENT).map(([key, value]) => [key, isNumber(value) ? value.value : value]),
);
const PROPERTIES = {
  contentType: 'text/plain',
  contentEncoding: 'identity',
  deliveryMode: 2,
  priority: 3,
  correlationId: 'correlation',
  replyTo: 'answers',
  expiration: '60000',
  messageId: 'message',
  timestamp: 1_700_000_000,
  type: 'kind',
  userId: 'guest',
  appId: 'checks',
};

async function connect(parameters, parts) {
  const connection = await within('a connection', amqplib.connect(checks.url(parameters, parts)));
  connection.on('error', () => {});
  return connection;
}

// A channel that the broker may close; the error is where the operation fails.
async function channelOf(connection) {
  const channel = await connection.createChannel();
  channel.on('error', () => {});
  return channel;
}

const ownQueue = async (channel) =>
  (await channel.assertQueue('', { exclusive: true, durable: false })).queue;
const ready = async (channel, queue) => (await channel.checkQueue(queue)).messageCount;
const get = (channel, queue, limit) =>
  eventually('there is a message', () => channel.get(queue, { noAck: true }), limit);

async function declare(connection) {
  const channel = await connection.createChannel();
  await check('declare', async () => {
    const queue = unique('amqplib');
    const declared = await channel.assertQueue(queue, { exclusive: true });
    assert.deepEqual({ ...declared }, { queue, messageCount: 0, consumerCount: 0 });
    await channel.assertQueue(queue, { exclusive: true });
  });
  const named = await ownQueue(channel);
  await check('server-named queue', () => assert.match(named, /^amq\.gen-/));
  await check('exchange and binding', async () => {
    const exchange = unique('amqplib');
    await channel.assertExchange(exchange, 'topic', { autoDelete: true });
    await channel.bindQueue(named, exchange, 'stock.*');
    channel.publish(exchange, 'weather.tea', Buffer.from('no'));
    channel.publish(exchange, 'stock.tea', Buffer.from('yes'));
    const { fields, content } = await get(channel, named);
    assert.deepEqual([fields.exchange, fields.routingKey], [exchange, 'stock.tea']);
    assert.equal(content.toString(), 'yes');
    await channel.unbindQueue(named, exchange, 'stock.*');
  });
  await channel.close();
}

async function publish(connection) {
  const channel = await connection.createConfirmChannel();
  const queue = await ownQueue(channel);
  await check('confirmed publish', async () => {
    for (let number = 0; number < 100; number += 1)
      channel.sendToQueue(queue, Buffer.from(`${number}`));
    await within('the confirms', channel.waitForConfirms());
    assert.equal(await ready(channel, queue), 100);
  });
  await check('mandatory return', async () => {
    const returned = new Inbox();
    channel.on('return', returned.put);
    const missing = unique('nowhere');
    channel.publish('amq.direct', missing, Buffer.from('back'), { mandatory: true });
    await within('the confirm', channel.waitForConfirms());
    assert.equal(returned.length, 1, 'the return comes before the confirm');
    const { fields, content } = await returned.take('the return');
    assert.deepEqual([fields.replyCode, fields.replyText], [312, 'NO_ROUTE']);
    assert.deepEqual([fields.exchange, fields.routingKey], ['amq.direct', missing]);
    assert.equal(content.toString(), 'back');
  });
  await channel.close();
}

async function consume(connection) {
  const channel = await connection.createChannel();
  const queue = await ownQueue(channel);
  const inbox = new Inbox();
  const tag = unique('consumer');
  await check('consume with prefetch', async () => {
    for (let number = 0; number < 10; number += 1)
      channel.sendToQueue(queue, Buffer.from(`${number}`));
    await eventually('all are there', async () => (await ready(channel, queue)) === 10);
    await channel.prefetch(3);
    await channel.consume(queue, inbox.put, { consumerTag: tag });
    const bodies = [];
    for (let batch = 1; batch < 5; batch += 1) {
      let message;
      while (bodies.length < Math.min(3 * batch, 10)) {
        message = await inbox.take('a delivery');
        bodies.push(message.content.toString());
      }
      assert.equal(await ready(channel, queue), 10 - bodies.length);
      assert.equal(inbox.length, 0, 'more than the prefetch');
      channel.ack(message, true);
    }
    assert.deepEqual(bodies, [...Array(10).keys()].map(String));
  });
  await check('nack and requeue', async () => {
    channel.sendToQueue(queue, Buffer.from('again'));
    const first = await inbox.take('a delivery');
    assert.equal(first.fields.redelivered, false);
    channel.nack(first, false, true);
    const second = await inbox.take('the same again');
    assert.equal(second.fields.redelivered, true);
    assert.equal(second.content.toString(), 'again');
    channel.reject(second, false);
    await channel.cancel(tag);
    assert.equal(await ready(channel, queue), 0);
  });
  await check('get', async () => {
    channel.sendToQueue(queue, Buffer.from('one'));
    channel.sendToQueue(queue, Buffer.from('two'));
    await eventually('both are there', async () => (await ready(channel, queue)) === 2);
    const message = await channel.get(queue);
    assert.deepEqual([message.fields.messageCount, message.content.toString()], [1, 'one']);
    channel.ack(message);
    assert.equal((await channel.get(queue, { noAck: true })).content.toString(), 'two');
    assert.equal(await channel.get(queue), false);
  });
  await channel.close();
}

const closedBy = (code, text) => (error) => {
  assert.equal(error.code, code);
  assert.ok(error.message.endsWith(`with message "${text}"`), error.message);
  return true;
};

async function errors(connection) {
  await check('missing queue', async () => {
    const channel = await channelOf(connection);
    const closed = new Promise((resolve) => channel.on('close', resolve));
    const missing = unique('missing');
    await assert.rejects(channel.checkQueue(missing), closedBy(404, checks.noQueue(missing)));
    await within('the close', closed);
  });
  await check('inequivalent declare', async () => {
    const channel = await channelOf(connection);
    const queue = unique('amqplib');
    await channel.assertQueue(queue, { durable: false });
    const again = channel.assertQueue(queue, { durable: true });
    await assert.rejects(again, closedBy(406, checks.inequivalentDurable(queue)));
    const other = await connection.createChannel();
    await other.deleteQueue(queue);
    await other.close();
  });
  await check('wrong password', async () => {
    const refused = amqplib.connect(checks.url({}, { password: 'wrong' }));
    const text = `403 (ACCESS-REFUSED) with message "${checks.LOGIN_REFUSED}"`;
    const told = (error) => error.message.includes(text) || assert.equal(error.message, text);
    await assert.rejects(within('the refusal', refused), told);
  });
}

async function sameBodies(frameMax) {
  const connection = await connect({ frameMax });
  const channel = await connection.createChannel();
  const queue = await ownQueue(channel);
  for (const size of checks.bodySizes(frameMax)) {
    channel.sendToQueue(queue, checks.body(size));
    checks.sameBody((await get(channel, queue)).content, checks.body(size));
  }
  await connection.close();
}

async function contents(connection) {
  await check('body sizes', async () => {
    await sameBodies(131072);
    await sameBodies(SMALL_FRAMES);
  });
  const channel = await connection.createChannel();
  const queue = await ownQueue(channel);
  await check('large body', async () => {
    const large = checks.body(checks.LARGE_BODY);
    channel.sendToQueue(queue, large);
    checks.sameBody((await get(channel, queue, checks.LARGE_LIMIT)).content, large);
  });
  await check('headers', async () => {
    channel.sendToQueue(queue, Buffer.alloc(0), { headers: SENT, ...PROPERTIES });
    const { properties } = await get(channel, queue);
    assert.deepEqual(properties.headers, GOT);
    for (const [name, value] of Object.entries(PROPERTIES))
      assert.equal(properties[name], value, name);
  });
  await channel.close();
}

async function cancelled(connection) {
  await check('cancel notify', async () => {
    const channel = await connection.createChannel();
    const queue = await ownQueue(channel);
    const inbox = new Inbox();
    await channel.consume(queue, inbox.put);
    const other = await connection.createChannel();
    await other.deleteQueue(queue);
    assert.equal(await inbox.take('the cancel'), null);
    await other.close();
    await channel.close();
  });
}

async function heartbeats() {
  await check('heartbeats', async () => {
    const connection = await connect({ heartbeat: checks.HEARTBEAT });
    connection.on('close', () => assert.fail('the idle connection was closed'));
    await checks.idle();
    await ownQueue(await connection.createChannel());
    connection.removeAllListeners('close');
    await connection.close();
  });
}

async function manyChannels() {
  await check('a thousand channels', async () => {
    const connection = await connect();
    const opening = Array.from({ length: checks.CHANNELS }, () => connection.createChannel());
    const channels = await within('the channels', Promise.all(opening));
    for (const channel of [channels[0], channels[499], channels.at(-1)]) {
      const queue = await ownQueue(channel);
      channel.sendToQueue(queue, Buffer.from('tea'));
      assert.equal((await get(channel, queue)).content.toString(), 'tea');
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
  const closed = once(connection, 'close');
  await within('the close', connection.close());
  const [error] = await within('the event', closed);
  assert.equal(error, undefined);
});

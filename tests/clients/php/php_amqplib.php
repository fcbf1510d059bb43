<?php

// php-amqplib. Started with the broker's URL as the only argument, it prints `ok <check>` for
// each check that holds, and ends with an error at the first that does not.

require_once 'PhpAmqpLib/autoload.php';
require_once __DIR__ . '/checks.php';

use PhpAmqpLib\Channel\AMQPChannel;
use PhpAmqpLib\Connection\AMQPStreamConnection;
use PhpAmqpLib\Exception\AMQPBasicCancelException;
use PhpAmqpLib\Exception\AMQPConnectionClosedException;
use PhpAmqpLib\Exception\AMQPProtocolChannelException;
use PhpAmqpLib\Exception\AMQPTimeoutException;
use PhpAmqpLib\Message\AMQPMessage;
use PhpAmqpLib\Wire\AMQPDecimal;
use PhpAmqpLib\Wire\AMQPTable;

// The library has float and double, but can't write them.
const HEADERS = [
    'text' => 'grüße',
    'bytes' => "\x00\xff",
    'true' => true,
    'false' => false,
    'int' => -7,
    'long' => -(1 << 40),
    'table' => ['inner' => ['deep' => 'yes'], 'list' => [1, 'two']],
    'list' => [1, 'two', ['three' => true], [null]],
    'void' => null,
];
const PROPERTIES = [
    'content_type' => 'text/plain',
    'content_encoding' => 'identity',
    'delivery_mode' => 2,
    'priority' => 3,
    'correlation_id' => 'correlation',
    'reply_to' => 'answers',
    'expiration' => '60000',
    'message_id' => 'message',
    'timestamp' => 1_700_000_000,
    'type' => 'kind',
    'user_id' => 'guest',
    'app_id' => 'checks',
    'cluster_id' => 'cluster',
];

/** A connection; the library logs in with AMQPLAIN unless it is told otherwise. */
function connect(array $changes = []): AMQPStreamConnection
{
    global $argv;
    $place = array_merge(parse_url($argv[1]), ['login' => 'AMQPLAIN', 'heartbeat' => 0], $changes);
    return new AMQPStreamConnection(
        $place['host'],
        $place['port'],
        $place['user'],
        $place['pass'],
        '/',
        false,
        $place['login'],
        null,
        'en_US',
        LIMIT,
        LARGE_LIMIT,
        null,
        false,
        $place['heartbeat'],
        LIMIT
    );
}

function own_queue(AMQPChannel $channel): string
{
    return $channel->queue_declare('', false, false, true, false)[0];
}

function ready(AMQPChannel $channel, string $queue): int
{
    return $channel->queue_declare($queue, true)[1];
}

function send(AMQPChannel $channel, string $queue, string $body, array $properties = []): void
{
    $channel->basic_publish(new AMQPMessage($body, $properties), '', $queue);
}

function get(AMQPChannel $channel, string $queue, int $limit = LIMIT): AMQPMessage
{
    return eventually('there is a message', fn () => $channel->basic_get($queue, true), $limit);
}

function declares($connection): void
{
    $channel = $connection->channel();
    check('declare', function () use ($channel) {
        $queue = unique('php-amqplib');
        equal($channel->queue_declare($queue, false, false, true, false), [$queue, 0, 0]);
        equal($channel->queue_declare($queue, false, false, true, false), [$queue, 0, 0]);
    });
    $named = own_queue($channel);
    check('server-named queue', fn () => equal(substr($named, 0, 8), 'amq.gen-'));
    check('exchange and binding', function () use ($channel, $named) {
        $exchange = unique('php-amqplib');
        $channel->exchange_declare($exchange, 'topic', false, false, true);
        $channel->queue_bind($named, $exchange, 'stock.*');
        $channel->basic_publish(new AMQPMessage('no'), $exchange, 'weather.tea');
        $channel->basic_publish(new AMQPMessage('yes'), $exchange, 'stock.tea');
        $message = get($channel, $named);
        equal([$message->getExchange(), $message->getRoutingKey()], [$exchange, 'stock.tea']);
        equal($message->getBody(), 'yes');
        $channel->queue_unbind($named, $exchange, 'stock.*');
    });
    $channel->close();
}

function publishes($connection): void
{
    $channel = $connection->channel();
    $channel->confirm_select();
    $queue = own_queue($channel);
    check('confirmed publish', function () use ($channel, $queue) {
        $confirmed = 0;
        $channel->set_ack_handler(function () use (&$confirmed) {
            $confirmed++;
        });
        for ($number = 0; $number < 100; $number++) {
            send($channel, $queue, (string) $number);
        }
        $channel->wait_for_pending_acks(LIMIT);
        equal($confirmed, 100);
        equal(ready($channel, $queue), 100);
    });
    check('mandatory return', function () use ($channel) {
        $returned = [];
        $channel->set_return_listener(function (...$arguments) use (&$returned) {
            $returned[] = $arguments;
        });
        $missing = unique('nowhere');
        $channel->basic_publish(new AMQPMessage('back'), 'amq.direct', $missing, true);
        $channel->wait_for_pending_acks_returns(LIMIT);
        equal(count($returned), 1, 'the return comes before the confirm');
        $message = array_pop($returned[0]);
        equal($returned[0], [312, 'NO_ROUTE', 'amq.direct', $missing]);
        equal($message->getBody(), 'back');
    });
    $channel->close();
}

function consumes($connection): void
{
    $channel = $connection->channel();
    $queue = own_queue($channel);
    $tag = unique('consumer');
    $got = [];
    $next = function (int $count) use ($channel, &$got) {
        while (count($got) < $count) {
            $channel->wait(null, false, LIMIT);
        }
    };
    check('consume with prefetch', function () use ($channel, $queue, $tag, $next, &$got) {
        for ($number = 0; $number < 10; $number++) {
            send($channel, $queue, (string) $number);
        }
        eventually('all are there', fn () => ready($channel, $queue) === 10);
        $channel->basic_qos(0, 3, false);
        $take = function ($message) use (&$got) {
            $got[] = $message;
        };
        $channel->basic_consume($queue, $tag, false, false, false, false, $take);
        for ($batch = 1; $batch < 5; $batch++) {
            $expected = min(3 * $batch, 10);
            $next($expected);
            equal(ready($channel, $queue), 10 - $expected);
            equal(count($got), $expected);
            end($got)->ack(true);
        }
        $bodies = array_map(fn ($message) => $message->getBody(), $got);
        equal($bodies, array_map('strval', range(0, 9)));
    });
    check('nack and requeue', function () use ($channel, $queue, $tag, $next, &$got) {
        $got = [];
        send($channel, $queue, 'again');
        $next(1);
        equal($got[0]->isRedelivered(), false);
        $got[0]->nack(true);
        $next(2);
        equal([$got[1]->isRedelivered(), $got[1]->getBody()], [true, 'again']);
        $got[1]->reject(false);
        $channel->basic_cancel($tag);
        equal(ready($channel, $queue), 0);
    });
    check('get', function () use ($channel, $queue) {
        send($channel, $queue, 'one');
        send($channel, $queue, 'two');
        eventually('both are there', fn () => ready($channel, $queue) === 2);
        $message = $channel->basic_get($queue);
        equal([$message->getMessageCount(), $message->getBody()], [1, 'one']);
        $message->ack();
        equal($channel->basic_get($queue, true)->getBody(), 'two');
        equal($channel->basic_get($queue), null);
    });
    $channel->close();
}

function closed_with(AMQPChannel $channel, int $code, string $text, callable $work): void
{
    $error = error_of(AMQPProtocolChannelException::class, $work);
    equal([$error->amqp_reply_code, $error->amqp_reply_text], [$code, $text]);
    equal($channel->is_open(), false);
}

function errors($connection): void
{
    check('missing queue', function () use ($connection) {
        $channel = $connection->channel();
        $missing = unique('missing');
        $declare = fn () => $channel->queue_declare($missing, true);
        closed_with($channel, 404, no_queue($missing), $declare);
    });
    check('inequivalent declare', function () use ($connection) {
        $channel = $connection->channel();
        $queue = unique('php-amqplib');
        $channel->queue_declare($queue, false, false, false, false);
        $declare = fn () => $channel->queue_declare($queue, false, true, false, false);
        closed_with($channel, 406, inequivalent_durable($queue), $declare);
        $other = $connection->channel();
        $other->queue_delete($queue);
        $other->close();
    });
    check('wrong password', function () {
        $wrong = fn () => connect(['pass' => 'wrong']);
        $error = error_of(AMQPConnectionClosedException::class, $wrong);
        // The library appends the class and the method.
        equal([$error->getCode(), $error->getMessage()], [403, LOGIN_REFUSED . '(0, 0)']);
        connect(['login' => 'PLAIN'])->close();
    });
}

function contents($connection): void
{
    $channel = $connection->channel();
    $queue = own_queue($channel);
    check('body sizes', function () use ($channel, $queue) {
        foreach (BODY_SIZES as $size) {
            send($channel, $queue, body($size));
            same_body(get($channel, $queue)->getBody(), body($size));
        }
    });
    check('large body', function () use ($channel, $queue) {
        $large = body(LARGE_BODY);
        send($channel, $queue, $large);
        same_body(get($channel, $queue, LARGE_LIMIT)->getBody(), $large);
    });
    check('headers', function () use ($channel, $queue) {
        $headers = new AMQPTable(HEADERS);
        $headers->set('short', -300, AMQPTable::T_INT_SHORT);
        $headers->set('octet', 200, AMQPTable::T_INT_SHORTSHORT_U);
        $headers->set('unsigned', 3_000_000_000, AMQPTable::T_INT_LONG_U);
        $headers->set('time', new DateTime('@1700000000'));
        $headers->set('decimal', new AMQPDecimal(325, 2));
        send($channel, $queue, '', PROPERTIES + ['application_headers' => $headers]);
        $message = get($channel, $queue);
        $got = $message->get('application_headers');
        equal(count($got->getNativeData()), count(HEADERS) + 5);
        foreach ($headers->getNativeData() as $key => $value) {
            $same = is_object($value) ? 'same_object' : 'equal';
            $same($got->getNativeData()[$key], $value, "header '$key'");
        }
        foreach (PROPERTIES as $name => $value) {
            equal($message->get($name), $value, $name);
        }
    });
    $channel->close();
}

function same_object($actual, $expected, string $what): void
{
    equal(var_export($actual, true), var_export($expected, true), $what);
}

function cancelled($connection): void
{
    check('cancel notify', function () use ($connection) {
        $channel = $connection->channel();
        $queue = own_queue($channel);
        $tag = $channel->basic_consume($queue, '', false, false, false, false, fn () => null);
        $other = $connection->channel();
        $other->queue_delete($queue);
        $wait = fn () => $channel->wait(null, false, LIMIT);
        equal(error_of(AMQPBasicCancelException::class, $wait)->consumerTag, $tag);
        $other->close();
        $channel->close();
    });
}

function heartbeats(): void
{
    check('heartbeats', function () {
        $connection = connect(['heartbeat' => HEARTBEAT]);
        $channel = $connection->channel();
        $end = microtime(true) + IDLE;
        while (microtime(true) < $end) {
            try {
                $channel->wait(null, false, 0.25);
            } catch (AMQPTimeoutException $nothing) {
                $connection->checkHeartBeat();
            }
        }
        own_queue($channel);
        $connection->close();
    });
}

function many_channels(): void
{
    check('a thousand channels', function () {
        $connection = connect();
        $channels = [];
        for ($number = 0; $number < CHANNELS; $number++) {
            $channels[] = $connection->channel();
        }
        foreach ([$channels[0], $channels[499], end($channels)] as $channel) {
            $queue = own_queue($channel);
            send($channel, $queue, 'tea');
            equal(get($channel, $queue)->getBody(), 'tea');
        }
        for ($number = 0; $number < CHANNELS; $number += 100) {
            $channels[$number]->close();
        }
        $connection->close();
    });
}

if ($argc !== 2) {
    fwrite(STDERR, "usage: php php_amqplib.php amqp://user:password@host:port/%2f\n");
    exit(2);
}
$connection = connect();
foreach (['declares', 'publishes', 'consumes', 'errors', 'contents', 'cancelled'] as $part) {
    $part($connection);
}
heartbeats();
many_channels();
check('clean close', function () use ($connection) {
    $connection->close();
    equal($connection->isConnected(), false);
});

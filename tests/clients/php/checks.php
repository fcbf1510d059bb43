<?php

// What the checks of php-amqplib stand on: naming and printing, bodies, and bounded waits.

const FRAME_MAX = 131072;
// Around the edge of one frame: a body frame carries FRAME_MAX - 8 bytes.
const BODY_SIZES = [0, 1, FRAME_MAX - 8, FRAME_MAX - 7, FRAME_MAX, 1 << 20];
const LARGE_BODY = 64 << 20;
// Seconds that anything may take; far more than it needs, so that a broken check ends.
const LIMIT = 20;
const LARGE_LIMIT = 60;
const HEARTBEAT = 1;
// Longer than the time after which either side gives up a silent peer.
const IDLE = 3.5;
const CHANNELS = 1000;
const LOGIN_REFUSED = 'ACCESS_REFUSED - Login was refused using authentication mechanism '
    . 'AMQPLAIN. For details see the broker logfile.';

// Warnings and notices are errors here.
set_error_handler(function (int $level, string $text, string $file, int $line) {
    if (error_reporting() & $level) {
        throw new ErrorException($text, 0, $level, $file, $line);
    }
    return true;
}, E_ALL & ~E_DEPRECATED);

/** Prints `ok <name>` if the work does not fail, and names the check if it does. */
function check(string $name, callable $work): void
{
    try {
        $work();
    } catch (Throwable $error) {
        fwrite(STDERR, "failed: $name\n$error\n");
        exit(1);
    }
    echo "ok $name\n";
}

function equal($actual, $expected, string $what = 'value'): void
{
    if ($actual !== $expected) {
        [$wanted, $got] = [var_export($expected, true), var_export($actual, true)];
        throw new LogicException("$what: expected $wanted, got $got");
    }
}

/** A name that no other run uses. */
function unique(string $name): string
{
    return "clients.$name." . bin2hex(random_bytes(6));
}

function no_queue(string $name): string
{
    return "NOT_FOUND - no queue '$name' in vhost '/'";
}

function inequivalent_durable(string $name): string
{
    return "PRECONDITION_FAILED - inequivalent arg 'durable' for queue '$name' in vhost '/': "
        . "received 'true' but current is 'false'";
}

/** As many bytes that do not repeat, the same ones at every call. */
function body(int $size): string
{
    $blocks = [];
    for ($at = 0; $at * 64 < $size; $at++) {
        $blocks[] = hash('sha512', "$size $at", true);
    }
    return substr(implode('', $blocks), 0, $size);
}

/** Compares by length and hash: the difference of two large bodies is not worth printing. */
function same_body(string $actual, string $expected): void
{
    equal(strlen($actual), strlen($expected), 'length of the body');
    equal(hash('sha256', $actual), hash('sha256', $expected), 'SHA-256 of the body');
}

/** Asks until the answer is neither false nor null. */
function eventually(string $what, callable $ask, int $limit = LIMIT)
{
    $end = microtime(true) + $limit;
    while (!($answer = $ask())) {
        if (microtime(true) > $end) {
            throw new LogicException("waited $limit s in vain until $what");
        }
    }
    return $answer;
}

/** The error that the work ends with, which must be of this class. */
function error_of(string $class, callable $work): Throwable
{
    try {
        $work();
    } catch (Throwable $error) {
        if ($error instanceof $class) {
            return $error;
        }
        throw $error;
    }
    throw new LogicException("$class was expected, and nothing failed");
}

"""What the Python clients' checks share: naming and printing checks, bodies, and bounded waits.

Every script is started with the broker's URL as its only argument, prints `ok <check>` for each
check that holds, and ends with an error at the first that does not.
"""

import asyncio
import contextlib
import hashlib
import random
import sys
import time
import uuid

FRAME_MAX = 131072
# Around the edge of one frame: a body frame carries frame_max - 8 bytes.
BODY_SIZES = [0, 1, FRAME_MAX - 8, FRAME_MAX - 7, FRAME_MAX, 1 << 20]
LARGE_BODY = 64 << 20
# Seconds that anything may take; far more than it needs, so that a broken check ends.
LIMIT = 20
LARGE_LIMIT = 60
HEARTBEAT = 1
# Longer than the time after which either side gives up a silent peer.
IDLE = 3.5
CHANNELS = 1000
LOGIN_REFUSED = (
    "ACCESS_REFUSED - Login was refused using authentication mechanism PLAIN. "
    "For details see the broker logfile."
)


def url():
    """The broker's URL, with a user and a password and the virtual host `/`."""
    if len(sys.argv) != 2:
        sys.exit(f"usage: {sys.argv[0]} amqp://user:password@host:port/%2f")
    return sys.argv[1]


def with_wrong_password():
    """The broker's URL with a password that is wrong."""
    scheme, rest = url().split("://")
    login, place = rest.split("@")
    return f"{scheme}://{login.split(':')[0]}:wrong@{place}"


def unique(name):
    """A name that no other run uses."""
    return f"clients.{name}.{uuid.uuid4().hex[:12]}"


def no_queue(name):
    return f"NOT_FOUND - no queue '{name}' in vhost '/'"


def inequivalent_durable(name):
    return (
        f"PRECONDITION_FAILED - inequivalent arg 'durable' for queue '{name}' in vhost '/': "
        "received 'true' but current is 'false'"
    )


@contextlib.contextmanager
def check(name):
    """Prints `ok <name>` if its block does not fail, and names the check if it does."""
    try:
        yield
    except BaseException:
        print(f"failed: {name}", flush=True)
        raise
    print(f"ok {name}", flush=True)


def equal(actual, expected, what="value"):
    """Fails with both values if they differ; a bool is no int, and 1 is not 1.0."""
    if type(actual) is not type(expected) or actual != expected:
        raise AssertionError(f"{what}: expected {expected!r}, got {actual!r}")


def same_table(actual, expected):
    """Compares two header tables, naming the first key that differs."""
    equal(sorted(actual), sorted(expected), "keys")
    for key, value in expected.items():
        equal(actual[key], value, f"header {key!r}")


def body(size):
    """As many bytes that do not repeat, the same ones at every call."""
    return random.Random(size).randbytes(size)


def same_body(actual, expected):
    """Compares by length and hash: the difference of two large bodies is not worth printing."""
    equal(len(actual), len(expected), "length of the body")
    digests = [hashlib.sha256(data).hexdigest() for data in (actual, expected)]
    equal(digests[0], digests[1], f"SHA-256 of {len(expected)} bytes")


def until(what, condition, step, limit=LIMIT):
    """Calls `step` until `condition` holds; `step` waits for something to happen by itself."""
    deadline = time.monotonic() + limit
    while not condition():
        if time.monotonic() > deadline:
            raise TimeoutError(f"waited {limit} s in vain until {what}")
        step()


async def within(what, awaitable, limit=LIMIT):
    """Awaits, but no longer than `limit` seconds."""
    try:
        return await asyncio.wait_for(awaitable, limit)
    except asyncio.TimeoutError:
        raise TimeoutError(f"waited {limit} s in vain for {what}") from None

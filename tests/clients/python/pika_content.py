"""What both pika clients send: properties and headers of every type that pika can write."""

import datetime
import decimal

import pika
from pika.compat import long

import checks

HEADERS = {
    "text": "grüße",
    "bytes": b"\x00\xff",
    "true": True,
    "false": False,
    "int": -7,
    "long": long(1 << 40),
    "decimal": decimal.Decimal("3.25"),
    "time": datetime.datetime(2024, 2, 29, 12, 30, 15, tzinfo=datetime.timezone.utc),
    "table": {"inner": {"deep": "yes"}, "list": [1, "two"]},
    "list": [1, "two", {"three": True}, [None]],
    "void": None,
}
PROPERTIES = {
    "content_type": "text/plain",
    "content_encoding": "identity",
    "headers": HEADERS,
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


def parameters(**changes):
    """How to connect, with these attributes instead of the usual ones."""
    wanted = pika.URLParameters(checks.url())
    wanted.frame_max = checks.FRAME_MAX
    wanted.socket_timeout = checks.LIMIT
    wanted.blocked_connection_timeout = checks.LIMIT
    for name, value in changes.items():
        setattr(wanted, name, value)
    return wanted

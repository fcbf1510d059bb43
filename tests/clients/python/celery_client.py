"""Celery and kombu over py-amqp: a worker process does tasks and answers over `rpc://`."""

import contextlib
import os
import signal
import subprocess
import sys
import tempfile

import kombu

import checks
from checks import check, equal, unique, until

os.environ["CHECKS_URL"] = checks.url()
os.environ["CHECKS_QUEUE"] = unique("celery")

from celery import group  # noqa: E402 - the application reads the environment

import celery_tasks as tasks  # noqa: E402


@contextlib.contextmanager
def worker():
    """A worker process; what it prints is shown if something fails."""
    # Without `timeout`, a worker would outlive a script that is killed.
    command = ["timeout", "120", sys.executable, "-m", "celery", "--app", "celery_tasks", "worker"]
    options = ["--concurrency", "1", "--hostname", unique("worker") + "@localhost"]
    with tempfile.TemporaryFile("w+") as log:
        process = subprocess.Popen(
            command + options + ["--loglevel", "INFO"],
            cwd=os.path.dirname(os.path.abspath(__file__)),
            stdout=log,
            stderr=subprocess.STDOUT,
        )
        try:
            yield process
        except BaseException:
            log.seek(0)
            print(log.read(), file=sys.stderr)
            raise
        finally:
            if process.poll() is None:
                process.kill()
                process.wait()


def with_kombu():
    with check("kombu producer and consumer"), kombu.Connection(checks.url()) as connection:
        connection.ensure_connection(max_retries=1, timeout=checks.LIMIT)
        exchange = kombu.Exchange(unique("kombu"), "topic", durable=False, auto_delete=True)
        name = unique("kombu")
        queue = kombu.Queue(name, exchange, "stock.#", exclusive=True, max_priority=5)
        got = []
        receive = lambda body, message: got.append((body, message))
        with connection.Consumer(queue, callbacks=[receive], prefetch_count=10) as consumer:
            producer = connection.Producer(exchange=exchange, on_return=print)
            order = {"tea": 2, "notes": ["hot", None, 1.5]}
            producer.publish(order, routing_key="stock.tea", compression="zlib", priority=3)
            until("the order arrives", lambda: got, lambda: connection.drain_events(timeout=1))
            body, message = got.pop()
            equal(body, order)
            equal(message.properties["priority"], 3)
            message.requeue()
            until("it comes again", lambda: got, lambda: connection.drain_events(timeout=1))
            equal(got[0][1].delivery_info["redelivered"], True)
            got[0][1].ack()
            consumer.recover(requeue=True)
        simple = connection.SimpleQueue(unique("simple"), queue_opts={"durable": False})
        simple.put({"hello": "world"})
        message = simple.get(timeout=checks.LIMIT)
        equal(message.payload, {"hello": "world"})
        message.ack()
        simple.close()
        connection.default_channel.queue_delete(simple.queue.name)


def with_worker(process):
    with check("celery worker"):
        answered = []

        def ping():
            assert process.poll() is None, "the worker ended"
            answered.extend(tasks.app.control.ping(timeout=0.5, limit=1))

        until("the worker answers", lambda: answered, ping)
        equal([list(answer.values()) for answer in answered[:1]], [[{"ok": "pong"}]])
    with check("celery task"):
        equal(tasks.add.delay(2, 3).get(timeout=checks.LIMIT), 5)
        text = "grüße" * 100_000
        equal(tasks.add.delay(text, "!").get(timeout=checks.LIMIT), text + "!")
    with check("celery group"):
        results = group(tasks.add.s(number, number) for number in range(50)).apply_async()
        equal(results.get(timeout=checks.LIMIT), [2 * number for number in range(50)])
    with check("celery failure"):
        try:
            tasks.divide.delay(1, 0).get(timeout=checks.LIMIT)
            raise AssertionError("the task did not fail")
        except ZeroDivisionError:
            pass
    with check("celery retry"):
        equal(tasks.third_time.delay().get(timeout=checks.LIMIT), 2)
    with check("celery requeue"):
        equal(tasks.once_more.delay().get(timeout=checks.LIMIT), "redelivered")
    with check("celery inspect"):
        (active,) = tasks.app.control.inspect(timeout=5, limit=1).active_queues().values()
        equal([queue["name"] for queue in active], [os.environ["CHECKS_QUEUE"]])
    with check("celery shutdown"):
        process.send_signal(signal.SIGTERM)
        equal(process.wait(timeout=checks.LIMIT), 0)


def main():
    with_kombu()
    with worker() as process:
        with_worker(process)
    with check("clean close"):
        with tasks.app.connection_for_write() as connection:
            connection.default_channel.queue_delete(os.environ["CHECKS_QUEUE"])
        tasks.app.close()


if __name__ == "__main__":
    main()

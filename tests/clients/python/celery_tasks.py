"""The Celery application: the worker imports it, and so does the one who calls its tasks."""

import os

from celery import Celery
from celery.exceptions import Reject

app = Celery("checks", broker=os.environ["CHECKS_URL"], backend="rpc://")
app.conf.update(
    broker_connection_retry_on_startup=False,
    broker_heartbeat=2,
    result_expires=60,
    task_default_queue=os.environ["CHECKS_QUEUE"],
    worker_hijack_root_logger=False,
)


@app.task
def add(left, right):
    return left + right


@app.task
def divide(left, right):
    return left / right


@app.task(bind=True)
def third_time(self):
    """Asks twice to be tried again, a tenth of a second later."""
    if self.request.retries < 2:
        raise self.retry(countdown=0.1)
    return self.request.retries


@app.task(bind=True, acks_late=True)
def once_more(self):
    """Gives its message back once, and is done when that comes again."""
    if not self.request.delivery_info["redelivered"]:
        raise Reject("not now", requeue=True)
    return "redelivered"

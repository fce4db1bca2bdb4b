#!/usr/bin/python3
"""A consumer of the media service's events, to copy from: it knows the contract and nothing of the service's code.

consumer.py AMQP_URL QUEUE JOURNAL. Events come at least once and, of one subject, in order. So:
- an event's id is looked up in an inbox, and one that is there is acknowledged and nothing more;
- what an event does to us and its id in the inbox are one write, and only then is it acknowledged. Here that is a line of
  JOURNAL; in a service with a database it is one transaction;
- the sequence of a subject shows what has not come: then its events are asked for again (ReplayEvents).

tests/examples/event_consumer.rs is the same in Rust, and the journey events::consumers runs both. Needs pika (Debian: python3-pika).
"""

import json
import os
import sys

import pika

EXCHANGE = "media.events"
# Every event; a consumer of one kind binds to its type, such as media.asset.ready.v1.
EVERYTHING = "media.#"
# How many the broker hands out before the first is acknowledged.
UNACKNOWLEDGED_MAX = 50


class Journal:
    """The inbox, and what the events did to us: a line each."""

    def __init__(self, path):
        # In a database this is a table with the id as its key; older ids than any replay reaches (a week) can go.
        self.inbox = set()
        self.highest = {}
        self.missing = {}
        self.file = open(path, "a+b")
        self.file.seek(0)
        text = self.file.read()
        # A line that a kill cut off was not acknowledged: its event comes again.
        whole = text.rfind(b"\n") + 1
        self.file.truncate(whole)
        for line in text[:whole].splitlines():
            event = json.loads(line)
            self.inbox.add(event["id"])
            self.note(event["subject"], event["sequence"])

    def note(self, subject, sequence):
        """Notes that a number has come. Answers those that have not."""
        highest = self.highest.get(subject, 0)
        missing = self.missing.setdefault(subject, set())
        missing.update(range(highest + 1, sequence))
        missing.discard(sequence)
        self.highest[subject] = max(highest, sequence)
        return sorted(missing)

    def take(self, event):
        if event["id"] in self.inbox:
            return
        missing = self.note(event["subject"], event["sequence"])
        if missing:
            print(f"of {event['subject']} have not come: {missing}; ReplayEvents sends them again", file=sys.stderr)
        self.file.write(json.dumps({**event, "missing": missing}).encode() + b"\n")
        self.file.flush()
        os.fsync(self.file.fileno())
        self.inbox.add(event["id"])


def read(properties, body):
    """CloudEvents 1.0, AMQP binding, binary mode: attributes are headers, the data is the body."""
    attributes = properties.headers
    return {
        "id": attributes["cloudEvents_id"],
        "type": attributes["cloudEvents_type"],
        "subject": attributes["cloudEvents_subject"],
        "sequence": int(attributes["cloudEvents_sequence"]),
        "data": json.loads(body),
    }


def main(url, queue, path):
    journal = Journal(path)
    channel = pika.BlockingConnection(pika.URLParameters(url)).channel()
    # The exchange is the service's; the queue is ours, and keeps what comes while we are away.
    channel.queue_declare(queue, durable=True, arguments={"x-queue-type": "quorum"})
    channel.queue_bind(queue, EXCHANGE, EVERYTHING)
    channel.basic_qos(prefetch_count=UNACKNOWLEDGED_MAX)
    for method, properties, body in channel.consume(queue):
        try:
            event = read(properties, body)
        except (KeyError, TypeError, ValueError) as error:
            print(f"no event of the media service: {error!r}", file=sys.stderr)
            channel.basic_reject(method.delivery_tag, requeue=False)
            continue
        journal.take(event)
        channel.basic_ack(method.delivery_tag)
    # Whoever supervises us starts us again; what was not acknowledged comes again.
    sys.exit("the broker ended the connection")


if __name__ == "__main__":
    if len(sys.argv) != 4:
        sys.exit("usage: consumer.py AMQP_URL QUEUE JOURNAL")
    main(*sys.argv[1:])

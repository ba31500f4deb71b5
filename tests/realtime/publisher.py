"""Another process of the installation: publishes what it is told on its standard input."""

import json
import sys

import django

django.setup()

from realtime.publish import publish  # noqa: E402 - Django comes first

for line in sys.stdin:
    topic, ids = json.loads(line)
    publish(topic, ids)
    print("published", flush=True)

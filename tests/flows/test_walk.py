"""The whole walk on a running stack: alert, incident, page, acknowledgement, and what may fail."""

import json
import os
import shutil
import subprocess
import urllib.request
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import redis

from config.embedded import redis_url
from config.processes import die_with_parent
from tests.flows.conftest import Flow
from tests.processes import wait_until
from tests.stack import free_port

ADDRESSES = {"Bob <bob@example.com>", "Carol <carol@example.com>"}  # whom the policy pages
PEOPLE = len(ADDRESSES)


def test_an_alert_reaches_both_mailboxes_and_acknowledging_stops_the_escalation(flow: Flow):
    number = flow.send("trigger", "walk", "Walk is blocked")["incident"]["id"]

    messages = flow.mailbox.wait_for("Walk is blocked", PEOPLE, 20)
    flow.send("acknowledge", "walk")

    assert {m["To"] for m in messages} == ADDRESSES
    rows = flow.sql("SELECT status, escalate_at FROM incidents_incident WHERE id = %s", number)
    assert rows == [("acknowledged", None)]
    wait_until(
        lambda: not {"pending", "sending"} & flow.states_of(number).keys(),
        20,
        "nothing is left to send",
    )


def test_t1_a_page_held_by_a_killed_worker_goes_out_after_all(flow: Flow):
    gate = flow.mailbox.hold_next()
    number = flow.send("trigger", "kill", "Killed in mid-send")["incident"]["id"]
    flow.mailbox.wait_until_held(20)

    flow.stack.kill_part("email")
    gate.set()
    # The lease protects the page for half a minute; here that time passes at once.
    flow.sql(
        "UPDATE notifications_notification SET leased_until = now()"
        " WHERE incident_id = %s AND state = 'sending'",
        number,
    )

    wait_until(
        lambda: {m["To"] for m in flow.mailbox.about("Killed in mid-send")} == ADDRESSES,
        60,
        "everybody was reached",
    )
    wait_until(lambda: flow.states_of(number).get("sent") == PEOPLE, 20, "both pages are sent")
    repeated = flow.sql(
        "SELECT count(*) FROM notifications_notification"
        " WHERE incident_id = %s AND maybe_duplicate",
        number,
    )
    assert repeated[0][0] >= 1


def test_redis_wiped_and_killed_while_200_incidents_escalate_loses_and_doubles_nothing(
    flow: Flow,
):
    def flush() -> bool:
        """Wipe Redis; False while it is away."""
        try:
            with redis.Redis.from_url(redis_url(flow.stack.home)) as client:
                return bool(client.flushall())
        except redis.RedisError:
            return False

    with ThreadPoolExecutor(8) as pool:
        for number in range(200):
            pool.submit(flow.send, "trigger", f"wipe-{number}", f"Wiped {number:03} times")
            if number in (20, 60, 90):
                assert flush()
            if number == 110:
                flow.stack.kill_part("redis")
    wait_until(flush, 20, "Redis is back, and wiped once more")

    flow.mailbox.wait_for("Wiped", 200 * PEOPLE, 90)
    flow.send("trigger", "after", "After the wipe")  # everything sent before it has been sent
    flow.mailbox.wait_for("After the wipe", PEOPLE, 30)
    copies = Counter((m["To"], m["Subject"]) for m in flow.mailbox.about("Wiped"))
    assert len(copies) == 200 * PEOPLE
    assert set(copies.values()) == {1}


@pytest.fixture
def alertmanager(flow: Flow, tmp_path: Path) -> Iterator[str]:
    """A real Alertmanager: everything by webhook, by pagerduty_configs and by opsgenie_configs."""
    program = shutil.which("prometheus-alertmanager") or shutil.which("alertmanager")
    if program is None:
        if os.environ.get("CI"):
            pytest.fail("Install the package prometheus-alertmanager.")
        pytest.skip("The package prometheus-alertmanager is not installed.")
    base, port = flow.stack.base_url, free_port()
    config = tmp_path / "alertmanager.yml"
    config.write_text(f"""
route:
  receiver: all
  group_by: ["..."]
  group_wait: 0s
  group_interval: 1s
receivers:
  - name: all
    webhook_configs:
      - url: {base}/api/integrations/prometheus/{flow.keys["prometheus"]}
        send_resolved: true
    pagerduty_configs:
      - url: {base}/v2/enqueue
        routing_key: {flow.keys["pagerduty"]}
        send_resolved: true
    opsgenie_configs:
      - api_url: {base}
        api_key: {flow.keys["opsgenie"]}
        send_resolved: true
""")
    process = subprocess.Popen(
        [
            program,
            f"--config.file={config}",
            f"--storage.path={tmp_path}",
            f"--web.listen-address=127.0.0.1:{port}",
            "--cluster.listen-address=",
        ],
        stderr=subprocess.DEVNULL,
        preexec_fn=die_with_parent(15),  # type: ignore[arg-type]
    )
    url = f"http://127.0.0.1:{port}"
    wait_until(lambda: _answers(f"{url}/-/ready"), 30, "Alertmanager is ready")
    yield url
    process.terminate()
    process.wait(20)


def _answers(url: str) -> bool:
    try:
        with urllib.request.urlopen(url, timeout=2) as answer:
            return bool(answer.status == 200)
    except OSError:
        return False


def _post_alert(url: str, ends_at: datetime) -> None:
    body = [
        {
            "labels": {"alertname": "HighLatency", "instance": "web-1", "severity": "critical"},
            "annotations": {"summary": "Latency of web-1 is high"},
            "endsAt": ends_at.isoformat(),
        }
    ]
    request = urllib.request.Request(
        f"{url}/api/v2/alerts",
        data=json.dumps(body).encode(),
        headers={"Content-Type": "application/json"},
    )
    with urllib.request.urlopen(request, timeout=10) as answer:
        assert answer.status == 200


def test_a_real_alertmanager_opens_one_incident_each_way_and_resolves_them(
    flow: Flow, alertmanager: str
):
    opened = "SELECT status FROM incidents_incident WHERE id > %s ORDER BY id"
    before = flow.sql("SELECT coalesce(max(id), 0) FROM incidents_incident")[0][0]
    now = datetime.now(UTC)

    _post_alert(alertmanager, now + timedelta(hours=1))
    wait_until(
        lambda: flow.sql(opened, before) == [("triggered",)] * 3,
        30,
        "one incident by webhook, one by pagerduty_configs and one by opsgenie_configs",
    )
    _post_alert(alertmanager, now)

    wait_until(
        lambda: flow.sql(opened, before) == [("resolved",)] * 3,
        60,
        "all of them are resolved",
    )

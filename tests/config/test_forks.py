"""Forked processes are the supervisor's own children, and nobody's copies."""

import json
import os
import subprocess
import sys
from pathlib import Path

from tests.stack import ROOT


def test_forked_processes_are_children_like_any_other(tmp_path: Path) -> None:
    left = tmp_path / "left"

    done = subprocess.run(
        [sys.executable, "-m", "tests.config.forking", str(left)],
        cwd=ROOT,
        env=os.environ | {"DJANGO_SETTINGS_MODULE": "config.settings"},
        capture_output=True,
        text=True,
        timeout=120,
    )

    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    one, other = found["said"]
    assert found["statuses"] == [7, 7]
    assert found["killed"] == -9
    assert found["last"] == 7
    assert [one["session"], other["session"]] == found["pids"]
    assert one["parent"] == other["parent"] == found["me"]
    assert one["random"] != other["random"]
    assert one["uuid"] != other["uuid"]
    assert one["files"] == ["0", "1", "2"]
    assert one["title"] == ["-m", "tests.config.forked", "7"]
    assert (one["pool"], one["told"]) == (3, "yes")
    assert not left.exists()

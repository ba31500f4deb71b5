"""The container files, checked without a container engine: only `docker compose` itself is sure."""

import os
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from config.celery import WORKERS
from tests.stack import ROOT

SECRETS = {
    "ENCRYPTION_KEY",
    "POSTGRES_PASSWORD",
    "REDIS_PASSWORD",
    "SECRET_KEY",
    "VAPID_PRIVATE_KEY",
}
REFERENCE = re.compile(r"(?<!\$)\$\{([A-Z_]+)([^}]*)\}")


@pytest.fixture(scope="module")
def compose() -> dict[str, Any]:
    loaded: dict[str, Any] = yaml.safe_load((ROOT / "docker-compose.yml").read_text())
    return loaded


def compose_references() -> list[tuple[str, str]]:
    return REFERENCE.findall((ROOT / "docker-compose.yml").read_text())


def documented_names() -> set[str]:
    return set(re.findall(r"^([A-Z_]+)=", (ROOT / ".env.example").read_text(), re.MULTILINE))


def test_every_part_is_a_service_of_its_own(compose: dict[str, Any]) -> None:
    workers = {f"worker-{name}" for name in WORKERS}

    assert set(compose["services"]) == {
        *("postgres", "redis", "migrate", "web", "mail", "beat"),
        *workers,
    }


@pytest.mark.parametrize("name", WORKERS)
def test_a_worker_serves_its_own_queues(compose: dict[str, Any], name: str) -> None:
    command = compose["services"][f"worker-{name}"]["command"]

    assert command[command.index("-Q") + 1] == ",".join(WORKERS[name])
    assert command[command.index("-n") + 1] == f"{name}@%h"


def test_every_lasting_service_has_a_health_check(compose: dict[str, Any]) -> None:
    without = [name for name, part in compose["services"].items() if "healthcheck" not in part]

    assert without == ["migrate"]


def test_the_web_is_healthy_only_when_ready(compose: dict[str, Any]) -> None:
    assert "/api/health?mode=readiness" in str(compose["services"]["web"]["healthcheck"]["test"])


def test_everybody_waits_for_the_migrations(compose: dict[str, Any]) -> None:
    parts = {name: part for name, part in compose["services"].items() if name != "migrate"}
    waiting = {
        name
        for name, part in parts.items()
        if part.get("depends_on", {}).get("migrate", {}).get("condition")
        == "service_completed_successfully"
    }

    assert waiting == set(parts) - {"postgres", "redis"}


def test_secrets_are_required_and_never_defaulted() -> None:
    required = {name for name, rest in compose_references() if rest.startswith(":?")}
    optional = {name for name, rest in compose_references() if not rest.startswith(":?")}

    assert required >= SECRETS
    assert optional.isdisjoint(SECRETS)


def test_every_name_in_compose_is_in_the_example() -> None:
    assert {name for name, _ in compose_references()} <= documented_names()


# What the containers settle themselves, and what `make run` alone reads.
NOT_HANDED_ON = {
    *("POSTGRES_PASSWORD", "REDIS_PASSWORD"),  # inside DATABASE_URL and REDIS_URL
    *("OPSKNIGHT_HOME", "OPSKNIGHT_BIND", "OPSKNIGHT_PORT", "OPSKNIGHT_STATIC", "OPSKNIGHT_SPOOL"),
    *("OPSKNIGHT_ADMIN_EMAIL", "OPSKNIGHT_ADMIN_PASSWORD"),  # for the first start only
    *("OPSKNIGHT_MAIL_PORT", "OPSKNIGHT_MAIL_BIND"),
    *("OPSKNIGHT_WEB_PROCESSES", "OPSKNIGHT_DEBUG"),
}


@pytest.mark.parametrize("name", ["web", "beat", "migrate", *(f"worker-{w}" for w in WORKERS)])
def test_what_the_example_offers_reaches_the_containers(compose: dict[str, Any], name: str) -> None:
    given = set(compose["services"][name]["environment"])

    assert documented_names() - NOT_HANDED_ON - given == set()


def compose_command() -> list[str]:
    """`docker compose`, or the older `docker-compose`; neither needs an engine for `config`."""
    docker = shutil.which("docker")
    if (
        docker
        and not subprocess.run([docker, "compose", "version"], capture_output=True).returncode
    ):
        return [docker, "compose"]
    if older := shutil.which("docker-compose"):
        return [older]
    reason = "Install docker compose: Debian has it as docker-compose."
    return pytest.fail(reason) if os.environ.get("CI") else pytest.skip(reason)


def test_docker_compose_accepts_the_file() -> None:
    names = {name for name, rest in compose_references() if rest.startswith(":?")}

    done = subprocess.run(
        [*compose_command(), "--file", "docker-compose.yml", "config", "--quiet"],
        cwd=ROOT,
        env=dict.fromkeys(names, "x") | {"PATH": "/usr/bin:/bin", "OPSKNIGHT_URL": "https://x"},
        capture_output=True,
        text=True,
    )

    assert done.returncode == 0, done.stderr


def test_a_line_of_the_env_file_reaches_a_worker(tmp_path: Path) -> None:
    secrets = "".join(f"{name}=x\n" for name in (*SECRETS, "OPSKNIGHT_URL"))
    (tmp_path / ".env").write_text(f"{secrets}TWILIO_FROM=+15550100\n")
    shutil.copy(ROOT / "docker-compose.yml", tmp_path)

    done = subprocess.run(
        [*compose_command(), "config"],
        cwd=tmp_path,
        env={"PATH": "/usr/bin:/bin"},
        capture_output=True,
        text=True,
    )

    assert done.returncode == 0, done.stderr
    phone = yaml.safe_load(done.stdout)["services"]["worker-phone"]["environment"]
    assert phone["TWILIO_FROM"] == "+15550100"
    assert phone.get("SLACK_BOT_TOKEN") is None


def test_the_image_does_not_run_as_root_and_carries_no_secret() -> None:
    dockerfile = (ROOT / "Dockerfile").read_text()
    users = re.findall(r"^USER (\S+)", dockerfile, re.MULTILINE)

    assert dockerfile.count("\nFROM ") == 2  # a stage that builds, a stage that runs
    assert users == ["opsknight"]
    assert not re.search(r"(SECRET|PASSWORD|_KEY)\s*=", dockerfile)


def test_local_files_stay_out_of_the_image() -> None:
    ignored = (ROOT / ".dockerignore").read_text().split()

    assert {".git", ".venv", ".env", "var"} <= set(ignored)

"""Our static files survive being collected: every file they name exists."""

import re
from pathlib import Path

import pytest
from django.core.management import call_command
from pytest_django import Settings

OTHERS = ["admin", "django_extensions", "drf_spectacular_sidecar", "rest_framework", "unfold"]


@pytest.fixture
def collected(settings: Settings, tmp_path: Path) -> Path:
    settings.STATIC_ROOT = tmp_path
    settings.STORAGES = settings.STORAGES | {
        "staticfiles": {"BACKEND": "config.static.ModuleManifestStorage"}
    }
    call_command("collectstatic", interactive=False, verbosity=0, ignore_patterns=OTHERS)
    return tmp_path


def test_modules_import_each_other_by_hashed_name(collected: Path) -> None:
    (app,) = (collected / "opsknight/js").glob("app.????????????.js")

    imports = re.findall(r'"(\./[^"]+)"', app.read_text())

    assert len(imports) == 8
    assert all(re.fullmatch(r"\./[\w-]+\.[0-9a-f]{12}\.js", name) for name in imports)
    assert all((app.parent / name).is_file() for name in imports)


def test_htmx_that_the_shell_names_is_carried_by_its_package(collected: Path) -> None:
    assert list((collected / "django_htmx").glob("htmx-2.min*.js"))

"""Files of others that we carry: named, licensed, unchanged."""

import hashlib
import json
from pathlib import Path

VENDOR = Path(__file__).parents[2] / "opsknight/static/opsknight/vendor"
MANIFEST = json.loads((VENDOR / "manifest.json").read_text())


def test_vendored_files_are_as_published() -> None:
    wrong = [
        entry["file"]
        for package in MANIFEST
        for entry in package["files"]
        if hashlib.sha256((VENDOR / entry["file"]).read_bytes()).hexdigest() != entry["sha256"]
    ]

    assert wrong == []


def test_every_vendored_file_is_in_the_manifest() -> None:
    listed = {entry["file"] for package in MANIFEST for entry in package["files"]}

    carried = {str(file.relative_to(VENDOR)) for file in VENDOR.rglob("*") if file.is_file()}

    assert carried - {"manifest.json"} == listed


def test_every_vendored_package_says_what_it_is() -> None:
    for package in MANIFEST:
        folder = f"{package['name']}-{package['version']}"

        assert package["licence"]
        assert package["reason"]
        assert all(entry["file"].startswith(f"{folder}/") for entry in package["files"])

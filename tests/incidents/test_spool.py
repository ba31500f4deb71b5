"""The spool on disk: nothing kept is lost or read twice, and what is torn harms nobody."""

import os
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from incidents.intake import spool as spooling
from incidents.intake.spool import Spool, SpoolFull

MANY = 1024 * 1024 * 1024


def everything(spool: Spool) -> list[bytes]:
    """Read and forget all that is kept."""
    found: list[bytes] = []
    with spool.draining() as is_ours:
        assert is_ours
        while (segment := spool.oldest()) is not None:
            found += spool.read(segment)
            spool.remove(segment)
    return found


@pytest.fixture
def spool(tmp_path: Path) -> Spool:
    return Spool(tmp_path / "spool", MANY, b"key")


def test_what_is_kept_is_read_in_order_and_then_gone(spool: Spool):
    spool.append([b"one", b"two"])
    spool.append([b"three"])

    assert spool.is_waiting()
    assert everything(spool) == [b"one", b"two", b"three"]
    assert not spool.is_waiting()
    assert spool.size() == 0


def test_large_logs_become_segments_that_stay_in_order(
    spool: Spool, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(spooling, "SEGMENT_BYTES", 100)
    records = [b"%03d" % n + b"x" * 50 for n in range(40)]

    for record in records:
        spool.append([record])

    assert everything(spool) == records


@pytest.mark.parametrize("lost", [1, 4, 12, 20])
def test_a_record_torn_by_a_crash_is_left_out_and_the_next_is_read(
    spool: Spool, tmp_path: Path, lost: int
):
    spool.append([b"whole", b"torn" * 5])
    log = tmp_path / "spool" / "current"
    os.truncate(log, log.stat().st_size - lost)

    spool.append([b"after"])

    assert everything(spool) == [b"whole", b"after"]


def test_a_record_that_holds_the_marks_of_another_is_one_record(spool: Spool, tmp_path: Path):
    spool.append([b"inner"])
    inside = (tmp_path / "spool" / "current").read_bytes()

    spool.append([inside])

    assert everything(spool) == [b"inner", inside]


def test_a_damaged_record_does_not_hide_the_next(spool: Spool, tmp_path: Path):
    spool.append([b"first", b"second"])
    log = tmp_path / "spool" / "current"
    log.write_bytes(log.read_bytes().replace(b"first", b"f!rst"))

    assert everything(spool) == [b"second"]
    assert list((tmp_path / "spool").glob("*.damaged"))  # for a person to look at


def test_nobody_can_smuggle_a_record_into_a_torn_one(spool: Spool, tmp_path: Path):
    forged = Spool(tmp_path / "elsewhere", MANY, b"another key")
    forged.append([b"forged"])
    inside = (tmp_path / "elsewhere" / "current").read_bytes()
    spool.append([b"x" + inside + b"y"])
    log = tmp_path / "spool" / "current"
    os.truncate(log, log.stat().st_size - 1)

    spool.append([b"after"])

    assert everything(spool) == [b"after"]


def test_beyond_its_limit_nothing_is_kept_and_the_rest_stays(tmp_path: Path):
    spool = Spool(tmp_path / "spool", 200)
    spool.append([b"x" * 100])

    with pytest.raises(SpoolFull):
        spool.append([b"y" * 50, b"z" * 50])

    assert everything(spool) == [b"x" * 100]


def test_a_disk_that_ends_in_the_middle_of_a_write_keeps_what_was_kept(
    spool: Spool, tmp_path: Path
):
    spool.append([b"kept"])
    program = f"""
import resource, signal
from pathlib import Path
from incidents.intake.spool import Spool, SpoolFull
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (5000, 5000))
try:
    Spool(Path({str(tmp_path / "spool")!r}), {MANY}).append([b"x" * 20000])
except SpoolFull:
    raise SystemExit(42)
"""

    ended = subprocess.run([sys.executable, "-c", program])
    spool.append([b"kept too"])

    assert ended.returncode == 42
    assert everything(spool) == [b"kept", b"kept too"]


def test_processes_that_append_while_another_empties_lose_nothing(tmp_path: Path):
    program = f"""
import sys
from pathlib import Path
from incidents.intake.spool import Spool
spool = Spool(Path({str(tmp_path / "spool")!r}), {MANY})
for number in range(300):
    spool.append([f"{{sys.argv[1]}}-{{number}}".encode()])
"""
    spool = Spool(tmp_path / "spool", MANY)
    found: list[bytes] = []
    writers = [subprocess.Popen([sys.executable, "-c", program, name]) for name in "ab"]

    while any(writer.poll() is None for writer in writers):
        found += everything(spool)
    found += everything(spool)

    assert [writer.returncode for writer in writers] == [0, 0]
    for name in "ab":
        own = [record for record in found if record.startswith(name.encode())]
        assert own == [b"%s-%d" % (name.encode(), n) for n in range(300)]


def test_only_one_empties_at_a_time(spool: Spool):
    answers: list[bool] = []

    def try_too() -> None:
        with Spool(spool._folder, MANY).draining() as is_ours:
            answers.append(is_ours)

    with spool.draining() as is_ours:
        thread = threading.Thread(target=try_too)
        thread.start()
        thread.join(10)

    assert is_ours
    assert answers == [False]


def test_a_folder_that_was_removed_is_made_anew(spool: Spool, tmp_path: Path):
    for entry in (tmp_path / "spool").iterdir():
        entry.unlink()
    (tmp_path / "spool").rmdir()

    assert not spool.is_waiting()
    spool.append([b"anew"])
    assert everything(spool) == [b"anew"]


def test_what_nobody_understands_is_put_aside(spool: Spool, tmp_path: Path):
    spool.put_aside(b"nonsense")

    assert list(spool.read(tmp_path / "spool" / "unreadable")) == [b"nonsense"]
    assert not spool.is_waiting()


def test_segments_stay_in_order_when_the_clock_is_set_back(
    spool: Spool, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(spooling, "SEGMENT_BYTES", 10)
    clock = iter(range(5_000, 0, -1_000))
    monkeypatch.setattr(spooling.time, "time_ns", lambda: next(clock))

    for record in (b"x" * 20 + b"1", b"x" * 20 + b"2", b"x" * 20 + b"3"):
        spool.append([record])

    assert [record[-1:] for record in everything(spool)] == [b"1", b"2", b"3"]


def test_a_damaged_segment_is_read_where_files_cannot_be_linked(
    spool: Spool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    def refuse(*_: object) -> None:
        raise PermissionError("Operation not permitted")

    monkeypatch.setattr(os, "link", refuse)
    spool.append([b"first", b"second"])
    log = tmp_path / "spool" / "current"
    log.write_bytes(log.read_bytes().replace(b"first", b"f!rst"))

    assert everything(spool) == [b"second"]
    assert list((tmp_path / "spool").glob("*.damaged"))


def test_nobody_else_reads_what_is_kept_wherever_the_folder_is(tmp_path: Path):
    folder = tmp_path / "made-by-hand"
    folder.mkdir(mode=0o755)
    spool = Spool(folder, MANY, b"key")

    spool.append([b"one"])
    spool.put_aside(b"nonsense")

    assert {path.stat().st_mode & 0o077 for path in folder.iterdir() if path.stat().st_size} == {0}

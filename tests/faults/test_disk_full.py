"""A disk that is full: nothing half written, a message, and the switch can still be set."""

import shutil
import subprocess
import sys

import pytest
from cli_fixtures import surroundings
from store_fixtures import journal_at, noted

from kobe81.core.errors import DiskFull, StoreError
from kobe81.core.events import Failed
from kobe81.store.verification import verify

LONG = Failed(source="error", note="x" * 20_000)


@pytest.fixture
def crowded(tmp_path):
    """A journal that may have eight pages more than now."""
    journal = journal_at(tmp_path / "journal.db", 3)
    journal._execute("PRAGMA max_page_count = 8")
    return journal


def test_a_full_disk_is_told_and_nothing_is_half_written(crowded):
    """All of an append or none of it; the journal stays sound and takes what still fits."""
    with pytest.raises(DiskFull, match=r"nothing was written .* Free space under KOBE_HOME"):
        crowded.append(noted(3), LONG, LONG)
    assert crowded.head()[0] == 3
    assert verify(crowded) == []
    assert crowded.append(noted(3))[0].seq == 4


def test_a_caller_who_goes_on_cannot_commit_half_of_it(crowded):
    """The step is undone as a whole, whatever was caught inside it."""
    def stubborn(*after):
        with crowded.exclusively():
            crowded.append(noted(3))
            with pytest.raises(DiskFull):
                crowded.append(noted(4), LONG, LONG)
            for event in after:
                crowded.append(event)

    with pytest.raises(StoreError, match="take it again"):
        stubborn(noted(5))
    with pytest.raises(StoreError):
        stubborn()
    assert crowded.head()[0] == 3
    assert verify(crowded) == []


STORY = """
import os, sys
from pathlib import Path
sys.path[:0] = [sys.argv[2]]
from store_fixtures import *
from kobe81.core.errors import DiskFull
from kobe81.execution.kill_switch import FileKillSwitch
from kobe81.store import audit_trail
from kobe81.store.verification import verify

disk = Path(sys.argv[1])
journal = journal_at(disk / "journal.db", 3)
switch = FileKillSwitch(disk / "KILL_SWITCH")
with (disk / "ballast").open("wb", buffering=0) as ballast:
    try:
        while True:
            ballast.write(bytes(4096))
    except OSError as full:
        print(full.strerror)
def told(do):
    try:
        do()
    except DiskFull as error:
        return type(error).__name__
    return "done"
print(told(lambda: [journal.append(noted(n)) for n in range(500)]))
print(told(lambda: audit_trail.catch_up(journal, disk / "audit.jsonl")))
print(told(lambda: journal_at(disk / "other.db")))
size, sound = journal.head()[0], verify(journal)
switch.engage("test", "the disk is full " * 1000)
print(sound, switch.engaged() != "", (disk / "KILL_SWITCH").stat().st_size)
(disk / "ballast").unlink()
print(journal.append(noted(1))[0].seq == size + 1, audit_trail.catch_up(journal, disk / "audit.jsonl"))
print(audit_trail.verify(disk / "audit.jsonl").size == size + 1)
"""


@pytest.mark.skipif(not shutil.which("unshare"), reason="needs unshare to mount a small disk of its own")
def test_a_real_disk_that_is_full(tmp_path):
    """One MiB of tmpfs, filled to the last byte: append, audit and opening refuse, the empty switch fits, and once
    there is space everything goes on where it was."""
    mount = ["unshare", "--mount", "--map-root-user", "sh", "-c", 'mount -t tmpfs -o size=1m kobe "$1" || exit 77\n'
             'exec "$2" -c "$3" "$1" "$4"', "sh", tmp_path, sys.executable, STORY, surroundings({})["PYTHONPATH"] +
             "/tests"]
    done = subprocess.run(mount, capture_output=True, text=True, env=surroundings({}), timeout=60)
    if done.returncode in {1, 77} and "kobe81" not in done.stderr:
        pytest.skip(f"no disk can be mounted here: {done.stderr}")
    assert done.stdout.splitlines() == ["No space left on device", "DiskFull", "DiskFull", "DiskFull",
                                        "[] True 0", "True []", "True"], done.stderr

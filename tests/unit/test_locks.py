"""One leader, by real processes: the kernel's lock is held for life and not longer."""

import os
import signal
import subprocess
import sys
from datetime import timedelta

import pytest
from cli_fixtures import surroundings
from store_fixtures import MONDAY

from kobe81.core.clock import SteppedClock
from kobe81.core.errors import LostLead, StoreError
from kobe81.store.locks import LeaderLock, leader

RACES, RUNNERS = 50, 8
RUNNER = """
import sys
from pathlib import Path
from kobe81.app.clock import SystemClock
from kobe81.core.errors import StoreError
from kobe81.store.locks import LeaderLock
for line in sys.stdin:
    try:
        held = LeaderLock(Path(line.strip()), SystemClock())
        print("lead", flush=True)
    except StoreError as error:
        print(error, flush=True)
    sys.stdin.readline()
"""


@pytest.fixture
def path(tmp_path):
    return tmp_path / "runner.lock"


def runner():
    return subprocess.Popen([sys.executable, "-c", RUNNER], text=True, stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                            env=surroundings({}))


def tell(process, line):
    process.stdin.write(f"{line}\n")
    process.stdin.flush()


def end(process):
    process.kill()
    process.communicate()


def test_a_second_runner_is_told_who_leads(path):
    """Process, host, since when; and nobody leads once it is released."""
    clock = SteppedClock(MONDAY)
    lock = LeaderLock(path, clock)
    with pytest.raises(StoreError, match=rf"another runner leads: process {os.getpid()} on .*, since 2026-03-02 14:35"):
        LeaderLock(path, clock)
    lock.release()
    assert leader(path) is None
    LeaderLock(path, clock).release()


def test_who_leads_and_when_they_last_said_so(path):
    """The beat is the file's time; nobody leads where there is no file."""
    clock = SteppedClock(MONDAY)
    assert leader(path) is None
    lock = LeaderLock(path, clock)
    clock.sleep(90)
    lock.beat()
    found = leader(path)
    assert (found.pid, found.started, found.beat) == (os.getpid(), MONDAY, MONDAY + timedelta(seconds=90))
    lock.release()


def test_a_leader_without_a_text_leads_all_the_same(path):
    """As on a full disk, where the text could not be written."""
    lock = LeaderLock(path, SteppedClock(MONDAY))
    path.write_text("")
    assert (leader(path).pid, leader(path).beat) == (0, leader(path).started)
    with pytest.raises(StoreError, match="it left no name"):
        LeaderLock(path, SteppedClock(MONDAY))
    lock.release()


@pytest.mark.parametrize("replaced", [False, True])
def test_a_leader_whose_file_is_taken_away_has_lost_the_lead(path, replaced):
    """Somebody deletes the lock file, and a second runner may take a new one: the first is to notice."""
    first = LeaderLock(path, SteppedClock(MONDAY))
    path.unlink()
    second = LeaderLock(path, SteppedClock(MONDAY)) if replaced else None
    with pytest.raises(LostLead, match="another runner may lead now"):
        first.beat()
    first.release()
    if second:
        second.beat()
        second.release()


def test_looking_does_not_keep_a_runner_from_starting(path):
    """Who only looks holds the lock for a moment; a runner that meets that moment tries again."""
    import fcntl

    path.touch()
    looking = path.open()
    fcntl.flock(looking, fcntl.LOCK_SH)

    class Clock(SteppedClock):
        def sleep(self, seconds):
            looking.close()

    LeaderLock(path, Clock(MONDAY)).release()


def test_a_killed_leader_leads_no_more(path):
    """SIGKILL: the kernel lets go at once, and its text names nobody any more."""
    first = runner()
    tell(first, path)
    assert first.stdout.readline() == "lead\n"
    assert leader(path).pid == first.pid
    first.send_signal(signal.SIGKILL)
    first.communicate()
    assert leader(path) is None
    LeaderLock(path, SteppedClock(MONDAY)).release()


def test_eight_runners_one_leader(tmp_path):
    """50 races of 8 processes for a lock that nobody has made yet; each of the others names the one."""
    runners = [runner() for _ in range(RUNNERS)]
    for race in range(RACES):
        for process in runners:
            tell(process, tmp_path / f"{race}.lock")
        said = [process.stdout.readline() for process in runners]
        assert said.count("lead\n") == 1, said
        winner = runners[said.index("lead\n")].pid
        assert leader(tmp_path / f"{race}.lock").pid == winner
        assert sum("another runner leads" in line for line in said) == RUNNERS - 1
        for process in runners:
            tell(process, "next")
    for process in runners:
        end(process)

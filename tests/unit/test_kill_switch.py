"""The kill switch: whatever is not plainly "no such file in a folder that can be read" stops trading."""

import os
import stat
import subprocess
import sys
import time
from tempfile import TemporaryDirectory

import pytest
from cli_fixtures import finished, surroundings
from store_fixtures import journal_at, noted

from kobe81.core.errors import StoreError, UsageError
from kobe81.execution.kill_switch import FileKillSwitch


@pytest.fixture
def path(tmp_path):
    return tmp_path / "home" / "KILL_SWITCH"


@pytest.fixture
def switch(path):
    path.parent.mkdir()
    return FileKillSwitch(path)


def test_it_is_a_file_and_its_existence(switch, path):
    """Set, seen by another object, lifted; the words are for people and the file for its owner alone."""
    assert switch.engaged() == ""
    switch.engage("kobe kill (ann)", "spreads look\nwrong")
    assert FileKillSwitch(path).engaged() == "kill switch set by kobe kill (ann): spreads look wrong"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    switch.lift()
    assert not path.exists()
    assert switch.engaged() == ""
    switch.lift()


def test_twice_is_once(switch, path):
    """The first reason stays."""
    switch.engage("a", "first")
    switch.engage("b", "second")
    assert path.read_text() == "a: first\n"


EXISTS = {
    "an empty file": lambda path: path.touch(),
    "a file nobody may read": lambda path: path.touch(0),
    "a folder": lambda path: path.mkdir(),
    "a link to nowhere": lambda path: path.symlink_to("/nowhere/at/all"),
    "a link to itself": lambda path: path.symlink_to(path),
    "a pipe nobody writes to": lambda path: os.mkfifo(path),
    "bytes that are no text": lambda path: path.write_bytes(b"\xff\xfe\0" * 1000),
}


@pytest.mark.parametrize("kind", EXISTS)
def test_whatever_has_the_name_is_the_switch(switch, path, kind):
    """And setting it once more is no error."""
    EXISTS[kind](path)
    assert switch.engaged().startswith("kill switch set")
    switch.engage("a", "b")


def test_a_missing_folder_counts_as_set(path):
    """An unmounted disk, a deleted home: nobody can say that the switch is not there. It cannot be set there either."""
    switch = FileKillSwitch(path)
    assert "counts as set" in switch.engaged()
    with pytest.raises(StoreError, match=r"could not be set .* counts as set for as long as it lasts"):
        switch.engage("a", "b")
    path.parent.write_text("a file where the folder was")
    assert "counts as set" in switch.engaged()


def test_a_folder_in_a_ring_of_links_counts_as_set(tmp_path):
    """ELOOP."""
    (tmp_path / "home").symlink_to(tmp_path / "home")
    assert "counts as set" in FileKillSwitch(tmp_path / "home" / "KILL_SWITCH").engaged()


@pytest.mark.parametrize("mode", [0o000, 0o300, 0o600], ids=oct)
@pytest.mark.skipif(os.getuid() != 0, reason="only root can become somebody else")
def test_a_folder_that_may_not_be_read_counts_as_set(mode):
    """EACCES, as somebody who is not root meets it: without the right to list it, or to look into it."""
    code = ("import os, sys\nfrom pathlib import Path\nfrom kobe81.execution.kill_switch import FileKillSwitch\n"
            "home = Path(sys.argv[1])\nos.chown(home, 65534, 65534)\nhome.chmod(int(sys.argv[2]))\nos.setuid(65534)\n"
            "print(FileKillSwitch(home / 'KILL_SWITCH').engaged())\n")
    with TemporaryDirectory(dir="/tmp") as home:
        done = subprocess.run([sys.executable, "-c", code, home, str(mode)], capture_output=True, text=True,
                              env=surroundings({}), timeout=60)
        assert "counts as set" in done.stdout, done
        assert "Permission denied" in done.stdout


@pytest.mark.parametrize("error", [5, 24, 40, 116], ids=["EIO", "EMFILE", "ELOOP", "ESTALE"])
def test_any_other_error_counts_as_set(switch, monkeypatch, error):
    """A disk that does not answer."""
    def broken(*_, **__):
        raise OSError(error, os.strerror(error))

    monkeypatch.setattr(os, "stat", broken)
    assert "counts as set" in switch.engaged()


def test_a_relative_path_is_refused(path):
    """It would be another file in another folder."""
    with pytest.raises(UsageError, match="absolute"):
        FileKillSwitch(path.relative_to("/"))


def test_what_cannot_be_lifted_is_told(switch, path):
    """A folder of that name."""
    path.mkdir()
    with pytest.raises(StoreError, match="by hand"):
        switch.lift()
    assert switch.engaged() != ""


def kill(home, *words):
    code = "import sys\nfrom kobe81.app.commands.kill import kill\nkill(reason=sys.argv[1])\n"
    return finished(subprocess.Popen([sys.executable, "-c", code, *words], text=True, stdout=subprocess.PIPE,
                                     stderr=subprocess.PIPE, env=surroundings({"KOBE_HOME": str(home)})))


def test_kobe_kill_sets_the_switch_and_tells_the_journal(path):
    """And says what stays open."""
    journal = journal_at(path.parent / "journal.db", 3)
    done = kill(path.parent, "too odd")
    assert (done.code, done.err) == (0, "")
    assert "Open: 0 orders, 0 positions" in done.out
    assert "too odd" in path.read_text()
    assert [(r.seq, r.event.reason) for r in journal.since(3)] == [(4, "too odd")]


@pytest.mark.parametrize("trouble", ["locked", "damaged", "none"])
def test_kobe_kill_needs_no_journal(path, trouble):
    """Locked by another writer, damaged, or not there: the switch is set all the same, and the rest is said."""
    path.parent.mkdir()
    if trouble == "damaged":
        (path.parent / "journal.db").write_bytes(b"junk" * 2000)
    elif trouble == "locked":
        journal = journal_at(path.parent / "journal.db", 1)
        with journal.exclusively():
            journal.append(noted(1))
            before = time.monotonic()
            done = kill(path.parent, "now")
            assert time.monotonic() - before < 5
    if trouble != "locked":
        done = kill(path.parent, "now")
    assert (done.code, path.exists()) == (0, True)
    assert {"locked": "The journal was not told", "damaged": "could not be asked", "none": "no journal"}[
        trouble] in done.out


def test_kobe_kill_loads_nothing_heavy(path):
    """It is quick: no numbers, no network, no cryptography."""
    journal_at(path.parent / "journal.db", 1)
    code = ("import sys\nfrom kobe81.app.commands.kill import kill\nkill()\n"
            "print([m for m in ('numpy', 'polars', 'httpx2', 'cryptography', 'rich') if m in sys.modules])")
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60,
                          env=surroundings({"KOBE_HOME": str(path.parent)}))
    assert done.stdout.endswith("[]\n"), done

"""Readiness of the machine and the home folder: the first nine looks."""

from __future__ import annotations

import os
import shutil
from datetime import UTC, datetime, timedelta

from kobe81.app import auditing
from kobe81.app.live.alpaca import NEVER_OFF, address
from kobe81.app.live.config import OTHERS
from kobe81.app.live.inspection import Inspection, Said, fail, fine, warn
from kobe81.app.live.keys import key_file, required
from kobe81.app.live.reconciling import moment
from kobe81.app.live.schedule import EXCHANGE, EXCHANGE_TIME, jobs, session_at
from kobe81.core.calendar import LAST_DAY, sessions
from kobe81.core.errors import UsageError
from kobe81.core.events import SessionOpened
from kobe81.execution.alpaca_http import check_pairing
from kobe81.execution.kill_switch import FileKillSwitch
from kobe81.monitor.health_endpoints import LEASE_SECONDS
from kobe81.store import checkpoints, verification
from kobe81.store.files import write_new

LOOK_FOR, APART = 0.25, 0.1
"""Seconds for which the clocks are watched, and by which they may come apart meanwhile."""
OFFSETS = ((datetime(2026, 1, 15, tzinfo=UTC), -5), (datetime(2026, 7, 15, tzinfo=UTC), -4))
"""New York's hours from UTC, in winter and summer."""
ENDS_SOON = timedelta(days=90)
LEAST_FREE, LEAST_DAYS, LEAST_FILES = 200 * 2**20, 1_000, 1_000
"""Bytes, days of the journal, and files that must have room."""
A_DAY = 256 * 1024
"""Bytes a day writes at least: three scans' snapshots, in journal and audit."""


def config(look: Inspection) -> Said:
    """The file is sound, names a broker that this mode can use, and leaves the gates on."""
    made = look.config
    if look.mode == "live" and made.broker.name != "alpaca":
        return fail("live trades at Alpaca, and the configuration says broker paper",
                    'write name = "alpaca" under [broker]')
    off, named = made.rules("").off, ", ".join(s.name for s in made.strategies)
    if look.mode == "live":
        made.rules("").require(*NEVER_OFF)
    if off:
        return warn(f"gates off: {', '.join(off)}; strategies: {named}", "take them out of off under [gates]")
    return fine(f"strategies: {named}; every gate on")


def secrets(look: Inspection) -> Said:
    """The key is there where one is needed, belongs to the mode, and nobody else can read what signs."""
    signing = look.places.key
    if signing.exists() and signing.stat().st_mode & OTHERS:
        raise UsageError(f"{signing} signs the audit and can be read by others; run: chmod 600 {signing}")
    if look.config.broker.name == "paper":
        return fine("none needed: the exchange within" + (", with Alpaca's quotes by a key" if look.keys else ""))
    keys = required(look.keys, key_file(look.config, look.places.folder))
    doubt = check_pairing(look.mode, address(look.config, look.mode), keys.id)
    return warn(doubt, "compare it with Alpaca's page of the account") if doubt else fine(f"a key of {look.mode}")


def clock(look: Inspection) -> Said:
    """Wall and monotonic clock go alike, New York's time is known, and it is not earlier than the journal."""
    before = look.clock.now(), look.clock.monotonic()
    look.clock.sleep(LOOK_FOR)
    now = look.clock.now()
    apart = (now - before[0]).total_seconds() - (look.clock.monotonic() - before[1])
    if not (abs(apart) <= APART):
        return fail(f"the wall clock moved {apart:+.3f} s against the monotonic one within {LOOK_FOR} s",
                    "have the machine's time synchronised, and wait until it is steady")
    wrong = [at for at, hours in OFFSETS if at.astimezone(EXCHANGE_TIME).utcoffset() != timedelta(hours=hours)]
    if wrong:
        return fail(f"New York's time is wrong on {wrong[0]:%Y-%m-%d}", "install current time zone data (tzdata)")
    if look.past.wrote and now < look.past.wrote:
        return fail(f"it is {moment(now)} by this machine, and the journal's last record is of "
                    f"{moment(look.past.wrote)}", "set the clock right; the journal's time must not run backwards")
    return fine(f"{moment(now)}, {now.astimezone(EXCHANGE_TIME):%H:%M %Z} in New York; steady")


def calendar(look: Inspection) -> Said:
    """The exchange's calendar covers today and the months after."""
    today = session_at(look.clock.now())
    if today > LAST_DAY:
        return fail(f"the calendar ends on {LAST_DAY}", "install a newer version")
    following = sessions(EXCHANGE, today, min(today + ENDS_SOON, LAST_DAY))
    told = f"{today} is {'a session' if jobs(today) else 'no session'}; next: " + ", ".join(
        str(day) for day in following[:2] if day != today)
    return fine(told) if today + ENDS_SOON <= LAST_DAY else warn(f"the calendar ends on {LAST_DAY}",
                                                                 "install a newer version soon")


def disk(look: Inspection) -> Said:
    """There is room for years of journal, for files, and writing works."""
    folder = look.places.folder
    probe = folder / f".preflight-{os.getpid()}"
    try:
        write_new(probe, b"kobe")
    finally:
        probe.unlink(missing_ok=True)
    free, found = shutil.disk_usage(folder).free, os.statvfs(folder)
    days = free // _a_day(look)
    if not (free >= LEAST_FREE and days >= LEAST_DAYS):
        return fail(f"{free / 2**20:,.0f} MB free, room for {days:,} days; at least {LEAST_FREE / 2**20:,.0f} MB and "
                    f"{LEAST_DAYS:,} days are wanted", f"free space for {folder}")
    if found.f_files and not (found.f_favail >= LEAST_FILES):
        return fail(f"room for {found.f_favail:,} more files", f"remove files from the disk of {folder}")
    return fine(f"{free / 2**30:,.1f} GB free, room for {min(days, 99_999):,} days; writing works")


def _a_day(look: Inspection) -> int:
    """Bytes that a day of journal and audit takes, as far as there is experience."""
    days = sum(1 for _ in look.journal.of(SessionOpened)) if look.journal else 0
    files = [*look.places.folder.glob(f"{look.places.journal.name}*"), look.places.audit]
    return max(A_DAY, sum(f.stat().st_size for f in files if f.exists()) // max(days, 1))


def journal(look: Inspection) -> Said:
    """The journal is what was written, and what its checkpoints say."""
    known = checkpoints.read(look.places.checkpoints)
    if look.journal is None:
        lost = f"{look.places.journal} is gone, and {len(known)} checkpoints say that there was one"
        return fail(lost, "restore it from a backup") if known else fine("none yet; it begins with the first start")
    findings = verification.verify(look.journal, known)
    if findings:
        return fail(str(findings[0]), "trade nothing, and look: kobe audit verify")
    return fine(f"{look.journal.head()[0]:,} records, {len(known)} checkpoints kept")


def audit(look: Inspection) -> Said:
    """The audit trail is the journal's, line by line, and its checkpoints are signed."""
    if look.journal is None:
        return fine("nothing to chain yet")
    if not look.places.audit.exists() and not look.places.checkpoints.exists():
        return warn(f"{look.places.audit.name} is not there yet", "none: the next start writes it")
    report = auditing.audit([], None, None)
    if report.findings:
        return fail(report.findings[0], "look: kobe audit verify")
    last = max((c.size for c in checkpoints.read(look.places.checkpoints)), default=0)
    return fine(f"chain and signatures hold; the last checkpoint covers {last:,} of {look.journal.head()[0]:,} records")


def single_runner(look: Inspection) -> Said:
    """Nobody leads yet."""
    if look.runs is None:
        return fine("none is running")
    age = (look.clock.now() - look.runs.beat).total_seconds() if look.runs.beat else 0.0
    if not (look.past.played or age <= LEASE_SECONDS):
        return fail(f"{look.runs}: it holds the lead and does not beat", "end that process; the lead is free then")
    return warn(str(look.runs), "none, if that is the one you want; a second would be refused")


def kill_switch(look: Inspection) -> Said:
    """Neither the switch nor the journal forbids orders."""
    why = FileKillSwitch(look.places.switch).engaged() or look.book.killed
    return fail(why, "if it is safe to go on: kobe resume --reason TEXT") if why else fine("not set")

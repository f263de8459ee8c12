"""Readiness: seventeen looks before a runner is started, each with what was found and what to do about it.

Nothing is changed by it, and a running runner is not disturbed.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Literal, NamedTuple

import numpy as np

from kobe81.app import auditing
from kobe81.app.live.alpaca import NEVER_OFF, address
from kobe81.app.live.config import LiveConfig
from kobe81.app.live.inspection import Inspection
from kobe81.app.live.keys import key_file, required
from kobe81.app.live.looking import records
from kobe81.app.live.reconciling import agrees, last_look, moment
from kobe81.app.live.schedule import EXCHANGE, EXCHANGE_TIME, jobs
from kobe81.app.live.station import Places
from kobe81.core.calendar import LAST_DAY, last_complete_session, sessions
from kobe81.core.clock import Clock
from kobe81.core.days import day
from kobe81.core.errors import KobeError
from kobe81.core.events import Halted, SessionOpened
from kobe81.core.money import ZERO, decimal
from kobe81.engine.rules import Rules
from kobe81.execution.alpaca_http import check_pairing
from kobe81.execution.kill_switch import FileKillSwitch
from kobe81.monitor.alerts import Apprise, LogFile, open_alerts, overdue
from kobe81.monitor.health_endpoints import LEASE_SECONDS
from kobe81.preflight.data_quality import SHORT_HISTORY
from kobe81.risk.policy_gate import PolicyGate
from kobe81.store import checkpoints, verification
from kobe81.store.files import OWNER_ONLY, write_new

"""Secrets: whatever shows them shows three asterisks."""

import copy
import io
import json
import logging
import pickle
import traceback

import msgspec
import pytest

from kobe81.core.errors import UsageError
from kobe81.core.secret import Secret, masked

CANARY = "cAnArY-0123456789"


@pytest.fixture
def secret():
    return Secret(CANARY)


def test_only_reveal_gives_it_away(secret):
    """The value is what was put in."""
    assert secret.reveal() == CANARY


@pytest.mark.parametrize("show", [
    str, repr, ascii, "{}".format, "{:>20}".format, lambda s: f"{s!r:>12}", lambda s: "%s" % s,  # noqa: UP031
    lambda s: s + "x", lambda s: "".join([s]), lambda s: s.upper(), lambda s: s[0:2], lambda s: s.encode().decode(),
    lambda s: json.dumps({"key": s}), lambda s: json.dumps({s: 1}), lambda s: str(pickle.loads(pickle.dumps(s))),
    lambda s: pickle.dumps(s, 0).decode("latin-1"), lambda s: pickle.dumps(s).decode("latin-1"),
    lambda s: repr(copy.deepcopy({"key": s})), lambda s: repr(vars(type(s)).keys()),
    lambda s: str(list(s)), lambda s: f"{Secret('x')}{s}",
])
def test_whatever_shows_it_shows_asterisks(secret, show):
    """Text, format, slices, JSON, pickle and copies hold no part of it that is longer than a letter."""
    shown = show(secret)
    assert not any(part in shown for part in (CANARY, CANARY[:3], CANARY[:3].upper(), CANARY[-3:], CANARY[::-1]))


def test_pickle_and_json_are_the_mask(secret):
    """Neither comes back as anything but the mask."""
    assert pickle.loads(pickle.dumps(secret)) == "***"
    assert json.loads(json.dumps([secret])) == ["***"]


def test_msgspec_does_not_write_it(secret):
    """The journal's encoder refuses rather than spells it out."""
    with pytest.raises(TypeError) as refused:
        msgspec.json.encode({"key": secret})
    assert CANARY not in str(refused.value)


def test_no_traceback_or_log_shows_it(secret):
    """A traceback with the locals of every frame, and a log line with it as argument, show the mask."""
    stream = io.StringIO()
    logger = logging.Logger("canary")
    logger.addHandler(logging.StreamHandler(stream))
    held = {"secret": secret}
    try:
        raise ValueError(secret, held)
    except ValueError as error:
        shown = "".join(traceback.TracebackException.from_exception(error, capture_locals=True).format())
        logger.exception("failed with %s and %r", secret, held)
    assert "***" in shown
    assert "***" in stream.getvalue()
    assert CANARY not in shown + stream.getvalue()


def test_equal_where_what_they_hide_is(secret):
    """Two secrets that look alike are not alike, and none equals the mask."""
    assert secret == Secret(CANARY)
    assert len({secret, Secret(CANARY)}) == 1
    assert not {secret} & {Secret("another"), "***", CANARY}


def test_nothing_is_no_secret():
    """An empty value is a setting that was forgotten."""
    with pytest.raises(UsageError, match="empty"):
        Secret("")


def test_masked_text_has_no_secret_left():
    """Every occurrence of every secret is replaced."""
    assert masked("a=12 b=34 a=12", Secret("12"), Secret("34")) == "a=*** b=*** a=***"

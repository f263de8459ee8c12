"""Logs: a secret goes in by every door there is, and comes out of none."""

import io
import json
import logging
import stat
import subprocess
import sys

import pytest
import structlog

from kobe81.core.secret import Secret
from kobe81.monitor import logs
from kobe81.monitor.logs import Masker, set_up
from tests.monitor_fixtures import clock

CANARY = 'PK7/c4n"ary\\ß+key'
PASSWORD = "hunter22-of-ann"


class Logged:
    """What was written: the file's text and lines, and the console's."""

    def __init__(self, folder):
        self.path, self.stream = folder / "logs" / "kobe.log", io.StringIO()
        set_up(self.path, self.stream, clock(), [Secret(CANARY), Secret("abc")])

    @property
    def text(self):
        return self.path.read_text()

    @property
    def lines(self):
        return [json.loads(line) for line in self.text.splitlines()]

    def holds(self, *secrets):
        """Whether any of these, in any spelling, is in the file or on the console."""
        spelt = {s for secret in secrets for s in (secret, repr(secret)[1:-1], repr(secret.encode())[2:-1])}
        spelt |= {json.dumps(s, ensure_ascii=ascii)[1:-1] for s in spelt for ascii in (True, False)}
        return any(s in text for s in spelt for text in (self.text, self.stream.getvalue()))


@pytest.fixture
def logged(tmp_path):
    root = logging.getLogger()
    before, level = root.handlers[:], root.level
    for handler in before:
        root.removeHandler(handler)
    yield Logged(tmp_path)
    for handler in root.handlers[:]:
        root.removeHandler(handler)
        handler.close()
    for handler in before:
        root.addHandler(handler)
    root.setLevel(level)
    structlog.reset_defaults()


class Shown:
    """An object whose repr and str give the secret away."""

    def __repr__(self):
        return f"<client of {CANARY}>"


def fail():
    raise ValueError(f"refused {CANARY} at https://ann:{PASSWORD}@host/x?apikey={PASSWORD}")


def by_message(log):
    log.warning(f"sent {CANARY}")


def by_argument(log):
    log.warning("sent %s and %r", CANARY, CANARY)


def by_exception(log):
    try:
        fail()
    except ValueError:
        log.exception("could not")


def by_cause(log):
    try:
        try:
            fail()
        except ValueError as error:
            raise RuntimeError("worse") from error
    except RuntimeError:
        log.error("could not", exc_info=True)


def by_object(log):
    log.warning("client %s", Shown())


def by_url(log):
    log.warning(f"GET https://ann:{PASSWORD}@host/v2?symbol=T&apiKey={PASSWORD}&x=1 https://host?token={PASSWORD}")


def by_header(log):
    log.warning(f"Authorization: Bearer {PASSWORD}; Basic {PASSWORD}")


def by_quoted_url(log):
    log.warning("GET /v2?who=PK7%2Fc4n%22ary%5C%C3%9F%2Bkey&or=PK7/c4n%22ary%5C%C3%9F%2Bkey")


DOORS = [by_message, by_argument, by_exception, by_cause, by_object, by_url, by_header, by_quoted_url]
IN_URLS = ("PK7%2Fc4n", "PK7/c4n%22")


@pytest.mark.parametrize("logger", [structlog.get_logger, lambda: logging.getLogger("httpx2")], ids=["ours", "foreign"])
@pytest.mark.parametrize("door", DOORS)
def test_the_canary_comes_out_nowhere(logged, logger, door):
    """Message, argument, exception, cause, object, URL and header, of our loggers and the standard library's: what was
    said is there, on both outputs, and the secrets are not."""
    door(logger())
    assert not logged.holds(CANARY, PASSWORD, *IN_URLS)
    assert "***" in logged.text
    assert "***" in logged.stream.getvalue()


@pytest.mark.parametrize("value", [CANARY, CANARY.encode(), [CANARY], (1, {"x": CANARY}), {CANARY: 1}, {CANARY},
                                   Shown(), [f"{CANARY.encode()}"],
                                   {"deep": [{"er": (Shown(),)}]}, ValueError(CANARY), Secret(CANARY)])
def test_no_value_hides_it(logged, value):
    """Any kind of value of any name, as deep as it lies, and of a context that was bound before."""
    structlog.get_logger().bind(context=value).info("said", what=value)
    assert not logged.holds(CANARY)
    assert logged.lines[0]["event"] == "said"


def test_a_name_may_be_the_secret(logged):
    """A dictionary's name, or a value's own."""
    structlog.get_logger().info("said", **{CANARY: 1})
    assert not logged.holds(CANARY)


@pytest.mark.parametrize("name", ["secret", "APCA_API_SECRET_KEY", "APCA-API-KEY-ID", "password", "passwd",
                                  "Authorization", "authorisation", "auth_token", "cookie", "private_pem",
                                  "api_key", "apikey", "credentials", "_token"])
def test_a_name_that_sounds_secret_is_masked_whatever_it_holds(logged, name):
    """Also within a collection, and also where the value is a number or a list."""
    structlog.get_logger().info("said", **{name: PASSWORD}, headers={name: [PASSWORD]}, more=[{name: 12345678}])
    assert not logged.holds(PASSWORD, "12345678")


def test_what_is_no_secret_is_kept(logged):
    """Numbers, names, texts and plain URLs come out as they went in; NaN as text, for JSON has none."""
    structlog.get_logger("kobe").info("order %s sent", "k1-a", qty=3, price=19.5, ok=True, nothing=None, key="A|T|buy",
                                      url="https://data.example/v2/bars?symbol=T", nan=float("nan"), abc="abc")
    line, = logged.lines
    assert line == {"time": "2026-03-06T14:35:00.000+00:00", "level": "info", "event": "order k1-a sent", "qty": 3,
                    "price": 19.5, "ok": True, "nothing": None, "key": "A|T|buy", "abc": "abc", "nan": "nan",
                    "url": "https://data.example/v2/bars?symbol=T", "logger": "kobe"}


def test_foreign_records_come_with_their_names(logged):
    """Who logs through the standard library is in the same file, in the same form."""
    logging.getLogger("uvicorn.error").warning("Invalid %s", "request")
    assert logged.lines[0] | {"time": ""} == {"time": "", "level": "warning", "event": "Invalid request",
                                              "logger": "uvicorn.error"}


def test_a_line_is_a_line(logged):
    """A text with line ends, or with what looks like JSON, makes no second record."""
    structlog.get_logger().info('said\n{"event": "forged"}')
    assert len(logged.lines) == 1


def test_the_file_turns_over_when_it_is_full(logged, monkeypatch):
    """The old ones are kept beside it, all for their owner alone, and no line is cut or lost."""
    handler = next(h for h in logging.getLogger().handlers if hasattr(h, "maxBytes"))
    assert (handler.maxBytes, handler.backupCount) == (logs.LARGEST_FILE, logs.OLD_FILES)
    handler.maxBytes = 2000
    for number in range(40):
        structlog.get_logger().info("said", number=number)
    found = sorted(logged.path.parent.iterdir())
    assert len(found) > 1
    assert all(stat.S_IMODE(path.stat().st_mode) == 0o600 for path in found)
    lines = [json.loads(line) for path in found for line in path.read_text().splitlines()]
    assert sorted(line["number"] for line in lines) == [*range(40)]


def test_setting_up_again_writes_no_line_twice(logged):
    """The handlers before are replaced."""
    set_up(logged.path, logged.stream, clock())
    structlog.get_logger().info("said")
    assert len(logged.lines) == 1


def test_a_traceback_is_told_and_shows_no_variables(logged):
    """File, line and message are there; what the variables held is not."""
    unnamed = "v4lue-of-a-variable"
    try:
        len(unnamed, 1)
    except TypeError:
        structlog.get_logger().exception("could not")
    assert "len() takes exactly one argument" in logged.lines[0]["exception"]
    assert not logged.holds(unnamed)


def test_short_secrets_do_not_shred_every_word():
    """Three letters are in too many words; from four on a secret is found within any text."""
    assert Masker([Secret("abc")]).text("abc abcd") == "abc abcd"
    assert Masker([Secret("abcd")]).text("abc xabcdx") == "abc x***x"


def test_the_longer_of_two_secrets_is_masked_whole():
    """A secret that begins like another leaves no rest behind."""
    assert Masker([Secret("abcd"), Secret("abcdefgh")]).text("abcdefgh") == "***"


def test_nothing_happens_at_import():
    """Importing the module opens no file, sets no handler and configures nothing."""
    code = ("import logging, structlog, kobe81.monitor.logs; "
            "assert not logging.getLogger().handlers; assert not structlog.is_configured()")
    subprocess.run([sys.executable, "-c", code], check=True)

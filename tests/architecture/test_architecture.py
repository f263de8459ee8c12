"""The product keeps the rules of its house, and the reader of those rules sees every way to break them."""

import subprocess
import sys
from pathlib import Path

import bands
import pytest

PACKAGE = Path(__file__).parents[2] / "kobe81"
RULES = [bands.band_offences, bands.cycles, bands.world_offences, bands.size_offences]
HEAVY = {"numpy", "polars", "numba", "pandas", "httpx2", "jinja2", "joblib", "exchange_calendars", "yfinance",
         "massive", "distributed", "ray", "msgspec", "cryptography", "uvicorn", "websockets", "structlog", "httpcore2",
         "prometheus_client"}
CLEAN = {
    "__init__.py": "",
    "__main__.py": "from {p}.app.cli import main\n",
    "core/__init__.py": "",
    "core/errors.py": "class KobeError(Exception): ...\n",
    "indicators.py": "import numpy as np\nfrom {p}.core import errors\ndef draw(rng: np.random.Generator): ...\n",
    "strategies/__init__.py": "from {p}.strategies.base import rule\n",
    "strategies/base.py": "from {p}.indicators import draw\ndef rule(bars): return bars.open\n",
    "engine/book.py": "from {p}.core.errors import KobeError\nfrom {p}.strategies import rule\n",
    "backtest/engine.py": "import os\nfrom {p}.engine import book\nCORES = os.cpu_count()\n",
    "data/cache.py": "import time\nfrom {p}.core.errors import KobeError\n"
                     "def wait(self): time.sleep(self.now())\ndef read(path): return path.read_bytes()\n",
    "app/cli.py": "import os, sys\nfrom datetime import datetime\nfrom {p}.data import cache\n"
                  "HOME = os.environ\ndef main(): print(sys.argv, datetime.now())\n",
}


def tree(root, **files):
    """A small package that keeps every rule, with these files (folder__name=text) added or in their place."""
    package = root / "toy"
    added = {name.replace("__", "/") + ".py": text for name, text in files.items()}
    for name, text in (CLEAN | added).items():
        path = package / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text.format(p="toy"))
    return package


@pytest.mark.parametrize("rule", RULES)
def test_product_keeps_the_rule(rule):
    """No module of the product breaks it; the message names file and line of each that does."""
    offences = rule(PACKAGE)
    assert not offences, "\n" + "\n".join(f"kobe81/{offence}" for offence in offences)


def test_every_named_exception_is_still_needed():
    """An edge or an exemption that nothing uses any more is taken off the list."""
    assert bands.unused_edges(PACKAGE) == []
    assert all((PACKAGE / name).is_file() for name in bands.EXEMPT)


@pytest.mark.parametrize("rule", RULES)
def test_rule_is_silent_on_a_clean_tree(rule, tmp_path):
    """A package that keeps every rule, in all the ways that look like breaking one, is not complained about."""
    assert rule(tree(tmp_path)) == []


UPWARDS = [
    ("core__up", "x = 1\nfrom {p}.strategies import rule\n", 2, "band 0 imports toy.strategies"),
    ("core__up", "def f():\n    import {p}.app.cli\n", 2, "band 0 imports toy.app.cli"),
    ("core__up", "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    from {p}.data import cache\n", 3,
     "band 0 imports toy.data.cache"),
    ("core__up", "from .. import indicators\n", 1, "band 0 imports toy.indicators"),
    ("core__up", "from ..app.cli import main\n", 1, "band 0 imports toy.app.cli"),
    ("core__up", "from importlib import import_module\nimport_module('{p}.app.cli')\n", 2, "imports toy.app.cli"),
    ("core__up", "from {p} import __version__\n", 1, "band 0 imports toy"),
    ("indicators", "from {p}.strategies import rule\n", 1, "band 1 imports toy.strategies"),
    ("engine__up", "from {p}.backtest import engine\n", 1, "band 2 imports toy.backtest.engine"),
    ("backtest__up", "from {p}.data import cache\n", 1, "band 3 imports toy.data.cache"),
    ("data__down", "from {p}.backtest import engine\n", 1, "band 4 imports toy.backtest.engine"),
    ("reports__down", "from {p}.indicators import draw\n", 1, "band 4 imports toy.indicators"),
    ("reports__side", "from {p}.data import cache\n", 1, "band 4 imports toy.data.cache"),
    ("attic__old", "", 1, "the room attic has no band"),
]


@pytest.mark.parametrize(("name", "text", "line", "wrong"), UPWARDS)
def test_import_against_the_arrows_is_named(name, text, line, wrong, tmp_path):
    """Up, sideways, inside a function, for types, relative, by name: each is found on its line."""
    (offence,) = bands.band_offences(tree(tmp_path, **{name: text}))
    assert (offence.file, offence.line) == (name.replace("__", "/") + ".py", line)
    assert wrong in offence.wrong


TOUCHES = [
    ("file", "from pathlib import Path\ndef f(p): return Path(p).read_text()\n", 2),
    ("file", "def f(p): return p.parent.write_bytes(b'')\n", 1),
    ("file", "def f(p):\n    with open(p) as f: return f\n", 2),
    ("file", "import polars as pl\nf = lambda p: pl.read_parquet(p)\n", 2),
    ("file", "import numpy as np\nf = lambda p: np.load(p)\n", 2),
    ("file", "def f(x): print(x)\n", 1),
    ("file", "import sqlite3\n", 1),
    ("socket", "import socket\n", 1),
    ("socket", "from urllib.request import urlopen\n", 1),
    ("socket", "def f():\n    import httpx2\n", 2),
    ("clock", "import datetime as dt\nf = lambda: dt.datetime.now()\n", 2),
    ("clock", "from datetime import date\nf = lambda: date.today()\n", 2),
    ("clock", "from time import time as moment\n", 1),
    ("environment", "import os\n", 1),
    ("environment", "from os import environ as e\n", 1),
    ("environment", "import sys\nf = lambda: sys.argv[1]\n", 2),
    ("chance", "import random\n", 1),
    ("chance", "import numpy as np\nf = lambda: np.random.rand(3)\n", 2),
    ("chance", "import numpy as np\nnp.random.seed(1)\n", 2),
    ("chance", "import numpy as np\nf = lambda: np.random.default_rng().random()\n", 2),
    ("chance", "from numpy.random import shuffle\n", 1),
]


@pytest.mark.parametrize("room", ["core", "indicators", "engine"])
@pytest.mark.parametrize(("kind", "text", "line"), TOUCHES)
def test_touching_the_world_is_named(room, kind, text, line, tmp_path):
    """Bands 0 to 2 touch no file, socket, clock, environment or global random state, under whatever name."""
    found = bands.world_offences(tree(tmp_path, **{f"{room}__touch": text}))
    assert (f"{room}/touch.py", line) in {(o.file, o.line) for o in found if f"touches the {kind}" in o.wrong}


@pytest.mark.parametrize("room", ["backtest", "data"])
@pytest.mark.parametrize("text", [
    "import os\nhome = os.environ['HOME']\n",
    "import os\nhome = os.getenv('HOME')\n",
    "import sys\nfirst = sys.argv\n",
    "from datetime import UTC, datetime\nnow = datetime.now(UTC)\n",
    "import time\nnow = time.time()\n",
    "import numpy as np\nnp.random.shuffle([])\n",
])  # fmt: skip
def test_only_the_app_says_environ_now_and_argv(room, text, tmp_path):
    """Bands 3 and 4 may touch files, but time, chance and environment are handed to them."""
    (offence, *_) = bands.world_offences(tree(tmp_path, **{f"{room}__touch": text}))
    assert (offence.file, offence.line) == (f"{room}/touch.py", 2)


def test_backtest_opens_no_socket(tmp_path):
    """Band 3 may write files, but talks to nobody."""
    (offence,) = bands.world_offences(tree(tmp_path, backtest__talk="def f():\n    import httpx2\n"))
    assert (offence.file, offence.line) == ("backtest/talk.py", 2)


def test_ring_of_imports_is_named_even_when_one_is_inside_a_function(tmp_path):
    """Two modules that need each other are one module, or want a third; putting one import off does not mend that."""
    ring = {"core__a": "from {p}.core.b import f\n", "core__b": "def f():\n    from {p}.core.a import f\n"}
    (offence,) = bands.cycles(tree(tmp_path, **ring))
    assert "toy.core.a -> toy.core.b -> toy.core.a" in offence.wrong


def test_ring_for_types_only_is_none(tmp_path):
    """A name needed by annotations alone is not an import when the program runs."""
    text = "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    from {p}.core.a import f\n"
    assert bands.cycles(tree(tmp_path, core__a="from {p}.core.b import f\n", core__b=text)) == []


def test_what_is_too_long_is_named(tmp_path):
    """A file over 350 lines and a body over 45 are found; a body of 45 after its docstring is not."""
    long, fits = ("def f():\n    '''Doc.'''\n" + "    x = 1\n" * lines for lines in (46, 45))
    found = bands.size_offences(tree(tmp_path, core__long=long, core__fits=fits, core__file="x = 1\n" * 351))
    assert [o.file for o in found] == ["core/file.py", "core/long.py"]


def test_help_imports_nothing_heavy():
    """`kobe --help` is quick because it loads none of the packages that take their time."""
    code = ("import sys\nfrom kobe81.app.cli import main\n"
            "try: main(['--help'])\nexcept SystemExit: pass\n"
            "print('loaded', *{name.partition('.')[0] for name in sys.modules})")
    shown = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    help_text, _, loaded = shown.rpartition("loaded ")
    assert "backtest" in help_text
    assert not HEAVY & set(loaded.split())

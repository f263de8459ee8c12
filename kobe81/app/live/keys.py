"""Keys: an account's, from the environment or from a file that nobody else can read; never from the command line."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from kobe81.app.live.config import LiveConfig, owner_only
from kobe81.app.options import read_toml
from kobe81.core.errors import UsageError
from kobe81.core.secret import Secret
from kobe81.execution.alpaca_http import Keys

VARIABLES = (("ALPACA_API_KEY", "ALPACA_SECRET_KEY"), ("APCA_API_KEY_ID", "APCA_API_SECRET_KEY"))
"""Both spellings are in use: ours, and that of Alpaca's own tools."""
FILE = "alpaca.toml"


def key_file(config: LiveConfig, folder: Path) -> Path:
    """Where the key is, if it is in a file: where the configuration says, or in the home folder."""
    return Path(config.broker.keys or folder / FILE).expanduser()


def alpaca_keys(environment: Mapping[str, str], file: Path) -> Keys | None:
    """Alpaca's key: the environment's, else the file's, None where neither has one; UsageError for half of one."""
    for names in VARIABLES:
        found = [environment.get(name, "") for name in names]
        if all(found):
            return Keys(*map(Secret, found))
        if any(found):
            raise UsageError(f"{names[found.index('')]} is not set, and {names[found.index('') - 1]} is; set both")
    return _from_file(file) if file.exists() else None


def required(keys: Keys | None, file: Path) -> Keys:
    """The key; UsageError that says where to put one."""
    if keys is None:
        raise UsageError(f"Alpaca wants a key: set {VARIABLES[0][0]} and {VARIABLES[0][1]}, or write id and secret "
                         f"into {file}, which only you may read (chmod 600)")
    return keys


def _from_file(file: Path) -> Keys:
    owner_only(file)
    values = read_toml(file)
    if set(values) != {"id", "secret"} or not all(isinstance(value, str) for value in values.values()):
        raise UsageError(f'{file} must have two lines and nothing else: id = "...", and secret = "..."')
    return Keys(Secret(values["id"]), Secret(values["secret"]))

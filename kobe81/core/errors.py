"""The product's errors. Each says what was found, where, and what to do.

KobeError               exit code 1: the work could not be done
├── UsageError          exit code 2: the request itself is wrong (an option, a name, a value)
├── DataError           bars that cannot be used: a file, a column, a conflicting row
├── ProviderError       a vendor that did not deliver
│   ├── Refused         it answered no: a bad key, a used-up quota, an unknown symbol
│   └── Unavailable     it did not answer, or not in its format; a retry or another source may help
├── StoreError          the state under KOBE_HOME cannot be used
│   ├── DiskFull        nothing was written, for want of space
│   ├── Damaged         exit code 2: a file is missing, unreadable or not what was written
│   └── LostLead        another runner leads now
└── MissingExtra        an optional package is not installed
"""

from collections.abc import Iterable
from difflib import get_close_matches


class KobeError(Exception):
    """The work could not be done; the message is written for the person at the terminal."""

    exit_code = 1


class UsageError(KobeError):
    """The request itself is wrong."""

    exit_code = 2


class DataError(KobeError):
    """Bars that cannot be used."""


class ProviderError(KobeError):
    """A vendor that did not deliver."""


class Refused(ProviderError):  # noqa: N818  (reads as what happened, like httpx.TimeoutException's children)
    """The vendor answered no; asking again will not help."""


class Unavailable(ProviderError):  # noqa: N818
    """The vendor did not answer, or not in its format."""


class StoreError(KobeError):
    """The state under KOBE_HOME cannot be used."""


class DiskFull(StoreError):  # noqa: N818
    """Nothing was written, for want of space."""


class Damaged(StoreError):  # noqa: N818
    """A file is missing, unreadable or not what was written."""

    exit_code = 2


class LostLead(StoreError):  # noqa: N818
    """Another runner leads now; this one may write and send nothing more."""


class MissingExtra(KobeError):  # noqa: N818
    """An optional package is not installed."""

    def __init__(self, purpose: str, extra: str) -> None:
        super().__init__(f"{purpose} needs an optional package. Install it with: pip install 'kobe81[{extra}]'")


MOST_LISTED = 20
"""Names that a refusal lists."""


def unknown_name(kind: str, name: str, known: Iterable[str]) -> UsageError:
    """The refusal of a name nobody registered, with the nearest one that somebody did."""
    names = sorted(known)
    near = get_close_matches(name, names, n=1, cutoff=0.5)
    listed = ", ".join(names[:MOST_LISTED]) + (f" and {len(names) - MOST_LISTED} more" if names[MOST_LISTED:] else "")
    hint = f"did you mean {near[0]!r}?" if near else f"known: {listed}"
    return UsageError(f"unknown {kind} {name!r}; {hint}")

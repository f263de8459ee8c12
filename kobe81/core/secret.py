"""Secrets: keys that can be handed around and used, and that nothing prints, logs, stores or sends by accident."""

from __future__ import annotations

from hmac import compare_digest
from typing import Any, final

from kobe81.core.errors import UsageError

MASK = "***"


@final
class Secret(str):
    """Text that reads `***` wherever it is shown: repr, str, format, JSON and pickle. Only `reveal` gives it away.

    It is a str whose characters are those of the mask, so that code that knows nothing of it cannot spell it out
    either. Two are equal where what they hide is.
    """

    __slots__ = ("__hidden",)
    __hidden: str

    def __new__(cls, value: str) -> Secret:
        """UsageError where there is nothing to hide, which is a setting that was forgotten."""
        if not value:
            raise UsageError("a secret is empty; set it in the environment or in a file that only you can read")
        shown = super().__new__(cls, MASK)
        shown.__hidden = value
        return shown

    def reveal(self) -> str:
        """The secret itself: to be handed on at once, never kept in a name."""
        return self.__hidden

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Secret) and compare_digest(self.__hidden.encode(), other.__hidden.encode())

    __hash__ = str.__hash__

    def __reduce_ex__(self, protocol: Any) -> tuple[type[str], tuple[str]]:
        return str, (MASK,)


def masked(text: str, *secrets: Secret) -> str:
    """The text with every one of the secrets in it replaced by the mask."""
    for secret in secrets:
        text = text.replace(secret.reveal(), MASK)
    return text

"""Registries: one file adds one thing. Modules of a package are found by name, plugins of others by entry point."""

from __future__ import annotations

import inspect
import pkgutil
from dataclasses import dataclass
from functools import cached_property
from importlib import import_module
from importlib.metadata import EntryPoint, entry_points
from typing import Generic, TypeVar

from kobe81.core.errors import KobeError, unknown_name

T = TypeVar("T")


@dataclass(frozen=True)
class Registry(Generic[T]):
    """Classes derived from `base`: one in each module of `package`, and those of the entry-point group of that name.

    A module's name is the plugin's name; a module that begins with an underscore, or is named in `besides`, is none.
    """

    kind: str
    package: str
    base: type[T]
    besides: tuple[str, ...] = ("base",)

    def names(self) -> list[str]:
        """All names, ascending, without importing anything but the package."""
        return sorted({*self._modules, *self._plugins})

    def load(self, name: str) -> type[T]:
        """The class of that name; UsageError with the nearest name where there is none."""
        if name in self._modules:
            return self._only_class(import_module(f"{self.package}.{name}"))
        if name in self._plugins:
            return self._checked(self._plugins[name])
        raise unknown_name(self.kind, name, self.names())

    @cached_property
    def _modules(self) -> list[str]:
        found = pkgutil.iter_modules(import_module(self.package).__path__)
        return [m.name for m in found if not m.name.startswith("_") and m.name not in self.besides]

    @cached_property
    def _plugins(self) -> dict[str, EntryPoint]:
        return {point.name: point for point in entry_points(group=self.package)}

    def _only_class(self, module: object) -> type[T]:
        name = getattr(module, "__name__", "")
        classes = [c for _, c in inspect.getmembers(module, inspect.isclass)
                   if issubclass(c, self.base) and c.__module__ == name]
        if len(classes) != 1:
            raise KobeError(f"{name} must define one {self.base.__name__}, it defines {len(classes)}")
        return classes[0]

    def _checked(self, point: EntryPoint) -> type[T]:
        plugin = point.load()
        if not (inspect.isclass(plugin) and issubclass(plugin, self.base)):
            raise KobeError(f"entry point {point.name} = {point.value} is not a {self.base.__name__} class")
        return plugin

"""The experiment registry: every run as an immutable folder named by the hash of its inputs."""

from __future__ import annotations

import json
import os
import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from datetime import datetime
from errno import EISDIR
from pathlib import Path
from typing import Any

from kobe81.core.errors import KobeError, UsageError
from kobe81.core.hashing import digest, digest_of

RECORD = "run.json"
ID_LENGTH = 12


@dataclass(frozen=True)
class Inputs:
    """All that a run's outputs depend on.

    data: how to load the bars again (source, symbols, dates, policy); data_hash: what was loaded. config: strategy
    parameters, account, plan, grid. trials: a key for each parameter set the run tried.
    """

    kind: str
    strategy: str
    data: Mapping[str, Any]
    data_hash: str
    config: Mapping[str, Any]
    code_version: str
    seed: int

    @property
    def config_hash(self) -> str:
        """The hash of the configuration alone."""
        return digest_of([self.kind, self.strategy, self.config])

    @property
    def run_id(self) -> str:
        """The run's name: the hash of data, configuration, code and seed. Where the data lay is not part of it."""
        whole = digest_of([self.data_hash, self.config_hash, self.code_version, self.seed])
        return whole.removeprefix("sha256:")[:ID_LENGTH]

    @property
    def made_from(self) -> dict[str, Any]:
        """What summary.json says of its origins."""
        return {"data_hash": self.data_hash, "config_hash": self.config_hash, "code_version": self.code_version,
                "seed": self.seed}


@dataclass(frozen=True)
class Experiment:
    """A registered run. outputs: hash by relative path; figures: its summary; trials: keys of the sets it tried."""

    run_id: str
    created: str
    inputs: Inputs
    trials: tuple[str, ...]
    figures: Mapping[str, Any]
    outputs: Mapping[str, str]
    folder: Path


@dataclass(frozen=True)
class ExperimentRegistry:
    """The runs below one folder."""

    folder: Path

    def register(self, inputs: Inputs, files: Mapping[str, bytes], figures: Mapping[str, Any],
                 trials: tuple[str, ...], created: datetime) -> Experiment:
        """Keep a run. The same inputs again must have given the same outputs; KobeError names the file that differs."""
        outputs = {name: digest(content) for name, content in sorted(files.items())}
        home = self.folder / inputs.run_id
        if (home / RECORD).exists():
            return self._again(inputs.run_id, outputs)
        record = {"run_id": inputs.run_id, "created": created.isoformat(timespec="seconds"), "inputs": asdict(inputs),
                  "trials": trials, "figures": dict(figures), "outputs": outputs}
        content = json.dumps(record, indent=2, allow_nan=False, default=str).encode()
        self.folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=self.folder, prefix=".new-") as new:
            write_files(Path(new) / "run", {**files, RECORD: content})
            for name in (*files, RECORD):
                (Path(new) / "run" / name).chmod(0o444)
            try:
                (Path(new) / "run").rename(home)
            except OSError:
                if not (home / RECORD).exists():
                    raise
        return self._again(inputs.run_id, outputs)

    def _again(self, run_id: str, outputs: Mapping[str, str]) -> Experiment:
        kept = self.get(run_id)
        for name, made in outputs.items():
            if kept.outputs.get(name) != made:
                raise KobeError(f"run {run_id}: {name} differs from the one registered on {kept.created} though data, "
                                f"configuration, code and seed are the same. Compare with {kept.folder}; if that "
                                f"folder was edited, remove it and run again")
        return kept

    def experiments(self) -> list[Experiment]:
        """All runs, latest first."""
        found = (self._read(path) for path in self.folder.glob(f"*/{RECORD}"))
        return sorted(found, key=lambda e: (e.created, e.run_id), reverse=True)

    def get(self, prefix: str) -> Experiment:
        """The run whose id begins so; UsageError where there is none, or more than one."""
        found = [p for p in sorted(self.folder.glob(f"*/{RECORD}")) if p.parent.name.startswith(prefix) and prefix]
        if len(found) != 1:
            hint = "see: kobe experiments list" if not found else ", ".join(p.parent.name for p in found)
            raise UsageError(f"{len(found)} runs begin with {prefix!r}; {hint}")
        return self._read(found[0])

    def trials(self, data_hash: str, strategy: str) -> int:
        """Distinct parameter sets of a strategy ever tried on this data, whether they pleased or not."""
        same = [e for e in self.experiments() if e.inputs.data_hash == data_hash and e.inputs.strategy == strategy]
        return len({trial for e in same for trial in e.trials})

    def damaged(self, experiment: Experiment) -> Iterator[str]:
        """The output files that are missing or no longer have their registered hash."""
        for name, expected in experiment.outputs.items():
            path = experiment.folder / name
            if not path.is_file() or digest(path.read_bytes()) != expected:
                yield name

    def _read(self, path: Path) -> Experiment:
        try:
            record = json.loads(path.read_text(encoding="utf-8"))
            found = Experiment(record["run_id"], record["created"], Inputs(**record["inputs"]),
                               tuple(record["trials"]), record["figures"], record["outputs"], path.parent)
            made = found.inputs.run_id
        except (ValueError, KeyError, TypeError) as error:
            raise KobeError(f"{path}: not a readable run record ({error}); remove its folder to go on") from None
        if not made == found.run_id == path.parent.name:
            raise KobeError(f"{path}: its inputs are those of run {made}: it was edited; remove its folder to go on")
        return found


def write_files(folder: Path, files: Mapping[str, bytes]) -> None:
    """Write files below a folder, each whole, or none of them; KobeError names the file that cannot be written.

    All are written beside their places before the first takes its place, so a full disk leaves what was there.
    """
    staged: list[tuple[Path, Path]] = []
    path = folder
    try:
        for name, content in files.items():
            path = folder / name
            path.parent.mkdir(parents=True, exist_ok=True)
            if path.is_dir():
                raise IsADirectoryError(EISDIR, "it is a folder", str(path))
            handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
            staged.append((Path(temporary), path))
            with os.fdopen(handle, "wb") as file:
                file.write(content)
        for written, path in staged:
            written.chmod(0o644)
            written.replace(path)
    except OSError as error:
        raise KobeError(f"{path}: cannot be written ({error.strerror}); nothing was changed there. Free space or "
                        "choose another place") from None
    finally:
        for written, _ in staged:
            written.unlink(missing_ok=True)

"""A job array's share of the cells: disjoint, together everything, and dealt by hash, so that none gets all the dear ones."""

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple, Protocol, TypeVar


class _Filed(Protocol):
    @property
    def path(self) -> Path: ...


Filed = TypeVar("Filed", bound=_Filed)


class Shard(NamedTuple):
    """Share ``index`` of ``count``, from 0 to count - 1."""

    index: int
    count: int

    def of(self, tasks: Sequence[Filed]) -> list[Filed]:
        """Its members, in the order given: every count-th by the hash that names the result."""
        dealt = sorted(task.path.stem for task in tasks)[self.index :: self.count]
        return [task for task in tasks if task.path.stem in set(dealt)]


WHOLE = Shard(0, 1)


def shard_of(text: str) -> Shard:
    """``i/n`` as a share."""
    parts = re.fullmatch(r"(\d+)/(\d+)", text)
    shard = Shard(*map(int, parts.groups())) if parts else Shard(0, 0)
    if shard.index >= shard.count:
        raise ValueError(f"experiments: expected a share i/n with 0 <= i < n, got shard={text!r}.")
    return shard


def array_shard(environ: Mapping[str, str]) -> Shard | None:
    """The share of this task of a SLURM job array; None outside of one."""
    names = ("ID", "COUNT", "MIN", "STEP")
    task, count, first, step = (environ.get(f"SLURM_ARRAY_TASK_{name}") for name in names)
    if task is None or count is None:
        return None
    index, gap = divmod(int(task) - int(first or 0), int(step or 1))
    if gap or not 0 <= index < int(count):
        got = f"SLURM_ARRAY_TASK_ID={task!r} of {count} from {first or 0}"
        raise ValueError(f"experiments: expected an array of ids without gaps, got {got}. Or name it: `--shard i/n`.")
    return Shard(index, int(count))


def chosen(text: str | None, environ: Mapping[str, str]) -> Shard:
    """The share that the command line names, or else the job array; the whole if neither does."""
    if text not in (None, "auto"):
        return shard_of(str(text))
    found = array_shard(environ)
    if found is None and text == "auto":
        got = "shard='auto' without SLURM_ARRAY_TASK_ID and SLURM_ARRAY_TASK_COUNT"
        raise ValueError(f"experiments: expected a job array around this process, got {got}. Name it: `--shard i/n`.")
    return found or WHOLE

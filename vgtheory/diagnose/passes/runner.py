"""A compiled pass. Its many numbers leave the device in few arrays."""

import functools
from collections import defaultdict
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from vgtheory.diagnose.passes.sizes import Pass, Raw, measured, read
from vgtheory.diagnose.passes.weighing import holds, weighed
from vgtheory.diagnose.program.trace import Trace


class _Layout(NamedTuple):
    """Structure of a pass's result, and the places of its numbers that are stacked in one array each."""

    tree: Any
    groups: list[list[int]]


class Runner:
    """A pass of a trace, compiled when it first runs; ``options`` as in ``measured``."""

    def __init__(self, trace: Trace, **options: Any) -> None:
        self.trace, self.options = trace, options
        self._layout: _Layout | None = None

        def run(leaves: list, arrays: list, multiple: Any) -> list[Any]:
            raw = measured(trace, leaves, arrays, multiple=multiple, **options)
            values, tree = jax.tree.flatten(jax.tree.map(jnp.asarray, raw))
            groups = defaultdict[Any, list[int]](list)
            for place, value in enumerate(values):
                groups[value.shape, value.dtype].append(place)
            self._layout = _Layout(tree, list(groups.values()))
            return [jnp.stack([values[place] for place in group]) for group in groups.values()]

        self._run = jax.jit(run)

    def __call__(self, leaves: list, arrays: list, multiple: float = 1.0) -> list[Any]:
        """Run the pass; what it found, packed, on the device."""
        return self._run(leaves, arrays, np.float32(multiple))

    def seen(self, leaves: list, arrays: list, *, is_rough: bool = False) -> Pass:
        """Run the pass, and read what it found; a rough one may take for zero what float32 cannot square."""
        is_enough = lambda raw: is_rough or (not self.options.get("masked") and holds(self.trace, leaves, raw))
        return read(self.trace, weighed(functools.partial(self._fetched, leaves, arrays), is_enough))

    def _fetched(self, leaves: list, arrays: list, multiple: float) -> Raw:
        packed = jax.device_get(self(leaves, arrays, multiple))
        assert self._layout is not None
        pairs = zip(self._layout.groups, packed, strict=True)
        values = dict(pair for group, array in pairs for pair in zip(group, array, strict=True))
        return jax.tree.unflatten(self._layout.tree, [values[place] for place in range(len(values))])


__all__ = ["Runner"]

"""Sizes whose squares float32 cannot hold: the compiled pass runs again with multiples of all values.

A pass returns plain sums of squares. Where float32 does not hold one of them, the same program runs
with all values that are squared 2^64 times as large, and once more with 2^64 times as small. A sum of
zero is believed where something that is known to be zero makes it so.
"""

from collections.abc import Callable
from typing import Any

import jax.numpy as jnp
import numpy as np

from vgtheory.diagnose.passes.engine import Gradient
from vgtheory.diagnose.passes.exponents import MULTIPLES, Size, is_held, widened
from vgtheory.diagnose.passes.sizes import Raw
from vgtheory.diagnose.program.sites import every_site
from vgtheory.diagnose.program.trace import Trace


def weighed(run: Callable[[float], Raw], is_enough: Callable[[Raw], bool]) -> Raw:
    """Result with sums of three multiples.

    Parameters
    ----------
    run
        ``run(multiple)`` is a pass on the host, with plain sums of squares.
    is_enough
        Whether a pass with the multiple 1 needs no others.
    """
    raw = run(1.0)
    if is_enough(raw):
        return plain(raw)
    large, _, small = MULTIPLES
    return _joined([run(large), raw, run(small)])


def plain(raw: Raw) -> Raw:
    """Result of one pass as if it had run with three multiples."""
    return _mapped(widened, [raw])


def _joined(raws: list[Raw]) -> Raw:
    return _mapped(lambda *sums: np.stack([np.asarray(each, np.float64) for each in sums], axis=-1), raws)


def _mapped(join: Callable[..., Any], raws: list[Raw]) -> Raw:
    """One result of several; the gradients by outputs are near 1, and have no multiple."""
    middle = raws[len(raws) // 2]
    joined = lambda values: None if values[0] is None else join(*values)

    def size(sizes: list[Any]) -> Any:
        return None if sizes[0] is None else Size(join(*(each.squares for each in sizes)), sizes[0].power)

    def gradient(number: int) -> Gradient:
        each = [raw.gradients[number] for raw in raws]
        out = middle.gradients[number].out
        level = Size(widened(out.squares), out.power)
        return Gradient(level, size([one.below for one in each]), size([one.weight for one in each]))

    signals = {
        number: signal._replace(
            out=join(*(raw.signals[number].out for raw in raws)),
            kernel=joined([raw.signals[number].kernel for raw in raws]),
        )
        for number, signal in middle.signals.items()
    }
    gradients = {number: gradient(number) for number in middle.gradients}
    return Raw(
        middle.loss, signals, gradients, [size(list(each)) for each in zip(*(r.leaves for r in raws), strict=True)]
    )


def holds(trace: Trace, leaves: list, raw: Raw) -> bool:
    """Whether float32 holds all plain sums of a pass with these parameters; a zero where zero is known to be right."""
    sites = {site.number: site for site in every_site(trace.layers) if site.number in raw.signals}
    silent = {number for number, each in raw.gradients.items() if not np.any(each.out.squares)}
    dead = {leaf for number in silent for leaf in sites[number].leaves}
    dead -= {leaf for number in sites if number not in silent for leaf in sites[number].leaves}
    sums = [size.squares for leaf, size in enumerate(raw.leaves) if size is not None and leaf not in dead]
    for number, signal in raw.signals.items():
        origin = trace.flow.origin[sites[number].uses[0]] if sites[number].uses else frozenset[int]()
        is_idle, is_fed = _is_idle(signal.kernel, [leaves[leaf] for leaf in origin]), np.asarray(signal.is_fed)
        sums.append(_believed(signal.out, is_fed & (not is_idle)))
        if signal.kernel is not None:
            sums.append(_believed(signal.kernel, not is_idle))
        gradient = raw.gradients.get(number)
        if gradient is not None:
            alive = np.asarray(gradient.out.squares) != 0
            expected = (gradient.weight, alive & is_fed), (gradient.below, alive & (not is_idle))
            sums += [_believed(size.squares, is_expected) for size, is_expected in expected if size is not None]
    return all(map(is_held, sums))


def _is_idle(kernel: Any, leaves: list) -> bool:
    """Whether a layer has a kernel of zeros."""
    return kernel is not None and not np.any(kernel) and not any(bool(jnp.any(leaf)) for leaf in leaves)


def _believed(sums: Any, is_expected: Any) -> Any:
    """Sums, without zeros where nothing else is expected."""
    return np.where((np.asarray(sums) == 0) & ~np.asarray(is_expected), 1.0, sums)


__all__ = ["holds", "plain", "weighed"]

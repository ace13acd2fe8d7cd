"""What the machine itself sustains: matrix products and normal numbers, measured in the same process as what is set beside them."""

import platform
import time
from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp


def seconds(run: Callable[[int], Any], repeats: int) -> float:
    """Shortest time of a call after one that compiles; its argument is a new number each time."""
    jax.block_until_ready(run(0))
    times = []
    for index in range(1, repeats + 1):
        start = time.perf_counter()
        jax.block_until_ready(run(index))
        times.append(time.perf_counter() - start)
    return min(times)


class Taken(NamedTuple):
    """Seconds of one call, by the clock and of the processors."""

    wall: float
    cpu: float


def in_turn(runs: dict[str, Callable[[int], Any]], repeats: int) -> dict[str, Taken]:
    """Shortest seconds of each after a call that compiles; they take turns, so that all have the same machine."""
    times: dict[str, list[Taken]] = {name: [] for name in runs}
    for index in range(repeats + 1):
        for name, run in runs.items():
            start = time.perf_counter(), time.process_time()
            jax.block_until_ready(run(index))
            times[name].append(Taken(time.perf_counter() - start[0], time.process_time() - start[1]))
    return {name: Taken(*map(min, zip(*taken[1:], strict=True))) for name, taken in times.items()}


def gemm_rate(sizes: tuple[tuple[int, int, int], ...] = ((2048, 2048, 2048), (256, 512, 512))) -> float:
    """Best rate of a plain matrix product, floating-point operations per second."""
    rates = []
    for rows, inner, columns in sizes:
        left, right = jnp.ones((rows, inner)), jnp.ones((inner, columns))
        product = jax.jit(lambda left, right: jnp.dot(left, right, precision="highest"))
        taken = seconds(lambda _, a=left, b=right, f=product: f(a, b), 5 if rows > 1000 else 100)
        rates.append(2 * rows * inner * columns / taken)
    return max(rates)


def normal_rate(width: int) -> dict[str, float]:
    """Normal numbers per second: this package's, and ``jax.random.normal``, each as a width x width matrix."""
    from vgtheory.measure.engine import draws
    from vgtheory.measure.engine.runs import compiled

    key = jax.random.key(0)
    words = draws.words_of(key)

    @compiled()
    def ours(words: Any, layer: Any) -> Any:
        return draws.normal(words, draws.WEIGHTS, layer, (width, width))

    theirs = jax.jit(lambda key: jax.random.normal(key, (width, width)))
    taken = {
        "vgtheory": seconds(lambda index: ours(words, jnp.uint32(index)), 100),
        "jax.random": seconds(lambda index: theirs(jax.random.key(index)), 100),
    }
    return {name: width**2 / each for name, each in taken.items()}


def report(what: str, taken: dict[str, Taken]) -> None:
    """A line for each, the first one being ours."""
    ours = next(iter(taken.values()))
    for name, each in taken.items():
        times = f"{each.wall / ours.wall:.2f} times as long" if each is not ours else "ours"
        print(f"{what}: {name} {each.wall:.2f} s, of processors {each.cpu:.2f} s, {times}", flush=True)


def described() -> str:
    """The device and the versions, for the first line of a benchmark."""
    device = jax.devices()[0]
    return f"{len(jax.devices())} x {device.platform} {device.device_kind}, JAX {jax.__version__}, {platform.machine()}"

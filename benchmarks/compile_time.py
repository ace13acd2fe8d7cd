"""Compile time of the measurement against depth: ``python -m benchmarks.compile_time [--width 128]``.

Depth is a ``lax.scan``, so the program, and the time to compile it, should not grow with it.
"""

import argparse
import platform
import time

import jax

from vgtheory import Dense, measure

DEPTHS = (10, 100, 1000, 10_000)


def seconds(depth: int, width: int) -> tuple[float, float]:
    """Time of the first call less that of the second, and the second's, one network each."""
    jax.clear_caches()
    net, times = Dense("tanh", 1.5), []
    for index in range(2):
        start = time.perf_counter()
        measure.samples(jax.random.key(index), net, depth=depth, width=width, num_nets=1)
        times.append(time.perf_counter() - start)
    return times[0] - times[1], times[1]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--width", type=int, default=64)
    parser.add_argument("--repeat", type=int, default=3)
    options = parser.parse_args()
    print(
        f"{jax.devices()[0].device_kind}, JAX {jax.__version__}, {platform.machine()}, width {options.width}, tanh, one network"
    )
    compiled = {}
    for depth in DEPTHS:
        compile_s, run_s = min(seconds(depth, options.width) for _ in range(options.repeat))
        compiled[depth] = compile_s
        print(
            f"depth {depth:6d}: compile {compile_s:5.2f} s, run {run_s:6.2f} s, compile against depth 10: {compile_s / compiled[10]:.2f}"
        )


if __name__ == "__main__":
    main()

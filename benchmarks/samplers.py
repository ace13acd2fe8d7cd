"""Sampler against sampler: ``python -m benchmarks.samplers [--million]``.

Seconds per network of real networks and of networks without matrices, one input, depth 100, at several widths; and, with
``--million``, an ensemble of 100 networks of a million units and 100 layers against its law.
"""

import argparse
import time

import jax

from benchmarks import machine
from vgtheory import Dense, measure, theory

DEPTH = 100
WIDTHS = {64: (64, 2048), 256: (16, 512), 512: (8, 512), 2048: (1, 64)}
"""Width, and the numbers of real networks and of networks without matrices that are timed."""
NET = Dense("tanh", 1.327, 0.05**0.5)


def per_network(width: int, num_nets: int, sampler: str) -> float:
    how = {"depth": DEPTH, "width": width, "num_nets": num_nets, "sampler": sampler}
    return machine.seconds(lambda index: measure.samples(jax.random.key(index), NET, **how), 3) / num_nets


def million() -> None:
    size, start = {"depth": DEPTH, "width": 10**6}, time.perf_counter()
    measured = measure.log_grad_layers(jax.random.key(0), NET, **size, num_nets=100, sampler="matrix_free")
    taken, law = time.perf_counter() - start, theory.log_grad_layers(NET, **size)
    print(
        f"width 1,000,000, depth {DEPTH}, 100 networks: {taken:.0f} s; ln|g_1|/|g_{DEPTH}| = {measured.value[0]:.5f} +- {measured.err[0]:.5f}, "
        f"predicted {law.mean[0]:.5f} +- {law.std[0] / 10:.5f}"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--million", action="store_true")
    options = parser.parse_args()
    print(f"{machine.described()}, depth {DEPTH}, one input, tanh")
    for width, (real, free) in WIDTHS.items():
        taken = per_network(width, real, "networks"), per_network(width, free, "matrix_free")
        print(
            f"width {width:5d}: real {1e3 * taken[0]:9.3f} ms, without matrices {1e3 * taken[1]:7.3f} ms per network, {taken[0] / taken[1]:5.0f} times",
            flush=True,
        )
    if options.million:
        million()


if __name__ == "__main__":
    main()

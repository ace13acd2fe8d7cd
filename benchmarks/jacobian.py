"""Singular values of Jacobians: ``python -m benchmarks.jacobian [--depth 8] [--dense 128 256 512] [--nets 16] [--rivals numpy torch]``.

Seconds for all singular values of 16 tanh networks (sigma_w = 1.5) of width 512, 64 layers deep, hundreds of decades apart; beside a plain product and
torch's ``jacrev``, which hold 16 decades. Then the largest singular value, dense and without a matrix.

Seconds for one Gaussian network, compilation left out: all singular values of the dense Jacobian (float64), beside the
largest alone, matrix-free (float32), at each width; and how far the latter lies below the edge of the law at infinite width.
"""

import argparse
import json

import jax
import numpy as np

from benchmarks import machine, rivals
from vgtheory import Dense, measure, theory


def dense(net: Dense, depth: int, width: int, repeats: int) -> float:
    run = lambda index: measure.jacobian_singular_values(
        jax.random.key(index), net, depth=depth, width=width, num_nets=1
    )
    return machine.seconds(run, repeats)


def matrix_free(net: Dense, depth: int, width: int, repeats: int) -> tuple[float, float]:
    """Seconds, and the mean log of the largest singular value over the networks timed."""
    logs = []

    def run(index: int) -> np.ndarray:
        logs.append(
            measure.spectra.jacobian_top_singular_values(
                jax.random.key(index), net, depth=depth, width=width, num_nets=1
            )
        )
        return logs[-1]

    return machine.seconds(run, repeats), float(np.mean(logs))


SPECTRUM: dict[str, int] = {"depth": 64, "width": 512}
SIGMA_W = 1.5
RIVALS = {"numpy": rivals.numpy_product, "torch": rivals.torch_jacobian}


def spectrum(nets: int, names: list[str], repeats: int = 1) -> dict[str, machine.Taken]:
    """Seconds for all singular values of so many deep networks, ours and the rivals', who take turns."""
    net = Dense("tanh", SIGMA_W)
    run = lambda index: measure.jacobian_singular_values(jax.random.key(index), net, **SPECTRUM, num_nets=nets)
    others = {name: RIVALS[name](**SPECTRUM, sigma_w=SIGMA_W, num_nets=nets) for name in rivals.installed(names)}
    taken = machine.in_turn({"vgtheory": run, **others}, repeats)
    machine.report(f"all singular values, {nets} tanh networks, {SPECTRUM}", taken)
    return taken


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--depth", type=int, default=8)
    parser.add_argument("--dense", type=int, nargs="*", default=[128, 256, 512])
    parser.add_argument("--matrix-free", type=int, nargs="*", default=[128, 256, 512, 1024, 2048, 4096])
    parser.add_argument("--repeats", type=int, default=1)
    parser.add_argument("--nets", type=int, default=16)
    parser.add_argument("--rivals", nargs="*", default=list(RIVALS))
    options = parser.parse_args()
    net, record = Dense("linear", 1.0), {"spectrum": spectrum(options.nets, options.rivals)}
    edge = float(theory.jacobian_edge(net, options.depth).log_upper)
    print(f"{machine.described()}: depth {options.depth}, log of the law's edge {edge:.4f}", flush=True)
    for width in sorted({*options.dense, *options.matrix_free}):
        row = {}
        if width in options.dense:
            row["dense"] = dense(net, options.depth, width, options.repeats)
        if width in options.matrix_free:
            row["matrix-free"], log = matrix_free(net, options.depth, width, options.repeats)
            row["below the edge"] = edge - log
        record[width] = row
        print(f"width {width}: " + ", ".join(f"{name} {value:.4g}" for name, value in row.items()), flush=True)
    print(json.dumps(record))


if __name__ == "__main__":
    main()

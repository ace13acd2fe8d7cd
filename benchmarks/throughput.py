"""Networks per second: ``python -m benchmarks.throughput [--rows layers spectrum recurrence] [--nets 64] [--rivals torch flax scan]``.

**layers**: tanh networks of width 512 and depth 100, batches of 32, float32, per-layer gradients of activations and weights, 64 networks at 8
values of sigma_w each, beside (a) what the machine's own rates imply for the products and random numbers that the method
needs, and (b) the same measurement written in three plain ways.

Counted per network: of products, one on the way up and one on the way down for each value of sigma_w, and two Gram matrices;
of random numbers, every weight twice (up, and again down), shared by all values of sigma_w.

**spectrum**: all singular values of 16 tanh networks, 64 layers of 512 units, in turns with a NumPy product and torch's ``jacrev``.
**recurrence**: every gradient of 32 tanh recurrences, 256 units, 1,000 steps, on one device, in turns with plain JAX and torch.
"""

import argparse
import json
from collections.abc import Callable
from typing import Any

import jax
import numpy as np

from benchmarks import jacobian, machine, recurrent, rivals
from vgtheory import Dense, measure

SIGMA_W = np.linspace(1.0, 2.4, 8)
RIVALS = {
    "torch": lambda shape: ((rivals.torch_vmap(*shape, nets), nets) for nets in (1, 4)),
    "flax": lambda shape: ((rivals.flax_unrolled(*shape), 1),),
    "scan": lambda shape: ((rivals.naive_scan(*shape), 1),),
}
"""Each with the numbers of networks that it takes at a time; the fastest counts."""


def implied(depth: int, width: int, batch: int, points: int, gemm: float, normals: float) -> dict[str, float]:
    """Seconds per network, for all values of sigma_w, that the machine's rates imply."""
    rows = points * batch
    products = 2 * 2 * rows * width**2 * depth
    grams = 2 * 2 * rows * batch * width * depth
    return {
        "products": products / gemm,
        "grams": grams / gemm,
        "numbers, drawn twice": 2 * width**2 * depth / normals,
        "numbers, drawn once": width**2 * depth / normals,
    }


def layers(options: argparse.Namespace) -> dict[str, Any]:
    """Milliseconds per network, ours and the rivals'."""
    size = {"depth": options.depth, "width": options.width}
    gemm, normals = machine.gemm_rate(), machine.normal_rate(options.width)
    print(
        f"{machine.described()}: products {gemm / 1e9:.0f} GFLOP/s, normal numbers {normals['vgtheory'] / 1e6:.0f} M/s "
        f"(jax.random.normal {normals['jax.random'] / 1e6:.0f} M/s)"
    )
    net = Dense("tanh", SIGMA_W)
    run = lambda index: measure.samples(
        jax.random.key(index), net, **size, num_nets=options.nets, num_inputs=options.batch
    )
    taken = machine.seconds(run, 1 if options.nets >= 32 else 3) / options.nets
    parts = implied(**size, batch=options.batch, points=SIGMA_W.size, gemm=gemm, normals=normals["vgtheory"])
    fixed = parts["products"] + parts["grams"]
    ratios = {key: taken / (fixed + parts[key]) for key in parts if key.startswith("numbers")}
    per_net = taken / SIGMA_W.size
    print(
        f"vgtheory: {options.nets} networks x {SIGMA_W.size} sigma_w in {taken * options.nets:.1f} s, {1e3 * per_net:.1f} ms per network and sigma_w"
    )
    print(
        "implied by the machine's rates, s per network: "
        + ", ".join(f"{key} {value:.3f}" for key, value in parts.items())
    )
    print("taken / implied: " + ", ".join(f"{value:.2f} ({key})" for key, value in ratios.items()))
    record = {"gemm": gemm, "normals": normals, "ms_per_network": 1e3 * per_net, "ratios": ratios}
    shape = (options.depth, options.width, options.batch, 1.5)
    for name in rivals.installed(options.rivals):
        each = min(machine.seconds(rival, 3) / nets for rival, nets in RIVALS[name](shape))
        record[name] = 1e3 * each
        print(f"{name}: {1e3 * each:.0f} ms per network, {each / per_net:.1f} times as long", flush=True)
    return record


ROWS: dict[str, Callable[[argparse.Namespace], dict[str, Any]]] = {
    "layers": layers,
    "spectrum": lambda _: jacobian.spectrum(16, list(jacobian.RIVALS)),
    "recurrence": lambda _: recurrent.gradients(32, 256, 1000, rivals.installed(["jax", "torch"])),
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", nargs="*", choices=ROWS, default=list(ROWS))
    parser.add_argument("--width", type=int, default=512)
    parser.add_argument("--depth", type=int, default=100)
    parser.add_argument("--batch", type=int, default=32)
    parser.add_argument("--nets", type=int, default=64)
    parser.add_argument("--rivals", nargs="*", default=["torch", "flax", "scan"])
    options = parser.parse_args()
    print(json.dumps({row: ROWS[row](options) for row in options.rows}))


if __name__ == "__main__":
    main()

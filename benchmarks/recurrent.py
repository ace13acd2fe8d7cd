"""Gradients through time, Lyapunov spectra, long linear recurrences: ``python -m benchmarks.recurrent [--devices 1] [--rivals jax torch]``.

A tanh recurrence (sigma_w = 1.5) of 256 units, 1,000 steps, 32 networks, float32: every ``|dE/dh_t|``, and the 16 leading exponents; beside the
same written plainly (a JAX scan under vmap, differentiated with respect to an offset at every step; 16 ``jvp`` and a QR at every step; torch's
loop over steps, batched over networks). Then ``|(W^T)^t v|`` to t = 10^6, and a scan over t against an associative scan of log-scaled products.
"""

import argparse
import functools
from collections.abc import Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array, lax

from benchmarks import machine, rivals
from vgtheory import Leaky, Recurrent, measure, theory

SIGMA_W, BLOCK = 1.5, 8


def drawn(key: Array, nets: int, width: int) -> tuple[Array, Array, Array]:
    """Weights, first states and cotangents."""
    weights = SIGMA_W * jax.random.normal(key, (nets, width, width)) / width**0.5
    return weights, *jax.random.normal(jax.random.fold_in(key, 1), (2, nets, width))


@functools.partial(jax.jit, static_argnames=("nets", "width", "steps"))
def plain_gradients(key: Array, nets: int, width: int, steps: int) -> Array:
    """Norms of dE/dh_t as they stand: they under- or overflow where ours do not."""
    weights, start, top = drawn(key, nets, width)

    def energy(offsets: Array, weights: Array, h: Array, top: Array) -> Array:
        move = lambda h, offset: (weights @ jnp.tanh(h) + offset, None)
        return jnp.vdot(top, lax.scan(move, h, offsets)[0])

    grads = jax.vmap(jax.grad(energy), (None, 0, 0, 0))(jnp.zeros((steps, width)), weights, start, top)
    return jnp.linalg.norm(grads, axis=-1)


@functools.partial(jax.jit, static_argnames=("nets", "width", "steps", "count"))
def plain_spectrum(key: Array, nets: int, width: int, steps: int, count: int) -> Array:
    """One jvp for each exponent and a QR at every step."""
    weights, start, _ = drawn(key, nets, width)

    def one(weights: Array, h: Array) -> Array:
        step = lambda h: weights @ jnp.tanh(h)

        def move(carry: tuple[Array, Array], _: Any) -> tuple[tuple[Array, Array], Array]:
            h, q = carry
            moved = jax.vmap(lambda v: jax.jvp(step, (h,), (v,))[1], 1, 1)(q)
            q, r = jnp.linalg.qr(moved)
            return (step(h), q), jnp.log(jnp.abs(jnp.diagonal(r)))

        return lax.scan(move, (h, jnp.eye(width, count)), length=steps)[1].mean(axis=0)

    return jax.vmap(one)(weights, start)


def gradients(nets: int, width: int, steps: int, names: Sequence[str], repeats: int = 3) -> dict[str, machine.Taken]:
    """Seconds for every ``|dE/dh_t|``, ours in the log domain and the rivals', who take turns."""
    sizes, net = {"num_nets": nets, "width": width, "steps": steps}, Leaky("tanh", SIGMA_W)
    runs = {
        "vgtheory": lambda index: measure.cells.cell_logs(jax.random.key(index), net, burn_in=0, **sizes),
        "jax": lambda index: np.asarray(plain_gradients(jax.random.key(index), nets, width, steps)),
        "torch": torch_gradients(nets, width, steps) if "torch" in names else None,
    }
    taken = machine.in_turn({name: run for name, run in runs.items() if name in ("vgtheory", *names)}, repeats)
    machine.report(f"every |dE/dh_t|, {nets} tanh recurrences of {width} units, {steps} steps", taken)
    return taken


def torch_gradients(nets: int, width: int, steps: int) -> Any:
    """Torch's loop over steps, all networks in one batched product."""
    import torch

    torch.manual_seed(0)
    weights = SIGMA_W * torch.randn(nets, width, width) / width**0.5

    def run(_: int) -> Any:
        h = torch.randn(nets, width, 1, requires_grad=True)
        states = [h]
        for _ in range(steps):
            states.append(weights @ torch.tanh(states[-1]))
        grads = torch.autograd.grad((states[-1] * torch.randn(nets, width, 1)).sum(), states)
        return torch.stack([grad.norm(dim=1) for grad in grads])

    return run


def torch_spectrum(nets: int, width: int, steps: int, count: int) -> float:
    """Seconds of torch's loop with a batched QR at every step."""
    import torch

    torch.manual_seed(0)
    weights = SIGMA_W * torch.randn(nets, width, width) / width**0.5

    def run() -> Any:
        h, q, total = torch.randn(nets, width, 1), torch.eye(width, count).repeat(nets, 1, 1), 0.0
        for _ in range(steps):
            q, r = torch.linalg.qr(weights @ ((1 - torch.tanh(h) ** 2) * q))
            h, total = weights @ torch.tanh(h), total + torch.diagonal(r, dim1=1, dim2=2).abs().log()
        return total / steps

    with torch.no_grad():
        return machine.seconds(lambda _: run(), 2)


@functools.partial(jax.jit, static_argnames=("parallel",))
def products(matrices: Array, parallel: bool) -> Array:
    """Logs of the Frobenius norms of all partial products, in order or by an associative scan."""

    def times(left: tuple[Array, Array], right: tuple[Array, Array]) -> tuple[Array, Array]:
        product = right[0] @ left[0]
        size = jnp.sqrt(jnp.sum(product**2, axis=(-2, -1)))
        return product / size[..., None, None], left[1] + right[1] + jnp.log(size)

    zeros = jnp.zeros(len(matrices))
    if parallel:
        return lax.associative_scan(times, (matrices, zeros))[1]
    width = matrices.shape[-1]

    def move(carry: tuple[Array, Array], matrix: Array) -> tuple[tuple[Array, Array], Array]:
        after = times(carry, (matrix, jnp.zeros(())))
        return after, after[1]

    return lax.scan(move, (jnp.eye(width), jnp.zeros(())), matrices)[1]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    for name, value in (("width", 256), ("steps", 1000), ("nets", 32), ("exponents", 16)):
        parser.add_argument(f"--{name}", type=int, default=value)
    parser.add_argument("--rivals", nargs="*", default=["jax", "torch"])
    parser.add_argument(
        "--devices", type=int, default=1, help="of a CPU, 1 as a user starts Python: networks are spread over them"
    )
    options = parser.parse_args()
    options.rivals = rivals.installed(options.rivals)
    jax.config.update("jax_num_cpu_devices", options.devices)
    key, shape = jax.random.key(0), (options.nets, options.width, options.steps)
    sizes = {"num_nets": options.nets, "width": options.width, "steps": options.steps}
    print(machine.described())
    gradients(*shape, options.rivals)
    tied = Recurrent("tanh", sigma_w=SIGMA_W)
    spectrum = machine.seconds(
        lambda n: measure.recurrent.lyapunov_logs(
            jax.random.key(n), tied, num_exponents=options.exponents, block=BLOCK, **sizes
        ),
        3,
    )
    print(f"{options.exponents} leading exponents: {spectrum:.2f} s", flush=True)
    if "jax" in options.rivals:
        plain = machine.seconds(lambda n: np.asarray(plain_spectrum(jax.random.key(n), *shape, options.exponents)), 1)
        print(f"plain jax, exponents: {plain:.2f} s, {plain / spectrum:.2f} times as long", flush=True)
    if "torch" in options.rivals:
        plain = torch_spectrum(*shape, options.exponents)
        print(f"torch, exponents: {plain:.2f} s, {plain / spectrum:.2f} times as long", flush=True)
    matrix = np.asarray(drawn(key, 1, options.width)[0][0], dtype=float) / SIGMA_W
    long = np.array([10**6])
    print(
        f"t = 10^6, theory: {machine.seconds(lambda _: theory.recurrent.log_power_norms(matrix, np.ones(options.width), long), 1):.2f} s"
    )
    taken = machine.seconds(lambda _: measure.recurrent.log_power_norms(matrix, np.ones(options.width), long), 1)
    print(f"t = 10^6, measured, every step's norm: {taken:.2f} s", flush=True)
    for width in (2, 8, 32, 128):
        count = min(4096, 2**22 // width**2)
        matrices = jax.random.normal(key, (count, width, width)) / width**0.5
        each = [machine.seconds(lambda _, p=p, m=matrices: np.asarray(products(m, p)), 3) for p in (False, True)]
        print(
            f"{count} products of width {width}: in order {each[0]:.4f} s, associative scan {each[1]:.4f} s", flush=True
        )


if __name__ == "__main__":
    main()

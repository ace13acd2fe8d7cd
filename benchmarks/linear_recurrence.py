"""Gradients of long diagonal recurrences: ``python -m benchmarks.linear_recurrence [--devices 1]``.

65,536 steps of 256 units, 32 networks on LRU's ring, complex64: all ``|dh_T/dh_t|`` in the log domain, through the associative scan and through the
sequential one; beside JAX's own associative scan, run plainly forwards, and differentiated by the state of every step (where it underflows).
They take turns, network by network.
"""

import argparse
import functools
from typing import Any

import jax
import jax.numpy as jnp
from jax import Array, lax

from benchmarks import machine
from vgtheory import LinearRecurrence, Ring
from vgtheory.measure.linear.draws import drawn
from vgtheory.measure.linear.scans import block_for, log_jacobians, plain_jacobians


def combined(left: tuple[Array, Array], right: tuple[Array, Array]) -> tuple[Array, Array]:
    """One step after another."""
    return right[0] * left[0], right[0] * left[1] + right[1]


@functools.partial(jax.jit, static_argnames=("steps",))
def forwards(eigenvalues: Array, inputs: Array, steps: int) -> Array:
    """All states, by JAX's associative scan."""
    decays = jnp.broadcast_to(eigenvalues, (steps, eigenvalues.size))
    return lax.associative_scan(combined, (decays, inputs))[1]


@functools.partial(jax.jit, static_argnames=("steps",))
def backwards(eigenvalues: Array, steps: int) -> Array:
    """All gradients, by one backward pass through it."""
    return jnp.abs(plain_jacobians(jnp.broadcast_to(eigenvalues, (steps, eigenvalues.size)), "associative"))


@functools.partial(jax.jit, static_argnames=("steps", "block", "scan"))
def ours(eigenvalues: Array, steps: int, block: int, scan: str) -> Array:
    """All of their logs."""
    return log_jacobians(jnp.broadcast_to(eigenvalues, (steps, eigenvalues.size)), block, scan)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    for name, value in (("width", 256), ("steps", 65_536), ("nets", 32), ("devices", 1)):
        parser.add_argument(f"--{name}", type=int, default=value)
    options = parser.parse_args()
    jax.config.update("jax_num_cpu_devices", options.devices)
    steps, width = options.steps, options.width
    net = LinearRecurrence(Ring(0.9, 0.999))
    units = [drawn(jax.random.key(index), net, width).eigenvalues for index in range(options.nets)]
    block = min(block_for(each, steps) for each in units)
    inputs = jax.random.normal(jax.random.key(0), (steps, width)).astype("complex64")
    on_device: Any = [jnp.asarray(each, "complex64") for each in units]
    of = lambda index: on_device[index % options.nets]
    runs = {
        "vgtheory, associative scan": lambda index: ours(of(index), steps, block, "associative"),
        "vgtheory, sequential scan": lambda index: ours(of(index), steps, block, "sequential"),
        "JAX, associative scan": lambda index: forwards(of(index), inputs, steps),
        "JAX, its gradient": lambda index: backwards(of(index), steps),
    }
    print(machine.described())
    taken = machine.in_turn(runs, options.nets)
    machine.report(f"one of {options.nets} networks of {width} units, {steps} steps", taken)


if __name__ == "__main__":
    main()

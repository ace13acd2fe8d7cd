"""Many networks, one after the other or in batches, spread over devices.

A network's numbers are a function of its own key, on any number of devices and in any order. For
dense networks on CPUs they agree to the bit. For others they agree to rounding, because XLA
compiles another program for another number of devices.
"""

import functools
from collections.abc import Callable, Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array, lax

from vgtheory.activations.units import Unit
from vgtheory.measure.engine.draws import words_of

_LANE_NUMBERS, _MOST_LANES = {"cpu": 2**14}, {"cpu": 16}
"""Most numbers in a layer of a batch, so that a call's overhead is small, and most networks."""
_LANE_NUMBERS_ELSEWHERE, _MOST_LANES_ELSEWHERE = 2**25, 1024


@functools.cache
def _has_arctan(phi: Callable) -> bool:
    """Whether an activation uses JAX's arctan.

    jaxlib 0.10.2 computes it wrongly in a CPU's widest vectors (jax-ml/jax#39352).
    """
    return "atan" in str(jax.make_jaxpr(phi)(np.ones(1, np.float32)))


def _options(backend: str, args: Any) -> dict[str, Any]:
    """Compiler options for the arguments of a measurement."""
    if backend != "cpu":
        return {}
    nodes = jax.tree.leaves(args, is_leaf=lambda node: hasattr(node, "activation"))
    each = [node.activation for node in nodes if hasattr(node, "activation")]
    used = [one for several in each for one in (several if isinstance(several, tuple) else (several,))]
    used = [part for one in used for part in (one.parts if isinstance(one, Unit) else (one,))]
    narrow = any(_has_arctan(each.phi) or _has_arctan(each.dphi) for each in used)
    return {} if narrow else {"xla_cpu_prefer_vector_width": 512}


def compiled(*static: str) -> Callable[[Callable], Callable]:
    """``jax.jit``, on a CPU with its widest vectors, which speed up the random numbers.

    An activation that holds JAX's own arctan gets the compiler's default width. ``static`` names
    the static arguments.
    """

    def wrap(function: Callable) -> Callable:
        @functools.cache
        def program(**options: Any) -> Any:
            return jax.jit(function, static_argnames=static, compiler_options=options)

        @functools.wraps(function)
        def call(*args: Any) -> Any:
            return program(**_options(jax.default_backend(), args))(*args)

        call.program = program  # type: ignore[attr-defined]
        return call

    return wrap


def chosen_devices(devices: Sequence[jax.Device] | None) -> tuple[jax.Device, ...]:
    """The devices given, or all devices, those of other processes included."""
    return tuple(jax.devices() if devices is None else devices)


def lanes_for(numbers: int, num_nets: int, devices: tuple[jax.Device, ...]) -> int:
    """Number of networks per batch: many small networks, or one large one.

    On CPUs it does not depend on the number of devices. Another batch size may round products
    differently, which a chaotic network amplifies.

    Parameters
    ----------
    numbers
        Numbers in a layer: its weights, or its rows times its units if those are more.
    num_nets
        Number of networks.
    devices
        Devices that the networks are spread over.
    """
    backend = devices[0].platform
    nets = num_nets if backend == "cpu" else -(-num_nets // len(devices))
    size = _LANE_NUMBERS.get(backend, _LANE_NUMBERS_ELSEWHERE) // numbers
    return int(np.clip(size, 1, min(_MOST_LANES.get(backend, _MOST_LANES_ELSEWHERE), nets)))


def over_networks(
    one: Callable[[Any, Array], Any], shared: Any, num_nets: int, lanes: int, devices: tuple[jax.Device, ...]
) -> Any:
    """``one(shared, index)`` for every network's index, stacked along a first axis.

    Call it under ``compiled``. ``lanes`` networks form a batch, and batches follow one another.
    """
    rows = -(-num_nets // (lanes * len(devices)))
    indices = jnp.arange(rows * lanes * len(devices)).reshape(-1, lanes)

    def local(shared: Any, indices: Array) -> Any:
        if lanes > 1:
            return lax.map(jax.vmap(functools.partial(one, shared)), indices)
        return lax.map(lambda index: jax.tree.map(lambda leaf: leaf[None], one(shared, index[0])), indices)

    automatic = {"axis_types": (jax.sharding.AxisType.Auto,), "devices": devices}
    mesh, nets = jax.make_mesh((len(devices),), ("nets",), **automatic), jax.P("nets")
    # This serves one device too: programs for different numbers of devices then round mostly alike.
    spread = jax.shard_map(local, mesh=mesh, in_specs=(jax.P(), nets), out_specs=nets, check_vma=False)
    stacked = spread(shared, indices)
    return jax.tree.map(lambda leaf: leaf.reshape(-1, *leaf.shape[2:])[:num_nets], stacked)


def fetched(tree: Any) -> Any:
    """Every leaf as a NumPy array, gathered from other processes where necessary."""
    if jax.process_count() > 1:
        from jax.experimental import multihost_utils

        tree = multihost_utils.process_allgather(tree, tiled=True)
    return jax.tree.map(np.asarray, tree)


@compiled("one", "size", "num_nets", "lanes", "devices")
def _all(
    key: Array,
    given: Any,
    one: Callable[..., Any],
    size: Any,
    num_nets: int,
    lanes: int,
    devices: tuple[jax.Device, ...],
) -> Any:
    def own(shared: Any, index: Array) -> Any:
        key, given = shared
        return one(words_of(jax.random.fold_in(key, index)), given, size)

    return over_networks(own, (key, given), num_nets, lanes, devices)


def run(
    one: Callable[..., Any],
    key: Array,
    given: Any,
    size: Any,
    *,
    num_nets: int,
    dtype: str,
    lanes: int = 1,
    devices: tuple[jax.Device, ...],
) -> Any:
    """Result of ``one(words, given, size)`` for every network, as NumPy arrays.

    Parameters
    ----------
    one
        One network's measurement, a function of a module. Network i has the words of
        ``fold_in(key, i)``, and index i of the results' first axis.
    key
        A JAX key.
    given
        Arrays and nouns that all networks use.
    size
        Static arguments of the program; hashable.
    num_nets, lanes, devices
        As for ``over_networks``.
    dtype
        ``"float32"`` or ``"float64"``; the latter enables 64-bit arithmetic.
    """
    with jax.enable_x64(dtype == "float64"):
        return fetched(_all(key, given, one, size, num_nets, lanes, devices))


def in_format(given: Any, dtype: str) -> Any:
    """Every number of a noun in a format."""
    return jax.tree.map(lambda leaf: np.asarray(leaf, dtype), given)

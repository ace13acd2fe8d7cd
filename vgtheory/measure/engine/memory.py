"""Memory of a measurement, planned before anything runs."""

import os
from typing import Any, NamedTuple

import jax

from vgtheory.expect import expect, expect_one_of
from vgtheory.measure.engine.log_pass import KEEP, segment_length
from vgtheory.measure.engine.runs import lanes_for

_SHARE = {"cpu": 0.5}
_SHARE_ELSEWHERE = 0.8
_WORKING_COPIES = 6
"""Copies of a layer's weights and rows alive at once; a test compares with the compiler's count."""


class Plan(NamedTuple):
    """Layout of a measurement.

    Attributes
    ----------
    keep
        What each layer keeps for the backward pass, ``"activations"`` or ``"segments"``.
    lanes
        Networks that run together on each device.
    needed
        Bytes needed on each device.
    available
        Bytes available on each device.
    """

    keep: str
    lanes: int
    needed: int
    available: int


def _host_memory() -> int:
    """Bytes that this process may use: the machine's, or its control group's limit if smaller."""
    physical = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    try:
        with open("/sys/fs/cgroup/memory.max") as file:
            return min(physical, int(file.read()))
    except (OSError, ValueError):
        return physical


def available_memory(devices: tuple[jax.Device, ...]) -> int:
    """Bytes to use on each device.

    They are half of a host's memory, shared by its devices, or four fifths of what an accelerator
    has free.
    """
    facts = devices[0].memory_stats() if devices[0].platform != "cpu" else None
    share = _SHARE.get(devices[0].platform, _SHARE_ELSEWHERE)
    if facts:
        return int(share * (facts["bytes_limit"] - facts["bytes_in_use"]))
    here = [device for device in devices if device.process_index == jax.process_index()]
    return int(share * _host_memory() / max(1, len(here)))


def bytes_needed(
    keep: str,
    lanes: int,
    *,
    depth: int,
    width: int,
    rows: int,
    num_nets: int,
    num_devices: int,
    itemsize: int,
    matrices: bool = True,
) -> int:
    """Memory of a pass on one device: stored layers, layers in use, and the logs.

    Parameters
    ----------
    keep
        One of ``log_pass.KEEP``.
    lanes, num_nets, num_devices
        Networks that run together, all networks, and devices.
    depth, width, rows
        Numbers of layers, units, and rows (inputs times points of the grid).
    itemsize
        Bytes per number.
    matrices
        Whether weights are drawn as matrices.
    """
    length = segment_length(depth)
    layers = depth if keep == "activations" else depth // length + length + 1
    in_hand = _WORKING_COPIES * (width**2 * matrices + rows * width) + layers * rows * width
    nets_here = -(-num_nets // num_devices)
    logs = 3 * depth * rows * (lanes + 2 * nets_here)
    return itemsize * (lanes * in_hand + logs)


def planned(
    where: str,
    *,
    depth: int,
    width: int,
    rows: int,
    num_nets: int,
    itemsize: int = 4,
    keep: str | None = None,
    memory: float | int | None = None,
    devices: tuple[jax.Device, ...],
    matrices: bool = True,
) -> Plan:
    """Choose the number of lanes and what to keep, so that a measurement fits.

    Parameters
    ----------
    where
        Name of the public function, for the error message.
    depth, width, rows, num_nets, itemsize, matrices
        As for ``bytes_needed``.
    keep
        One of ``log_pass.KEEP``, or ``None`` for the faster one that fits.
    memory
        Bytes to use on each device; ``None`` for ``available_memory``.
    devices
        Devices that the networks are spread over.

    Raises
    ------
    ValueError
        If not even one network fits; the message states the sizes.
    """
    if keep is not None:
        expect_one_of(KEEP, where, keep=keep)
    available = int(memory if memory is not None else available_memory(devices))
    size: dict[str, Any] = {"depth": depth, "width": width, "rows": rows, "num_nets": num_nets, "itemsize": itemsize}
    size |= {"num_devices": len(devices), "matrices": matrices}
    numbers = width * (max(width, rows) if matrices else rows)
    most = lanes_for(numbers, num_nets, devices)
    needed = 0
    for kept in (keep,) if keep else KEEP:
        for lanes in (most, *(2**power for power in reversed(range(most.bit_length())) if 2**power < most)):
            needed = bytes_needed(kept, lanes, **size)
            if needed <= available:
                return Plan(kept, lanes, needed, available)
    expect(
        False,
        where,
        f"a measurement that fits {available / 2**30:.3g} GiB",
        "Use fewer inputs, values of sigma_w or layers, another memory= (bytes), or sampler='matrix_free'.",
        needed=f"{needed / 2**30:.3g} GiB for one network (depth={depth}, width={width}, rows={rows})",
    )
    raise AssertionError

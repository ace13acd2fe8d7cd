"""Names of layers, from the paths of their parameters."""

import itertools
from collections.abc import Sequence
from typing import Any

import jax

_SMALL = ("bias", "b", "scale", "offset", "beta", "gamma", "mean", "var")


def leaf_names(params: Any) -> list[str]:
    """Names of the leaves of a pytree, as ``"layers/0/kernel"``."""
    paths = [path for path, _ in jax.tree_util.tree_leaves_with_path(params)]
    named = (jax.tree_util.keystr(path, simple=True, separator="/").removesuffix("/value") for path in paths)
    return [name or "parameter" for name in named]


def layer_names(names: Sequence[str], leaves: Sequence[Any]) -> list[str]:
    """For every parameter, the name of its layer.

    It is the path above the parameter, where that has no other matrix and no layers in it; else
    the parameter's own.
    """
    parents: dict[str, list[int]] = {}
    for i, name in enumerate(names):
        parents.setdefault(name.rpartition("/")[0], []).append(i)
    inner = {name.rpartition("/")[0] for name in parents if name}
    prefixes = {"/".join(name.split("/")[:k]) for name in inner for k in range(1, name.count("/") + 2)}
    found = list(names)
    for parent, members in parents.items():
        # A kernel may be called b, but a bias is smaller than its kernel.
        most = max(getattr(leaves[i], "size", 0) for i in members)
        is_bias = lambda i, most=most: _last(names[i]) in _SMALL and leaves[i].size < most
        large = [i for i in members if getattr(leaves[i], "ndim", 0) > 1 and not is_bias(i)]
        if parent and parent not in prefixes and len(large) <= 1:
            for i in members:
                found[i] = parent
    return found


def _last(name: str) -> str:
    return name.rpartition("/")[2]


def joint_name(names: Sequence[str]) -> str:
    """One name for several: what they share, and the rest joined by ``+``."""
    few = list(dict.fromkeys(names))
    if len(few) == 1:
        return few[0]
    parts = [name.split("/") for name in few]
    same = itertools.takewhile(lambda level: len(set(level)) == 1, zip(*parts, strict=False))
    shared = [level[0] for level in same]
    rest = ["/".join(part[len(shared) :]) for part in parts]
    rest = [each for each in rest if each]
    tail = "+".join(rest) if len(rest) <= 4 else f"{rest[0]}+...+{rest[-1]}"
    return "/".join([*shared, tail] if tail else shared) or "layer"

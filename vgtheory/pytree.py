"""Nouns as pytrees of JAX, so that a network's scales can be traced, mapped and differentiated."""

from typing import Any

import jax


def register_noun(noun: type, data_fields: list[str], meta_fields: list[str]) -> None:
    """Register a frozen dataclass as a pytree; copies that JAX makes of it (of tracers, gradients, axes) are not checked again."""
    keys = [jax.tree_util.GetAttrKey(name) for name in data_fields]

    def flatten_with_keys(net: Any) -> Any:
        return [*zip(keys, (getattr(net, name) for name in data_fields), strict=True)], flatten(net)[1]

    def flatten(net: Any) -> Any:
        return [getattr(net, name) for name in data_fields], tuple(getattr(net, name) for name in meta_fields)

    def unflatten(meta: Any, data: Any) -> Any:
        net: Any = object.__new__(noun)
        net.__dict__.update(zip(meta_fields, meta, strict=True), **dict(zip(data_fields, data, strict=True)))
        return net

    jax.tree_util.register_pytree_with_keys(noun, flatten_with_keys, unflatten, flatten)

"""What all nouns for networks share: printing, changing fields, and passing through JAX."""

import dataclasses
from typing import Any, ClassVar, TypeVar

import jax
import numpy as np

from vgtheory.expect import expect_one_of

This = TypeVar("This", bound="Noun")
_FEW = 3
"""Most entries of an array that are printed one by one."""


def _shown(value: Any) -> str:
    """A field's value, in one line; an array by its shape and its ends."""
    if isinstance(value, jax.core.Tracer):
        return f"traced(shape={value.shape})"
    if not isinstance(value, np.ndarray | np.generic | jax.Array):
        return repr(value)
    entries = np.asarray(value)
    if entries.ndim == 0:
        return repr(entries.item())
    if entries.ndim == 1 and entries.size <= _FEW:
        return repr(entries.tolist())
    ends = f"{entries.flat[0].item()!r} ... {entries.flat[-1].item()!r}, " if entries.size else ""
    return f"array({ends}shape={entries.shape})"


def _named(activation: Any) -> Any:
    """Name of an activation, or names of several; what has none stands for itself."""
    each = activation if isinstance(activation, tuple) else (activation,)
    names = tuple(getattr(one, "name", one) for one in each)
    return names if isinstance(activation, tuple) else names[0]


def _is_same(value: Any, other: Any) -> bool:
    """Whether two fields are equal, as far as their entries can be read."""
    if value is other:
        return True
    hidden = any(isinstance(each, jax.core.Tracer) for each in (value, other))
    if hidden or np.shape(value) != np.shape(other):
        return False
    # Within a traced function, JAX's own comparison of two known arrays would be traced.
    known = [np.asarray(each) if isinstance(each, jax.Array) else each for each in (value, other)]
    return bool(np.all(known[0] == known[1]))


class Noun:
    """A frozen dataclass that describes a network."""

    remedy: ClassVar[str] = ""
    """Advice in the error for a question that such a network cannot answer."""
    follows: ClassVar[dict[str, str]] = {}
    """Fields that equal another field unless they are given."""

    def _is_default(self, field: dataclasses.Field[Any]) -> bool:
        value, leader = getattr(self, field.name), self.follows.get(field.name)
        return _is_same(value, field.default) or (leader is not None and _is_same(value, getattr(self, leader)))

    def __repr__(self) -> str:
        """Call that makes the noun, without defaults; an activation appears by its name."""
        words = []
        fields = dataclasses.fields(self)  # type: ignore[arg-type]  # every noun is a dataclass
        for field in sorted(fields, key=lambda field: bool(field.kw_only)):
            value = getattr(self, field.name)
            if field.name == "activation":
                words.append(repr(_named(value)))
            elif not self._is_default(field):
                words.append(f"{field.name}={_shown(value)}")
        return f"{type(self).__name__}({', '.join(words)})"

    def replace(self: This, **changes: Any) -> This:
        """A copy of the network with some fields changed and checked again.

        Parameters
        ----------
        changes
            New values by the fields' names.

        Examples
        --------
        >>> from vgtheory import Dense
        >>> Dense("tanh", sigma_w=1.5).replace(sigma_b=0.3)
        Dense('tanh', sigma_w=1.5, sigma_b=0.3)
        """
        fields = {field.name: field for field in dataclasses.fields(self)}  # type: ignore[arg-type]
        for name in changes:
            expect_one_of(fields, f"{type(self).__name__}.replace", field=name)
        free = {name: None for name in self.follows if self._is_default(fields[name])}
        return dataclasses.replace(self, **{**free, **changes})  # type: ignore[type-var]


def register_noun(noun: type, data_fields: list[str], meta_fields: list[str]) -> None:
    """Register a frozen dataclass as a pytree of JAX, whose scales can be traced.

    ``data_fields`` hold numbers; ``meta_fields`` are static. Copies that JAX makes (of tracers,
    gradients, axes) are not checked again.
    """
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


__all__ = ["Noun", "register_noun"]

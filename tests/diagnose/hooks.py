"""Flax's layer calls, by hooks: a second instrument, which knows nothing of the library's own.

The model runs as written, with a hook around every call of a leaf layer.

Linen models are intercepted from outside. Of an nnx model a clone is run whose leaf layers have a
subclass that calls the hook. Compiled functions in the model and ``scan`` (recurrences, stacks of
blocks) run as plain Python while hooked, so that a layer is called once for every step.
"""

import contextlib
import functools
import threading
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple, cast

import jax
import jax.numpy as jnp
from flax import linen as nn
from flax import nnx
from jax.extend.core import get_opaque_trace_state

KINDS: dict[str, tuple[type, ...]] = {
    "dense": (nn.Dense, nn.DenseGeneral, nn.Einsum, nnx.Linear, nnx.LinearGeneral, nnx.Einsum),
    "conv": (nn.Conv, nn.ConvLocal, nn.ConvTranspose, nnx.Conv, nnx.ConvTranspose),
    "norm": (
        *(nn.LayerNorm, nn.RMSNorm, nn.GroupNorm, nn.BatchNorm, nn.InstanceNorm),
        *(nnx.LayerNorm, nnx.RMSNorm, nnx.GroupNorm, nnx.BatchNorm, nnx.InstanceNorm),
    ),
    "embed": (nn.Embed, nnx.Embed),
}
"""Leaf layers by kind; any other module that owns parameters and no modules is ``"other"``."""
KERNELS = ("kernel", "embedding", "scale")


def kind_of(module: Any, owns_only_arrays: Callable[[Any], bool]) -> str | None:
    """Kind of a leaf layer; None for any other module."""
    for kind, types in KINDS.items():
        if isinstance(module, types):
            return kind
    return "other" if owns_only_arrays(module) else None


def name_of(path: tuple, module: Any, method: str) -> str:
    """Path of a layer as text, with the method if it is not ``__call__``."""
    layer = "/".join(map(str, path)) or type(module).__name__.lower()
    return layer if method == "__call__" else f"{layer}.{method}"


def linen_params(module: nn.Module) -> dict[str, Any]:
    """Parameters that the module itself owns."""
    return dict(nn.meta.unbox(module.variables.get("params", {})))


def is_linen_leaf(module: nn.Module) -> bool:
    """Whether a Linen module owns parameters and no modules."""
    owned = linen_params(module)
    return bool(owned) and not any(hasattr(value, "keys") for value in owned.values())


def arrays_of(owned: Callable[[str], Any], method: str) -> tuple[Any, Any]:
    """Kernel and bias, by their names; ``owned`` maps a name to the module's array, or None."""
    kernel = next((value for name in KERNELS if (value := owned(name)) is not None), None)
    return (kernel, owned("bias")) if kernel is None or method != "attend" else (jnp.swapaxes(kernel, 0, 1), None)


def is_nnx_leaf(module: nnx.Module) -> bool:
    """Whether an nnx module owns parameters and no modules."""
    own = vars(module).values()
    return any(isinstance(value, nnx.Param) for value in own) and len(list(nnx.iter_modules(module))) == 1


class Call(NamedTuple):
    """One call of one leaf layer.

    Attributes
    ----------
    path
        ``"block_0/dense"``; later calls of the same layer end in ``@1``, ``@2``, ...
    layer
        The path without that ending.
    use
        0 for the layer's first call, 1 for its second, ...
    place
        Number of the layer in order of first use.
    kind
        ``"dense"``, ``"conv"``, ``"norm"``, ``"embed"`` or ``"other"``.
    module
        The bound module, to read its hyperparameters.
    kernel, bias
        Its arrays, or None. ``kernel`` may be a norm's scale, or an embedding's table (transposed
        where it is used as an output layer).
    """

    path: str
    layer: str
    use: int
    place: int
    kind: str
    module: Any
    kernel: Any
    bias: Any


Hook = Callable[[Call, tuple, Callable[..., Any]], Any]
"""``hook(call, args, run)`` returns the layer's output; ``run(*args)`` is the layer itself."""


class Hooked(NamedTuple):
    """A model as a pure function with hooks.

    Attributes
    ----------
    params
        The parameters, a pytree.
    apply
        ``apply(params, hook, *args, **kwargs)``: may be compiled and differentiated.
    unseen
        Layers that ``apply``, when last traced, met inside another trace (``vmap``, ``remat``, an
        inner ``grad``), where no hook can be invoked; they ran as written.
    """

    params: Any
    apply: Callable[..., Any]
    unseen: list[str]


class _Walk:
    """One run of a model: its hook, and the number of calls of each layer."""

    def __init__(self, hook: Hook) -> None:
        self.hook, self.trace = hook, get_opaque_trace_state(convention="flax")
        self.uses: dict[str, int] = {}
        self.unseen: dict[str, None] = {}
        self.inside = False

    def visit(self, layer: str, kind: str, module: Any, arrays: tuple[Any, Any], run: Any, args: tuple) -> Any:
        """Call the hook, unless inside a leaf layer or another trace."""
        if self.inside:
            return run(*args)
        if get_opaque_trace_state(convention="flax") != self.trace:
            self.unseen[layer] = None
            return run(*args)
        use = self.uses.setdefault(layer, 0)
        self.uses[layer] += 1
        place = list(self.uses).index(layer)
        path = f"{layer}@{use}" if use else layer

        def alone(*args: Any) -> Any:
            self.inside = True
            try:
                return run(*args)
            finally:
                self.inside = False

        return self.hook(Call(path, layer, use, place, kind, module, *arrays), args, alone)


class _Walks(threading.local):
    """Current runs, innermost last."""

    def __init__(self) -> None:
        self.stack: list[_Walk] = []


_WALKS = _Walks()


def _intercept(run: Any, args: tuple, kwargs: dict, context: Any) -> Any:
    """Wrapper of every method of every Linen module."""
    module, method = context.module, context.method_name
    if not _WALKS.stack or method not in ("__call__", "attend") or module.scope is None:
        return run(*args, **kwargs)
    if type(module) is nn.OptimizedLSTMCell and context.orig_method.func.__qualname__.startswith("Optimized"):
        # It multiplies by all its kernels at once, in no layer; the plain cell has equal parameters and calls layers.
        return nn.LSTMCell.__call__(cast(Any, module), *args, **kwargs)
    kind = kind_of(module, is_linen_leaf)
    if kind is None:
        return run(*args, **kwargs)
    kind = "dense" if method == "attend" else kind
    arrays = arrays_of(linen_params(module).get, method)
    layer = name_of(module.path, module, method)
    return _WALKS.stack[-1].visit(layer, kind, module, arrays, functools.partial(run, **kwargs), args)


def _nnx_visit(cls: type, method: str) -> Callable[..., Any]:
    """Method of the subclass, which calls the hook."""

    def visited(self: Any, *args: Any, **kwargs: Any) -> Any:
        run = functools.partial(getattr(cls, method), self, **kwargs)
        if not _WALKS.stack:
            return run(*args)

        def owned(name: str) -> Any:
            value = getattr(self, name, None)
            return value[...] if isinstance(value, nnx.Variable) else None

        path, kind = self.vg_call
        layer = path if method == "__call__" else f"{path}.{method}"
        kind = "dense" if method == "attend" else kind
        return _WALKS.stack[-1].visit(layer, kind, self, arrays_of(owned, method), run, args)

    return visited


@functools.cache
def _nnx_subclass(cls: type) -> type:
    """Subclass of a leaf layer that calls the hook."""
    methods = [name for name in ("__call__", "attend") if hasattr(cls, name)]
    return type(cls.__name__, (cls,), {name: _nnx_visit(cls, name) for name in methods})


def _ask(clone: nnx.Module) -> nnx.Module:
    """Let every leaf layer of a clone call the hook."""
    for path, module in list(nnx.iter_modules(clone)):
        kind = kind_of(module, is_nnx_leaf)
        if kind is not None and callable(module):
            # The attribute survives the copies that Flax's own transformations make.
            vars(module)["vg_call"] = (name_of(path, module, "__call__"), kind)
            object.__setattr__(module, "__class__", _nnx_subclass(type(module)))
    return clone


@contextlib.contextmanager
def _walking(hook: Hook, unseen: list[str]) -> Iterator[None]:
    """Context in which hooks are called; compiled functions and scans run as plain Python."""
    walk = _Walk(hook)
    _WALKS.stack.append(walk)
    try:
        with jax.disable_jit(), nn.intercept_methods(_intercept):
            yield
    finally:
        _WALKS.stack.pop()
        unseen[:] = [layer for layer in walk.unseen if layer not in walk.uses]


def _as_called(model: Any, *args: Any, **kwargs: Any) -> Any:
    return model(*args, **kwargs)


def hooked(
    model: Any,
    variables: Any = None,
    *,
    loss: Callable[..., Any] | None = None,
    rngs: Any = None,
) -> Hooked:
    """A Flax model, or a loss of it, as a pure function with a hook around every call of a leaf layer.

    Parameters
    ----------
    model
        A ``flax.nnx`` model, or a ``flax.linen`` module with its ``variables``. It is not changed.
    variables, loss, rngs
        As in ``infinite_width``.

    Returns
    -------
    Hooked
        ``params``; and ``apply(params, hook, *args, **kwargs)``, which returns the loss.
    """
    unseen: list[str] = []
    build: Callable[[Any], Any]
    if isinstance(model, nnx.Module):
        graph, params, rest = cast(Any, nnx.split)(model, nnx.Param, ...)
        build = lambda params: _ask(nnx.merge(graph, params, rest, copy=True))
    else:
        params, rest = variables["params"], {name: value for name, value in variables.items() if name != "params"}
        build = lambda params: model.bind({"params": params, **rest}, rngs=rngs, mutable=list(rest))
    ask = loss or _as_called

    def apply(params: Any, hook: Hook, *args: Any, **kwargs: Any) -> Any:
        with _walking(hook, unseen):
            return ask(build(params), *args, **kwargs)

    return Hooked(params, apply, unseen)

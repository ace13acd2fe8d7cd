"""A model's layer calls: the model runs as written, with a hook around every call of a leaf layer.

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
from flax import linen as nn
from flax import nnx
from jax.extend.core import get_opaque_trace_state

from vgtheory.diagnose.arguments import is_numeric
from vgtheory.diagnose.tracing.leaves import arrays_of, is_linen_leaf, is_nnx_leaf, kind_of, linen_params, name_of
from vgtheory.expect import expect


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

    def __init__(self, hook: Hook, anywhere: bool) -> None:
        self.hook, self.anywhere, self.trace = hook, anywhere, get_opaque_trace_state(convention="flax")
        self.uses: dict[str, int] = {}
        self.unseen: dict[str, None] = {}
        self.inside = False

    def visit(self, layer: str, kind: str, module: Any, arrays: tuple[Any, Any], run: Any, args: tuple) -> Any:
        """Call the hook, unless inside a leaf layer or another trace."""
        if self.inside:
            return run(*args)
        if not self.anywhere and get_opaque_trace_state(convention="flax") != self.trace:
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
def _walking(hook: Hook, anywhere: bool, unseen: list[str]) -> Iterator[None]:
    """Context in which hooks are called; compiled functions and scans run as plain Python."""
    walk = _Walk(hook, anywhere)
    _WALKS.stack.append(walk)
    try:
        with jax.disable_jit(), nn.intercept_methods(_intercept):
            yield
    finally:
        _WALKS.stack.pop()
        unseen[:] = [layer for layer in walk.unseen if layer not in walk.uses]


def _as_called(model: Any, *args: Any, **kwargs: Any) -> Any:
    return model(*args, **kwargs)


def expect_model(where: str, model: Any, variables: Any, loss: Callable[..., Any] | None) -> None:
    """Raise unless the model comes with all that ``hooked`` needs."""
    expect(loss is None or callable(loss), where, "a function loss", loss=loss)
    if isinstance(model, nn.Module):
        ok, remedy = hasattr(variables, "keys") and "params" in variables, "Pass variables=model.init(key, x)."
        expect(ok, where, "the module's variables, with 'params' among them", remedy, variables=type(variables))
    elif not isinstance(model, nnx.Module):
        odd = [type(leaf) for leaf in jax.tree.leaves(model) if not is_numeric(leaf)]
        kinds = "an nnx model, a Linen module with variables=..., or a pytree of arrays"
        expect(not odd and bool(jax.tree.leaves(model)), where, kinds, model=odd[0] if odd else type(model))
        remedy = "It takes the parameters first: loss(params, batch)."
        expect(loss is not None, where, "a loss beside a pytree of parameters", remedy, loss=loss)


def hooked(
    model: Any,
    variables: Any = None,
    *,
    loss: Callable[..., Any] | None = None,
    rngs: Any = None,
    anywhere: bool = False,
) -> Hooked:
    """A model, or a loss of it, as a pure function with a hook around every call of a leaf layer.

    Parameters
    ----------
    model
        A ``flax.nnx`` model; a ``flax.linen`` module, with its ``variables``; or any pytree of
        parameters, with a ``loss`` that takes it first (Linen modules applied in it are seen too).
    variables
        For a Linen module: the result of its ``init``.
    loss
        ``loss(model, *args)``. It gets a clone of an nnx model, a Linen module bound to its
        variables, or the pytree. None for the model's own output.
    rngs
        For a Linen module: as in its ``apply``, for dropout.
    anywhere
        Whether to call the hook in inner traces too (``vmap``, ``remat``, an inner ``grad``, Flax's
        trial run of a scan's body). It must not keep values that it sees there.

    Returns
    -------
    Hooked
        ``params``; and ``apply(params, hook, *args, **kwargs)``, which returns the loss. The model
        itself is not changed; its updates of its own state (batch statistics) are dropped.

    Notes
    -----
    Assumes: layers are called at the trace in which ``apply`` is called. Calls inside ``vmap``,
    ``remat`` or an inner ``grad`` run as written and are listed in ``unseen``. Scans are unrolled,
    so compile time grows with their length.

    Examples
    --------
    >>> import jax.numpy as jnp
    >>> from flax import nnx
    >>> from vgtheory.diagnose.tracing.calls import hooked
    >>> rngs = nnx.Rngs(0)
    >>> model = nnx.Sequential(nnx.Linear(3, 4, rngs=rngs), nnx.tanh, nnx.Linear(4, 2, rngs=rngs))
    >>> def shout(call, args, run):
    ...     print(call.path, call.kind, call.kernel.shape)
    ...     return run(*args)
    >>> params, apply, _ = hooked(model)
    >>> y = apply(params, shout, jnp.ones((1, 3)))
    layers/0 dense (3, 4)
    layers/2 dense (4, 2)
    """
    expect_model("hooked", model, variables, loss)
    unseen: list[str] = []
    build: Callable[[Any], Any]
    if isinstance(model, nnx.Module):
        graph, params, rest = cast(Any, nnx.split)(model, nnx.Param, ...)
        build = lambda params: _ask(nnx.merge(graph, params, rest, copy=True))
    elif isinstance(model, nn.Module):
        params, rest = variables["params"], {name: value for name, value in variables.items() if name != "params"}
        build = lambda params: model.bind({"params": params, **rest}, rngs=rngs, mutable=list(rest))
    else:
        params, build = model, lambda params: params
    ask = loss or _as_called

    def apply(params: Any, hook: Hook, *args: Any, **kwargs: Any) -> Any:
        with _walking(hook, anywhere, unseen):
            return ask(build(params), *args, **kwargs)

    return Hooked(params, apply, unseen)

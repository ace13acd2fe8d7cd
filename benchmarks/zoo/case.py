"""One model to run: how it is built, its loss and its batch; and modules of a checkout, imported without their packages."""

import importlib
import sys
import types
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import optax


class Case(NamedTuple):
    """A model at small settings.

    Attributes
    ----------
    build
        ``build(seed)`` returns the model, and the variables of a Linen module (else None).
    loss
        ``loss(model, *batch)``.
    batch
        Arguments of the loss after the model.
    rngs
        Keys of a Linen module's dropout.
    particles
        Particles of the twin.
    """

    build: Callable[[int], tuple[Any, Any]]
    loss: Callable[..., Any]
    batch: tuple
    rngs: Any = None
    particles: int = 1024


class Wrapped(types.ModuleType):
    """A stand-in for a package that a model's file imports but does not use here."""

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        return Wrapped(name)

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        return Wrapped("called")


def stand_in(*names: str) -> None:
    """Let imports of these packages succeed where they are not installed."""
    for name in names:
        try:
            importlib.import_module(name)
        except ImportError:
            sys.modules[name] = Wrapped(name)


def package(name: str, folder: Path) -> None:
    """Make a folder importable as a package without running its ``__init__.py``."""
    found = types.ModuleType(name)
    found.__path__ = [str(folder)]
    sys.modules[name] = found


def normal(seed: int, *shape: int, dtype: Any = jnp.float32) -> Any:
    return jax.random.normal(jax.random.key(seed), shape, dtype)


def tokens(seed: int, *shape: int, vocabulary: int) -> Any:
    """Random words, none of them 0 (padding)."""
    return jax.random.randint(jax.random.key(seed), shape, 1, vocabulary)


def mean_square(y: Any) -> Any:
    """Mean of squares, in float32."""
    return jnp.mean(y.astype(jnp.float32) ** 2)


def cross_entropy(logits: Any, labels: Any) -> Any:
    """Mean cross entropy, in float32."""
    return optax.softmax_cross_entropy_with_integer_labels(logits.astype(jnp.float32), labels).mean()

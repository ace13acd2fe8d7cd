"""LAPACK on one thread, for programs that factorise many small matrices."""

import dataclasses
import functools
from contextlib import AbstractContextManager
from typing import Any

__all__ = ["draws_orthogonal", "one_thread"]


@functools.cache
def _controller() -> Any:
    """Control of the libraries' threads; JAX on a CPU factorises with SciPy's, which must be there first."""
    import scipy.linalg.cython_lapack  # noqa: F401
    from threadpoolctl import ThreadpoolController

    return ThreadpoolController()


def one_thread() -> AbstractContextManager[Any]:
    """LAPACK with a single thread until the context ends, in the whole process.

    Its own threads wait for each other in a loop: beside other processes on the same cores they take
    many times as long as one thread.
    """
    return _controller().limit(limits=1, user_api="blas")


def draws_orthogonal(noun: Any) -> bool:
    """Whether a network or cell draws orthogonal matrices, for which LAPACK decomposes Gaussian ones."""
    if not dataclasses.is_dataclass(noun):
        return False
    values = (getattr(noun, field.name) for field in dataclasses.fields(noun))
    return any(isinstance(value, str) and "orthogonal" in value for value in values)

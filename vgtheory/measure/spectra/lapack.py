"""LAPACK's routines for products of matrices, in place and in Fortran's order.

They are called by the pointers that SciPy offers to compiled code. SciPy's own wrappers of these
routines hold Python's lock while they run, so that threads would wait for each other.
"""

import ctypes
import functools
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
from scipy.linalg import cython_blas, cython_lapack

_PANEL = 64
"""Columns that LAPACK reflects together; the fastest number at width 512."""


@functools.cache
def _routine(name: str) -> Any:
    """A routine as a function of addresses; ctypes releases Python's lock while it runs."""
    capsule = {**cython_blas.__pyx_capi__, **cython_lapack.__pyx_capi__}[name]
    signature = ctypes.PYFUNCTYPE(ctypes.c_char_p, ctypes.py_object)(("PyCapsule_GetName", ctypes.pythonapi))
    address = ctypes.PYFUNCTYPE(ctypes.c_void_p, ctypes.py_object, ctypes.c_char_p)
    return ctypes.CFUNCTYPE(None)(address(("PyCapsule_GetPointer", ctypes.pythonapi))(capsule, signature(capsule)))


def _address(value: Any) -> Any:
    if isinstance(value, np.ndarray):
        return ctypes.c_void_p(value.ctypes.data)
    if isinstance(value, str):
        return ctypes.c_char_p(value.encode())
    return ctypes.byref(ctypes.c_double(value) if isinstance(value, float) else ctypes.c_int(value))


def _call(name: str, *args: Any) -> None:
    """Call a routine, every argument by its address: letters, integers, float64 numbers, and arrays of them."""
    _routine(name)(*map(_address, args))


class Decomposed(NamedTuple):
    """A well conditioned basis times an upper triangular matrix.

    Attributes
    ----------
    upper
        The triangular matrix on and above the diagonal, Fortran's order, shape ``(rows, columns)``;
        what is below has no meaning.
    times_basis
        Function of a matrix, given transposed, that returns its product with the basis, transposed.
    """

    upper: np.ndarray
    times_basis: Callable[[np.ndarray], np.ndarray]


def reflected(matrix: np.ndarray) -> Decomposed:
    """A matrix with an orthonormal basis."""
    basis, upper = np.linalg.qr(matrix)
    return Decomposed(np.asfortranarray(upper), lambda rows: basis.T @ rows)


def eliminated(matrix: np.ndarray) -> Decomposed:
    """A matrix with a triangular basis, in a third of the time; the largest entry of a column is the pivot.

    Parameters
    ----------
    matrix
        Fortran's order, shape ``(rows, columns)``; it is overwritten.
    """
    (rows, columns), order = matrix.shape, list(range(len(matrix)))
    pivots, size = np.empty(min(rows, columns), np.int32), min(rows, columns)
    _call("dgetrf", rows, columns, matrix, rows, pivots, np.zeros(1, np.int32))
    for here, pivot in enumerate((pivots - 1).tolist()):
        order[here], order[pivot] = order[pivot], order[here]

    def times_basis(other: np.ndarray) -> np.ndarray:
        pivoted = other[order]
        _call("dtrmm", "R", "L", "N", "U", other.shape[1], size, 1.0, matrix, rows, pivoted, other.shape[1])
        return pivoted if size == rows else pivoted[:size] + matrix[size:, :size].T @ pivoted[size:]

    return Decomposed(matrix, times_basis)


def triangle_times(upper: np.ndarray, rows: np.ndarray, size: int) -> np.ndarray:
    """The first rows of an upper triangular matrix times another, which it overwrites.

    Parameters
    ----------
    upper
        As in ``Decomposed``, shape ``(any, height)``.
    rows
        C's order, shape ``(height, width)``.
    size
        How many rows of the triangular matrix.
    """
    height, width = rows.shape
    _call("dtrmm", "R", "U", "T", "N", width, size, 1.0, upper, len(upper), rows, width)
    return rows[:size] if size == height else rows[:size] + upper[:size, size:] @ rows[size:]


def log_values(matrix: np.ndarray) -> np.ndarray:
    """Natural logs of a matrix's singular values, descending, by one-sided Jacobi rotations.

    They are NaN where the rotations do not converge.

    Parameters
    ----------
    matrix
        Fortran's order, shape ``(rows, columns)``, no wider than high; it is overwritten.
    """
    rows, columns = matrix.shape
    values, unused = np.empty(columns), np.empty(1)
    work = np.empty(2 * rows + _PANEL * (columns + 1) + columns + 7)
    integers, info = np.zeros(rows + 3 * columns + 3, np.int32), np.zeros(1, np.int32)
    shape = (rows, columns, matrix, rows, values, unused, 1, unused, 1)
    _call("dgejsv", "C", "N", "N", "N", "N", "N", *shape, work, work.size, integers, info)
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.log(values) + np.log(work[0] / work[1]) if info[0] == 0 else np.full(columns, np.nan)

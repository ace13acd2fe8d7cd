"""LAPACK's routines for products of matrices, in place and in Fortran's order.

They are called by the pointers that SciPy offers to compiled code. SciPy's own wrappers of these
routines hold Python's lock while they run, so that threads would wait for each other.
"""

import ctypes
import functools
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


class Reflections(NamedTuple):
    """An orthonormal basis as the product of Householder reflections.

    Attributes
    ----------
    vectors
        LAPACK's, below the diagonal; R on and above it. Shape ``(rows, columns)`` as the matrix that was reflected.
    triangles
        Shape ``(panel, min(rows, columns))``.
    """

    vectors: np.ndarray
    triangles: np.ndarray


def reflected(matrix: np.ndarray) -> Reflections:
    """QR decomposition of a matrix, which it overwrites.

    Parameters
    ----------
    matrix
        Fortran's order, shape ``(rows, columns)``.
    """
    (rows, columns), size = matrix.shape, min(matrix.shape)
    triangles = np.empty((min(_PANEL, size), size), order="F")
    panel, work = len(triangles), np.empty(len(triangles) * columns)
    _call("dgeqrt", rows, columns, panel, matrix, rows, triangles, panel, work, 0)
    return Reflections(matrix, triangles)


def times_basis(matrix: np.ndarray, basis: Reflections) -> np.ndarray:
    """A matrix times a basis of as many vectors; it overwrites the matrix.

    Parameters
    ----------
    matrix
        Fortran's order, shape ``(any, rows)``.
    basis
        Of a matrix of shape ``(rows, columns)``.
    """
    (rows, columns), (panel, size) = matrix.shape, basis.triangles.shape
    held = (basis.vectors, columns, basis.triangles, panel, matrix, rows, np.empty(rows * panel))
    _call("dgemqrt", "R", "N", rows, columns, size, panel, *held, 0)
    return matrix


def triangle_times(basis: Reflections, rows: np.ndarray, size: int) -> np.ndarray:
    """The first rows of R times a matrix, which it overwrites.

    Parameters
    ----------
    basis
        Of a matrix of shape ``(any, height)``.
    rows
        C's order, shape ``(height, width)``.
    size
        How many rows of R.
    """
    upper, (height, width) = basis.vectors, rows.shape
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

"""A traced loss as a flat list of operations.

Compiled and rematerialised functions are written out. Scans keep their body, which is a list of its
own, so that a thousand steps cost no more to compile than one.
"""

import dataclasses
import itertools
from collections.abc import Iterator
from typing import Any, NamedTuple

import jax.numpy as jnp
from jax.extend.core import ClosedJaxpr, Jaxpr, JaxprEqn, Literal

_WRITTEN_OUT = ("checkpoint", "remat", "remat2", "pjit", "jit", "closed_call", "core_call")

Atom = int | Literal
"""A variable, by its number, or a literal."""


class Op(NamedTuple):
    """One operation.

    Attributes
    ----------
    eqn
        As JAX traced it.
    reads, makes
        Its inputs, and the variables that it makes.
    body
        What a scan repeats; None for any other operation.
    """

    eqn: JaxprEqn
    reads: tuple[Atom, ...]
    makes: tuple[int, ...]
    body: "Program | None"

    @property
    def name(self) -> str:
        """Name of the primitive."""
        return self.eqn.primitive.name

    @property
    def variables(self) -> list[int]:
        """Variables that it reads."""
        return [atom for atom in self.reads if isinstance(atom, int)]


@dataclasses.dataclass(frozen=True, eq=False)
class Program:
    """A list of operations.

    Attributes
    ----------
    ops
        The operations, in order.
    inputs, outputs
        Variables, numbered once for the program and all bodies in it.
    consts
        Values of constants.
    avals
        Shape and type of every variable.
    """

    ops: list[Op]
    inputs: list[int]
    outputs: list[Atom]
    consts: dict[int, Any]
    avals: dict[int, Any]

    def makers(self) -> dict[int, int]:
        """By variable, the place of the operation that makes it."""
        return {var: i for i, op in enumerate(self.ops) for var in op.makes}

    def readers(self) -> dict[int, list[int]]:
        """By variable, the places of the operations that read it."""
        found: dict[int, list[int]] = {}
        for i, op in enumerate(self.ops):
            for var in op.variables:
                found.setdefault(var, []).append(i)
        return found


def is_inexact(aval: Any) -> bool:
    """Whether an array, or a variable's shape and type, holds real or complex numbers."""
    dtype = getattr(aval, "dtype", None)
    return dtype is not None and jnp.issubdtype(dtype, jnp.inexact)


class _Listing:
    """Numbers for the variables of a program and its bodies."""

    def __init__(self) -> None:
        self.numbers: Iterator[int] = itertools.count()
        self.avals: dict[int, Any] = {}

    def new(self, variables: Any) -> list[int]:
        """Numbers for variables of a jaxpr."""
        numbers = [next(self.numbers) for _ in variables]
        self.avals.update(zip(numbers, (var.aval for var in variables), strict=True))
        return numbers

    def program(self, closed: ClosedJaxpr) -> Program:
        """A program of its own."""
        inputs, ops = self.new(closed.jaxpr.invars), list[Op]()
        consts = dict(zip(self.new(closed.jaxpr.constvars), closed.consts, strict=True))
        outputs = self.written(closed.jaxpr, list(consts), list(inputs), ops, consts)
        return Program(ops, inputs, outputs, consts, self.avals)

    def written(self, jaxpr: Jaxpr, held: list[int], given: list[Any], ops: list[Op], consts: dict) -> list[Atom]:
        """Append the operations of a jaxpr, and return its outputs."""
        bound: dict[Any, Atom] = dict(zip([*jaxpr.constvars, *jaxpr.invars], [*held, *given], strict=True))
        read = lambda atom: atom if isinstance(atom, Literal) else bound[atom]
        for eqn in jaxpr.eqns:
            reads = tuple(read(atom) for atom in eqn.invars)
            if eqn.primitive.name in _WRITTEN_OUT:
                inner: Any = eqn.params.get("jaxpr", eqn.params.get("call_jaxpr"))
                own = list[int]()
                if isinstance(inner, ClosedJaxpr):
                    own, values = self.new(inner.jaxpr.constvars), inner.consts
                    consts.update(zip(own, values, strict=True))
                    inner = inner.jaxpr
                bound |= zip(eqn.outvars, self.written(inner, own, list(reads), ops, consts), strict=True)
                continue
            makes = self.new(eqn.outvars)
            bound |= zip(eqn.outvars, makes, strict=True)
            body = self.program(eqn.params["jaxpr"]) if eqn.primitive.name == "scan" else None
            ops.append(Op(eqn, reads, tuple(makes), body))
        return [read(atom) for atom in jaxpr.outvars]


def listed(closed: ClosedJaxpr) -> Program:
    """The list of operations of a trace."""
    return _Listing().program(closed)


def bound(op: Op, values: list[Any]) -> list[Any]:
    """Result of one operation for the values it reads."""
    eqn = op.eqn
    out = eqn.primitive.bind(*values, **eqn.primitive.get_bind_params(eqn.params))
    return list(out) if eqn.primitive.multiple_results else [out]


def scan_parts(op: Op, atoms: Any) -> tuple[list[Any], list[Any], list[Any]]:
    """Constants, carry and slices among the inputs of a scan, or of its body."""
    params = op.eqn.params
    if "num_consts" in params:
        consts, carry = params["num_consts"], params["num_carry"]
    else:  # from JAX 0.12 on
        consts, carry, _ = (len(each) for each in params["ft_in"].unpack())
    return list(atoms[:consts]), list(atoms[consts : consts + carry]), list(atoms[consts + carry :])

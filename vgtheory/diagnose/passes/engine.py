"""Forward and backward pass of a program, with the sizes of signals and gradients on their way.

The operations are taken in stretches. Each layer is one, so that its input, output and parameters
have gradients through this layer alone. Scans are walked: one step is compiled, and a step back
carries its cotangents' exponents.
"""

import dataclasses
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jax import Array, lax
from jax.typing import ArrayLike

from vgtheory.diagnose.passes.exponents import Scaled, Size, added, joined, levelled, nothing, size_of, squares, stacked
from vgtheory.diagnose.passes.stretches import LONGEST, Stretch, stretches
from vgtheory.diagnose.program.flow import Flow
from vgtheory.diagnose.program.listing import Op, bound, scan_parts
from vgtheory.diagnose.program.sites import Layers


class Signal(NamedTuple):
    """``squares`` of a layer's output, and of its kernel or None; in scans, whether its input is not all zeros."""

    out: ArrayLike
    kernel: ArrayLike | None
    is_fed: ArrayLike


class Gradient(NamedTuple):
    """Sizes of the gradient by a layer's output, by its input and by its parameters (or None)."""

    out: Size
    below: Size | None
    weight: Size | None


class Flags(NamedTuple):
    """Whether a cotangent of what an operation makes, and of what it reads, is not finite."""

    above: ArrayLike
    below: ArrayLike


class _Kept(NamedTuple):
    """What a stretch leaves for the way back: its pullback; or a scan's inputs and carries."""

    pull: Callable[..., Any] | None
    consts: list[Any]
    slices: list[Any]
    carries: list[Any]


Where = tuple[Array, ...]
"""Step of each scan that a body is in, outermost first."""
Instead = Callable[[Op, list[Any], Where, Array], list[Any]]
"""What an operation makes of the values it reads.

The last is a multiple, whose "gradient" may be the ``squares`` of one by weights.
"""


@dataclasses.dataclass(frozen=True, eq=False)
class Engine:
    """Passes through a program.

    Attributes
    ----------
    layers, flow
        The program, its layers, and what carries a gradient.
    longest
        Most operations of a stretch between layers; None for no bound.
    masked
        Whether entries of a gradient that are not finite count as 0 in its size.
    is_watched
        Whether it records ``Flags`` on the way back, by a stretch's first variable, not sizes.
    multiple
        What values are multiplied by before they are squared.
    instead
        By layer's number, what runs in place of each of its operations.
    axis
        Name of an axis along which passes are mapped, whose cotangents are to have one exponent.
    """

    layers: Layers
    flow: Flow
    longest: int | None = LONGEST
    masked: bool = False
    is_watched: bool = False
    multiple: ArrayLike = 1.0
    instead: Mapping[int, Instead] = dataclasses.field(default_factory=dict)
    axis: str | None = None
    _divided: dict[int, list[Stretch]] = dataclasses.field(default_factory=dict, repr=False)

    def stretches(self, layers: Layers) -> list[Stretch]:
        """Stretches of the program or of a body in it."""
        if id(layers) not in self._divided:
            self._divided[id(layers)] = stretches(layers, self.flow, self.longest)
        return self._divided[id(layers)]

    def forward(
        self, layers: Layers, env: dict[int, Any], tape: list[_Kept] | None = None, where: Where = ()
    ) -> dict[int, Signal]:
        """Add to ``env`` all that a program makes, and to ``tape`` what the way back needs."""
        program, signals = layers.program, dict[int, Signal]()
        env |= program.consts
        for stretch in self.stretches(layers):
            ops = program.ops[stretch.start : stretch.stop]
            if stretch.is_walked:
                kept = self._walk(layers.within[stretch.start], ops[0], env, signals, where)
            elif tape is not None and (stretch.ins or self._replaces(stretch)) and stretch.outs:
                kept = _Kept(self._pullback(stretch, ops, env, where), [], [], [])
            else:
                kept = _Kept(None, [], [], [])
                env |= self._made(stretch, ops, env, where, self._slot())
            if tape is not None:
                tape.append(kept)
            if stretch.site is not None:
                read = [stretch.site.out, *stretch.site.uses[:1]]
                out, *kernel = (squares(env[var], self.multiple) for var in read)
                is_fed = jnp.any(env[stretch.site.source] != 0) if where and stretch.site.source in env else True
                signals[stretch.site.number] = Signal(out, kernel[0] if kernel else None, is_fed)
        return signals

    def _slot(self) -> Array:
        return jnp.asarray(self.multiple, jnp.float32)

    def _replaces(self, stretch: Stretch) -> bool:
        return stretch.site is not None and stretch.site.number in self.instead

    def _made(self, stretch: Stretch, ops: list[Op], env: dict[int, Any], where: Where, slot: Array) -> dict[int, Any]:
        instead = None if stretch.site is None else self.instead.get(stretch.site.number)
        if instead is None:
            return _evaluated(ops, env)
        return _evaluated(ops, env, lambda op, values: instead(op, values, where, slot))

    def _pullback(self, stretch: Stretch, ops: list[Op], env: dict[int, Any], where: Where) -> Callable[..., Any]:
        """Run a stretch, add what it makes to ``env``, and return its pullback, to the slot and to what it reads."""

        def run(slot: Array, *ins: Any) -> Any:
            made = self._made(stretch, ops, {**env, **dict(zip(stretch.ins, ins, strict=True))}, where, slot)
            return [made[var] for var in stretch.outs], [made[var] for var in stretch.rest]

        outs, pull, rest = jax.vjp(run, self._slot(), *(env[var] for var in stretch.ins), has_aux=True)
        env |= zip([*stretch.outs, *stretch.rest], [*outs, *rest], strict=True)
        return pull

    def _walk(self, body: Layers, op: Op, env: dict[int, Any], signals: dict[int, Signal], where: Where) -> _Kept:
        """Run a scan, and keep the carry before every step."""
        values = [env[atom] if isinstance(atom, int) else atom.val for atom in op.reads]
        consts, carry, slices = scan_parts(op, values)

        def step(carry: list[Any], given: Any) -> Any:
            index, slices = given
            inner = dict(zip(body.program.inputs, [*consts, *carry, *slices], strict=True))
            seen = self.forward(body, inner, where=(*where, index))
            outs = _outputs(body, inner)
            return outs[: len(carry)], (outs[len(carry) :], carry, seen)

        params = op.eqn.params
        carry = [jnp.asarray(each, aval.dtype) for each, aval in zip(carry, _carry_avals(op, body), strict=True)]
        given = jnp.arange(params["length"]), slices
        last, (ys, carries, seen) = lax.scan(step, carry, given, params["length"], params["reverse"])
        env |= zip(op.makes, [*last, *ys], strict=True)
        signals |= seen
        return _Kept(None, consts, slices, carries)

    def backward(
        self,
        layers: Layers,
        tape: list[_Kept],
        cotangents: dict[int, Scaled],
        where: Where = (),
        cut: Callable[[int, Where], Any] | None = None,
    ) -> dict[int, Any]:
        """Add to ``cotangents`` those of all that a program reads, given those of its outputs."""
        seen, avals, inputs = dict[int, Any](), layers.program.avals, dict[int, Scaled]()
        for stretch, kept in reversed(list(zip(self.stretches(layers), tape, strict=True))):
            if stretch.is_walked:
                seen |= self._walk_back(layers, stretch, kept, cotangents, where, cut)
                continue
            if kept.pull is None:
                continue
            above = [cotangents.pop(var) if var in cotangents else nothing(avals[var]) for var in stretch.outs]
            site = stretch.site
            at = cut(site.number, where) if cut is not None and site is not None else None
            if at is not None and site is not None:
                place = stretch.outs.index(site.out)
                above[place] = at[0].above(at[1], above[place], inputs.get(at[0].pairs.get(site.number, -1)))
            units, power = levelled(above, [avals[var] for var in stretch.outs], self.axis)
            slot, *ins = kept.pull(units)
            below = dict(zip(stretch.ins, ins, strict=True))
            if self.is_watched:
                first = min(layers.program.ops[stretch.start].makes)
                seen[first] = Flags(*(_is_bad(each) for each in (units, list(below.values()))))
            if site is not None:
                unit = units[stretch.outs.index(site.out)]
                seen[site.number] = self._gradient(stretch, unit, below, power, slot)
            for var, unit_below in below.items():
                part = Scaled(unit_below, power)
                if at is not None and site is not None and var == site.source:
                    part = at[0].layer(at[1], site.number, Scaled(units[stretch.outs.index(site.out)], power), part)
                    inputs[site.number] = part
                cotangents[var] = added(cotangents.get(var), part, avals[var].dtype)
        return seen

    def _gradient(self, stretch: Stretch, unit: Array, below: dict[int, Array], power: Array, slot: Array) -> Gradient:
        site = stretch.site
        assert site is not None
        size = lambda unit: size_of(unit, power, self.multiple, masked=self.masked)
        uses = [size(below[var]) for var in site.uses if var in below]
        uses += [Size(slot, power)] if self._replaces(stretch) else []
        source = size(below[site.source]) if site.source in below and site.source not in site.uses else None
        out = size_of(unit, power, masked=self.masked)
        return Gradient(out, source, joined(uses) if uses else None)

    def _walk_back(
        self,
        layers: Layers,
        stretch: Stretch,
        kept: _Kept,
        cotangents: dict[int, Scaled],
        where: Where,
        cut: Callable[[int, Where], Any] | None,
    ) -> dict[int, Any]:
        """Walk a scan back, one step after the other."""
        body, op, carrying = layers.within[stretch.start], layers.program.ops[stretch.start], self.flow.carrying
        inputs, outputs, avals = body.program.inputs, body.program.outputs, body.program.avals
        consts, carry, slices = scan_parts(op, inputs)
        num = len(carry)
        flows = [i for i in range(num) if carry[i] in carrying or op.makes[i] in carrying]
        shared, sliced = [v for v in consts if v in carrying], [v for v in slices if v in carrying]
        above = {i: cotangents.pop(var) for i, var in enumerate(op.makes) if var in cotangents}
        ys = {i: each for i, each in above.items() if i >= num}
        powers = {i: each.power for i, each in ys.items()}

        def back(state: Any, given: Any) -> Any:
            (after, totals), (index, carries, parts, units) = state, given
            inner = dict(zip(inputs, [*kept.consts, *carries, *parts], strict=True))
            tape: list[_Kept] = []
            self.forward(body, inner, tape, (*where, index))
            own = dict[int, Scaled]()
            ends = [*zip(flows, after, strict=True), *((i, Scaled(units[i], powers[i])) for i in ys)]
            for i, each in ends:
                var = outputs[i]
                if isinstance(var, int) and var in carrying:
                    own[var] = added(own.get(var), each, avals[var].dtype)
            seen = self.backward(body, tape, own, (*where, index), cut)
            got = lambda var: own.get(var) or nothing(avals[var])
            before = [got(carry[i]) for i in flows]
            totals = [added(total, got(var), avals[var].dtype) for total, var in zip(totals, shared, strict=True)]
            pieces = [levelled([got(var)], [avals[var]], self.axis) for var in sliced]
            return (before, totals), (seen, [Scaled(units[0], power) for units, power in pieces])

        start = [added(None, above.get(i) or nothing(avals[carry[i]]), avals[carry[i]].dtype) for i in flows]
        length, reverse = op.eqn.params["length"], op.eqn.params["reverse"]
        units = {i: each.unit for i, each in ys.items()}
        given = (jnp.arange(length), kept.carries, kept.slices, units)
        state = (start, [nothing(avals[var]) for var in shared])
        (before, totals), (seen, pieces) = lax.scan(back, state, given, length, not reverse)
        atoms = dict(zip(inputs, op.reads, strict=True))
        whole = [stacked(each.unit, each.power) for each in pieces]
        found = [*zip((carry[i] for i in flows), before, strict=True), *zip(shared, totals, strict=True)]
        for var, each in [*found, *zip(sliced, whole, strict=True)]:
            atom = atoms[var]
            if isinstance(atom, int) and atom in carrying:
                cotangents[atom] = added(cotangents.get(atom), each, avals[atom].dtype)
        return seen


def _is_bad(arrays: list[Array]) -> Array:
    return jnp.stack([~jnp.all(jnp.isfinite(each)) for each in arrays]).any()


def _carry_avals(op: Op, body: Layers) -> list[Any]:
    _, carry, _ = scan_parts(op, body.program.inputs)
    return [body.program.avals[var] for var in carry]


def _outputs(layers: Layers, env: dict[int, Any]) -> list[Any]:
    """Values of a program's outputs."""
    return [env[atom] if isinstance(atom, int) else atom.val for atom in layers.program.outputs]


def _evaluated(ops: list[Op], env: dict[int, Any], run: Callable[[Op, list[Any]], list[Any]] = bound) -> dict[int, Any]:
    """All that operations make."""
    made = dict[int, Any]()
    for op in ops:
        values = [
            atom.val if not isinstance(atom, int) else made[atom] if atom in made else env[atom] for atom in op.reads
        ]
        made |= zip(op.makes, run(op, values), strict=True)
    return made


__all__ = ["Engine", "Flags", "Gradient", "Signal"]

"""A diagnosis and an infinite-width twin of public models: ``python -m benchmarks.models --bonsai PATH --flax PATH --equinox PATH``.

The paths are checkouts of jax-ml/bonsai, google/flax and patrick-kidger/equinox, which are imported from there; without a path
its models are left out. Models are small (``benchmarks/zoo``). For each:

- *gradients*: the largest relative difference between ``exp(found.weights)`` and the norms of ``jax.grad``, over parameters whose
  gradient is at least 1e-6 of the median one (what is smaller is rounding: a key's bias under a softmax);
- *own rounding*: the same between ``jax.grad`` and the gradient of the same operations in float64, and in brackets between the
  diagnosis and that gradient. The diagnosis is right where *gradients* is at most 1e-5, or both of these are equally large;
- *in float64*: the same as *gradients*, of the operations in float64 (``--precise``; else left out, as *own rounding* is);
- *rows*: share of the entries of all matrices that belong to a row of the table;
- *replaced*: the same share that the twin draws anew, and what it keeps; constant matrices and those without a gradient are left out of both;
- *run*, *compile*: the diagnosis beside ``value_and_grad``, run in turns;
- *gap*: predicted less mean measured ln |dE/dW| of the bottom matrix over ``--seeds`` networks, and its standard error; and the
  root mean square of the gaps of all matrices.
"""

import argparse
import functools
import time
import traceback
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from flax import linen as nn
from flax import nnx

from benchmarks.zoo import bonsai, examples
from benchmarks.zoo.case import Case
from benchmarks.zoo.precise import precise
from vgtheory.diagnose import diagnose, infinite_width
from vgtheory.diagnose.program.names import leaf_names

ROUNDING = 1e-6
"""Share of the median parameter's gradient below which one is rounding."""
COLUMNS = (
    "model",
    "verdict",
    "parameters",
    "gradients",
    "own rounding",
    "in float64",
    "rows",
    "replaced",
    "run",
    "compile",
    "gap",
    "all gaps",
)


class Plain(NamedTuple):
    """A model's loss as a function of its parameters, written by hand."""

    params: Any
    loss: Callable[[Any], Any]


def plain(case: Case, model: Any, variables: Any) -> Plain:
    """What anyone would differentiate."""
    first = lambda value: value[0] if isinstance(value, tuple) else value
    if isinstance(model, nnx.Module):
        graph, params, rest = nnx.split(model, nnx.Param, ...)
        return Plain(params, lambda params: first(case.loss(nnx.merge(graph, params, rest, copy=True), *case.batch)))
    if isinstance(model, nn.Module):
        rest = {name: value for name, value in variables.items() if name != "params"}
        bound = lambda params: model.bind({"params": params, **rest}, rngs=case.rngs, mutable=list(rest))
        return Plain(variables["params"], lambda params: first(case.loss(bound(params), *case.batch)))
    import equinox

    if isinstance(model, equinox.Module):
        params, rest = equinox.partition(model, equinox.is_inexact_array)
        return Plain(params, lambda params: first(case.loss(equinox.combine(params, rest), *case.batch)))
    return Plain(model, lambda params: first(case.loss(params, *case.batch)))


def named(params: Any) -> dict[str, Any]:
    """Parameters by name."""
    return dict(zip(leaf_names(params), jax.tree.leaves(params), strict=True))


def log_norm(leaf: Any) -> float:
    """Natural log of the norm of an array."""
    with np.errstate(divide="ignore"):
        return float(np.log(np.linalg.norm(np.asarray(leaf, np.float64))))


def log_norms(grads: Any) -> dict[str, float]:
    """Natural log of the norm of every parameter's gradient."""
    return {name: log_norm(leaf) for name, leaf in named(grads).items()}


def seconds(run: Callable[[], Any]) -> float:
    start = time.perf_counter()
    jax.block_until_ready(run())
    return time.perf_counter() - start


def floor_of(true: dict[str, float]) -> float:
    """Log-norm below which a parameter's gradient is rounding."""
    return float(np.log(ROUNDING) + np.median([log for log in true.values() if np.isfinite(log)]))


def difference(seen: dict[str, float], true: dict[str, float]) -> tuple[float, int]:
    """Largest relative difference of gradients' norms, and the number of parameters for which none was seen."""
    real = {name: log for name, log in true.items() if log > floor_of(true)}
    missing = [name for name in real if np.isnan(seen.get(name, np.nan))]
    return max((abs(np.expm1(seen[name] - real[name])) for name in real if name not in missing), default=0), len(
        missing
    )


def in_float64(mine: Plain) -> tuple[dict[str, float], dict[str, float]]:
    """Log-norms of the gradient of the same operations in float64: by ``jax.grad``, and by a diagnosis."""
    run, params = precise(mine.loss, mine.params)
    leaves, tree = jax.tree.flatten(params)
    numbered = {str(i): leaf for i, leaf in enumerate(leaves)}
    loss = lambda given: run(jax.tree.unflatten(tree, [given[str(i)] for i in range(len(leaves))]))
    with jax.enable_x64(True):
        exact = log_norms(jax.jit(jax.grad(run))(params))
        found = diagnose(numbered, loss)
    return exact, {name: found.weights[str(i)] for i, name in enumerate(exact)}


def accuracy(mine: Plain, seen: dict[str, float], true: dict[str, float]) -> tuple[str, str]:
    """Columns *own rounding* and *in float64*."""
    exact, deep = in_float64(mine)
    own, of_seen = difference(true, exact)[0], difference(seen, exact)[0]
    return f"{own:.0e} ({of_seen:.0e})", f"{difference(deep, exact)[0]:.0e}"


def layer_of(path: str) -> str:
    """A layer's name, from the path of one of its calls."""
    return path.partition("@")[0]


def members(name: str) -> list[str]:
    """Layers that a row's name joins: ``cell/hf+hi`` is of ``cell/hf`` and ``cell/hi``."""
    first, *others = layer_of(name).removesuffix(".attend").split("+")
    parts = first.split("/")
    return [first, *("/".join([*parts[:k], each]) for k in range(len(parts)) for each in others)]


def share(names: set[str], sizes: dict[str, int]) -> float:
    """Share of the entries of matrices that have these names."""
    return sum(size for name, size in sizes.items() if name in names) / max(sum(sizes.values()), 1)


def gaps(case: Case, grad: Callable[[Any], Any], seeds: int, draws: int) -> tuple[Any, dict[str, tuple[float, float]]]:
    """The twin's plan; and by parameter, predicted less mean measured ln |dE/dW|, and its error."""
    model, variables = case.build(0)
    grads = [named(grad(plain(case, *case.build(seed)).params)) for seed in range(1, seeds + 1)]
    twin = infinite_width(model, case.particles, variables=variables, loss=case.loss, rngs=case.rngs)
    plan = twin.plan(*case.batch)
    if not seeds:
        return plan, {}
    found: dict[str, Any] = {}
    if plan.calls:
        laws = twin.layers(jax.random.key(1), *case.batch, num_draws=draws)
        # A scan over layers gives each of its calls a slice of its own; any other layer has to be called once.
        once = {path: law for path, law in laws.items() if plan.uses[layer_of(path)] == 1 or layer_of(path) in plan.own}
        found = {path: law.log_grad_weight for path, law in once.items()}
    others = {name for name in plan.drawn if name.rpartition("/")[0] not in found}
    if others:
        laws = twin.weights(jax.random.key(2), *case.batch, num_draws=draws)
        found |= {name: law for name, law in laws.items() if name in others}
    result = {}
    for name, law in found.items():
        layer, _, call = name.partition("@")
        part = (lambda leaf, k=int(call or 0): leaf[k]) if layer in plan.own else lambda leaf: leaf
        own = [
            [log_norm(part(row[leaf])) for leaf in row if leaf == layer or leaf.rpartition("/")[0] == layer]
            for row in grads
        ]
        logs = np.array([np.logaddexp.reduce(2 * np.array(each)) / 2 for each in own if each])
        if len(logs) and np.isfinite(logs).all() and np.isfinite(law.value):
            result[name] = (law.value - logs.mean(), float(np.hypot(law.err, logs.std(ddof=1) / len(logs) ** 0.5)))
    return plan, result


def row(name: str, case: Case, options: Any) -> list[str]:
    """One line of the table."""
    model, variables = case.build(0)
    mine = plain(case, model, variables)
    whole = jax.jit(jax.value_and_grad(mine.loss))
    compiled = [seconds(lambda: whole(mine.params)), 0.0]
    true = log_norms(whole(mine.params)[1])
    sizes = {leaf: int(np.size(each)) for leaf, each in named(mine.params).items()}
    matrices = {leaf: sizes[leaf] for leaf, each in named(mine.params).items() if jnp.ndim(each) > 1}
    varied = {leaf for leaf, each in named(mine.params).items() if np.ptp(np.asarray(each, np.float32)) > 0}
    matrices = {leaf: size for leaf, size in matrices.items() if true[leaf] > floor_of(true) and leaf in varied}
    found: Any = None

    def first() -> Any:
        nonlocal found
        found = diagnose(model, case.loss, *case.batch, variables=variables, rngs=case.rngs)
        return found.loss

    compiled[1] = seconds(first)
    runs = found._runs
    again = functools.partial(runs.compiled, runs.leaves, runs.arrays)
    best = [float("inf")] * 2
    for _ in range(options.repeat):
        for k, run in enumerate((lambda: whole(mine.params), again)):
            best[k] = min(best[k], seconds(run))
    worst, missing = difference(found.weights, true)
    layers = list(dict.fromkeys(name for each in found.rows for name in members(each.layer)))
    in_rows = {leaf for leaf in matrices if leaf in layers or leaf.rpartition("/")[0] in layers}
    plan, gap = gaps(case, lambda params: whole(params)[1], options.seeds, options.draws)
    replaced = share({leaf for leaf in matrices if leaf not in plan.kept}, matrices)
    wide = share({leaf for leaf in matrices if leaf not in plan.kept and leaf not in plan.drawn}, matrices)
    place = {name: k for k, name in enumerate(layers)}
    height = lambda name: min(place.get(layer_of(name), len(place)), place.get(name.rpartition("/")[0], len(place)))
    kernels = sorted((each for each in gap if each in plan.calls or each in matrices), key=height)
    bottom, spread = "", ""
    if kernels:
        bottom = f"{gap[kernels[0]][0]:+.2f} ± {gap[kernels[0]][1]:.2f}"
        spread = f"{np.sqrt(np.mean([gap[each][0] ** 2 for each in kernels])):.2f}"
    if options.verbose:
        print(found.verdict.text, plan, {each: np.round(both, 3).tolist() for each, both in gap.items()}, sep="\n")
    absent = f", {missing} missing" if missing else ""
    return [
        *(name, found.verdict.word, f"{sum(sizes.values()):,}", f"{worst:.0e}{absent}"),
        *(accuracy(mine, found.weights, true) if options.precise else ("", "")),
        *(f"{share(in_rows, matrices):.0%}", f"{replaced:.0%} ({wide:.0%} wide)"),
        f"{best[1] / best[0]:.2f} times {best[0] * 1e3:.1f} ms",
        *(f"{compiled[1]:.1f} / {compiled[0]:.1f} s", bottom, spread),
    ]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    for library in ("bonsai", "flax", "equinox"):
        parser.add_argument(f"--{library}", type=Path, help="a checkout")
    parser.add_argument("--only", nargs="*", default=[""], help="parts of names")
    parser.add_argument("--repeat", type=int, default=10)
    parser.add_argument("--seeds", type=int, default=8, help="networks beside which the twin is set; 0 leaves it out")
    parser.add_argument("--draws", type=int, default=8)
    parser.add_argument("--precise", action="store_true", help="compare with float64 too")
    parser.add_argument("--verbose", action="store_true")
    options = parser.parse_args()
    cases: dict[str, Callable[[], Case]] = bonsai.cases(options.bonsai) if options.bonsai else {}
    cases |= examples.flax_cases(options.flax) if options.flax else {}
    cases |= {"Equinox BERT": functools.partial(examples.bert, options.equinox)} if options.equinox else {}
    print(
        f"{jax.devices()[0].device_kind}, JAX {jax.__version__}\n\n| {' | '.join(COLUMNS)} |\n|{'---|' * len(COLUMNS)}"
    )
    for name, build in (cases | examples.OWN).items():
        if not any(part in name for part in options.only):
            continue
        try:
            print("|", " | ".join(row(name, build(), options)), "|", flush=True)
        except Exception as error:  # a model that cannot be had or run is named, and the others go on
            print(f"| {name} | {type(error).__name__}: {str(error).splitlines()[0][:100]} |", flush=True)
            traceback.print_exc(limit=-4)


if __name__ == "__main__":
    warnings.simplefilter("ignore")
    main()

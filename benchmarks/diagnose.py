"""What a diagnosis costs beside a plain ``value_and_grad`` of the same loss: ``python -m benchmarks.diagnose [--repeat 10]``.

Run time after compilation, in turns, and what the first call of each takes, compilation included: seconds, and processor seconds,
which other work on the machine lengthens less. The plain gradient is compiled as it would be for training.
"""

import argparse
import functools
import time
from collections.abc import Callable
from typing import Any

import jax
import numpy as np
from flax import nnx

from tests.diagnose import models
from vgtheory.diagnose.program.models import opened
from vgtheory.diagnose.runs import Runs

CASES: dict[str, Callable[[], models.Case]] = {
    "nnx MLP, 100 layers of 512, batch 128": lambda: models.mlp(100, 512, 128),
    "linen ResNet, 8 blocks of 32 channels, 16 images of 32 x 32": lambda: models.resnet(8, 32, 16, 32),
    "nnx LSTM of 128, 64 steps, batch 32": lambda: models.lstm(64, 128, 32),
    "linen transformer, 4 blocks of 128, 8 sequences of 128": lambda: models.transformer(4, 128, 4, 8, 128),
    "linen transformer, 24 scanned blocks of 128, 8 sequences of 64": lambda: models.scanned(24, 128, 4, 8, 64),
    "nnx layers of 512 with NaNs, batch 128": lambda: models.nans(512, 128),
}


def plain(case: models.Case) -> tuple[Callable[..., Any], tuple]:
    """Value and gradient with respect to the parameters, as anyone would compile them."""
    first = lambda value: value[0] if isinstance(value, tuple) else value
    if case.variables is None:
        graph, params, rest = nnx.split(case.model, nnx.Param, ...)
        run = lambda params: first(case.loss(nnx.merge(graph, params, rest, copy=True), *case.batch))
        return jax.jit(jax.value_and_grad(run)), (params,)
    rest = {name: value for name, value in case.variables.items() if name != "params"}

    def run(params: Any) -> Any:
        return first(case.loss(case.model.bind({"params": params, **rest}, mutable=list(rest)), *case.batch))

    return jax.jit(jax.value_and_grad(run)), (case.variables["params"],)


def taken(run: Callable[[], Any]) -> tuple[float, float]:
    """Seconds of a call, and processor seconds."""
    start, busy = time.perf_counter(), time.process_time()
    jax.block_until_ready(run())
    return time.perf_counter() - start, time.process_time() - busy


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--repeat", type=int, default=10)
    parser.add_argument("--only", default="")
    options = parser.parse_args()
    print(f"{jax.devices()[0].device_kind}, JAX {jax.__version__}, best of {options.repeat}")
    for name, build in CASES.items():
        if options.only not in name:
            continue
        case = build()
        grad, args = plain(case)
        runs = Runs(opened(case.model, case.variables, case.loss), case.batch)
        given = (runs.leaves, runs.arrays)
        both = [functools.partial(grad, *args), functools.partial(runs.compiled, *given)]
        first = [taken(run) for run in both]
        turns = np.array([[taken(run) for run in both] for _ in range(options.repeat)])
        (wall, _), (diagnosis, _) = best = turns.min(axis=0)
        ratio, busy = best[1] / best[0]
        words = f"gradient {wall * 1e3:.1f} ms, diagnosis {diagnosis * 1e3:.1f} ms, {ratio:.2f} times ({busy:.2f} of processors)"
        calls = " and ".join(f"{wall:.1f} s ({busy:.1f} of processors)" for wall, busy in first)
        print(f"{name}: {words}; first call {calls}", flush=True)


if __name__ == "__main__":
    main()

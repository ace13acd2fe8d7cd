"""The only plumbing: configurations into cells, cells into Parquet files, files into labelled tables.

An experiment is a module with ``Config`` (a frozen dataclass; fields that hold tuples are swept axes, their defaults what the
paper reports), ``SMOKE`` (a small one), ``run(config)`` (labelled arrays for one cell, that is, for a Config whose swept axes
hold one value each) and ``findings(frame)`` (what the finished cells say). One cell is one file, named by the hash of its
configuration, written under a temporary name and renamed into place: a run that is killed loses the cell in hand and
nothing else, and finished cells are not run again. ``sweep.py`` runs them.
"""

import dataclasses
import hashlib
import importlib
import itertools
import platform
import subprocess
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from experiments.corridor import contents, disk
from experiments.corridor.contents import FORMAT, ResultError, load_cell, sealed

ROOT = Path(__file__).resolve().parents[2]
RESULTS = ROOT / "experiments" / "results"
"""The committed results, from which figures and paper can be rebuilt anywhere."""
BUILD = ROOT / "build"
"""Where new ones go."""
EXPERIMENTS = (
    "deep_linear",
    "sigmoid_bound",
    "linear_recurrence",
    "scalar_chain",
    "state_space",
    "tied_exponent",
    "overflow",
    "rounding",
    "orthogonal",
    "weights",
    "convolution",
    "rates",
    "initialisers",
    "saturation",
    "unbounded",
    "phase_diagram",
    "finite_width",
    "shapes",
    "aspect",
    "lengths",
    "narrow",
    "held_out",
    "powered",
    "dropout",
    "losses",
    "spectra",
    "bounded_forward",
    "balance",
    "gates",
    "gate_courses",
    "lyapunov",
    "tied",
    "autoregression",
    "transients",
    "overshoot",
    "memory",
    "echo_state",
    "sequence_length",
    "sequence_tasks",
    "sequence_digits",
    "clipping",
    "attention",
    "rank_collapse",
    "designs",
    "twins",
    "bands",
    "skips",
    "norms",
    "healing",
    "plateau",
    "minimum",
    "escape",
    "layer_order",
    "largest_step",
    "weight_decay",
    "cliffs",
    "input_gradient",
    "layer_eigenvalues",
    "biases",
    "one_sided",
    "update_size",
    "nan_step",
    "magnitudes",
    "magnitude_training",
    "outcomes",
    "outcomes_large",
    "remedies",
    "published",
)
"""In the order in which they run; each is a module of this package."""
LONG = (
    *(
        "shapes",
        "aspect",
        "lengths",
        "narrow",
        "held_out",
        "powered",
        "dropout",
        "losses",
        "rounding",
        "convolution",
        "spectra",
        "gates",
        "gate_courses",
        "lyapunov",
        "attention",
        "designs",
        "twins",
        "bands",
        "weights",
        "skips",
        "norms",
    ),
    *("tied_exponent", "overflow", "balance"),
    *("sequence_length", "sequence_tasks", "sequence_digits", "clipping"),
    *("healing", "plateau", "minimum", "magnitudes", "magnitude_training", "outcomes", "outcomes_large"),
    *("remedies", "published"),
)
"""Too long to be run with all others: run by name only, and read from the committed results where there are no new ones."""


class Findings(NamedTuple):
    """What an experiment says: a sentence, and the numbers behind it by name, formatted for the report and the paper."""

    verdict: str
    numbers: dict[str, str]


def module(name: str) -> ModuleType:
    """The experiment of that name."""
    if name not in EXPERIMENTS:
        raise ValueError(f"experiments: expected one of {sorted(EXPERIMENTS)}, got name={name!r}.")
    return importlib.import_module(f"experiments.{name}")


def question(name: str) -> str:
    """First line of the experiment's docstring."""
    return (module(name).__doc__ or "").strip().splitlines()[0]


def cells(config: Any) -> Iterator[Any]:
    """Every cell of a configuration: one value for each axis that holds a tuple, the others as they are."""
    axes = {field.name: getattr(config, field.name) for field in dataclasses.fields(config)}
    axes = {axis: values for axis, values in axes.items() if isinstance(values, tuple)}
    for values in itertools.product(*axes.values()):
        yield dataclasses.replace(config, **{axis: (value,) for axis, value in zip(axes, values, strict=True)})


def path_of(name: str, cell: Any, results: Path) -> Path:
    """Where the cell's result lies: a file named by the hash of its configuration."""
    return results / name / f"{contents.stem_of(name, dataclasses.asdict(cell))}.parquet"


def _script(name: str) -> Path:
    """The one file of that name in this package or its folders."""
    (file,) = (ROOT / "experiments").rglob(f"{name}.py")
    return file


def code_hash(name: str) -> str:
    """Hash of the library, the experiment's own script and those that it names: the code that makes its numbers."""
    scripts = (name, *getattr(module(name), "PARTS", ()))
    files = [*sorted((ROOT / "vgtheory").rglob("*.py")), *(_script(each) for each in scripts)]
    digest = hashlib.sha256()
    for file in files:
        digest.update(file.read_bytes())
    return digest.hexdigest()[:16]


def _commit() -> str:
    """Commit of this checkout, or a word if there is none."""
    try:
        # Outside of our process group: a signal to the whole job must not cost the cell in hand its commit.
        command = ["git", "rev-parse", "HEAD"]
        done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False, start_new_session=True)
    except OSError:
        return "unknown"
    return done.stdout.strip() or "unknown"


def record(name: str, cell: Any, seconds: float) -> dict[str, Any]:
    """All that is needed to know where a result came from."""
    import flax
    import jax

    import vgtheory

    versions = {"vgtheory": vgtheory.__version__, "jax": jax.__version__, "flax": flax.__version__}
    device = jax.devices()[0]
    return {
        "format": FORMAT,
        "experiment": name,
        "config": dataclasses.asdict(cell),
        "versions": {**versions, "numpy": np.__version__, "python": platform.python_version()},
        "device": f"{device.platform}: {device.device_kind}",
        "matmul_precision": "highest",
        "seconds": round(seconds, 2),
        "commit": _commit(),
        "code": code_hash(name),
    }


def save(arrays: dict[str, Any], facts: dict[str, Any], path: Path) -> None:
    """Write labelled arrays with their record, whole or not at all."""
    path.parent.mkdir(parents=True, exist_ok=True)
    disk.write_whole(path, sealed(arrays, facts))


def finished(name: str, results: Path = RESULTS) -> list[Path]:
    """Files of the reported configuration, or else of the small one: all of its cells, and no others that lie beside them.

    Those of a long experiment that has not been run there are the committed ones. ``ResultError`` if one of them cannot be used.
    """
    script = module(name)
    for folder in (results, RESULTS) if name in LONG else (results,):
        for config in (script.Config(), script.SMOKE):
            paths = [path_of(name, cell, Path(folder)) for cell in cells(config)]
            if all(path.exists() for path in paths):
                for _, flaw in contents.flaws(paths):
                    raise flaw
                return paths
    message = (
        f"load: expected every cell of {name}'s Config or SMOKE, got some missing in {str(Path(results) / name)!r}."
    )
    raise ResultError(f"{message} Run `python -m experiments {name} --out {results}`.")


def load(name: str, results: Path = RESULTS) -> pd.DataFrame:
    """The reported cells of an experiment as one tidy table, the configuration's axes as columns beside the arrays."""
    return load_with_records(name, results)[0]


def load_with_records(name: str, results: Path = RESULTS) -> tuple[pd.DataFrame, dict[str, dict[str, Any]]]:
    """The same table, and the record of each cell, for which no file is opened again."""
    frames, found, places = [], {}, []
    for path in finished(name, results):
        frame, facts = load_cell(path)
        found[path.stem] = facts
        axes = {axis: value[0] if isinstance(value, list) else value for axis, value in facts["config"].items()}
        clash = sorted(set(axes) & set(frame.columns))
        if clash:
            raise ResultError(f"load: expected arrays named unlike {name}'s axes, got {clash[0]}={axes[clash[0]]!r}.")
        frames.append(frame)
        places.append(axes | {"cell": path.stem})
    # The axes as one table, its rows repeated: to assign them to each frame takes as long as all the rest.
    rows = np.repeat(np.arange(len(frames)), [len(frame) for frame in frames])
    axes_of_rows = pd.DataFrame(places).iloc[rows].reset_index(drop=True)
    columns = dict.fromkeys(name for parts in zip(frames, places, strict=True) for part in parts for name in part)
    return pd.concat([pd.concat(frames, ignore_index=True), axes_of_rows], axis=1)[list(columns)], found


def records(name: str, results: Path = RESULTS) -> list[dict[str, Any]]:
    """The records of the same cells."""
    return [contents.opened(path).facts for path in finished(name, results)]

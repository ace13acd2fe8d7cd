"""The house: rooms keep their doors shut, measurements have their twins, nothing public goes undocumented."""

import ast
import inspect
from collections.abc import Iterator
from pathlib import Path

import pytest

import vgtheory
import vgtheory.diagnose
from tests import surface

ROOT = Path(__file__).resolve().parent.parent
OURS = ("vgtheory", "experiments", "figures", "tests", "benchmarks")
NOUNS = {
    f"vgtheory.{noun}"
    for noun in (
        "_door",
        "activation",
        "activations",
        "checks",
        "estimate",
        "expect",
        "formats",
        "frame",
        "networks",
        "noun",
        "weights",
    )
}
ROOMS = ("theory", "measure", "compare", "diagnose", "scales", "plot")
MOST_FILES = 13
"""Of a folder of the library, its ``__init__.py`` with them."""
MAY_IMPORT = {
    "vgtheory/theory": {*NOUNS, "vgtheory.theory"},
    "vgtheory/measure": {*NOUNS, "vgtheory.measure"},
    "vgtheory/compare": {
        "vgtheory._door",
        "vgtheory.checks",
        "vgtheory.estimate",
        "vgtheory.expect",
        "vgtheory.frame",
        "vgtheory.compare",
    },
    "vgtheory/plot": {*NOUNS, "vgtheory.plot"},
    "vgtheory/diagnose": {"vgtheory"},
    "vgtheory/scales": {"vgtheory"},
    "figures": {"experiments.corridor.catalogue", "figures"},
    "experiments": {"vgtheory", "experiments"},
}
PUBLIC = {
    *(f"vgtheory.{name}" for name in vgtheory.__all__),
    *(f"vgtheory.diagnose.{name}" for name in vgtheory.diagnose.__all__),
    *(f"vgtheory.{room}.{name}" for room in ROOMS for name in getattr(vgtheory, room).__all__),
    *(
        surface.path_of(getattr(vgtheory, room), name)
        for room in ROOMS
        for name in surface.public(getattr(vgtheory, room))
    ),
}
WITHOUT_TWIN = {
    "AttentionEstimates": "a container; theory's is AttentionOverlaps",
    "BlockLogs": "a container",
    "CellLogs": "a container",
    "ChainLogs": "a container",
    "ConvLogs": "a container",
    "cell_logs": "the cells one by one, from which log_grad_steps and q_state are averaged",
    "Network": "the Flax module itself",
    "RecurrentBlock": "a Flax module, which log_grad_blocks measures",
    "RecurrentLayer": "a Flax module",
    "SelectiveLayer": "a Flax module",
    "PassLimits": "a container; theory's is PassLimit",
    "Plan": "a container",
    "PlainLogs": "a container",
    "TrainingLogs": "a container",
    "training_logs": "whatever becomes of networks; theory has the start of it, log_grad_weight_layers",
    "TransformerLogs": "a container",
    "samples": "the networks one by one, from which the profiles are averaged",
    "draw_network": "weights, not a quantity",
    "flushes_subnormals": "a fact about the hardware",
    "gradient_steps": "the steps one by one of a given recurrence, from which log_rate is averaged",
    "jacobian_singular_values": "the values one by one; theory has their law, jacobian_cdf",
    "jacobian_top_singular_values": "the same, of wide networks; theory has the end of their law, jacobian_edge",
    "lyapunov_logs": "the networks one by one, from which lyapunov_exponents are averaged",
    "map_exponents": "of whatever map it is given",
    "link_parts": "the networks one by one, from which log_parts_layers is averaged",
    "log_norm": "arithmetic",
    "plain_grads": "the reference that checks chain",
    "plan": "memory, not a quantity",
    "tap": "a tool",
    "averaged_split": "arithmetic",
    "log_grad_entries": "the entries one by one, whose variance log_grad_variance splits",
    "nested_variances": "arithmetic",
    "variance_split": "arithmetic",
}
MOST_LINES = 300


def imports(path: Path) -> Iterator[str]:
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: relative import"
            yield from (f"{node.module}.{alias.name}" for alias in node.names)
        elif isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)


def ours(path: Path) -> set[str]:
    return {name for name in imports(path) if name.split(".")[0] in OURS}


def forbidden(names: set[str], allowed: set[str]) -> list[str]:
    return sorted(name for name in names if not any(f"{name}.".startswith(f"{each}.") for each in allowed))


@pytest.mark.parametrize("room", MAY_IMPORT)
def test_rooms_keep_their_doors_shut(room: str) -> None:
    for path in (ROOT / room).rglob("*.py"):
        assert not forbidden(ours(path), MAY_IMPORT[room]), path.relative_to(ROOT)


def test_nouns_import_only_each_other() -> None:
    for noun in NOUNS:
        path = ROOT / noun.replace(".", "/")
        for file in path.rglob("*.py") if path.is_dir() else [path.with_suffix(".py")]:
            assert not forbidden(ours(file), NOUNS), file


def test_the_rule_has_teeth() -> None:
    assert forbidden({"vgtheory.measure.chain"}, MAY_IMPORT["vgtheory/theory"])
    assert forbidden({"vgtheory.theory.chi_1"}, MAY_IMPORT["figures"])


def test_experiments_import_only_public_names_of_vgtheory() -> None:
    for path in (ROOT / "experiments").glob("*.py"):
        names = {name for name in ours(path) if name.startswith("vgtheory.")}
        assert names <= PUBLIC, (path.name, names - PUBLIC)


def test_every_measurement_has_a_twin_in_theory() -> None:
    lone = set(surface.public(vgtheory.measure)) - set(surface.public(vgtheory.theory))
    assert lone == set(WITHOUT_TWIN)


def test_twins_have_the_same_path_in_both_rooms() -> None:
    rooms = {room: surface.public(getattr(vgtheory, room)) for room in ("theory", "measure")}
    for name in set(rooms["theory"]) & set(rooms["measure"]):
        theirs, ours = (rooms[room][name].__module__.split(".", 2)[2] for room in rooms)
        assert theirs == ours, name


def test_names_open_what_they_say() -> None:
    """No function is hidden behind a module of its name, and a module's functions are not its package's."""
    for room in (vgtheory.theory, vgtheory.measure, vgtheory.compare, vgtheory.diagnose):
        for place in (*surface.wings(room).values(), room):
            modules = {path.stem for path in Path(str(place.__file__)).parent.iterdir()} - set(surface.wings(room))
            if place is not vgtheory.diagnose:
                assert not modules & set(place.__all__), place.__name__


def test_a_misspelt_name_gets_a_suggestion() -> None:
    for name, meant in (("chi1", "chi_1"), ("transient", "theory.recurrent.transient"), ("recurent", "recurrent")):
        with pytest.raises(AttributeError, match=rf"Did you mean {meant}\?"):
            getattr(vgtheory.theory, name)


def test_theory_itself_offers_only_what_most_want() -> None:
    assert len(set(vgtheory.theory.__all__) - set(surface.wings(vgtheory.theory))) <= 24
    assert set(dir(vgtheory.theory)) == set(vgtheory.theory.__all__)


def test_folders_stay_small() -> None:
    for folder in [ROOT / "vgtheory", *(ROOT / "vgtheory").rglob("*/")]:
        assert len(list(folder.glob("*.py"))) <= MOST_FILES, folder.relative_to(ROOT)


def test_wings_form_no_circle() -> None:
    for room in ("theory", "measure"):
        prefix, edges = f"vgtheory.{room}.", {}
        for path in (ROOT / "vgtheory" / room).rglob("*/*.py"):
            if path.name != "__init__.py":
                names = {name.removeprefix(prefix).split(".")[0] for name in ours(path) if name.startswith(prefix)}
                edges.setdefault(path.parent.name, set()).update(names - {path.parent.name})
        while free := [name for name, targets in edges.items() if not targets & set(edges)]:
            for name in free:
                del edges[name]
        assert not edges, (room, edges)


def test_no_import_cycles() -> None:
    modules = {".".join(p.relative_to(ROOT).with_suffix("").parts): p for p in (ROOT / "vgtheory").rglob("*.py")}
    used = {name: ours(path) for name, path in modules.items() if path.name != "__init__.py"}
    edges = {
        name: {target for target in modules if any(f"{each}.".startswith(f"{target}.") for each in names)}
        for name, names in used.items()
    }
    leaves = dict(edges)
    while free := [name for name, targets in leaves.items() if not (targets - {name}) & set(leaves)]:
        for name in free:
            del leaves[name]
    assert not leaves


@pytest.mark.parametrize("room", ROOMS)
def test_public_functions_are_documented(room: str) -> None:
    for name, value in surface.public(getattr(vgtheory, room)).items():
        if not inspect.isfunction(value):
            continue
        text = inspect.getdoc(value) or ""
        for part in ("Parameters", "Returns", "Examples"):
            assert f"{part}\n---" in text, f"{room}.{name} lacks {part}"
        missing = [each for each in inspect.signature(value).parameters if f"{each}" not in text]
        assert not missing, f"{room}.{name} does not describe {missing}"


def test_files_stay_small() -> None:
    for folder in ("vgtheory", "experiments", "figures"):
        for path in (ROOT / folder).rglob("*.py"):
            assert len(path.read_text().splitlines()) <= MOST_LINES, path.relative_to(ROOT)


def test_what_is_listed_as_slow_is_a_test() -> None:
    for line in (ROOT / "tests" / "slow.txt").read_text().splitlines():
        if not line.startswith("#"):
            file, name = line.split("[")[0].split("::")
            assert f"\ndef {name}(" in (ROOT / file).read_text(), line


def test_no_global_state_is_changed_at_import() -> None:
    for path in (ROOT / "vgtheory").rglob("*.py"):
        if path.name != "_programs.py":  # for command lines, which call it
            assert "config.update" not in path.read_text(), path.relative_to(ROOT)

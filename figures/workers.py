"""Many figures, drawn in as many processes as there are cores; the process that deals them out imports nothing that draws."""

import multiprocessing
import os
from concurrent.futures import ProcessPoolExecutor
from itertools import repeat
from pathlib import Path


def drawn_one(name: str, results: Path, out: Path, formats: tuple[str, ...]) -> str:
    """Draw one figure; says what is wrong with its results, or nothing."""
    from experiments.corridor.catalogue import ResultError
    from figures.drawing import draw

    try:
        draw(name, results, out, formats)
    except ResultError as error:
        return str(error)
    return ""


def drawn(names: list[str], results: Path, out: Path, formats: tuple[str, ...]) -> list[str]:
    """Draw figures; what is wrong with their results, each sentence once."""
    workers = min(len(names), os.cpu_count() or 1)
    if workers == 1:
        said = [drawn_one(name, results, out, formats) for name in names]
    else:
        with ProcessPoolExecutor(workers, multiprocessing.get_context("spawn")) as pool:
            said = list(pool.map(drawn_one, names, repeat(results), repeat(out), repeat(formats)))
    return [each for each in dict.fromkeys(said) if each]

"""The law of softmax attention beside a published one, on the published one's own grid and beyond it.

Kedia, Zaidi, Khyalia, Jung, Goka and Lee (2024, arXiv 2403.09635) give closed forms for the mean square of
attention's outputs, for the overlap of two of them and for the mean squared gradient, and check them at 26,244
settings: correlation of tokens and of cotangents, scales of queries, keys and values, dropout, width of the stream
and of the head, number of tokens, which are Gaussian vectors without a norm. This script draws settings of that grid,
and of the same grid at two larger scales of queries and keys, and prints how far both laws are from real attention:

    python -m benchmarks.attention --resume attention.npz

Real attention is measured as it is: tokens, queries and keys are drawn, and the softmax of their products is taken.
Values and cotangents, which no share depends on, enter all sizes as quadratic forms, and so does each dropped share:
those means are taken exactly, given tokens and shares, and one set of draws serves all settings that differ in the
cotangents' correlation or in dropout. (The overlap of the gradient through queries with the other two is left out: by
automatic differentiation it is below 0.02 % of all at width 100, head 32, 300 tokens, sigma_qk = 1.4.) What the draws'
known deviations explain, such as that of the tokens' common length, is taken out by linear regression. Scales of values
and cotangents multiply laws and measurement alike, and are 1.
"""

import argparse
import functools
import itertools
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

from vgtheory import theory

THIRDS = (0.0, 1 / 3, 2 / 3)
PUBLISHED = (0.1, 0.06**0.5, 0.6)
"""Scales of queries and keys in the published grid; ``BEYOND`` are those that it leaves out."""
BEYOND = (1.0, 1.4)
WIDTHS, HEADS, POSITIONS = (100, 316, 1000), (32, 64, 128, 256), (300, 547, 1000)
QUERIES = 32
"""Positions per draw whose rows of the softmax are looked at; the keys are those of all positions."""
PARTS = (
    *("output", "output_dropout", "output_pair", "value", "value_pair", "query", "query_dropout"),
    *("key", "key_pair", "key_dropout", "cross", "cross_pair", "cross_dropout"),
)
QUANTITIES = ("outputs' mean square", "outputs' overlap", "squared gradient")


class Setting(NamedTuple):
    """One point of the grid."""

    sigma_qk: float
    c: float
    c_cotangent: float
    dropout: float
    width: int
    head_width: int
    positions: int

    @property
    def shape(self) -> tuple[int, int, int]:
        """Sizes of its arrays."""
        return self.width, self.head_width, self.positions


def settings(scales: Sequence[float], count: int, seed: int) -> list[Setting]:
    """Points of the grid at these scales, drawn without replacement; all of them for a count of 0."""
    grid = [Setting(*each) for each in itertools.product(scales, *[THIRDS] * 3, WIDTHS, HEADS, POSITIONS)]
    if not count:
        return grid
    chosen = np.random.default_rng(seed).choice(len(grid), size=min(count, len(grid)), replace=False)
    return [grid[index] for index in sorted(chosen)]


@functools.cache
def ours(at: Setting) -> np.ndarray:
    """The law of ``theory.attention.softmax_attention``."""
    found = theory.attention.softmax_attention(**at._asdict(), is_normed=False)
    return np.array([found.output[0], found.output[1], found.gradient[0]])


def theirs(at: Setting) -> np.ndarray:
    """The published closed forms, for unit values and cotangents."""
    gap, kappa, kept, count = 1 - at.c, at.sigma_qk**4, 1 - at.dropout, at.positions
    lean = gap**2 * kappa / at.width
    favoured = np.exp(gap * kappa) / kept * (gap + 4 * lean)
    output = at.c + ((count - 1) * lean + favoured) / count
    pair = at.c + (gap + 2 * lean) / count
    return np.array([output, pair, (1 / kept + (count - 1) * at.c_cotangent) / count])


class Draw(NamedTuple):
    """Own parts of all tokens, their common part, and the matrices of queries and keys, of unit scale."""

    own: np.ndarray
    common: np.ndarray
    query: np.ndarray
    key: np.ndarray
    probe: np.ndarray
    signs: np.ndarray


def drawn(random: np.random.Generator, shape: tuple[int, int, int]) -> Draw:
    """Everything random of one draw; ``probe`` and ``signs`` stand for values' images of cotangents and for dropout."""
    width, head, positions = shape
    normal = lambda *size: random.standard_normal(size, dtype=np.float32)
    matrices = (normal(width, head) * np.float32(width**-0.5) for _ in range(2))
    signs = random.integers(0, 2, size=(QUERIES, positions)).astype(np.float32) * 2 - 1
    return Draw(normal(positions, width), normal(width), *matrices, normal(QUERIES, width), signs)


def _squares(rows: np.ndarray) -> np.ndarray:
    return np.einsum("...i,...i->...", rows, rows)


def _pairs(rows: np.ndarray) -> float:
    """Mean product of two different rows."""
    return float((_squares(rows.sum(0)) - _squares(rows).sum()) / (len(rows) * (len(rows) - 1)))


def _measured(draw: Draw, sigma_qk: float, gap: float, images: np.ndarray, products: np.ndarray) -> list[float]:
    """``PARTS`` at one scale and correlation; ``images`` are keys of own parts, ``products`` those with the probe."""
    width, head = draw.query.shape
    others = len(draw.own) - 1
    scale = np.float32(sigma_qk**2 * (gap / head) ** 0.5)
    tokens = (1 - gap) ** 0.5 * draw.common + gap**0.5 * draw.own
    queries = tokens[:QUERIES] @ draw.query
    logits = scale * (queries @ images.T)
    shares = np.exp(logits - logits.max(axis=1, keepdims=True))
    shares /= shares.sum(axis=1, keepdims=True)
    squares, lengths = shares**2, _squares(tokens) / width
    # Outputs are averages of tokens, in units of the values' matrix.
    centres = shares @ draw.own
    outputs = (1 - gap) ** 0.5 * draw.common + gap**0.5 * centres
    output = [_squares(outputs).mean() / width, (squares @ lengths).mean(), _pairs(outputs) / width]
    value = [squares.sum(1).mean(), others * _pairs(shares)]

    def through_queries(seen: np.ndarray) -> float:
        kicks = shares * (seen - (shares * seen).sum(axis=1, keepdims=True))
        return float(_squares(scale * kicks @ images @ draw.query.T).mean())

    query = [gap * through_queries(products) / width, through_queries(draw.signs * np.sqrt(lengths))]
    # Keys: token j receives the sum over i of A_ij (h_i . (x_j - mean_i)) p_i, for h of unit mean square.
    directions = np.float32(sigma_qk**2 * head**-0.5) * queries @ draw.key.T
    grams, overlaps = directions @ directions.T, centres @ draw.own.T
    own = _squares(draw.own)
    distances = own - 2 * overlaps + _squares(centres)[:, None]
    reach = np.diag(grams)[:, None]
    summed = grams @ shares
    moved = (
        summed * (shares * own - 2 * shares * overlaps) + ((grams * (centres @ centres.T)) @ shares) * shares
    ).sum()
    alone = (reach * squares * distances).sum()
    dropped = squares * (1 - 2 * shares) * lengths + squares * (squares @ lengths)[:, None]
    key = [
        gap * alone / width / QUERIES,
        gap * (moved - alone) / width / QUERIES / (QUERIES - 1) * others,
        (reach * dropped).sum() / QUERIES,
    ]
    # Values and keys of one token see the same cotangents.
    tilts = logits - (shares * logits).sum(axis=1, keepdims=True)
    both, alike = (shares.sum(0) * (shares * tilts).sum(0)).sum(), (squares * tilts).sum()
    cross = [
        2 * alike / width / QUERIES,
        2 * (both - alike) / width / QUERIES / (QUERIES - 1) * others,
        2 * (squares * (1 - shares) * logits).sum() / width / QUERIES,
    ]
    return [*output, *value, *query, *key, *cross]


Table = dict[tuple[float, float], tuple[np.ndarray, np.ndarray]]
"""By scale and correlation: means of ``PARTS``, and the covariances of those means."""


def _known(draw: Draw, c: float) -> np.ndarray:
    """Deviations from their exact means of sizes that the measured ones hang on.

    These are squared lengths and squared overlaps of the queries' images under the keys' matrix, that of the tokens'
    common part among them, and exponentials of the tokens' own parts along them, which are normal. A Gaussian matrix
    with n columns takes the mean of a squared overlap A of two vectors, and that B of the product of their squared
    lengths, to A + (A + B) / n and B + 2 A / n.
    """
    width, head = draw.query.shape
    tokens = np.concatenate([draw.common[None], c**0.5 * draw.common + (1 - c) ** 0.5 * draw.own[:QUERIES]])
    images = tokens @ draw.query @ draw.key.T * np.float32(head**-0.5)
    lengths, overlaps = _squares(images), images[1:] @ images[1:].T
    overlap, both, powers = c * c, 1.0, np.ones(2)
    for units in (width, head, width):
        overlap, both = overlap + (overlap + both) / units, both + 2 * overlap / units
        powers *= np.cumprod(1 + np.arange(2) * 2 / units)
    apart, own = 1 / (QUERIES * (QUERIES - 1)), np.diag(overlaps)
    pairs = [(overlaps.sum() - own.sum()) * apart - c, ((overlaps**2).sum() - (own**2).sum()) * apart - overlap]
    along = (images / np.sqrt(lengths)[:, None]) @ draw.own.T
    order = 1 + np.arange(2)
    each = np.stack([lengths, lengths**2, *(np.exp(k * along).mean(1) for k in order)], axis=1)
    each -= np.concatenate([powers, np.exp(order**2 / 2)])
    return np.array([_squares(draw.common) / width - 1, *each[0], *each[1:].mean(0), *pairs])


def _controlled(rows: np.ndarray, known: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Means and their covariances, less what the known deviations explain by linear regression."""
    count, number = known.shape
    slopes = np.linalg.lstsq(known - known.mean(0), rows - rows.mean(0), rcond=None)[0]
    left = rows - rows.mean(0) - (known - known.mean(0)) @ slopes
    means = rows.mean(0) - known.mean(0) @ slopes
    return means, left.T @ left / (count - 1 - number) / count


def measured(shape: tuple[int, int, int], scales: Sequence[float], num_draws: int, seed: int) -> Table:
    """Real attention of one shape, at all scales and correlations of tokens."""
    random, at = np.random.default_rng([seed, *shape]), list(itertools.product(THIRDS, scales))
    rows, known = np.empty((num_draws, len(at), len(PARTS))), []
    for row in rows:
        draw = drawn(random, shape)
        images, products = draw.own @ draw.key, draw.probe @ draw.own.T
        row[:] = [_measured(draw, sigma_qk, 1 - c, images, products) for c, sigma_qk in at]
        known.append([_known(draw, c) for c in THIRDS])
    deviations = np.repeat(np.array(known), len(scales), axis=1)
    both = [_controlled(rows[:, index], deviations[:, index]) for index in range(len(at))]
    return {(sigma_qk, c): found for (c, sigma_qk), found in zip(at, both, strict=True)}


def seen(table: Table, at: Setting) -> tuple[np.ndarray, np.ndarray]:
    """What was measured at a setting, and its standard errors, in the order of ``QUANTITIES``."""
    noise, tie = at.dropout / (1 - at.dropout), at.c_cotangent
    chosen = np.zeros((len(QUANTITIES), len(PARTS)))
    chosen[0, :2], chosen[1, 2] = (1, noise), 1
    chosen[2, 3:] = (1 + noise, tie, 1, noise, *(1, tie, noise) * 2)
    means, covariances = table[at.sigma_qk, at.c]
    return chosen @ means, np.sqrt(np.diag(chosen @ covariances @ chosen.T))


def gathered(shapes: Sequence[tuple[int, int, int]], options: argparse.Namespace) -> dict[tuple[int, int, int], Table]:
    """Tables of all shapes, those in the resume file read from it and new ones written to it one by one."""
    scales, tables = (*PUBLISHED, *BEYOND), {}
    path = Path(options.resume) if options.resume else None
    kept = dict(np.load(path)) if path and path.exists() else {}
    for shape in shapes:
        name = "_".join(str(size) for size in (*shape, options.draws, options.seed))
        if f"means_{name}" not in kept:
            found = measured(shape, scales, round(options.draws * (max(WIDTHS) / shape[0]) ** 0.7), options.seed)
            kept[f"means_{name}"], kept[f"covariances_{name}"] = (
                np.stack(each) for each in zip(*found.values(), strict=True)
            )
            if path:
                np.savez(path, **kept)
        at = [(sigma_qk, c) for c in THIRDS for sigma_qk in scales]
        tables[shape] = dict(zip(at, zip(kept[f"means_{name}"], kept[f"covariances_{name}"], strict=True), strict=True))
        print(f"measured {shape}", flush=True)
    return tables


def percentiles(errors: np.ndarray) -> str:
    """The 50th, 90th and 99th percentile, in percent."""
    return " / ".join(f"{each:.1f}" for each in 100 * np.percentile(errors, (50, 90, 99)))


def report(title: str, chosen: Sequence[Setting], tables: dict[tuple[int, int, int], Table]) -> None:
    """Percentiles of relative errors of both laws, beside those of the measurement's own standard error."""
    found = [seen(tables[at.shape], at) for at in chosen]
    means, own = (np.array(each) for each in zip(*found, strict=True))
    laws = {"ours": np.array([ours(at) for at in chosen]), "theirs": np.array([theirs(at) for at in chosen])}
    print(f"\n{title}, {len(chosen)} settings: relative error in %, percentiles 50 / 90 / 99")
    for index, name in enumerate(QUANTITIES):
        cells = [f"{law} {percentiles(np.abs(values / means - 1)[:, index])}" for law, values in laws.items()]
        print(f"  {name:22s} {'; '.join(cells)}; standard error {percentiles((own / means)[:, index])}", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--settings", type=int, default=500, help="of each grid; 0 for all of them")
    parser.add_argument(
        "--draws", type=int, default=120, help="of tokens and matrices at the largest width; more at others"
    )
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--resume", default="", help="an npz file that keeps what was measured")
    options = parser.parse_args()
    grids = {
        "the published grid": settings(PUBLISHED, options.settings, options.seed),
        "the grid with sigma_qk = 1 and 1.4 beside": settings(
            (*PUBLISHED, *BEYOND), options.settings, options.seed + 1
        ),
    }
    tables = gathered(sorted({at.shape for chosen in grids.values() for at in chosen}), options)
    for title, chosen in grids.items():
        report(title, chosen, tables)
    for sigma_qk in (*PUBLISHED, *BEYOND):
        everything = [at for chosen in grids.values() for at in chosen if at.sigma_qk == sigma_qk]
        report(f"sigma_qk = {sigma_qk:.3g}", sorted(set(everything)), tables)


if __name__ == "__main__":
    main()

"""From results to words: the printed table, the paper's numbers and tables, and the pages that show them.

``python -m experiments report [--results DIR] [--figures DIR] [--draw] [--out DIR] [--paper DIR]``
"""

import argparse
import subprocess
import sys
from pathlib import Path
from typing import Any

import pandas as pd

from experiments.corridor import catalogue
from experiments.report import agreement, baselines, evidence, paper, site


def _tag(name: str) -> str:
    """The question's number, or a dash."""
    first = catalogue.question(name).split(".")[0]
    return first if first.startswith("Q") else "-"


def _together(name: str, rows: pd.DataFrame) -> str:
    """Many comparisons in one line."""
    decided = agreement.decided(rows)
    worst = decided.loc[decided.z.abs().idxmax()]
    return (
        f"{_tag(name):4s}{name}: {len(rows)} comparisons, {agreement.closing(rows)}; the furthest: {worst.label}, "
        f"predicted {worst.predicted:.5g}, measured {worst.measured:.5g}, z {worst.z:+.1f}"
    )


def _line(name: str, row: Any) -> str:
    """One comparison; outside its law the gap in the measurement's own errors stands in brackets in place of z."""
    z = f"[{row.gap:+.1f}]" if row.outcome == "outside" else f"{row.z:+.1f}"
    numbers = f"{row.predicted:12.5g}{row.measured:12.5g}{row.measured_err:10.1g}{z:>9s}"
    return f"{_tag(name):4s}{row.label:52s}{numbers}  {row.outcome}"


def printed(table: pd.DataFrame) -> str:
    """The table of predicted, measured, z and outcome, one line per question's cell."""
    lines = [f"{'':4s}{'configuration':52s}{'predicted':>12s}{'measured':>12s}{'+-':>10s}{'z [gap]':>9s}  outcome"]
    for name in catalogue.EXPERIMENTS:
        rows = table[table.experiment == name]
        lines += [_together(name, rows)] if len(rows) > paper.MANY else [_line(name, row) for row in rows.itertuples()]
    return "\n".join(lines)


def summary(table: pd.DataFrame, findings: dict[str, catalogue.Findings]) -> str:
    """The lines that close the run: the count, the calibration with its baselines and its power, where the theory fails."""
    wrong = agreement.wrong_outside(table)
    lines = [
        agreement.closing(table),
        *baselines.lines(findings["rates"].numbers),
        f"where the theory fails: {agreement.counts(table)['disagrees']} disagreements, and {wrong} gaps of more than five measured "
        "standard errors outside a law's range",
    ]
    return "\n".join(lines)


def _drawing(results: Path, figures: Path) -> subprocess.Popen[bytes]:
    """The figures' own command, at work beside this one."""
    command = [
        sys.executable,
        "-m",
        "figures",
        "--svg",
        "--results",
        str(results.absolute()),
        "--out",
        str(figures.absolute()),
    ]
    return subprocess.Popen(command, cwd=catalogue.ROOT)


def main(words: list[str]) -> int:
    """The command line; returns the exit status."""
    parser = argparse.ArgumentParser(prog="experiments report", description=__doc__)
    parser.add_argument("--results", type=Path, default=catalogue.RESULTS)
    parser.add_argument("--figures", type=Path, default=catalogue.ROOT / "figures" / "out")
    parser.add_argument("--out", type=Path, default=catalogue.ROOT / "report")
    parser.add_argument("--paper", type=Path, default=catalogue.ROOT / "paper" / "generated")
    parser.add_argument(
        "--draw", action="store_true", help="draw the figures meanwhile, as SVG, into the folder of --figures"
    )
    options = parser.parse_args(words)
    drawing = _drawing(options.results, options.figures) if options.draw else None
    try:
        found = evidence.gathered(options.results)
    except catalogue.ResultError as error:
        print(error, file=sys.stderr)
        return 1
    closing = summary(found.table, found.findings)
    print(printed(found.table))
    for name, said in found.findings.items():
        print(f"\n{catalogue.question(name)}\n  {said.verdict}")
    print(f"\n{closing}", flush=True)
    paper.write_numbers(found.findings, found.table, options.paper)
    if drawing and drawing.wait():
        return 1
    try:
        page = site.build(options.results, options.figures, options.out, closing)
    except site.BuildError as error:
        print(error, file=sys.stderr)
        return 1
    print(f"open {page}")
    return 1 if agreement.counts(found.table)["broken"] else 0

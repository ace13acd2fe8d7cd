"""The laws from a shell: ``vgtheory chi_1 tanh --sigma-w 1.5 --sigma-b 0.1``; ``--help`` shows all.

Answers go to stdout, one fact per line, or as JSON with ``--json``. A wrong question is answered
in one sentence on stderr, with status 2.
"""

import argparse
import json
import math
import os
import sys
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from vgtheory._programs import cache_folder
from vgtheory.frame import aligned, word

# Steps on stderr would be lost among compiler chatter.
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
LAWS = {
    "chi_1": "factor of the squared gradient per layer",
    "q_star": "mean square of h at depth",
    "c_star": "correlation of two inputs at depth",
    "xi_grad": "layers over which the squared gradient falls by e; negative where it grows",
    "xi_c": "layers over which the correlation settles by e",
    "xi_q": "layers over which the mean square settles by e",
    "phase": "ordered, critical or chaotic",
}
"""Commands that take an activation, sigma_w and sigma_b."""
PHASES = {-1: "ordered", 0: "critical", 1: "chaotic"}


class _Parser(argparse.ArgumentParser):
    """Parser whose errors are one sentence."""

    def error(self, message: str) -> Any:
        raise ValueError(f"vgtheory: {message}.")


def _parser() -> argparse.ArgumentParser:
    """All commands and their options."""
    parser = _Parser(prog="vgtheory", description="Vanishing and exploding gradients: the laws.")
    parser.add_argument("--version", action="store_true", help="print the version")
    commands = parser.add_subparsers(dest="command", parser_class=_Parser, metavar="COMMAND")

    def command(name: str, text: str) -> argparse.ArgumentParser:
        added = commands.add_parser(name, help=text, description=text, allow_abbrev=False)
        added.add_argument("--json", action="store_true", help="print JSON")
        return added

    for name, text in LAWS.items():
        law = command(name, text)
        law.add_argument("activation", help="a name, as tanh, leaky_relu:0.2 or swiglu")
        law.add_argument("--sigma-w", type=float, required=True, help="weights are N(0, sigma_w^2 / fan_in)")
        law.add_argument("--sigma-b", type=float, default=0.0)
    lines = command("critical", "every critical initialisation of an activation")
    lines.add_argument("activation", help="a name, as tanh, leaky_relu:0.2 or swiglu")
    lines.add_argument("--sigma-b", type=float, default=0.0)
    limit = command("depth_limit", "depth at which a power of a factor leaves a number format")
    limit.add_argument("factor", type=float, help="of the norm, per layer")
    limit.add_argument("--dtype", default="float16")
    layers = command("log_grad", "ln |dE/dh_1| / |dE/dh_depth| of networks of a width: mean and spread")
    layers.add_argument("activation")
    layers.add_argument("--sigma-w", type=float, required=True)
    layers.add_argument("--sigma-b", type=float, default=0.0)
    layers.add_argument("--depth", type=int, required=True)
    layers.add_argument("--width", type=int, default=None, help="infinite if left out")
    audit = command("audit", "the initialisers in use: what each does to the gradient of a deep stack")
    audit.add_argument("activations", nargs="*", help="all with bounded slope if left out")
    audit.add_argument("--width", type=int, default=512)
    return parser


def _law(options: argparse.Namespace) -> Any:
    from vgtheory import Dense, theory

    net = Dense(options.activation, options.sigma_w, options.sigma_b)
    value = getattr(theory, options.command)(net).item()
    return {options.command: PHASES[int(value)] if options.command == "phase" else value}


def _critical(options: argparse.Namespace) -> Any:
    from vgtheory import theory

    found = theory.critical(options.activation, sigma_b=options.sigma_b)
    rows = zip(found.sigma_w.tolist(), found.q_star.tolist(), found.is_stable.tolist(), strict=True)
    return [
        {"sigma_w": sigma_w, "q_star": q_star, "is_stable": is_stable}
        for sigma_w, q_star, is_stable in rows
        if sigma_w == sigma_w
    ]


def _depth_limit(options: argparse.Namespace) -> Any:
    from vgtheory import theory

    return theory.depth_limit(options.factor, options.dtype)._asdict()


def _log_grad(options: argparse.Namespace) -> Any:
    from vgtheory import Dense, theory

    net = Dense(options.activation, options.sigma_w, options.sigma_b)
    law = theory.log_grad_layers(net, depth=options.depth, width=options.width)
    return {"mean": float(law.mean[0]), "std": float(law.std[0])}


def _audit(options: argparse.Namespace) -> Any:
    from vgtheory import theory

    return [row._asdict() for row in theory.initialiser_audit(options.activations or None, width=options.width)]


def _text(found: Any) -> str:
    """One fact per line, or a table."""
    if not isinstance(found, dict):
        return aligned(found)
    width = max(map(len, found))
    return "\n".join(f"{name.ljust(width)}  {word(value)}" for name, value in found.items())


def _plain(found: Any) -> Any:
    """Values for JSON, which cannot express infinite or undefined numbers."""
    if isinstance(found, dict):
        return {name: _plain(value) for name, value in found.items()}
    if isinstance(found, list):
        return [_plain(value) for value in found]
    if isinstance(found, np.generic):
        found = found.item()
    return str(found) if isinstance(found, float) and not math.isfinite(found) else found


def main(words: Sequence[str]) -> int:
    """Run the command line on words without the program's name; returns the exit status."""
    answers: dict[str, Callable[[argparse.Namespace], Any]] = {
        **dict.fromkeys(LAWS, _law),
        **{"critical": _critical, "depth_limit": _depth_limit, "log_grad": _log_grad, "audit": _audit},
    }
    parser = _parser()
    try:
        options = parser.parse_args(list(words))
        if options.version:
            from vgtheory import __version__

            print(__version__)
            return 0
        if options.command is None:
            parser.print_help()
            return 2
        found = answers[options.command](options)
    except ValueError as error:
        print(error, file=sys.stderr)
        return 2
    print(json.dumps(_plain(found)) if options.json else _text(found))
    return 0


def run() -> int:
    """Run the command ``vgtheory``; returns the exit status.

    Compiled programs are kept in the user's cache directory.
    """
    os.environ.setdefault("JAX_COMPILATION_CACHE_DIR", str(cache_folder()))
    os.environ.setdefault("JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS", "0.2")
    return main(sys.argv[1:])


if __name__ == "__main__":
    sys.exit(run())

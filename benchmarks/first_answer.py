"""How long a fresh process takes for its first answer: ``python -m benchmarks.first_answer [--repeat 3] [--only chi_1]``.

Every question is asked in processes of its own, in turns with processes that only import JAX. Seconds are the least of the
repeats: wall seconds and CPU seconds (of all threads) of what comes after ``import jax, jax.numpy``, and the whole process's
CPU seconds over those of the processes that only import JAX. A limit that is missed is marked by ``!``.
"""

import argparse
import os
import subprocess
import sys
import tempfile
from typing import NamedTuple

BARE = "import jax, jax.numpy"
NOUNS = "from vgtheory import Activation, Dense, Recurrent, theory\n"


class Question(NamedTuple):
    """Python to run, limits of wall seconds and of CPU seconds over those of JAX's import, and Python to run before the clock."""

    code: str
    seconds: float
    ratio: float | None = None
    before: str = ""


class Cost(NamedTuple):
    """Wall and CPU seconds beyond JAX's import, and CPU seconds of the whole process."""

    wall: float
    cpu: float
    whole: float


def _of(call: str, activation: str = "tanh", scales: str = "1.5, 0.1") -> str:
    return f"{NOUNS}theory.{call.format(net=f'Dense({activation!r}, {scales})')}"


CUSTOM = (
    NOUNS + "import jax.numpy as jnp\n"
    "mine = Activation('mine', lambda h: jnp.tanh(h) + 0.1 * h)\n"
    "theory.log_grad_variance(Dense(mine, 1.5), depth=4, width=64)"
)
GRID = (
    NOUNS + "import numpy as np\n"
    "net = Dense('tanh', *np.meshgrid(np.linspace(.5, 3, 128), np.linspace(0, 1, 128)))\n"
    "theory.phase_diagram(net)"
)
QUESTIONS = {
    "import vgtheory": Question("import vgtheory, vgtheory.theory", 0.3, 1.2),
    "chi_1": Question(_of("chi_1({net})"), 0.5, 1.4),
    **{
        name: Question(_of(f"{name}({{net}})"), 0.5)
        for name in ("q_star", "c_star", "xi_c", "xi_grad", "xi_q", "phase", "phase_diagram")
    },
    "c_star, gelu": Question(_of("c_star({net})", "gelu", "1.6, 0.3"), 0.5),
    "q_map": Question(_of("q_map(1.0, {net})"), 0.5),
    "c_map": Question(_of("c_map(0.5, {net})"), 0.5),
    "critical": Question(NOUNS + "theory.critical('gelu', sigma_b=0.5)", 0.5),
    "depth_limit": Question(NOUNS + "theory.depth_limit(0.9, 'float16')", 0.5),
    **{
        name: Question(_of(f"{name}({{net}}, depth=100)"), 0.5)
        for name in ("log_grad_layers", "log_q_layers", "log_grad_weight_layers")
    },
    "c_layers": Question(_of("layers.c_layers({net}, depth=50)"), 0.5),
    "initialiser_audit": Question(NOUNS + "theory.initialiser_audit('tanh')", 0.5),
    "log_grad_layers, 256 wide": Question(_of("log_grad_layers({net}, depth=50, width=256)"), 2.0),
    "jacobian_edge": Question(_of("jacobian_edge({net}, 10)"), 2.0),
    "lyapunov_exponents": Question(_of("lyapunov_exponents({net}, width=64)").replace("Dense", "Recurrent"), 2.0),
    "phase_diagram, 128 x 128": Question(GRID, 2.0),
    "phase_diagram again": Question("theory.phase_diagram(net)", 0.2, before=GRID),
    "log_grad_variance, custom": Question(CUSTOM, 10.0),
}
COMMAND = ["-m", "vgtheory", "chi_1", "tanh", "--sigma-w", "1.5"]
MOST_COMMAND = 1.5


def cost(code: str, before: str = "") -> Cost:
    """Of one fresh process, which has no programs of earlier ones."""
    timed = (
        "import time\nfrom time import perf_counter as wall, process_time as cpu\n"
        f"{BARE}\n{before}\nat = wall(), cpu()\n{code}\nprint(wall() - at[0], cpu() - at[1], cpu())"
    )
    return Cost(*map(float, _run(["-c", timed]).split()[-3:]))


def _run(words: list[str]) -> str:
    with tempfile.TemporaryDirectory() as folder:
        kept = {name: value for name, value in os.environ.items() if not name.startswith("JAX_")}
        environment = {**kept, "JAX_PLATFORMS": "cpu", "JAX_COMPILATION_CACHE_DIR": folder, "TF_CPP_MIN_LOG_LEVEL": "2"}
        done = subprocess.run([sys.executable, *words], env=environment, capture_output=True, text=True, check=False)
    if done.returncode:
        raise RuntimeError(done.stderr)
    return done.stdout


def least(costs: list[Cost]) -> Cost:
    """Least of each column."""
    return Cost(*map(min, zip(*costs, strict=True)))


def line(name: str, found: Cost, bare: Cost, question: Question) -> str:
    """A row of the table."""
    ratio = found.whole / bare.whole
    missed = found.wall > question.seconds or (question.ratio is not None and ratio > question.ratio)
    limit = f"{question.seconds:g} s" + (f", {question.ratio:g} x" if question.ratio else "")
    return f"{name:28s} {found.wall:7.2f} {found.cpu:7.2f} {ratio:7.2f}   {limit:12s}{' !' if missed else ''}"


def command_seconds() -> float:
    """Wall seconds of the command line's first law."""
    timed = f"import subprocess, sys, time\nstart = time.perf_counter()\nsubprocess.run([sys.executable, *{COMMAND!r}], stdout=subprocess.DEVNULL)\nprint(time.perf_counter() - start)"
    return float(_run(["-c", timed]).split()[-1])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--repeat", type=int, default=3)
    parser.add_argument("--only", default="", help="questions whose name begins so")
    options = parser.parse_args()
    print(f"{'question':28s} {'wall s':>7s} {'CPU s':>7s} {'of JAX':>7s}   must")
    for name, question in QUESTIONS.items():
        if not name.startswith(options.only):
            continue
        pairs = [(cost("pass"), cost(question.code, question.before)) for _ in range(options.repeat)]
        bare, found = (least([pair[side] for pair in pairs]) for side in (0, 1))
        print(line(name, found, bare, question), flush=True)
    if "command".startswith(options.only):
        found = min(command_seconds() for _ in range(options.repeat))
        print(f"{'python ' + ' '.join(COMMAND):50s} {found:.2f} s, must {MOST_COMMAND:g} s")


if __name__ == "__main__":
    main()

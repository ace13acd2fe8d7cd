"""Time of a 512 x 512 phase diagram of tanh, beside what one would write without this package.

    python -m benchmarks.phase_diagram

q_star, chi_1, c_star, xi_c and xi_grad on the whole grid; then the same on coarser grids by a vectorised NumPy fixed-point
iteration with Gauss-Hermite rules, and network by network with scipy's quad and brentq. Rates are networks per second.
"""

import platform
import time

import jax
import numpy as np
from scipy import integrate, optimize

from vgtheory import Dense, theory

SIDE = 512
SIGMA_W, SIGMA_B = (0.5, 4.0), (0.0, 2.0)
ACCURACY = 1e-9
NODES = 200
"""Enough for 1e-9 at the largest q of the grid; more than 300 nodes overflow in NumPy's rule."""
MOST_STEPS = 3000
COARSE, SINGLE = 12, 3


def grid(side: int) -> tuple[np.ndarray, np.ndarray]:
    return tuple(np.meshgrid(np.linspace(*SIGMA_W, side), np.linspace(*SIGMA_B, side)))


def ours(side: int) -> dict[str, np.ndarray]:
    return theory.phase_diagram(Dense("tanh", *grid(side)))._asdict()


def iterated(side: int) -> tuple[dict[str, np.ndarray], float]:
    """Fixed points by iteration, and the share of networks at which it had not arrived."""
    z, weight = np.polynomial.hermite_e.hermegauss(NODES)
    weight = weight / weight.sum()
    both = weight[:, None] * weight[None, :]
    sigma_w, sigma_b = (each.ravel() for each in grid(side))
    q, c, missed = np.ones_like(sigma_w), np.full_like(sigma_w, 0.5), 0

    def length(q: np.ndarray) -> np.ndarray:
        return sigma_w**2 * (np.tanh(np.sqrt(q)[:, None] * z) ** 2 @ weight) + sigma_b**2

    for _ in range(MOST_STEPS):
        q, before = length(q), q
        if np.all(np.abs(q - before) <= ACCURACY * q):
            break
    missed += np.sum(np.abs(q - before) > ACCURACY * q)
    first = np.tanh(np.sqrt(q)[:, None] * z)
    for i in range(sigma_w.size):
        for _ in range(MOST_STEPS):
            v = np.sqrt(q[i]) * (c[i] * z[:, None] + np.sqrt(max(1 - c[i] ** 2, 0)) * z[None, :])
            image = sigma_w[i] ** 2 * np.sum(both * first[i][:, None] * np.tanh(v)) + sigma_b[i] ** 2
            c[i], before = (min(image / q[i], 1.0) if q[i] > 0 else 1.0), c[i]
            if abs(c[i] - before) <= ACCURACY:
                break
        else:
            missed += 1
    chi = sigma_w**2 * ((1 - first**2) ** 2 @ weight)
    return {
        "q_star": q.reshape(side, side),
        "chi_1": chi.reshape(side, side),
        "c_star": c.reshape(side, side),
    }, missed / q.size


def one_by_one(sigma_w: float, sigma_b: float) -> tuple[float, float]:
    """q_star and c_star of one network by adaptive integrals and bracketed roots."""
    density = lambda z: np.exp(-(z**2) / 2) / np.sqrt(2 * np.pi)
    quad = lambda f: integrate.quad(f, -12, 12, epsabs=1e-13, epsrel=1e-11, limit=200)[0]
    image = lambda q: sigma_w**2 * quad(lambda z: np.tanh(np.sqrt(q) * z) ** 2 * density(z)) + sigma_b**2
    q = optimize.brentq(lambda q: image(q) - q, 1e-9, 50, xtol=1e-12)

    def overlap(c: float) -> float:
        smooth = lambda m: quad(lambda z: np.tanh(m + np.sqrt(q * (1 - c)) * z) * density(z))
        return sigma_w**2 * quad(lambda z: smooth(np.sqrt(q * c) * z) ** 2 * density(z)) + sigma_b**2

    return q, optimize.brentq(lambda c: overlap(c) / q - c, 0.0, 1 - 1e-6, xtol=1e-10)


def timed(call: object) -> tuple[object, float]:
    start = time.perf_counter()
    return call(), time.perf_counter() - start


def main() -> None:
    print(f"jax {jax.__version__}, {jax.devices()[0].device_kind}, {platform.processor() or platform.machine()}")
    _, first = timed(lambda: ours(SIDE))
    found, seconds = timed(lambda: ours(SIDE))
    print(
        f"vgtheory: {SIDE} x {SIDE} in {seconds:.2f} s after compilation and tables ({first:.1f} s with them), "
        f"{SIDE**2 / seconds:.0f} networks/s"
    )
    (theirs, missed), seconds = timed(lambda: iterated(COARSE))
    mine = ours(COARSE)
    worst = {name: float(np.nanmax(np.abs(theirs[name] - mine[name]))) for name in theirs}
    print(
        f"NumPy, Gauss-Hermite, iterated: {COARSE} x {COARSE} in {seconds:.1f} s, {COARSE**2 / seconds:.1f} networks/s; "
        f"{100 * missed:.0f} % had not arrived after {MOST_STEPS} steps; largest differences {worst}"
    )
    places = [(2.0, 0.3), (3.0, 0.5), (1.5, 0.1)][:SINGLE]
    pairs, seconds = timed(lambda: [one_by_one(*place) for place in places])
    gaps = [
        abs(np.array(pair) - [theory.q_star(Dense("tanh", *place)), theory.c_star(Dense("tanh", *place))]).max()
        for pair, place in zip(pairs, places, strict=True)
    ]
    print(
        f"scipy quad and brentq: {len(places)} networks in {seconds:.1f} s, {len(places) / seconds:.2f} networks/s; "
        f"largest difference {max(gaps):.1e}"
    )
    chaotic = found["chi_1"] > 1
    print(
        f"{chaotic.mean():.0%} of the grid is chaotic; chi_1 within 1e-3 of 1 at {np.sum(np.abs(found['chi_1'] - 1) < 1e-3)} points"
    )


if __name__ == "__main__":
    main()

"""Every tolerance, with its reason; no test has a literal of its own."""

EXACT = 1e-12
"""Closed form, relative: some thousand float64 roundings."""

MEAN = 1e-13
"""Stated by ``gaussian.mean``: relative; by ``gaussian.moments``: relative to the mean of the integrand's size."""

PAIR = 1e-10
"""Stated by ``c_map`` and by the tables of pairs: of the value at full correlation."""

NEAR_ONE = 1e-5
"""Relative, of 1 - split and 1 - turn at s from 1e-5 to 1e-3 sqrt(q), where these are 1e-10 to 1e-6: 1e-14 of what is divided by x."""

CURVE = 1e-12
"""Stated by ``curves``: relative."""

CRITICAL = 1e-11
"""Stated by ``critical``: relative."""

CURVATURE = 1e-7
"""Stated by ``c_map_curvature``: of the slope at c = 1, over 1 - abs(c)."""

FIXED_POINT = 1e-12
"""Stated by ``q_star`` and ``chi_1``: relative, to be divided by the distance of the map's slope from 1."""

PER_LAYER = 1e-13
"""Stated by the profiles at infinite width: absolute in the log, per layer."""

CHI_SQUARE = 1e-13
"""Stated by ``log_chi_square_law``: absolute."""

PROBABILITY = 1e-15
"""Stated by ``dead_probability``: absolute."""

CHAIN_MEAN, CHAIN_STD = 1e-13, 1e-12
"""Stated by ``log_scalar_chain``: absolute for the mean, relative for the standard deviation, per weight."""

MEAN_CHAIN = 1e-15
"""Stated by ``log_mean_scalar_chain``: per weight, absolute for logs below 1, else relative."""

POWER_NORM, POWER_NORM_ROUNDING = 1e-12, 1e-15
"""Stated by ``log_power_norms`` and ``log_growth``: absolute in the log, plus so much of its value."""

NEARLY_NORMAL = 1e-14
"""Stated by ``log_power_norms``: per step, for a matrix that is normal but for so much of its size."""

NUMERICAL_RADIUS = 1e-10
"""Stated by ``non_normality``: relative."""

KREISS = 1e-6
"""Stated by ``transient`` of its lower bound: absolute in the log."""

ALIGNMENT = 1e-10
"""Of ``alignment_steps``, radians: 1e-14 times the square of a condition of the leading eigenvalue of up to 100 (a complex pair's 4,000 of
Grcar's counts once, its plane being better conditioned than its vectors)."""

OVERSHOOT, OVERSHOOT_FLOAT32 = 1e-10, 1e-4
"""Of ``overshoot``: some tens of steps' roundings (1e-15, 6e-8) times the condition of the powers, times T for what a step leaves; the
second is also a thousandth of what 3 % off does."""

MEMORY = 1e-6
"""Of ``memory_curve`` and of the search in ``echo_state``: covariances of condition up to 1e10, half of whose digits are lost."""

COUNT = 1e-6
"""Number of eigenvalues by the trapezium rule over 40,001 radii."""

STEP = 1e-15
"""Stated by ``log_scalar_steps``: per step, absolute for logs below 1 per step, else relative."""

SETTLED = 1e-10
"""Stated by ``log_rate``: absolute in the log."""

SUP_DECLARED, SUP_SEARCHED, SUP_JUMP = 1e-15, 1e-9, 1e-7
"""Stated by ``sup_dphi``: relative; declared, searched, and searched where the largest slope is at a jump."""

POINTWISE = 1e-14
"""phi and phi' by JAX in float64: relative plus absolute (tails cancel), some fifty roundings."""

SINGLE = 2e-5
"""float32: some hundred roundings of 6e-8 and a sum over a thousand nodes."""

DIFFERENCE = 1e-3
"""A float32 derivative against a central difference of float64 values a step of 1e-4 apart."""

REFERENCE = 1e-27
"""The 30-digit quadrature against 30-digit closed forms (``sin`` at q = 100 is the worst, 4e-29)."""

ASYMPTOTIC = 1e-3
"""A leading law after 10,000 steps or more: the next term is of relative order ln(t) / t."""

FIRST_ORDER = 1e-5
"""N times the law, at 10^6 units, against the first order in 1/N, per layer: 1e-9 of interpolation times N, and what is left of higher orders."""

ORDER = 0.15
"""Exact minus order-1/N laws, times N^2, from one large N to a larger one: the next order is still this visible."""

SIGMAS = 5
"""Standard errors: one false alarm in 1.7 million."""

EQUAL_FLOAT32 = 1e-5
"""The log-domain chain against plain autodiff at depth 20: a few roundings of float32 per link."""

SAME_FLOAT32 = 1e-6
"""The same networks in other chunks or with other things kept: roundings of float32, most often none."""

SAME_FLOAT64 = 1e-14
"""The same in float64."""

OTHER_DEVICES = 1e-5
"""Logs of a dozen links in float32 on other numbers of devices, where programs differ: 8e-6 is the most that was seen."""

EQUAL_FLOAT64 = 1e-12
"""The same in float64."""

SPREAD = 0.4
"""Log-ratio of a measured to a predicted standard deviation: five standard errors at 80 networks are 0.4 for normal samples, and
the order-1/N law's own error is a few per cent."""

POWER = 1e-4
"""p-value below which a joint test rejects: about four standard errors."""

FINITE_C = 5.0
"""Correlations at width N against infinite width, times N / sqrt(1 - c^2): found by measurement at widths 64 and 128, where the
worst is 4 (tanh at sigma_w = 2)."""

LAW_MEAN, LAW_STD = 0.05, 0.05
"""The finite-width laws at widths of 64 or more, depths up to ten roots of the width: of the mean in standard deviations, and of the
standard deviation relatively (3 % stated, 2 % sampling)."""

HEAVY_EDGE = 0.03
"""Of the largest singular value of a heavy-tailed matrix of 96 units, relative: N^(-2/3) is 0.05 there, of which the edge takes a half."""

SPECTRUM = 1e-9
"""Stated by ``jacobian_density_of_log`` where the density is above 1e-5 of its maximum: relative."""

SPECTRAL_WEIGHT = 1e-8
"""Stated by ``jacobian_cdf_of_log``: absolute."""

SPECTRAL_MOMENT = 1e-6
"""Moments by a midpoint rule of 2,000 points over a density that goes as a root at its edges; the tail left out is smaller."""

EDGE = 1e-13
"""Stated by ``jacobian_edge``: absolute in the logs, per layer."""

SAME_LAW = 0.01
"""p-value of a two-sample test above which two samplers are said to draw from one law; tests of fixed keys, some dozens of them."""

TOP_FLOAT32, TOP_FLOAT64, TOP_PER_LAYER = 1e-5, 1e-11, 4
"""Stated by ``jacobian_top_singular_values``: absolute in the log, plus so many roundings of the format per layer."""

DENSE_PER_LAYER = 1e-14
"""Stated by ``jacobian_singular_values``: absolute in the log, per layer."""

LARGEST = (-1.2065, 1.268)
"""Mean and standard deviation of the largest eigenvalue of a real random matrix about its law's edge, in the edge's own unit (Tracy and
Widom, 1996); an edge's unit is where the law leaves 2 / (3 pi) eigenvalues beyond."""

GATE, LSTM_GATE = 1e-9, 1e-8
"""Stated by ``chi_step`` (and a Gauss-Hermite rule's own error in the test), and for the LSTM: relative."""

LYAPUNOV = 1e-9
"""Stated by ``lyapunov_curve``: absolute in the log."""

LYAPUNOV_WIDTH = 0.03
"""One product of 24 matrices of 200 units, its exponents averaged over 25 neighbours: the last of these scatter by 0.01, and order 1/N."""
TRAINED = 1e-3
"""Relative: ten updates in float32, whose sums are ordered otherwise in a group of eight than alone."""

SAMPLED = 5
"""Standard errors that a sample mean may be off."""

PATHS = 0.05
"""Log per step: predicted time scales leave out what the gates' own slopes add, and networks are of width 256."""

MOMENT_WIDTH = 0.04
"""One draw of 300 units: its second moment over the square of the first scatters by 1 %, and the next order in 1/N is another 1 %."""

UNROLLED = 1e-5
"""Of float32 sums that are compiled in another order: some tens of roundings of 6e-8, through five steps."""

PARTICLE_ERROR = 0.02
"""Of a log-norm in a twin of 4,096 particles and eight draws: the root of a few layers' 1 / 4096."""
TWIN_BIAS = 0.02
"""Of a real model's mean log-norm at widths of 128 to 256: half its variance, a few over the width."""
BRAIN_FLOAT = 0.02
"""A few roundings of bfloat16, 2^-9 each, in the log of a norm."""
NETWORK_SCATTER = 0.15
"""Of the mean ln of the gradients of some fifty narrow networks: each scatters by 0.5, twice (the twin's draws do too)."""
ONE_MODEL = 0.3
"""Of the log-norms of one network of width 256 and depth 5 about their mean: a scatter of 0.07 at most, and the twin's own error."""
WIDE_GAP = 0.02
"""2 % between a twin and real models of width 2,048: both of their errors, and what a finite width does."""

FLOAT32_CHAIN = 2e-5
"""Of a float32 gradient's log-norm against float64's: some hundred roundings of 6e-8 a layer."""

BLOCK = 1e-9
"""Stated by ``residual_width.log_block_law``."""

LARGE_BATCH = 5e-3
"""A batch of 10,000 against an infinite one: relative order 1/B, with factors of up to some tens."""

SMALLEST = 1e-13
"""Of the same, absolute: two logs of the number of units over beta^2 that cancel."""

NORM_EPSILON = 1e-3
"""Absolute in the log: what 1e-5 added to variances of a tenth or more does to a factor, over some layers."""
ESCAPE = 2e-13
"""Stated by ``log_escape_time``: absolute in the log, for what two logs of one sum lose."""

MAP = 1e-6
"""Of a map's fixed point after 20,000 steps at 0.99 of the largest stable one: 0.98^20,000 and some."""

ESCAPED = 0.01
"""1 %: asked of escape times by small steps; steps of a thousandth are 0.05 % late."""

LAGS = 0.005
"""Stated by ``log_escape_steps``: the square of a lag times a change per step of up to 0.07."""

STEP_LIMIT = 0.02
"""2 %: asked of the largest stable steps; 1,000 steps tell a limit from what is 0.8 % beyond."""

SETTLED_WEIGHT, DECAY_MAX = 1e-6, 2e-3
"""Of ``measure.training.chain_decay``: relative; a weight after 20,000 steps, and a decay near whose limit training lingers."""
LOG_MOMENT = 1e-7
"""Stated by ``log_grad_variance`` of single examples: absolute, of a variance."""

SHIFTED = 1e-10
"""Of ``log_shifted_normal`` up to 14 (1e-12 stated, and the reference's own quadrature)."""

TINY_SPLIT = 1e-12
"""The parts of a split against the whole, relative: float64 sums of some thousand numbers."""

ORDER_SPLIT = 0.02
"""Of a part's own size: the next order in depth / width, at depths up to a quarter of the width."""

ORDER_TILT = 1 / 6
"""Of (depth / width)^3, in the variance of layers' means: twice the standard deviation over layers of a tilt of order depth / width (0.29 of it)
times that of one of the next order (0.3 of its square)."""

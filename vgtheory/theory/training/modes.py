"""Learning times of the modes of a deep linear network."""

from vgtheory.expect import Numbers
from vgtheory.theory.arguments import asked, expect_broadcast
from vgtheory.theory.precision import Values
from vgtheory.theory.training.escape_time import log_escape_time


@asked()
def log_mode_times(singular_values: Numbers, depth: int, w0: Numbers, *, level: Numbers = 0.5) -> Values:
    r"""Log of the time that gradient flow takes to learn each mode of a deep linear network.

    .. math:: \|Y - W_L \cdots W_1\|_F^2 / 2, \quad Y = U S V^T, \quad
        W_L \cdots W_1 = U\, diag(p_k)\, V^T: \qquad \dot p_k = L\, (s_k - p_k)\, p_k^{2 - 2/L}

    Each mode is a balanced scalar chain whose target is the mode's singular value. Modes do not
    influence each other, and the time is proportional to ``1 / s_k``. Strong modes are learned
    first, and far apart from a small start.

    Parameters
    ----------
    singular_values
        Singular values s_k of the target, > 0, any shape.
    depth
        Number of matrices L, >= 1.
    w0
        Singular values of each matrix at the start, >= 0.
    level
        Share of s_k that mode k is to reach, > 0.

    Returns
    -------
    array
        Natural log, one for each singular value; -inf and inf as in ``log_escape_time``.

    Notes
    -----
    Accuracy: as ``log_escape_time``.
    Assumes: whitened inputs; matrices that are w0 times orthogonal ones and start aligned, so that
    their product is w0^L U V^T. The modes of unaligned matrices must turn first.

    References
    ----------
    A. M. Saxe, J. L. McClelland and S. Ganguli (2014), arXiv:1312.6120, section 1.2.

    Examples
    --------
    >>> import numpy as np
    >>> from vgtheory import theory
    >>> np.exp(theory.training.log_mode_times(np.array([2.0, 1.0]), 2, 0.5)).round(2).tolist()
    [0.49, 0.55]
    """
    expect_broadcast("log_mode_times", singular_values=singular_values, w0=w0, level=level)
    return log_escape_time(depth, w0, level=level, y=singular_values)

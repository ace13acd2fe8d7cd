"""Noun for a recurrence whose decay depends on its input: ``InputDecay``."""

from dataclasses import dataclass
from typing import Any, ClassVar

from vgtheory.expect import expect_number, expect_one_of, expect_scale
from vgtheory.noun import Noun, register_noun

DECAYS = ("gla", "lstm", "mamba", "rwkv", "xlstm")
RATES = {"gla": 1 / 16, "lstm": 1.0, "mamba": 1.0, "rwkv": 1.0, "xlstm": 1.0}
"""Factor of ln a, unless it is given: gated linear attention takes the 16th root of its sigmoid."""


@dataclass(frozen=True, repr=False)
class InputDecay(Noun):
    r"""A diagonal recurrence whose decay is a function of its input, new at every step.

    .. math:: h_t = a_t h_{t-1} + b_t x_t, \qquad \ln a_t = -r\, f(z_t), \qquad z_t \sim N(b, \sigma_z^2)

    ===========  ======================  =====================================================
    kind         f(z)                    used by
    ===========  ======================  =====================================================
    ``"mamba"``  softplus(z)             Mamba and Mamba-2: dt = softplus(z), r = -A
    ``"gla"``    softplus(-z)            gated linear attention: sigmoid(z)^r, r = 1/16
    ``"lstm"``   softplus(-z)            forget gate sigmoid(z) of an LSTM, an mLSTM or an sLSTM
    ``"rwkv"``   exp(z)                  RWKV: exp(-exp(z))
    ``"xlstm"``  -z                      exponential forget gate exp(z) of an sLSTM
    ===========  ======================  =====================================================

    Attributes
    ----------
    kind
        One of the table.
    bias
        Mean b of the pre-activation z, any shape: an entry for every head, say.
    sigma_z
        Standard deviation of z over inputs, >= 0.
    rate
        r > 0, of a shape that broadcasts with ``bias``; by default 1, or 1/16 for ``"gla"``.

    References
    ----------
    Gu and Dao (2023), arXiv:2312.00752; Yang et al. (2023), arXiv:2312.06635; Peng et al. (2024),
    arXiv:2404.05892; Beck et al. (2024), arXiv:2405.04517.

    Examples
    --------
    >>> from vgtheory import InputDecay, theory
    >>> theory.linear.log_decay_lags(InputDecay("lstm", bias=0.0, sigma_z=0.0), 10).mean.round(4)  # 10 ln(1/2)
    np.float64(-6.9315)
    """

    remedy: ClassVar[str] = "Its laws are theory.linear.log_decay_lags and log_mean_decay_lags."
    kind: str
    bias: Any = 0.0
    sigma_z: Any = 1.0
    rate: Any = None

    def __post_init__(self) -> None:
        """Check static facts."""
        expect_one_of(DECAYS, "InputDecay", kind=self.kind)
        if self.rate is None:
            object.__setattr__(self, "rate", RATES[self.kind])
        expect_number("InputDecay", bias=self.bias)
        expect_number("InputDecay", "(0, inf)", rate=self.rate)
        expect_scale("InputDecay", sigma_z=self.sigma_z)
        expect_number("InputDecay", ndim=0, sigma_z=self.sigma_z)


register_noun(InputDecay, ["bias", "sigma_z", "rate"], ["kind"])

__all__ = ["DECAYS", "RATES", "InputDecay"]

"""Diagnosis of a user's own model: its activations and gradients by layer, and their causes."""

import dataclasses
import functools
import html
from typing import TYPE_CHECKING

from vgtheory.diagnose.page import page
from vgtheory.diagnose.remedies.remedy import Remedy, sentence
from vgtheory.diagnose.remedies.trials import Trials
from vgtheory.diagnose.rows import Module, Row, modules, notes, summary, table
from vgtheory.diagnose.runs import Removal, Runs
from vgtheory.diagnose.verdict import Verdict
from vgtheory.frame import needed

if TYPE_CHECKING:
    import matplotlib.figure
    import pandas


@dataclasses.dataclass(frozen=True, eq=False)
class Diagnosis:
    """Result of a diagnosis; print it.

    Attributes
    ----------
    verdict
        Word, place, sentences and numbers.
    rows
        One for each layer call, in order.
    chain
        Names of the calls along the longest path from parameters to loss, which the verdict is
        about.
    weights
        Log of the norm of the loss's gradient with respect to each parameter; -inf where the loss
        does not depend on it.
    loss
        Value of the loss.
    unseen
        Parameters that are read where nothing can be looked into (inside a ``cond`` or a function
        with a derivative of its own).
    """

    verdict: Verdict
    rows: tuple[Row, ...]
    chain: tuple[str, ...]
    weights: dict[str, float]
    loss: float
    unseen: tuple[str, ...]
    _runs: "Runs" = dataclasses.field(repr=False)

    @property
    def frame(self) -> "pandas.DataFrame":
        """Table of the rows, as a ``pandas.DataFrame``."""
        return needed("Diagnosis.frame", "pandas", "plot").DataFrame(list(self.rows), columns=Row._fields)

    @property
    def modules(self) -> tuple[Module, ...]:
        """Summary of the rows by module."""
        return tuple(modules(self.rows))

    def sentences(self) -> list[tuple[str, str]]:
        """Headings and texts of what was found, why, and what helps."""
        said = [("What", self.verdict.what), ("Why", self.verdict.why), ("What helps", self._helps)]
        return [(head, text.strip()) for head, text in said if text]

    def __str__(self) -> str:
        short = summary(self.rows)
        lines = [f"{head}: {text}" for head, text in self.sentences()]
        return "\n".join(
            [*short, *([""] if short else []), *table(self.rows), "", *lines, *notes(self.rows, self.unseen)]
        )

    def _repr_html_(self) -> str:
        lines = [f"{head}: {text}" for head, text in self.sentences()]
        words = "".join(f"<p>{html.escape(line)}</p>" for line in [*lines, *notes(self.rows, self.unseen)])
        return words + "<pre>" + html.escape("\n".join(table(self.rows))) + "</pre>"

    def to_html(self) -> str:
        """Text of one HTML page that needs no other file: verdict, figure, remedies and all rows.

        The figure needs the extra ``plot``; without it, the page has none.
        """
        return page(self)

    def plot(self) -> "matplotlib.figure.Figure":
        """Picture of activations and of gradients (by outputs and weights), by layer call.

        Returns
        -------
        matplotlib.figure.Figure
            Two axes, one above the other.
        """
        from vgtheory.diagnose.plot import figure

        return figure(self)

    @functools.cached_property
    def _trials(self) -> Trials:
        return Trials(self._runs, self.verdict)

    @functools.cached_property
    def _remedies(self) -> list[Remedy]:
        return self._trials.every()

    @functools.cached_property
    def _helps(self) -> str:
        """What helps, of what can be tried while the user waits."""
        if self.verdict.word in ("not finite", "no chain"):
            return ""
        trials = self._trials
        is_all = trials.is_short
        found = self._remedies if is_all else trials.quick()
        return sentence(found, is_all=is_all)

    def remedies(self) -> list[Remedy]:
        """Remedies, each tried on this model and batch.

        They are the critical scale of the kernels; branches of residual stacks times
        1/sqrt(number of branches); a forget-gate bias of 1, 2 and 3 for LSTMs; another activation,
        with and without its critical scale; a norm after every layer; and, where they are needed, a
        loss scale and bfloat16 for float16, and clipping. Nothing is tried on what is healthy.

        Returns
        -------
        list of Remedy
            Those that bring the change from end to end nearest to 1 first. Some may make it worse
            (``Remedy.helps``).

        Notes
        -----
        Costs two compilations, and up to forty passes for each scale; a printed diagnosis tries
        only as much as takes a few seconds. Assumes: the kernels of the model as they are. A remedy
        measured on one batch says nothing about training.
        """
        return list(self._remedies)

    def killers(self, top: int = 5) -> list[Removal]:
        """Change of the gradient at the bottom when one Jacobian on the chain becomes the identity.

        The forward pass stays as it is.

        Parameters
        ----------
        top
            Number of layers, and of activations between them, to try: those that change the
            gradient's norm most.

        Returns
        -------
        list of Removal
            Largest effect first.

        Notes
        -----
        Costs one compilation and ``top`` additional passes.
        """
        return self._runs.killers(top)

    def critical_scale(self) -> float | None:
        """Factor of the chain's kernels with which the gradient keeps its norm from end to end.

        The kernels are those of dense and convolutional layers on the chain except the first;
        biases stay.

        Returns
        -------
        float or None
            The factor nearest to 1 (in the log) between 1/64 and 64, to 1e-3, measured in this
            model on this batch; None if there is none.

        Notes
        -----
        Costs some forty passes, and no compilation.
        """
        return self._runs.critical_scale()

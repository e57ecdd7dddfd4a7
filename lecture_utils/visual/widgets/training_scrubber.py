"""The training scrubber: drag through a run, see the loss and what the network wrote then."""

import textwrap
from collections.abc import Sequence

import numpy as np
import traitlets

from lecture_utils.visual.style import COLOURS, described, picture
from lecture_utils.visual.widgets.base import LectureWidget, bundle, pack, unpack

MOST = 20_000


class TrainingScrubber(LectureWidget):
    """A run to drag through.

    iterations, losses: the curve, iterations increasing. samples: pairs (iteration, text), the text
    that the network wrote then. known, optional: for each sample one True or False per character
    (or bytes of 0 and 1), or None: does the character belong to a word that the training text has?
    reference, optional: name -> loss level, drawn as labelled lines. unit: of the loss.

    `iteration` (the cursor), `pinned` (index of a sample, -1 for none) and `log_x` are shared with
    the browser.
    """

    _esm, _css = bundle("training_scrubber")

    curve = traitlets.Dict().tag(sync=True)
    samples = traitlets.List().tag(sync=True)
    known = traitlets.List().tag(sync=True)
    reference = traitlets.Dict().tag(sync=True)
    unit = traitlets.Unicode().tag(sync=True)
    iteration = traitlets.Float(0.0).tag(sync=True)
    pinned = traitlets.Int(-1).tag(sync=True)
    log_x = traitlets.Bool(False).tag(sync=True)

    def __init__(self, iterations, losses, samples, known=None, reference=None,
                 unit="nats per 25 characters"):
        curve = _checked_curve(iterations, losses)
        samples = _checked_samples(samples, curve[0, 0], curve[-1, 0])
        reference = {str(name): float(level) for name, level in (reference or {}).items()}
        for name, level in reference.items():
            if not np.isfinite(level):
                raise ValueError(f"reference {name!r} is {level}: give a finite loss level")
        super().__init__(
            curve=pack(curve, "float64"),
            samples=[{"iteration": at, "text": text} for at, text in samples],
            known=_checked_known(known, samples),
            reference=reference, unit=str(unit), iteration=float(curve[-1, 0]),
        )

    def __repr__(self):
        return (f"TrainingScrubber({self.curve['shape'][0]} losses, {len(self.samples)} samples, "
                f"up to iteration {unpack(self.curve)[-1, 0]:,.0f})")

    @traitlets.validate("iteration")
    def _inside_the_run(self, proposal):
        first, last = unpack(self.curve)[[0, -1], 0]
        return float(min(max(proposal["value"], first), last))

    def sample_at(self, iteration: int | float) -> tuple[float, str] | None:
        """The last sample written at or before an iteration; None before the first."""
        earlier = [sample for sample in self.samples if sample["iteration"] <= iteration]
        return (earlier[-1]["iteration"], earlier[-1]["text"]) if earlier else None

    def poster(self):
        iterations, losses = unpack(self.curve).T
        figure, (top, bottom) = picture(7.5, 4.6, rows=2, height_ratios=[1.5, 1])
        top.plot(iterations, losses, color=COLOURS["loss"], lw=1.4)
        for name, level in self.reference.items():
            top.axhline(level, color=COLOURS["reference"], lw=1, ls="--")
            top.annotate(name, (1, level), (0, 2), xycoords=("axes fraction", "data"), fontsize=8,
                         textcoords="offset points", ha="right", va="bottom", color="#666666")
        top.set_xlabel("iteration")
        top.set_ylabel(self.unit, fontsize=9)
        top.set_ylim(bottom=min(0, losses.min()))
        top.margins(x=0.01)
        bottom.axis("off")
        chosen = [self.samples[0], self.samples[-1]] if len(self.samples) > 1 else self.samples
        for place, sample in enumerate(chosen):
            wrapped = [textwrap.wrap(line, 46) for line in sample["text"].splitlines()]
            lines = [part for parts in wrapped for part in parts]
            bottom.text(0.52 * place, 0.98, f"iteration {sample['iteration']:,.0f}", fontsize=9,
                        va="top", color="#666666", transform=bottom.transAxes)
            bottom.text(0.52 * place, 0.82, "\n".join(lines[:8]).replace("$", r"\$"), fontsize=8,
                        va="top", family="monospace", transform=bottom.transAxes)
        return described(figure, f"Training loss over {iterations[-1]:,.0f} iterations, from "
                         f"{losses[0]:.2f} to {losses[-1]:.2f} {self.unit}, above the first and "
                         f"the last of {len(self.samples)} samples that the network wrote.")


def _checked_curve(iterations, losses) -> np.ndarray:
    iterations, losses = np.array(iterations, dtype=float), np.array(losses, dtype=float)
    if iterations.ndim != 1 or iterations.shape != losses.shape:
        raise ValueError(f"iterations has shape {iterations.shape}, losses {losses.shape}: give "
                         "two lists of the same length")
    if not 2 <= len(iterations) <= MOST:
        raise ValueError(f"the curve has {len(iterations)} points: give 2 to {MOST:,}; "
                         "of a longer run take every k-th")
    for name, values in (("iterations", iterations), ("losses", losses)):
        if not np.isfinite(values).all():
            place = int(np.argmin(np.isfinite(values)))
            raise ValueError(f"{name}[{place}] is {values[place]}: leave out what is not finite")
    if iterations[0] < 0:
        raise ValueError(f"iterations[0] is {iterations[0]:g}: iterations start at 0 or later")
    if (np.diff(iterations) <= 0).any():
        place = int(np.argmax(np.diff(iterations) <= 0))
        raise ValueError(f"iterations[{place + 1}] = {iterations[place + 1]:g} does not come after "
                         f"{iterations[place]:g}: sort the run by iteration")
    return np.stack([iterations, losses], axis=1)


def _checked_samples(samples, first: float, last: float) -> list[tuple[float, str]]:
    samples = [(float(at), text) for at, text in samples]
    if not samples:
        raise ValueError("samples is empty: give at least one (iteration, text)")
    for place, (at, text) in enumerate(samples):
        if not isinstance(text, str):
            raise ValueError(f"samples[{place}] holds {type(text).__name__}: the text is a str")
        if not first <= at <= last:
            raise ValueError(f"samples[{place}] was written at iteration {at:g}, outside of the "
                             f"curve from {first:g} to {last:g}")
        if place and at <= samples[place - 1][0]:
            raise ValueError(f"samples[{place}] at iteration {at:g} does not come after "
                             f"{samples[place - 1][0]:g}: sort the samples")
    return samples


def _checked_known(known: Sequence | None, samples) -> list[bytes]:
    if known is None:
        return []
    if len(known) != len(samples):
        raise ValueError(f"known has {len(known)} entries for {len(samples)} samples: give one "
                         "each, None where it is not known")
    masks = []
    for place, (mask, (_, text)) in enumerate(zip(known, samples)):
        if mask is not None and len(mask) != len(text):
            raise ValueError(f"known[{place}] has {len(mask)} entries, the sample has {len(text)} "
                             "characters: give one per character")
        masks.append(b"" if mask is None else bytes(1 if flag else 0 for flag in mask))
    return masks

"""Truncated backpropagation through time as a film: forward, losses, backward, cut, update.

The gradient of the loss at step t with respect to an earlier state h_k is drawn as measured. With
chunks of n steps it survives only where t and k lie in the same chunk; the state itself is carried
from chunk to chunk. t and k run from 1 to T as in the lecture, so flow[0, 0] belongs to t = k = 1.
"""

import numpy as np
import traitlets

from lecture_utils.visual.style import COLOURS, MAGNITUDE, described, picture
from lecture_utils.visual.widgets.base import LectureWidget, bundle, pack, unpack

LONGEST = 64
ROUNDING = 1e-6


class BPTTFilm(LectureWidget):
    """The film for a measured flow of gradients.

    flow (T, T): flow[t, k] is the norm of d loss_t / d h_k, nonnegative, zero for k > t.
    cosine: chunk length -> cosine of the truncated with the full gradient; a dict, or an array
    whose first entry belongs to length 1. size, optional: chunk length -> norm of the truncated
    gradient over that of the full one. chunk: the length at the start. text: T characters.

    `chunk` and `frame` are shared with the browser; frame -1 is the end of the film.
    """

    _esm, _css = bundle("bptt_film")

    flow = traitlets.Dict().tag(sync=True)
    cosine = traitlets.Dict().tag(sync=True)
    size = traitlets.Dict().tag(sync=True)
    text = traitlets.Unicode().tag(sync=True)
    chunk = traitlets.Int(1).tag(sync=True)
    frame = traitlets.Int(-1).tag(sync=True)

    def __init__(self, flow, cosine, chunk=8, text=None, size=None):
        flow = _checked_flow(flow)
        T = len(flow)
        if not 1 <= chunk <= T:
            raise ValueError(f"chunk is {chunk}: choose a length from 1 to T = {T}")
        if text is not None and len(text) != T:
            raise ValueError(f"text has {len(text)} characters, flow has T = {T} steps: give one "
                             "character per step, or leave text out")
        super().__init__(
            flow=pack(flow, "float64"),
            cosine=pack(_by_length("cosine", cosine, T, -1.0, 1.0), "float64"),
            size={} if size is None else pack(_by_length("size", size, T, 0.0, np.inf), "float64"),
            text=text or "", chunk=int(chunk),
        )

    def __repr__(self):
        return f"BPTTFilm({self.flow['shape'][0]} steps, chunks of {self.chunk})"

    @traitlets.validate("chunk")
    def _chunk_fits(self, proposal):
        return min(max(proposal["value"], 1), self.flow["shape"][0])

    def kept(self) -> np.ndarray:
        """(T, T) bool: which terms survive the truncation, those with t and k in one chunk."""
        chunk_of = np.arange(self.flow["shape"][0]) // self.chunk
        return np.tril(chunk_of[:, None] == chunk_of[None, :])

    def share_kept(self) -> float:
        """The sum of the norms that survive, over the sum of all."""
        flow = unpack(self.flow)
        return float(flow[self.kept()].sum() / flow.sum())

    def poster(self):
        flow, kept = unpack(self.flow), self.kept()
        T = len(flow)
        figure, (left, right) = picture(8.0, 3.6, columns=2, width_ratios=[1, 1.2])
        decades = np.clip(1 + np.log10(np.maximum(flow, 1e-30) / flow.max()) / 3, 0, 1)
        shown = np.ma.masked_where(np.triu(np.ones_like(flow), 1) > 0, decades)
        ends = (0.5, T + 0.5, T + 0.5, 0.5)
        left.imshow(shown, cmap=MAGNITUDE, vmin=0, vmax=1, extent=ends)
        left.imshow(np.ma.masked_where(kept | (np.triu(np.ones_like(flow), 1) > 0), 0.75 * kept),
                    cmap="gray", vmin=-4, vmax=1, alpha=0.55, extent=ends)
        for start in range(0, T, self.chunk):
            stop = min(start + self.chunk, T)
            left.plot([start + 0.5, start + 0.5, stop + 0.5, start + 0.5],
                      [start + 0.5, stop + 0.5, stop + 0.5, start + 0.5],
                      color=COLOURS["gradient"], lw=1.2)
        left.set_xlabel("state $h_k$")
        left.set_ylabel("loss at $t$")
        left.set_title("kept (in triangles) and cut (grey)", loc="left", fontsize=10)
        lengths, values = unpack(self.cosine).T
        right.plot(lengths, values, "o-", ms=3, color=COLOURS["gradient"])
        right.axvline(self.chunk, color=COLOURS["reference"], lw=1)
        right.set_ylim(min(0, values.min()) - 0.02, 1.04)
        right.set_xlabel("chunk length")
        right.set_title("cosine with the full gradient", loc="left", fontsize=10)
        return described(figure, "Gradient of each loss with respect to each earlier state over "
                         f"{T} steps. Chunks of {self.chunk} keep {kept.sum()} of "
                         f"{T * (T + 1) // 2} terms and {self.share_kept():.0%} of the summed "
                         "norms; beside it, the cosine of truncated and full gradient for each "
                         "chunk length.")


def _checked_flow(flow) -> np.ndarray:
    flow = np.array(flow, dtype=float)
    if flow.ndim != 2 or flow.shape[0] != flow.shape[1]:
        raise ValueError(f"flow has shape {flow.shape}: it must be (T, T)")
    if not 2 <= len(flow) <= LONGEST:
        raise ValueError(f"flow has T = {len(flow)} steps: the film shows 2 to {LONGEST}")
    for wrong, what, remedy in (
        (~np.isfinite(flow), "is not finite", "measure on a shorter sequence or clip"),
        (flow < 0, "is negative", "pass norms"),
        (np.triu(flow, 1) != 0, "lies above the diagonal", "a loss cannot reach a later state: "
         "rows are losses, columns states"),
    ):
        if wrong.any():
            t, k = np.argwhere(wrong)[0]
            raise ValueError(f"flow[{t}, {k}] = {flow[t, k]} {what}: {remedy}")
    if not flow.any():
        raise ValueError("flow is zero everywhere: no gradient was measured")
    return flow


def _by_length(name: str, values, T: int, low: float, high: float) -> np.ndarray:
    """Rows (chunk length, value), by length."""
    pairs = values.items() if isinstance(values, dict) else enumerate(np.ravel(values), start=1)
    pairs = sorted((int(length), float(value)) for length, value in pairs)
    if not pairs:
        raise ValueError(f"{name} is empty: give a value for at least one chunk length")
    for length, value in pairs:
        if not 1 <= length <= T:
            raise ValueError(f"{name} has chunk length {length}: lengths run from 1 to T = {T}")
        if not (np.isfinite(value) and low - ROUNDING <= value <= high + ROUNDING):
            raise ValueError(f"{name} for chunk length {length} is {value}: expected a number "
                             f"from {low:g} to {high:g}")
    return np.array(pairs)

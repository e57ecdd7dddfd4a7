"""The pixel film: an image grows pixel by pixel, each drawn from a distribution of its own.

    p_d = softmax(logits_d)      what the model expects of pixel d after all before it, one pass
    x_d ~ p_d                    the level that was drawn, 0 (paper) to K - 1 (ink)
    nats = sum_d -log p_d[x_d]   what the image costs; bits = nats / log 2

And completion: the reader draws the upper rows, the model continues below them.
B images, H height, W width, K levels; pixels in raster order, d = 0, ..., H W - 1.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import traitlets
from matplotlib.colors import LinearSegmentedColormap
from matplotlib.patches import Rectangle
from matplotlib.ticker import MaxNLocator

from lecture_utils.visual.style import COLOURS, HATCH, LATER, described, picture
from lecture_utils.visual.widgets import checks
from lecture_utils.visual.widgets.base import LectureWidget, attempt, bundle, numbers, pack, unpack

LARGEST = 32
MOST_LEVELS = 32
MOST_IMAGES = 12
MOST_EXAMPLES = 6
SIDE_BY_SIDE = 4
ROUNDING = 1e-3
IMPOSSIBLE = 1e-30  # in float32, and as -log2 p, still a number
PAPER_TO_INK = LinearSegmentedColormap.from_list("paper to ink", ["#FFFFFF", "#1F2429"])


class Completion(NamedTuple):
    """levels (H, W), of which those stay where known (H, W) is true; images (4, H, W), made of
    them by a model."""

    levels: np.ndarray
    known: np.ndarray
    images: np.ndarray


class PixelFilm(LectureWidget):
    """Watch images grow, and complete a drawing.

    images (B, H, W): 1 to 12 samples, integers 0..K-1, up to 32 x 32. p (B, H W, K): for each pixel
    the distribution its level was drawn from, K at most 32. uniforms (B, H, W): the random numbers
    it was drawn by, level k if it falls into k's share of [0, 1). real (N, H, W): up to 12 images
    to compare with. complete: (levels (H, W), known (H, W) truths, seed) -> (images (4, H, W),
    p (H W, K) of the first), runs the model; what it raises is shown in place. examples:
    `Completion`s made before, for a page without kernel.

    Shared with the browser: `chosen` (the sample, B for the reader's own completion), `step` (1 to
    the number of drawn pixels), `unsure` (is entropy shown?), `completing` (is the drawing shown?)
    and `board` (the drawing: levels (H W), rows that are kept, seed). Any change of `board` asks
    `complete`; `completed` answers.
    """

    _esm, _css = bundle("pixel_film")

    samples = traitlets.Dict().tag(sync=True)
    real = traitlets.Dict().tag(sync=True)
    examples = traitlets.List(traitlets.Dict()).tag(sync=True)
    can_complete = traitlets.Bool(False).tag(sync=True)
    chosen = traitlets.Int(0).tag(sync=True)
    step = traitlets.Int(1).tag(sync=True)
    unsure = traitlets.Bool(False).tag(sync=True)
    completing = traitlets.Bool(False).tag(sync=True)
    board = traitlets.Dict().tag(sync=True)
    completed = traitlets.Dict().tag(sync=True)
    """{"board": …} with "images" and "run", or with "error"."""

    def __init__(self, images, p, *, uniforms=None, real=None, complete=None, examples=(),
                 chosen=0, step=None):
        p = _shaped("p", p, (None, None, None), "stack the steps' p: (B, H W, K)")
        _check_probabilities("p", p)
        K = p.shape[2]
        if not 2 <= K <= MOST_LEVELS:
            raise ValueError(f"p has K = {K} levels: the film shows 2 to {MOST_LEVELS}")
        images = _checked_levels("images", images, K, (None, None, None))
        B, H, W = images.shape
        if not 1 <= B <= MOST_IMAGES:
            raise ValueError(f"images holds {B} samples: give 1 to {MOST_IMAGES}")
        if not (2 <= H <= LARGEST and 2 <= W <= LARGEST):
            raise ValueError(f"images are {H} x {W}: the film shows 2 to {LARGEST} rows and "
                             "columns, so crop them")
        checks.shape("p", p, (B, H * W, None),
                     f"({B}, {H * W}, K), one distribution for each pixel of each image")
        samples = _packed_run("p", images, p)
        if uniforms is not None:
            samples["uniforms"] = pack(_checked_uniforms(uniforms, images, p), "float64")
        if real is not None:
            real = _checked_levels("real", real, K, (None, H, W))
            if not 1 <= len(real) <= MOST_IMAGES:
                raise ValueError(f"real holds {len(real)} images: give 1 to {MOST_IMAGES}")
        checks.function("complete", complete)
        chosen = checks.whole_number("chosen", chosen, 0, B - 1)
        if step is None:  # where, in the lower half, the model was least sure
            unsure = _entropy(p[chosen])
            step = H * W // 2 + 1 + int(unsure[H * W // 2:].argmax())
        self._complete = None  # what is set here asks for no completion
        drawing = images[0] if real is None else real[0]
        super().__init__(
            samples=samples, real={} if real is None else pack(real, "uint8"),
            examples=_packed_examples(examples, H, W, K), can_complete=complete is not None,
            chosen=chosen, step=checks.whole_number("step", step, 1, H * W),
            board={"levels": drawing.ravel().tolist(), "rows": H // 2, "seed": 0},
        )
        self._complete = complete

    def __repr__(self):
        B, H, W = self.samples["images"]["shape"]
        one = "own completion" if self.chosen == B else f"sample {self.chosen}"
        return (f"PixelFilm({B} of {H} x {W}, {self._levels()} levels, {one}, "
                f"step {self.step} of {len(self.bits())})")

    def _levels(self) -> int:
        return self.samples["p"]["shape"][-1]

    def _run(self) -> tuple[np.ndarray, np.ndarray]:
        """The chosen image (H, W), and p (N, K) of its drawn pixels, which are the last N."""
        run, place = self.samples, self.chosen
        if self.chosen == run["images"]["shape"][0]:
            run, place = self.completed["run"], 0
        return np.rint(unpack(run["images"])[place]).astype(int), unpack(run["p"])[place]

    def bits(self) -> np.ndarray:
        """(N,): what each drawn pixel of the chosen image costs, -log2 p of its level."""
        image, p = self._run()
        return -np.log2(p[np.arange(len(p)), image.ravel()[-len(p):]])

    def entropy(self) -> np.ndarray:
        """(N,): how unsure the model was before each draw, in bits; at most log2 K."""
        return _entropy(self._run()[1])

    # ---- what the browser may change -------------------------------------------------------------

    @traitlets.validate("chosen")
    def _chosen_fits(self, proposal):
        last = self.samples["images"]["shape"][0] - ("run" not in self.completed)
        return min(max(proposal["value"], 0), last)

    @traitlets.validate("step")
    def _step_fits(self, proposal):
        return min(max(proposal["value"], 1), len(self.bits()))

    @traitlets.observe("chosen", "completed")
    def _step_stays_inside(self, _):
        self.chosen = self.chosen  # checked once more
        self.step = self.step

    @traitlets.observe("board")
    def _complete_board(self, _):
        if self._complete is None:
            return
        answer = attempt(lambda: self._completion(**self.board))
        self.completed = {"board": self.board} | answer

    def _completion(self, levels: list, rows: int, seed: int) -> dict:
        _, H, W = self.samples["images"]["shape"]
        K = self._levels()
        levels = _checked_levels("the board", levels, K, (H * W,)).reshape(H, W)
        if not 0 <= rows < H:
            raise ValueError(f"the board keeps {rows} rows: choose 0 to {H - 1}, so that one is "
                             "left to complete")
        known = np.broadcast_to(np.arange(H)[:, None] < rows, (H, W))
        levels = np.where(known, levels, 0)
        images, p = self._complete(levels.copy(), known.copy(), seed)
        images = _checked_levels("what complete returned", images, K, (SIDE_BY_SIDE, H, W))
        if (images[:, known] != levels[known]).any():
            raise ValueError("complete changed pixels that were known: it has to keep them")
        name = "the p that complete returned"
        p = _shaped(name, p, (H * W, K), "one distribution for each pixel")[rows * W:]
        _check_probabilities(name, p, "of the unknown pixels ")
        return {"images": pack(images, "uint8"), "run": _packed_run(name, images[:1], p[None])}

    # ---- the still picture -----------------------------------------------------------------------

    def poster(self):
        image, p = self._run()
        (H, W), K = image.shape, self._levels()
        there = H * W - len(p) + self.step
        row, column = divmod(there - 1, W)
        wide, tall = 8.0, 4.25
        figure, (grid, bars, thumbs) = picture(wide, tall, rows=3)
        figure.set_layout_engine("none")
        side = 3.2 / max(H, W)
        for ax, left, top, width, height in (
            (grid, 0.3, 0.78, side * W, side * H),
            (bars, 4.25, 0.95, 3.45, 1.55),
            (thumbs, 4.25, 3.2, 3.45, 0.78),
        ):
            ax.set_position([left / wide, 1 - (top + height) / tall, width / wide, height / tall])
        colours = PAPER_TO_INK(image / (K - 1))
        colours.reshape(-1, 4)[there:] = 0  # transparent: not drawn yet
        grid.patch.set(facecolor=LATER, edgecolor=HATCH, hatch="/////", linewidth=0)
        grid.imshow(colours, extent=(0, W, H, 0), aspect="auto", interpolation="nearest")
        for ink, width in (("white", 5), (COLOURS["target"], 2)):
            grid.add_patch(Rectangle((column, row), 1, 1, fill=False, ec=ink, lw=width,
                                     clip_on=False, zorder=4))
        grid.set(xticks=[], yticks=[])
        grid.spines[:].set(visible=True, color=HATCH)

        now, level = p[self.step - 1], image[row, column]
        bars.bar(range(K), now, 0.8, color=COLOURS["output"],
                 edgecolor=[COLOURS["target"] if k == level else "none" for k in range(K)], lw=2)
        bars.annotate("drawn", (level, now[level]), (0, 4), textcoords="offset points",
                      ha="center", fontsize=8.5, fontweight="bold",
                      bbox={"fc": "white", "ec": "none", "pad": 1})
        bars.set_xlabel("level, from paper to ink", fontsize=9)
        bars.set_ylim(0, 1.18 * now.max())
        bars.set_xlim(-0.6, K - 0.4)
        bars.spines["left"].set_visible(False)
        bars.xaxis.set_major_locator(MaxNLocator(9, integer=True))
        bars.yaxis.set_major_locator(MaxNLocator(4))
        bars.tick_params(length=0)
        bars.set_axisbelow(True)
        bars.grid(axis="y", color="#E1E6EA")
        bars.set_title(f"p of pixel ({row}, {column}), and the level drawn", loc="left",
                       fontsize=9.5)

        samples = np.rint(unpack(self.samples["images"]))[:8]
        apart = W + 1 + W // 8
        strip = np.full((H, 8 * apart), np.nan)
        for k, one in enumerate(samples):
            strip[:, k * apart:k * apart + W] = one
        thumbs.imshow(strip, cmap=PAPER_TO_INK, vmin=0, vmax=K - 1, interpolation="nearest",
                      aspect="equal")
        thumbs.set_anchor("NW")
        for k in range(len(samples)):
            thumbs.add_patch(Rectangle((k * apart - 0.5, -0.5), W, H, fill=False, ec=HATCH,
                                       lw=0.8, clip_on=False))
        thumbs.axis("off")
        thumbs.set_title("samples", loc="left", fontsize=9.5)
        so_far = self.bits()[:self.step].sum()
        told = (f"{so_far:.1f} bits so far, {so_far / self.step:.2f} per pixel; whoever knows "
                f"nothing pays {np.log2(K):.2f}")
        figure.text(0.3 / wide, 1 - 0.32 / tall, f"An image pixel by pixel: {self.step} of "
                    f"{len(p)}", fontsize=13, fontweight="bold")
        figure.text(0.3 / wide, 1 - 0.57 / tall, told, fontsize=9.5, color="#5a6570")
        return described(figure, f"An image of {H} x {W} with {K} levels, drawn pixel by pixel; "
                         f"{self.step} of {len(p)} are there. Beside it the distribution of pixel "
                         f"({row}, {column}): level {level} was drawn, with probability "
                         f"{now[level]:.2f}; entropy {self.entropy()[self.step - 1]:.2f} bits. "
                         f"{told}. Below it {len(samples)} samples.")


def _entropy(p: np.ndarray) -> np.ndarray:
    return -(p * np.log2(np.where(p > 0, p, 1))).sum(axis=-1)


# ---- what is sent, and checked ------------------------------------------------------------------


def _shaped(name: str, values, shape: tuple, remedy: str) -> np.ndarray:
    """The array, if it has that shape (None: any length)."""
    values = numbers(name, values)
    wanted = ", ".join("any" if n is None else str(n) for n in shape)
    checks.shape(name, values, shape, f"({wanted}); {remedy}")
    return values


def _checked_levels(name: str, levels, K: int, shape: tuple) -> np.ndarray:
    levels = _shaped(name, levels, shape, "of one channel (N, 1, H, W) give images[:, 0]")
    # "Not inside" rather than "outside", so that nan is caught too.
    wrong = ~((levels >= 0) & (levels < K) & (levels == np.rint(levels)))
    checks.refuse(name, levels, wrong, f"give whole numbers from 0 to {K - 1}")
    return levels.astype(int)


def _check_probabilities(name: str, p: np.ndarray, which: str = "") -> None:
    wrong = ~((p >= 0).all(axis=-1) & (np.abs(p.sum(axis=-1) - 1) < ROUNDING))  # true for nan, too
    if wrong.any():
        where = np.argwhere(wrong)[0].tolist()
        raise ValueError(f"{name} {which}holds {p[tuple(where)].round(4).tolist()} at {where}: "
                         "give probabilities that add up to 1")


def _packed_run(name: str, images: np.ndarray, p: np.ndarray) -> dict:
    """images (B, H, W), and p (B, N, K) of their last N pixels."""
    B, N, _ = p.shape
    drawn = images.reshape(B, -1)[:, -N:, None]
    impossible = np.take_along_axis(p, drawn, axis=2)[..., 0] < IMPOSSIBLE
    if impossible.any():
        b, n = np.argwhere(impossible)[0].tolist()
        raise ValueError(f"{name} gives level {drawn[b, n, 0]}, drawn in image {b} at pixel "
                         f"{images[0].size - N + n}, no probability: hand over the p of this run")
    return {"images": pack(images, "uint8"), "p": pack(p)}


def _checked_uniforms(uniforms, images: np.ndarray, p: np.ndarray) -> np.ndarray:
    uniforms = _shaped("uniforms", uniforms, images.shape, "one number for each pixel")
    u, drawn = uniforms.reshape(p.shape[:2]), images.reshape(*p.shape[:2], 1)
    ends = p.cumsum(axis=2)
    end = np.take_along_axis(ends, drawn, axis=2)[..., 0]
    share = np.take_along_axis(p, drawn, axis=2)[..., 0]
    wrong = ~((u >= end - share - ROUNDING) & (u <= end + ROUNDING))
    if wrong.any():
        b, n = np.argwhere(wrong)[0].tolist()
        fell = int((u[b, n] >= ends[b, n, :-1]).sum())
        raise ValueError(f"uniforms holds {u[b, n]:g} for image {b}, pixel {n}, and draws level "
                         f"{fell} by it, but images has {drawn[b, n, 0]}: hand over the uniform "
                         "numbers of this run")
    return u


def _packed_examples(examples: Sequence, H: int, W: int, K: int) -> list[dict]:
    examples = list(examples)
    if len(examples) > MOST_EXAMPLES:
        raise ValueError(f"examples has {len(examples)} entries: give at most {MOST_EXAMPLES}")
    packed = []
    for k, example in enumerate(examples):
        here = f"examples[{k}]"
        try:
            example = Completion(*example)
        except TypeError as error:
            raise ValueError(f"{here} is not three things: give Completion(levels, known, "
                             "images)") from error
        levels = _checked_levels(f"{here}.levels", example.levels, K, (H, W))
        known = _checked_levels(f"{here}.known", example.known, 2, (H, W))
        images = _checked_levels(f"{here}.images", example.images, K, (SIDE_BY_SIDE, H, W))
        packed.append({"levels": pack(levels, "uint8"), "known": pack(known, "uint8"),
                       "images": pack(images, "uint8")})
    return packed

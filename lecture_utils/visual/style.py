"""How every figure of the course looks: one colour per quantity, safe for colour-blind readers.

The hues are those of Okabe and Ito (2008). Sign is blue (-) to orange (+) on near-white, at
80 % strength so that black ink stays readable on it.
"""

import base64
import io

import numpy as np
from matplotlib.colors import LinearSegmentedColormap
from matplotlib.figure import Figure
from matplotlib.font_manager import FontProperties

COLOURS = {
    "input": "#009E73",
    "hidden": "#0072B2",
    "output": "#D55E00",
    "gradient": "#AA4499",
    "cell": "#E69F00",
    "target": "#000000",
    "loss": "#333333",
    "reference": "#888888",
    "forget": "#56B4E9",
    "soft": "#DDE3E8",
}
"""Quantity -> colour. A figure that shows h draws it in COLOURS["hidden"], in every lesson."""

SERIES = ["#0072B2", "#D55E00", "#009E73", "#AA4499", "#E69F00", "#56B4E9", "#333333"]
"""For lines that stand for no fixed quantity (seeds, lags, models), in this order."""

SIGNED = LinearSegmentedColormap.from_list(
    "signed", [(0.2, 0.562, 0.752), (0.969, 0.969, 0.969), (0.862, 0.488, 0.194)]
)
"""Diverging map for signed values: blue below zero, orange above."""

MAGNITUDE = LinearSegmentedColormap.from_list("magnitude", ["#F7F7F7", "#C9A6CC", "#5B1A5E"])
"""Sequential map for sizes (gradient norms, probabilities)."""


def shades(quantity: str) -> LinearSegmentedColormap:
    """Near-white to the quantity's colour, for values from 0 up."""
    return LinearSegmentedColormap.from_list(quantity, ["#F7F7F7", COLOURS[quantity]])


MONO = FontProperties(family="monospace")


class Picture(Figure):
    """A Matplotlib figure that carries its own alt text and shows itself once, as a sharp PNG.

    It never enters pyplot, so nothing leaks and nothing is drawn twice.
    """

    alt = ""

    def _repr_mimebundle_(self, **_):
        png, width, height = _png(self)
        data = {"text/plain": f"Figure: {self.alt}", "image/png": base64.b64encode(png).decode()}
        return data, {"image/png": {"alt": self.alt, "width": width, "height": height}}


def _png(figure, dpi=100, sharpness=1.6):
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", dpi=dpi * sharpness, metadata={"Software": None})
    width, height = figure.get_size_inches()
    return buffer.getvalue(), round(width * dpi), round(height * dpi)


def picture(width: float = 7.5, height: float = 3.2, rows: int = 1, columns: int = 1, **grid):
    """A new `Picture` and its axes, in the course's style. Sizes in inches (at 100 dots each)."""
    figure = Picture(figsize=(width, height), layout="constrained")
    axes = figure.subplots(rows, columns, **grid)
    for ax in np.ravel(axes):
        ax.spines[["top", "right"]].set_visible(False)
        ax.tick_params(labelsize=9, color="#666666")
        ax.set_prop_cycle(color=SERIES)
    return figure, axes


def described(figure: Picture, alt: str) -> Picture:
    """Give the picture its alt text: what a reader who cannot see it should know."""
    if len(alt) < 20:
        raise ValueError(
            f"the alt text {alt!r} says too little: name what is plotted and the result"
        )
    figure.alt = " ".join(alt.split())
    return figure


def heat(ax, values, limit=None, cmap=SIGNED, numbers=None, row_labels=None, column_labels=None):
    """A small matrix as coloured squares, signed colours symmetric about 0.

    numbers: format such as "{:+.2f}" to print each value, or None. Returns the image.
    """
    values = np.atleast_2d(values)
    limit = float(np.abs(values).max() or 1.0) if limit is None else limit
    low = -limit if cmap is SIGNED else 0.0  # other maps are for values from 0 up
    image = ax.imshow(values, cmap=cmap, vmin=low, vmax=limit, aspect="auto")
    ax.set_xticks(range(values.shape[1]), column_labels or [""] * values.shape[1])
    ax.set_yticks(range(values.shape[0]), row_labels or [""] * values.shape[0])
    ax.spines[:].set_visible(False)
    ax.tick_params(length=0)
    if numbers:
        for (row, column), value in np.ndenumerate(values):
            ax.text(column, row, numbers.format(value), ha="center", va="center", fontsize=8)
    return image

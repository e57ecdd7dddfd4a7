"""How every figure of the course looks: one colour per quantity, safe for colour-blind readers.

The hues are those of Okabe and Ito (2008), with a darker purple for gradients. Sign is blue (-)
to orange (+) on near-white, at 80 % strength so that black ink stays readable on it.
"""

import base64
import io

import numpy as np
from IPython.display import display
from matplotlib import rc_context
from matplotlib.colors import LinearSegmentedColormap, to_rgb
from matplotlib.figure import Figure
from matplotlib.font_manager import FontProperties

COLOURS = {
    "input": "#009E73",
    "hidden": "#0072B2",
    "output": "#D55E00",
    "gradient": "#A0307A",
    "cell": "#E69F00",
    "target": "#000000",
    "loss": "#333333",
    "reference": "#888888",
    "forget": "#56B4E9",
    "soft": "#DDE3E8",
}
"""Quantity -> colour. A figure that shows h draws it in COLOURS["hidden"], in every lesson."""

SERIES = ["#0072B2", "#D55E00", "#009E73", "#A0307A", "#E69F00", "#56B4E9", "#333333"]
"""For lines that stand for no fixed quantity (seeds, lags, models), in this order."""

SIGNED = LinearSegmentedColormap.from_list(
    "signed", [(0.2, 0.562, 0.752), (0.969, 0.969, 0.969), (0.862, 0.488, 0.194)]
)
"""Diverging map for signed values: blue below zero, orange above."""

MAGNITUDE = LinearSegmentedColormap.from_list("magnitude", ["#F7F7F7", "#C9A6CC", "#5B1A5E"])
"""Sequential map for sizes (gradient norms, probabilities)."""

LATER, HATCH = "#F1F3F5", "#C3CBD2"
"""Ground and hatching of what comes later: pixels that are not drawn yet, or may not be seen."""


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

    def _ipython_display_(self):
        """Once pyplot has drawn inline, IPython's own printer for figures comes before the bundle:
        another size, no alt text. This method comes before both."""
        data, metadata = self._repr_mimebundle_()
        display(data, metadata=metadata, raw=True)


def _png(figure, dpi=100, sharpness=1.6):
    buffer = io.BytesIO()
    with rc_context({"savefig.bbox": None}):  # "tight", if set, would change the size
        figure.savefig(buffer, format="png", dpi=dpi * sharpness, metadata={"Software": None})
    width, height = figure.get_size_inches()
    return buffer.getvalue(), round(width * dpi), round(height * dpi)


def picture(
    width: float | int = 7.5, height: float | int = 3.2, rows: int = 1, columns: int = 1, **grid
):
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
    Raises ValueError for a value that is not finite: it would blank the squares unseen.
    """
    values = np.atleast_2d(values)
    if not np.isfinite(values).all():
        row, column = np.argwhere(~np.isfinite(values))[0]
        raise ValueError(
            f"value {values[row, column]} in row {row}, column {column} cannot be coloured: "
            "pass finite numbers only"
        )
    limit = float(np.abs(values).max() or 1.0) if limit is None else limit
    low = -limit if cmap is SIGNED else 0.0  # other maps are for values from 0 up
    image = ax.imshow(values, cmap=cmap, vmin=low, vmax=limit, aspect="auto")
    ax.set_xticks(range(values.shape[1]), column_labels or [""] * values.shape[1])
    ax.set_yticks(range(values.shape[0]), row_labels or [""] * values.shape[0])
    ax.spines[:].set_visible(False)
    ax.tick_params(length=0)
    if numbers:
        for (row, column), value in np.ndenumerate(values):
            ink = _ink(image.cmap(image.norm(value)))
            style = {"ha": "center", "va": "center", "fontsize": 8, "color": ink}
            ax.text(column, row, numbers.format(value), **style)
    return image


def _ink(colour):
    """Black or white, whichever stands out more (WCAG 2 relative luminance; 0.18 is even)."""
    luminance = np.array(to_rgb(colour)) ** 2.2 @ [0.2126, 0.7152, 0.0722]
    return "white" if luminance < 0.18 else "black"

"""The cell explorer: a text coloured by one cell of an LSTM, and the search for what a cell knows.

T characters, C cells, of one layer or of several. The browser gets all T x C values once, one byte
each, and finds cells by itself: for a span of text or a known feature it computes of every cell

    AUC    the share of pairs (character inside, character outside) in which the inner one is higher
    |r|    the correlation with a feature that is a number, of ranks (Spearman's)

Only a text that the reader types, and gates that were not sent, need Python.
"""

from collections.abc import Callable, Mapping
from numbers import Real
from typing import NamedTuple

import numpy as np
import traitlets
from matplotlib.font_manager import findfont, get_font

from lecture_utils.visual.style import MAGNITUDE, MONO, SIGNED, described, picture
from lecture_utils.visual.widgets import checks
from lecture_utils.visual.widgets.base import LectureWidget, attempt, bundle, numbers, pack, unpack

LONGEST, LONGEST_TYPED = 4000, 2000
MOST_CELLS = 1024
WITH_GATES = 24
LIKELIEST = 5
OPENING = 400
"""The cursor starts at the cell's largest value among this many first characters."""
ROWS, COLUMNS = 12, 84
ROW, COLUMN = 0.24, 14 / 160
"""The poster's rows and columns of text, and their sizes in inches."""


class Found(NamedTuple):
    """A cell that follows a feature, as measured on text that no cell was chosen on.

    score: the AUC, 0.5 to 1, or |r|, 0 to 1, as `kind` says ("AUC" or "r"). direction: 1 if the
    cell is high where the feature is, -1 if low. control: the score that chance reaches.
    """

    feature: str
    cell: int
    score: float
    kind: str
    direction: int
    control: float


class Context(NamedTuple):
    """A piece of the corpus, at most 120 characters, with one cell's value at each.

    at: the place in `text` for which the piece was chosen, where the cell is highest or lowest.
    """

    text: str
    values: np.ndarray
    at: int


class Reading(NamedTuple):
    """What `read` returns for a text: as the arguments of CellExplorer of the same names.

    gates: a function, cell -> (T, 3), as `gates_of`, of this text.
    """

    cells: np.ndarray
    predicted: tuple
    features: Mapping[str, np.ndarray] = {}
    gates: Callable | None = None


class CellExplorer(LectureWidget):
    """See what each cell of a character LSTM does on a text, and search for cells.

    text: 1 to 4,000 characters. cells (T, C): the values after each character. predicted: (T texts
    of 5 characters, (T, 5) probabilities), the model's five likeliest next characters, likeliest
    first. features: name -> (T,) truths (bool) or numbers, known of each character. ranked: `Found`
    cells, best first for each feature. gates: cell -> (T, 3), its i, f and o, of up to 24 cells;
    gates_of gives those of any other. contexts: cell -> list of `Context`. read: text -> `Reading`,
    runs the model on up to 2,000 characters that the reader types; what it raises is shown there.
    cell: the one shown first; the first of `ranked` unless given. name: the letter of the values.

    `cell`, `feature` (drawn under the text, "" for none), `at` (the character that is read),
    `spans` (the selected pieces, [start, end) each), `one_scale` (the same colours for all cells),
    `typed` (the reader's text) and `own_shown` (is it the one on screen?) are shared with the
    browser.
    """

    _esm, _css = bundle("cell_explorer")

    given = traitlets.Dict().tag(sync=True)
    ranked = traitlets.List().tag(sync=True)
    contexts = traitlets.Dict().tag(sync=True)
    name = traitlets.Unicode().tag(sync=True)
    title = traitlets.Unicode().tag(sync=True)
    can_read = traitlets.Bool(False).tag(sync=True)
    cell = traitlets.Int(0).tag(sync=True)
    feature = traitlets.Unicode().tag(sync=True)
    at = traitlets.Int(0).tag(sync=True)
    spans = traitlets.List().tag(sync=True)
    one_scale = traitlets.Bool(False).tag(sync=True)
    typed = traitlets.Unicode().tag(sync=True)
    own = traitlets.Dict().tag(sync=True)
    """As `given`, of the last typed text that could be read."""
    refused = traitlets.Dict().tag(sync=True)
    """{"text": …, "error": …} if the typed text could not be read; `own` stays as it was."""
    own_shown = traitlets.Bool(False).tag(sync=True)
    gates_wanted = traitlets.Dict().tag(sync=True)
    """{"cell": …, "text": …}, from the browser; `gates_sent` answers it."""
    gates_sent = traitlets.Dict().tag(sync=True)

    def __init__(self, text, cells, predicted, *, features=None, ranked=(), gates=None,
                 contexts=None, gates_of=None, read=None, cell=None, name="c", title=""):
        _check_text("text", text, LONGEST)
        T = len(text)
        cells = _checked_cells(cells, T)
        C = cells.shape[1]
        ranked = [_checked_found(f"ranked[{k}]", found, C) for k, found in enumerate(ranked)]
        checks.function("gates_of", gates_of)
        checks.function("read", read)
        for what, value in (("name", name), ("title", title)):
            if not isinstance(value, str) or len(value) > 80:
                raise ValueError(f"{what} is {value!r}: give a text of at most 80 characters")
        if cell is None:
            cell = ranked[0].cell if ranked else 0
        cell = checks.whole_number("cell", cell, 0, C - 1)
        given = _packed_text(text, cells, predicted, {} if features is None else features)
        known = [found.feature for found in ranked if found.cell == cell]
        # Before the traits: their checks ask for these.
        self._read, self._gates_of, self._own_gates_of = read, gates_of, None
        super().__init__(
            given=given | {"gates": _packed_gates({} if gates is None else gates, T, C),
                           "can_ask": gates_of is not None},
            ranked=[found._asdict() for found in ranked],
            contexts=_packed_contexts({} if contexts is None else contexts, C),
            name=name, title=title, can_read=read is not None, cell=cell,
            feature=next((one["name"] for one in given["features"] if one["name"] in known), ""),
            at=int(np.abs(cells[:OPENING, cell]).argmax()),
        )

    def __repr__(self):
        return (f"CellExplorer({self._length():,} characters, {self._count():,} cells, "
                f"cell {self.cell})")

    def _count(self) -> int:
        return self.given["cells"]["shape"][0]

    def _length(self) -> int:
        return self._shown()["cells"]["shape"][1]

    def _shown(self) -> dict:
        return self.own if self.own_shown and self.own else self.given

    # ---- what the browser may change -------------------------------------------------------------

    @traitlets.validate("cell")
    def _cell_fits(self, proposal):
        return min(max(proposal["value"], 0), self._count() - 1)

    @traitlets.validate("at")
    def _at_fits(self, proposal):
        return min(max(proposal["value"], 0), self._length() - 1)

    @traitlets.validate("spans")
    def _spans_fit(self, proposal):
        return [[int(start), int(end)] for start, end in proposal["value"]
                if 0 <= start < end <= self._length()]

    @traitlets.observe("own", "own_shown")
    def _places_stay_inside(self, _):
        self.at = self.at  # checked once more
        self.spans = self.spans

    @traitlets.observe("typed")
    def _read_typed(self, _):
        answer = attempt(lambda: self._own_reading(self.typed)) if self.typed else {}
        if "error" in answer:
            self.refused = {"text": self.typed} | answer
        else:
            self.refused = {}
            self.own = answer

    def _own_reading(self, text: str) -> dict:
        if self._read is None:
            raise ValueError("this explorer reads no other text: it was made without read=")
        _check_text("your text", text, LONGEST_TYPED)
        reading = Reading(*self._read(text))
        cells = _checked_cells(reading.cells, len(text), "the cells that read returned")
        if cells.shape[1] != self._count():
            raise ValueError(f"read returned {cells.shape[1]} cells: return the same "
                             f"{self._count()} as those of the given text")
        checks.function("gates", reading.gates)
        packed = _packed_text(text, cells, reading.predicted, reading.features)
        self._own_gates_of = reading.gates
        return packed | {"gates": {}, "can_ask": reading.gates is not None}

    @traitlets.observe("gates_wanted")
    def _send_gates(self, _):
        self.gates_sent = self.gates_wanted | attempt(lambda: self._gates(**self.gates_wanted))

    def _gates(self, cell: int, text: str) -> dict:
        of_texts = {self.own.get("text"): self._own_gates_of, self.given["text"]: self._gates_of}
        gates_of = of_texts.get(text)
        if gates_of is None:
            raise ValueError("the gates of this text cannot be asked for")
        cell = checks.whole_number("cell", cell, 0, self._count() - 1)
        return {"gates": _packed_gate(f"the gates of cell {cell}", gates_of(cell), len(text))}

    # ---- the still picture -----------------------------------------------------------------------

    def poster(self):
        shown, cell = self._shown(), self.cell
        text, values = shown["text"], unpack(shown["cells"])[cell]
        limit = float(np.abs(values).max()) or 1.0
        track = next((one for one in shown["features"] if one["name"] == self.feature), None)
        rows = _excerpt(text, self.at)
        first, last = rows[0][0], rows[-1][1]
        # Inches from the top left: the letters of a row have to meet their colours.
        wide, tall = 8.0, ROW * len(rows) + 1.75
        figure, (page, bar, strip) = picture(wide, tall, rows=3)
        figure.set_layout_engine("none")
        for ax, left, top, width, height in (
            (page, 0.3, 0.62, COLUMNS * COLUMN, tall - 1.75),
            (bar, 0.75, tall - 1.03, 1.6, 0.12),
            (strip, 0.3, tall - 0.77, COLUMNS * COLUMN, 0.45),
        ):
            ax.set_position([left / wide, 1 - (top + height) / tall, width / wide, height / tall])
        colours = SIGNED(0.5 + values / limit / 2)
        page.imshow(_ribbons(rows, colours, track), aspect="auto", interpolation="nearest",
                    extent=(0, COLUMNS, len(rows), 0))
        for y, (start, end) in enumerate(rows):
            _write(page, y, text[start:end])
        page.axis("off")
        known = [found["feature"] for found in self.ranked if found["cell"] == cell]
        headline = f"Cell {cell} of {self._count():,}" + (f", {known[0]}" if known else "")
        figure.text(0.3 / wide, 1 - 0.3 / tall, headline, fontsize=13, fontweight="bold",
                    parse_math=False)
        figure.text(0.3 / wide, 1 - 0.51 / tall, self._measured(), fontsize=9, color="#5a6570",
                    parse_math=False)
        bar.imshow(SIGNED(np.linspace(0, 1, 256))[None], aspect="auto")
        bar.axis("off")
        for x, anchor, end in ((-0.04, "right", -limit), (1.04, "left", limit)):
            bar.text(x, 0.5, f"{end:+.2f}".replace("-", "\u2212"), ha=anchor, va="center",
                     fontsize=8, transform=bar.transAxes)
        if track:
            bar.text(1.5, 0.5, f"line: {track['name']}", va="center", fontsize=8,
                     transform=bar.transAxes, parse_math=False)
        t = np.arange(len(text))
        strip.fill_between(t, np.maximum(values, 0), color=SIGNED(1.0), lw=0, step="mid")
        strip.fill_between(t, np.minimum(values, 0), color=SIGNED(0.0), lw=0, step="mid")
        strip.axvspan(first, last, facecolor="none", edgecolor="black", lw=1)
        strip.set(xlim=(0, len(text)), yticks=[])
        strip.spines["left"].set_visible(False)
        strip.tick_params(labelsize=8, length=2)
        return described(figure, f"A text coloured by cell {cell} of {self._count()}: blue where "
                         f"it is below zero, orange above; it goes from {values.min():.2f} to "
                         f"{values.max():.2f}. {self._measured()} The piece shown begins "
                         f"{text[first:last][:60]!r}. Below it, the cell over all {len(text):,} "
                         "characters.")

    def _measured(self) -> str:
        known = [_in_words(found) for found in self.ranked if found["cell"] == self.cell]
        return f"On held-out text: {'; '.join(known)}." if known else ""


def _in_words(found: dict) -> str:
    high, kind = found["direction"] > 0, found["kind"]
    measure = f"{'AUC' if kind == 'AUC' else '|r|'} {found['score']:.2f}"
    how = (("high" if high else "low") + " inside" if kind == "AUC"
           else ("rises" if high else "falls") + " with it")
    return f"{found['feature']}, {measure}, {how}, chance {found['control']:.2f}"


def _ribbons(rows, colours, track):
    """The colours of each row's characters, and the feature as a thin line below: (10 n, 84, 4)."""
    image = np.ones((10 * len(rows), COLUMNS, 4))
    if track:
        marks = unpack(track["values"])
        if track["kind"] == "truth":
            inks = np.where(marks[:, None] > 0.5, [0.0, 0, 0, 1], 1.0)
        else:
            inks = MAGNITUDE((marks - marks.min()) / (np.ptp(marks) or 1.0))
    for y, (start, end) in enumerate(rows):
        image[10 * y:10 * y + 8, :end - start] = colours[start:end]
        if track:
            image[10 * y + 8, :end - start] = inks[start:end]
    return image


def _write(ax, y: int, row: str) -> None:
    """A row of the text in the middle of its ribbon, a faint sign for its line end."""
    drawable = get_font(findfont(MONO)).get_charmap()
    letters = "".join(x if ord(x) in drawable else "\u25a1" for x in row.rstrip("\n"))
    signs = [(letters, 0, "black")]
    if row.endswith("\n"):
        signs.append(("\u23ce", len(row) - 1, "#8a949c"))
    for sign, x, ink in signs:
        ax.text(x, y + 0.42, sign, va="center_baseline", fontproperties=MONO, fontsize=10.5,
                color=ink, parse_math=False)


def _excerpt(text: str, at: int) -> list[tuple[int, int]]:
    """Up to ROWS rows of at most COLUMNS characters, [start, end), the one of `at` among them."""
    rows, start = [], 0
    while start < len(text):
        end = min(start + COLUMNS, len(text))
        line, space = text.find("\n", start, end), text.rfind(" ", start, end)
        if line >= 0:
            end = line + 1
        elif end < len(text) and space > start:
            end = space + 1
        rows.append((start, end))
        start = end
    here = next(k for k, (_, end) in enumerate(rows) if at < end)
    first = max(0, min(here - ROWS + 2, len(rows) - ROWS))
    return rows[first:first + ROWS]


# ---- checks -------------------------------------------------------------------------------------


def _check_text(name: str, text, longest: int) -> None:
    if not isinstance(text, str) or not text:
        raise ValueError(f"{name} is {text!r}: give at least one character")
    if len(text) > longest:
        raise ValueError(f"{name} has {len(text):,} characters: give at most {longest:,}")


def _finite(name: str, values, shape: tuple, letters: str) -> np.ndarray:
    """The array, if it has that shape (None: any length) and only finite numbers."""
    values = numbers(name, values)
    checks.shape(name, values, shape, letters)
    checks.refuse(name, values, ~np.isfinite(values), "pass finite numbers")
    return values


def _checked_cells(cells, T: int, name: str = "cells") -> np.ndarray:
    cells = _finite(name, cells, (T, None), f"(T, C), with T = {T} as the text has characters")
    if not 1 <= cells.shape[1] <= MOST_CELLS:
        raise ValueError(f"{name} has C = {cells.shape[1]} cells: the widget takes 1 to "
                         f"{MOST_CELLS:,}, so choose a part")
    return cells


def _checked_found(here: str, found, C: int) -> Found:
    try:
        found = Found(*found)
    except TypeError as error:
        raise ValueError(f"{here} is {found!r}: give Found(feature, cell, score, kind, direction, "
                         "control)") from error
    _check_feature_name(f"{here}.feature", found.feature)
    cell = checks.whole_number(f"{here}.cell", found.cell, 0, C - 1)
    if found.kind not in ("AUC", "r"):
        raise ValueError(f"{here}.kind is {found.kind!r}: write 'AUC' or 'r'")
    low = 0.5 if found.kind == "AUC" else 0.0
    if not isinstance(found.score, Real) or not low <= found.score <= 1:
        raise ValueError(f"{here}.score is {found.score!r}: an {found.kind} lies from {low:g} to "
                         "1; give the sign as direction")
    if not isinstance(found.control, Real) or not 0 <= found.control <= 1:
        raise ValueError(f"{here}.control is {found.control!r}: give the score of chance, 0 to 1")
    if found.direction not in (1, -1):
        raise ValueError(f"{here}.direction is {found.direction!r}: write 1 (high) or -1 (low)")
    return Found(found.feature, cell, float(found.score), found.kind, int(found.direction),
                 float(found.control))


def _check_feature_name(here: str, name) -> None:
    if not isinstance(name, str) or not 1 <= len(name) <= 40:
        raise ValueError(f"{here} is {name!r}: name a feature in 1 to 40 characters")


def _packed_text(text: str, cells: np.ndarray, predicted, features) -> dict:
    """Of one text, what the browser needs."""
    T = len(text)
    return {
        "text": text,
        "cells": pack(cells.T, "int8"),  # a cell is one stretch of bytes
        "predicted": _packed_predicted(predicted, T),
        "features": _packed_features(features, T),
    }


def _packed_predicted(predicted, T: int) -> dict:
    try:
        characters, probabilities = predicted
        characters = list(characters)
    except (TypeError, ValueError) as error:
        raise ValueError("predicted must be two things: (T texts of 5 characters, (T, 5) "
                         "probabilities)") from error
    if len(characters) != T:
        raise ValueError(f"predicted has {len(characters)} texts: give one for each of the {T} "
                         "characters")
    for t, five in enumerate(characters):
        if not isinstance(five, str) or len(five) != LIKELIEST:
            raise ValueError(f"predicted has {five!r} after character {t}: give a text of the "
                             f"{LIKELIEST} likeliest characters")
    p = _finite("the probabilities", probabilities, (T, LIKELIEST), f"(T, 5) = ({T}, 5)")
    for wrong, remedy in (
        ((p < 0) | (p > 1), "probabilities lie from 0 to 1"),
        (p.sum(axis=1, keepdims=True) > 1 + 1e-4, "a row adds up to at most 1"),
        (np.diff(p, axis=1) > 1e-6, "put the likeliest first"),
    ):
        if wrong.any():
            t = int(np.argwhere(wrong)[0, 0])
            raise ValueError(f"the probabilities after character {t} are {p[t].round(4).tolist()}: "
                             f"{remedy}")
    return {"characters": "".join(characters), "probabilities": pack(p, "uint8")}


def _packed_features(features, T: int) -> list[dict]:
    checks.mapping("features", features, "name -> (T,)")
    packed = []
    for name, values in features.items():
        _check_feature_name("a feature", name)
        known = _finite(f"features[{name!r}]", values, (T,), f"(T,) = ({T},)")
        is_truth = np.asarray(values.cpu() if hasattr(values, "cpu") else values).dtype == bool
        packed.append({"name": name, "kind": "truth" if is_truth else "number",
                       "values": pack(known, "uint8" if is_truth else "float32")})
    return packed


def _packed_gate(here: str, values, T: int) -> dict:
    values = _finite(here, values, (T, 3), f"(T, 3) = ({T}, 3), with i, f and o")
    checks.refuse(here, values, (values < 0) | (values > 1), "gates lie from 0 to 1")
    return pack(values.T, "uint8")


def _packed_gates(gates, T: int, C: int) -> dict:
    checks.mapping("gates", gates, "cell -> (T, 3)")
    if len(gates) > WITH_GATES:
        raise ValueError(f"gates has {len(gates)} cells: give at most {WITH_GATES}, and gates_of "
                         "for the others")
    return {str(checks.whole_number("a cell of gates", cell, 0, C - 1)):
            _packed_gate(f"gates[{cell}]", one, T) for cell, one in gates.items()}


def _packed_contexts(contexts, C: int) -> dict:
    checks.mapping("contexts", contexts, "cell -> list of Context")
    packed = {}
    for cell, pieces in contexts.items():
        cell = checks.whole_number("a cell of contexts", cell, 0, C - 1)
        packed[str(cell)] = [_packed_context(f"contexts[{cell}][{k}]", piece)
                             for k, piece in enumerate(pieces)]
    return packed


def _packed_context(here: str, piece) -> dict:
    try:
        piece = Context(*piece)
    except TypeError as error:
        raise ValueError(f"{here} is {piece!r}: give Context(text, values, at)") from error
    _check_text(f"{here}.text", piece.text, 120)
    n = len(piece.text)
    values = _finite(f"{here}.values", piece.values, (n,), f"({n},), one value per character")
    return {"text": piece.text, "values": pack(values),
            "at": checks.whole_number(f"{here}.at", piece.at, 0, n - 1)}

"""The cell explorer without a browser: what is sent, what is refused, what Python answers."""

import json
import re
from collections import Counter, defaultdict
from functools import cache

import numpy as np
import pytest
import torch
from traitlets import TraitError

from lecture_utils.visual.style import Picture
from lecture_utils.visual.widgets.base import bundle, unpack
from lecture_utils.visual.widgets.cell_explorer import (
    CellExplorer,
    Context,
    Found,
    Reading,
    _excerpt,
)

STORY = '''\
The lighthouse at Cold Point had not been lit for nine years when the
letter came. Mara read it twice at the kitchen table, then once more
aloud, because the dog liked the sound of her voice.

"Please see that the lamp burns on the night of the third," she read.
"We shall be late, and we shall be coming from the north." She turned
the page over. "No name. Who writes a letter and leaves the name off?"

The dog did not say. Outside, the wind tried the door and went away.

"Somebody who thinks we know," said old Peter, when she showed him. He
held it close to the window. "That is ink from before the war. And look
here: they have written we, and then again we. How many is we?"

"You were keeper," said Mara. "You tell me."

Peter folded the letter along its old folds. He was quiet for so long
that the kettle began to tick on the stove, and the afternoon slid a
little further down the wall.

"There was a boat," he said at last. "The Annabel. Eleven men, and my
brother. She went out on the third, and I had the lamp, and I slept."
He put the letter down. "I only slept an hour. They never found a
plank of her."

Mara looked at the date again, although she knew it now by heart. "Then
it is a cruel joke," she said. "Somebody in the village."

"Perhaps." He took his coat from the hook. "But it costs us only oil."

So on the third they climbed the stairs together, one hundred and four
of them, with two cans and a clean wick; and when it was quite dark the
old lamp took the flame as if it had been waiting. They sat. They did
not sleep. Towards four in the morning, out in the north, very small
and very steady, something answered.

def answer(lamp, nights):
    """Count the nights on which something answered the lamp."""
    seen = 0
    for night in nights:  # the third is the one that matters
        if lamp.is_lit(night):
            if night.reply is not None:
                seen = seen + 1
            else:
                print("nothing", night)
    return seen

"Eleven," said Peter, who had been counting the flashes, "and one." He
was laughing, and his face was wet. "They have brought my brother."
'''

T, C = len(STORY), 48
QUOTE, LINE, INDENT, FADING, CONSTANT = 31, 7, 22, 40, 45
"""Cells of `activity` with a known meaning; those that have none wander."""


def known(text):
    """What is true of each character once it has been read."""
    inside, column, indent = [], [], []
    quoted, place, spaces = False, 0, 0
    for character in text:
        quoted ^= character == '"'
        if character == "\n":
            place, spaces = 0, 0
        else:
            spaces += character == " " and spaces == place
            place += 1
        inside.append(quoted)
        column.append(place)
        indent.append(spaces)
    return {"inside quotes": np.array(inside), "position in line": np.array(column, float),
            "indentation": np.array(indent, float),
            "line end": np.array([character == "\n" for character in text])}


@cache
def activity(text, count=C, seed=0):
    """Invented cells (T, count): five that follow something, the others wander at random."""
    rng, truth, n = np.random.default_rng(seed), known(text), len(text)
    steps = rng.normal(size=(n, count)) * rng.uniform(0.1, 0.6, count)
    keep = rng.uniform(0.5, 0.97, count)
    cells = np.zeros((n, count))
    for t in range(n):
        cells[t] = (cells[t - 1] if t else 0) * keep + steps[t]
    noise = rng.normal(size=(n, 4))
    cells[:, QUOTE] = np.where(truth["inside quotes"], 1.6, -0.7) + 0.35 * noise[:, 0]
    cells[:, LINE] = 1.2 - 0.035 * truth["position in line"] + 0.15 * noise[:, 1]
    cells[:, INDENT] = 0.2 * truth["indentation"] - 0.3 + 0.2 * noise[:, 2]
    cells[:, FADING] = 3 * np.exp(-np.arange(n) / 40) + 0.02 * noise[:, 3]
    cells[:, CONSTANT] = 0
    return cells


@cache
def guesses(text):
    """Five likeliest next characters after each, by counting pairs in the story."""
    pairs = defaultdict(Counter)
    for first, second in zip(STORY, STORY[1:]):
        pairs[first][second] += 1
    characters, probabilities = [], []
    for character in text:
        counts = (pairs[character] + Counter(" etao")).most_common(5)
        total = sum(pairs[character].values()) + 5
        characters.append("".join(one for one, _ in counts))
        probabilities.append([count / total for _, count in counts])
    return characters, np.array(probabilities)


def gates_for(text):
    """A function, cell -> (T, 3), as a notebook would make it of a trace."""
    def gates(cell):
        rng = np.random.default_rng(cell)
        opening = rng.uniform(0.05, 0.6, (len(text), 3))
        held = 0.5 + 0.5 * np.tanh(activity(text)[:, cell])
        opening[:, 1] = 0.1 + 0.8 * held
        return opening
    return gates


FOUND = (
    Found("inside quotes", QUOTE, 0.98, "AUC", 1, 0.57),
    Found("inside quotes", 3, 0.71, "AUC", -1, 0.57),
    Found("position in line", LINE, 0.94, "r", -1, 0.21),
    Found("indentation", INDENT, 0.88, "r", 1, 0.25),
)


def pieces(cell):
    """The highest and the lowest places of a cell, with the characters around."""
    values = activity(STORY)[:, cell]
    order = np.argsort(values)
    places = [t for t in (*order[:-200:-40], *order[:200:40])]
    starts = [min(max(t - 30, 0), T - 60) for t in places]
    return [Context(STORY[s:s + 60], values[s:s + 60], int(t - s)) for s, t in zip(starts, places)]


def read(text):
    strange = next((character for character in text if ord(character) > 126), None)
    if strange is not None:
        raise ValueError(f"the model has never seen {strange!r}: leave it out")
    return Reading(activity(text), guesses(text), known(text), gates_for(text))


def arguments():
    return {
        "text": STORY, "cells": activity(STORY), "predicted": guesses(STORY),
        "features": known(STORY), "ranked": FOUND,
        "gates": {cell: gates_for(STORY)(cell) for cell in (QUOTE, LINE, INDENT)},
        "contexts": {cell: pieces(cell) for cell in (QUOTE, LINE)},
        "gates_of": gates_for(STORY), "read": read,
        "title": "What an LSTM remembers while it reads",
    }


def explorer(**changes):
    return CellExplorer(**(arguments() | changes))


# ---- what is sent -------------------------------------------------------------------------------


def test_every_cell_is_sent_as_bytes_of_its_own_scale():
    cells = activity(STORY)
    sent = explorer().given["cells"]
    assert sent["kind"] == "int8" and sent["shape"] == [C, T] and len(sent["data"]) == C * T
    error = np.abs(unpack(sent).T - cells)
    assert (error <= np.abs(cells).max(axis=0) / 253).all()  # half a step of 127


def test_sending_would_notice_turned_axes():
    square = activity(STORY[:C])
    sent = unpack(explorer(**short(C, cells=square)).given["cells"])
    np.testing.assert_allclose(sent.T, square, atol=0.02)
    assert not np.allclose(sent, square, atol=0.02)


def short(length, **changes):
    """Arguments for the first characters of the story, and nothing about the rest."""
    text = STORY[:length]
    return {"text": text, "cells": activity(text), "predicted": guesses(text),
            "features": known(text), "gates": {}, "contexts": {}} | changes


def test_predictions_features_and_gates_arrive():
    given = explorer().given
    characters, probabilities = guesses(STORY)
    assert given["predicted"]["characters"] == "".join(characters)
    sent = unpack(given["predicted"]["probabilities"])
    np.testing.assert_allclose(sent, probabilities, atol=0.002)
    kinds = {one["name"]: one["kind"] for one in given["features"]}
    assert kinds == {"inside quotes": "truth", "position in line": "number",
                     "indentation": "number", "line end": "truth"}
    for one in given["features"]:
        np.testing.assert_allclose(unpack(one["values"]), known(STORY)[one["name"]], rtol=1e-6)
    assert sorted(given["gates"], key=int) == ["7", "22", "31"]
    np.testing.assert_allclose(unpack(given["gates"]["31"]).T, gates_for(STORY)(31), atol=0.003)


def test_tensors_are_taken_as_well():
    cells = torch.tensor(activity(STORY), requires_grad=True)
    truths = {"inside quotes": torch.tensor(known(STORY)["inside quotes"])}
    given = explorer(cells=cells, features=truths).given
    assert given["cells"]["data"] == explorer().given["cells"]["data"]
    assert given["features"][0]["kind"] == "truth"


def test_a_large_text_stays_below_two_and_a_half_megabytes():
    text = (STORY * 2)[:4000]
    widget = CellExplorer(
        text, activity(text, 512), guesses(text), features=known(text), ranked=FOUND,
        gates={cell: gates_for(text)(cell % C) for cell in range(24)},
        contexts={cell: pieces(cell) for cell in (QUOTE, LINE)},
    )
    assert 2_048_000 < size(widget._shared_state()) <= 2_500_000


def size(value) -> int:
    """Bytes of everything that is sent, without the wrapping."""
    if isinstance(value, dict):
        return sum(len(key) + size(inner) for key, inner in value.items())
    if isinstance(value, list):
        return sum(map(size, value))
    return len(value) if isinstance(value, (bytes, str)) else 8


def test_the_first_found_cell_is_shown_with_its_feature():
    widget = explorer()
    assert (widget.cell, widget.feature) == (QUOTE, "inside quotes")
    assert np.abs(activity(STORY)[:400, QUOTE]).argmax() == widget.at
    assert (explorer(ranked=()).cell, explorer(ranked=()).feature) == (0, "")
    assert explorer(cell=np.int64(LINE)).feature == "position in line"


# ---- what is refused ----------------------------------------------------------------------------


def with_value(array, where, value):
    array = np.array(array, dtype=float)
    array[where] = value
    return array


def found(**changes):
    return {"ranked": [FOUND[0]._replace(**changes)]}


def context(**changes):
    return {"contexts": {3: [Context("abc", [1.0, 2.0, 3.0], 2)._replace(**changes)]}}


P = guesses(STORY)[1]


@pytest.mark.parametrize("changes, said", [
    ({"text": ""}, "text is '': give at least one character"),
    ({"text": 5}, "text is 5"),
    ({"text": "x" * 4001}, "text has 4,001 characters: give at most 4,000"),
    ({"text": STORY + "!"}, rf"cells has shape \({T}, 48\): it must be \(T, C\), with T = {T + 1}"),
    ({"cells": np.zeros(T)}, rf"cells has shape \({T},\)"),
    ({"cells": np.zeros((T, 0))}, "C = 0 cells: the widget takes 1 to 1,024"),
    ({"cells": np.zeros((T, 1025))}, "C = 1025"),
    ({"cells": with_value(activity(STORY), (4, 2), np.nan)}, r"cells holds nan at \[4, 2\]"),
    ({"cells": [[1, 2], [3]]}, "cells is not an array of numbers"),
    ({"predicted": 3}, "predicted must be two things"),
    ({"predicted": (["abcde"] * 3, P)}, f"predicted has 3 texts: give one for each of the {T}"),
    ({"predicted": (["abcde"] * (T - 1) + ["abc"], P)}, f"has 'abc' after character {T - 1}"),
    ({"predicted": (["abcde"] * T, P[:, :4])}, r"the probabilities has shape .* \(T, 5\)"),
    ({"predicted": (["abcde"] * T, with_value(P, (3, 0), 1.5))}, "after character 3 .* from 0 to"),
    ({"predicted": (["abcde"] * T, with_value(P, 9, 0.3))}, "after character 9 .* at most 1"),
    ({"predicted": (["abcde"] * T, with_value(P, (7, 4), 0.4))}, "after character 7"),
    ({"predicted": (["abcde"] * T, P[:, ::-1])}, "put the likeliest first"),
    ({"features": [1]}, "features is a list: give a dict"),
    ({"features": {"": np.zeros(T)}}, "a feature is '': name a feature in 1 to 40"),
    ({"features": {"x": np.zeros(T - 1)}}, rf"features\['x'\] has shape .* \(T,\) = \({T},\)"),
    ({"features": {"x": with_value(np.zeros(T), 5, np.inf)}}, r"\['x'\] holds inf at \[5\]"),
    ({"ranked": [3]}, r"ranked\[0\] is 3: give Found\("),
    (found(feature="x" * 41), r"ranked\[0\]\.feature is"),
    (found(cell=48), r"ranked\[0\]\.cell is 48: choose a whole number from 0 to 47"),
    (found(cell=1.0), r"cell is 1\.0"),
    (found(score=0.4), r"score is 0\.4: an AUC lies from 0\.5 to 1"),
    (found(score=1.2, kind="r"), "an r lies from 0 to 1"),
    (found(score=np.nan), "score is nan"),
    (found(kind="auc"), "kind is 'auc': write 'AUC' or 'r'"),
    (found(direction=0), r"direction is 0: write 1 \(high\) or -1"),
    (found(control=-1.0), r"control is -1\.0"),
    ({"gates": [1]}, "gates is a list"),
    ({"gates": {99: np.zeros((T, 3))}}, "a cell of gates is 99"),
    ({"gates": {1: np.zeros((3, T))}}, rf"gates\[1\] has shape .* \({T}, 3\), with i, f and o"),
    ({"gates": {1: np.full((T, 3), 2)}}, r"gates\[1\] holds 2 at \[0, 0\]: gates lie from 0 to 1"),
    ({"gates": {cell: np.zeros((T, 3)) for cell in range(25)}}, "has 25 cells: give at most 24"),
    ({"contexts": [1]}, "contexts is a list"),
    ({"contexts": {-1: []}}, "a cell of contexts is -1"),
    ({"contexts": {3: [5]}}, r"contexts\[3\]\[0\] is 5: give Context\("),
    (context(text="x" * 121), r"contexts\[3\]\[0\]\.text has 121 characters"),
    (context(values=[1.0, 2.0]), r"values has shape \(2,\)"),
    (context(at=3), "at is 3: choose a whole number from 0 to 2"),
    ({"gates_of": 3}, "gates_of is 3: give a function"),
    ({"read": "x"}, "read is 'x': give a function"),
    ({"cell": -1}, "cell is -1"),
    ({"name": 1}, "name is 1"),
    ({"title": "x" * 81}, "at most 80 characters"),
])
def test_bad_arguments_are_refused(changes, said):
    with pytest.raises(ValueError, match=said):
        explorer(**changes)


def test_traits_stay_inside_what_there_is():
    widget = explorer()
    for name, value, kept in (("cell", 99, C - 1), ("cell", -2, 0), ("at", 10**6, T - 1),
                              ("at", -1, 0), ("spans", [[3, 9]], [[3, 9]]),
                              ("spans", [[9, 3], [0, T], [0, T + 1], [-1, 4]], [[0, T]])):
        setattr(widget, name, value)
        assert getattr(widget, name) == kept
    with pytest.raises(TraitError):
        widget.cell = "first"


# ---- what Python answers ------------------------------------------------------------------------


def test_a_typed_text_is_read():
    widget, text = explorer(), 'He said: "now" and'
    widget.set_state({"typed": text})
    own = widget.own
    assert own["text"] == text and widget.refused == {}
    np.testing.assert_allclose(unpack(own["cells"]).T, activity(text), atol=0.02)
    assert own["predicted"]["characters"] == "".join(guesses(text)[0])
    assert [one["name"] for one in own["features"]] == list(known(text))
    widget.set_state({"own_shown": True, "at": 99, "spans": [[2, 5]]})
    assert (widget.at, widget.spans) == (len(text) - 1, [[2, 5]])
    assert repr(widget) == "CellExplorer(18 characters, 48 cells, cell 31)"
    assert "'He said" in widget.poster().alt
    widget.set_state({"typed": ""})
    assert widget.own == {}


@pytest.mark.parametrize("text, read_it, said", [
    ("caf\u00e9", read, "the model has never seen '\u00e9': leave it out"),
    ("x" * 2001, read, "your text has 2,001 characters: give at most 2,000"),
    ("abc", None, "this explorer reads no other text: it was made without read="),
    ("abc", lambda text: {}["x"], "KeyError: 'x'"),
    ("abc", lambda text: 1 / 0, "ZeroDivisionError: division by zero"),
    ("abc", lambda text: Reading(activity("ab"), guesses("ab")), "the cells that read returned has "
     "shape (2, 48): it must be (T, C), with T = 3 as the text has characters"),
    ("abc", lambda text: Reading(activity("abc")[:, :9], guesses("abc")), "read returned 9 cells: "
     "return the same 48 as those of the given text"),
    ("abc", lambda text: Reading(activity("abc"), guesses("abc"), {}, 3), "gates is 3: give a "
     "function, or None"),
])
def test_what_goes_wrong_is_told_to_the_reader(text, read_it, said):
    widget = explorer(read=read_it)
    widget.set_state({"typed": text})
    assert (widget.refused, widget.own) == ({"text": text, "error": said}, {})
    widget.own_shown = True
    assert repr(widget).startswith("CellExplorer(2,127 characters")  # what stays on screen


def test_the_last_reading_stays_when_a_text_is_refused():
    widget, text = explorer(), 'He said: "now" and'
    widget.set_state({"typed": text})
    widget.set_state({"own_shown": True, "at": 11, "spans": [[2, 5]]})
    own, alt = widget.own, widget.poster().alt
    widget.set_state({"typed": text + "\u00e9"})
    assert widget.refused["text"] == text + "\u00e9" and "never seen" in widget.refused["error"]
    assert (widget.own, widget.at, widget.spans) == (own, 11, [[2, 5]])
    assert repr(widget).startswith("CellExplorer(18 characters") and widget.poster().alt == alt
    widget.set_state({"gates_wanted": {"cell": 6, "text": text}})
    np.testing.assert_allclose(unpack(widget.gates_sent["gates"]).T, gates_for(text)(6), atol=0.003)
    widget.set_state({"typed": "other"})
    assert (widget.own["text"], widget.refused) == ("other", {})


def test_a_refusal_is_taken_back_by_the_text_before():
    """Its reading is the same as before, so that only `refused` tells the browser."""
    widget, changed = explorer(), []
    widget.set_state({"typed": "abc"})
    widget.set_state({"typed": "abc\u00e9"})
    widget.observe(lambda change: changed.append(change["name"]), ["own", "refused"])
    widget.set_state({"typed": "abc"})
    assert (widget.own["text"], widget.refused, changed) == ("abc", {}, ["refused"])


def test_cursor_and_spans_stay_inside_the_text_on_screen():
    widget = explorer()
    widget.at, widget.spans = 2000, [[3, 9], [1000, 1010]]
    widget.set_state({"typed": 'He said: "now" and'})
    assert (widget.at, widget.spans) == (2000, [[3, 9], [1000, 1010]])  # it is not shown yet
    widget.own_shown = True
    assert (widget.at, widget.spans) == (17, [[3, 9]])
    widget.set_state({"typed": "ab"})
    assert (widget.at, widget.spans) == (1, [])
    assert "begins 'ab'" in widget.poster().alt


def test_gates_come_when_asked_for():
    widget = explorer()
    widget.set_state({"gates_wanted": {"cell": 5, "text": STORY}})
    sent = widget.gates_sent
    assert (sent["cell"], sent["text"]) == (5, STORY)
    np.testing.assert_allclose(unpack(sent["gates"]).T, gates_for(STORY)(5), atol=0.003)
    text = 'a "b" c'
    widget.set_state({"typed": text})
    widget.set_state({"gates_wanted": {"cell": 6, "text": text}})
    np.testing.assert_allclose(unpack(widget.gates_sent["gates"]).T, gates_for(text)(6), atol=0.003)
    widget.set_state({"typed": 'd "e" f'})  # as long: its gates would fit the text before
    widget.set_state({"gates_wanted": {"cell": 7, "text": text}})
    assert widget.gates_sent == {
        "cell": 7, "text": text, "error": "the gates of this text cannot be asked for"}


@pytest.mark.parametrize("wanted, gates_of, said", [
    ({"cell": 48, "text": STORY}, gates_for(STORY), "cell is 48: choose"),
    ({"cell": 5, "text": "never read"}, gates_for(STORY), "cannot be asked for"),
    ({"cell": 5, "text": STORY}, None, "cannot be asked for"),
    ({"cell": 5, "text": STORY}, lambda cell: np.zeros((2, 3)), "the gates of cell 5 has shape"),
    ({"cell": 5, "text": STORY}, lambda cell: 1 / 0, "ZeroDivisionError"),
])
def test_gates_that_cannot_come_are_explained(wanted, gates_of, said):
    widget = explorer(gates_of=gates_of)
    widget.set_state({"gates_wanted": wanted})
    assert said in widget.gates_sent["error"]


# ---- display ------------------------------------------------------------------------------------


def test_repr_has_no_address():
    assert repr(explorer(cell=7)) == "CellExplorer(2,127 characters, 48 cells, cell 7)"


def test_poster_tells_what_was_measured():
    widget = explorer()
    values = unpack(widget.given["cells"])[QUOTE]
    picture = widget.poster()
    assert isinstance(picture, Picture)
    assert "inside quotes, AUC 0.98, high inside, chance 0.57" in picture.alt
    assert f"from {values.min():.2f} to {values.max():.2f}" in picture.alt
    data, metadata = widget._repr_mimebundle_()
    assert metadata["image/png"]["alt"] == picture.alt
    assert data["text/plain"] == repr(widget)


def test_poster_paints_the_values():
    widget = explorer()
    image = widget.poster().axes[0].images[0].get_array()
    quote = STORY.index('"Please') - STORY[:STORY.index('"Please')].rindex("\n") - 1
    row = STORY[:STORY.index('"Please')].count("\n")
    inside, outside = image[10 * row + 3, quote + 1], image[10 * row + 3, 62]
    assert inside[0] > inside[2] and outside[0] < outside[2]  # orange, blue
    assert (image[10 * row + 8, quote + 1] == [0, 0, 0, 1]).all()  # the line of the feature
    assert (image[10 * row + 8, 62] == 1).all()


@pytest.mark.parametrize("text", ["$", "$_$\\ \n\n", "\u4f60\u597d \U0001f600\t\x07", "x" * 300])
@pytest.mark.filterwarnings("error")
def test_poster_takes_any_text(text):
    n = len(text)
    values = np.zeros((n, 2))
    widget = CellExplorer(text, values, (["abcde"] * n, np.zeros((n, 5))),
                          features={"$never$": np.zeros(n, bool), "n": np.arange(n)})
    for widget.feature in ("", "$never$", "n"):
        widget.poster()._repr_mimebundle_()


@pytest.mark.parametrize("at", [0, 3, 1200, T - 1])
def test_excerpt_has_whole_rows_and_the_cursor(at):
    rows = _excerpt(STORY, at)
    assert len(rows) == 12 and rows[0][0] <= at < rows[-1][1]
    assert all(end == start for (_, end), (start, _) in zip(rows, rows[1:]))
    assert all(0 < end - start <= 84 for start, end in rows)
    assert rows[0][0] == 0 or STORY[rows[0][0] - 1] in " \n"


def test_the_page_asks_nobody_and_cannot_be_broken_by_a_text():
    esm, css = bundle("cell_explorer")
    assert "innerHTML" not in esm and "import(" not in esm and "@import" not in css
    evil = "</script><!-- &amp;"
    n = len(evil)
    page = CellExplorer(
        evil, np.ones((n, 2)), (["</b><"] * n, np.zeros((n, 5))), title=evil,
        features={evil: np.ones(n)}, ranked=[Found(evil, 0, 0.9, "r", 1, 0.1)],
        contexts={0: [Context(evil, np.ones(n), 1)]},
    ).static_html()
    assert page.count("</script>") == 1 and not re.search("<!-(?!-)", page)
    state = re.search(r"const state = (.*);\n", page)[1]
    assert json.loads(state)["given"]["text"] == evil

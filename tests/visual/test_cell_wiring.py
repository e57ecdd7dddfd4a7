"""The cell wiring without a browser: its numbers, its checks, its poster."""

import re

import numpy as np
import pytest
import torch
from traitlets import TraitError

from lecture_utils.visual.style import Picture
from lecture_utils.visual.widgets import CellWiring, Wiring
from lecture_utils.visual.widgets.base import bundle, unpack
from tests.cell_equations import CELLS, EQUATIONS, wirings


def widget(left="LSTM", right="GRU", **settings):
    cells = {name: Wiring(*parts) for name, parts in wirings().items()}
    return CellWiring(cells, left, right, **settings)


# ---- the numbers --------------------------------------------------------------------------------


@pytest.mark.parametrize("H", [1, 7, 32])
def test_parameters_are_those_of_the_cells(H):
    counted = widget(hidden_size=H)
    for name, cell in CELLS.items():
        assert counted.parameters(name) == sum(p.numel() for p in cell(H, H).parameters())


def test_parameters_follow_the_hidden_size():
    changed = widget()
    assert changed.parameters("GRU") / changed.parameters("LSTM") == 0.75
    changed.hidden_size = 100
    assert changed.parameters("RNN") == 2 * 100**2 + 100


def test_reach_is_the_first_step_at_one_percent():
    curves = {"at once": [1, 0.01], "later": [1, 2, 0.5, 0.009, 3, 0.001],
              "never": [1, 0.5, 0.0101], "nothing left": [1, 0, 0], "just": [1, 0.1, 0.01, 0]}
    made = CellWiring({name: Wiring(["h_t = p_h * h_{t-1}"], 0, 1, curve)
                       for name, curve in curves.items()}, "at once", "never")
    assert [made.reach(name) for name in curves] == [1, 3, None, 1, 2]


def test_roads_and_differing_lines():
    shown = widget()
    assert {name: shown.roads(name) for name in ("RNN", "LSTM", "GRU", "NAS cell")} == {
        "RNN": [], "LSTM": ["c"], "GRU": ["h"], "NAS cell": []}
    full, without = "LSTM with peepholes", "no input gate"
    assert shown.differing(without, full) == ["c_t = f_t * c_{t-1} + g_t"]
    assert shown.differing(full, without) == [
        EQUATIONS[full][0], "c_t = f_t * c_{t-1} + i_t * g_t"]
    assert shown.differing("LSTM", "LSTM") == []
    assert shown.differing("no input activation", full) == ["g_t = W_xg x_t + W_hg h_{t-1} + b_g"]


def test_blanks_do_not_make_a_difference():
    lines = "h_t = tanh(W_xh x_t+W_hh h_{t-1})", "h_t   =  tanh( W_xh x_t + W_hh h_{t-1} )"
    made = CellWiring({str(k): Wiring([line], 2, 0, [1, 0.5]) for k, line in enumerate(lines)},
                      "0", "1")
    assert made.differing("0", "1") == []


def test_gradients_keep_their_digits_and_may_be_tensors():
    curve = 1e-3 ** torch.arange(60.0, dtype=torch.float64)
    made = CellWiring({"a": Wiring(EQUATIONS["RNN"], 2, 1, curve.requires_grad_())}, "a", "a")
    np.testing.assert_allclose(unpack(made.cells[0]["gradient"]), curve.detach(), rtol=1e-15)


def said(parts):
    return "".join(part if isinstance(part, str) else f"{part[0]}[{part[1]}]" for part in parts)


def test_sentences_say_what_flows():
    cells = {cell["name"]: cell for cell in widget().cells}

    def about(name, node):
        says = {one["name"]: one["says"] for one in cells[name]["nodes"]}
        return said(says[node]).replace("\u2212", "-").replace("[t]", "").replace("[t-1]", "'")

    assert about("LSTM", "c_t") == "c takes f, c', i and g element by element."
    assert about("LSTM with peepholes", "i_t") == (
        "i takes x and h' through a matrix; c' element by element, squashed.")
    assert about("LSTM", "h_t") == (
        "h takes o element by element; c element by element, squashed.")
    assert about("GRU", "h_{t-1}") == (
        "h' goes into r, z and h\u0303 through a matrix; h element by element.")
    assert said(cells["RNN"]["verdict"]).startswith("No additive road: every way")
    assert said(cells["GRU"]["verdict"]).startswith("Additive road from h[t\u22121] to h[t]: no")
    assert [said(cells[name]["formula"]) for name in ("RNN", "NAS cell", "LSTM")] == [
        "2 H[]\u00b2 + H[]", "16 H[]\u00b2", "8 H[]\u00b2 + 4 H[]"]


def test_a_constant_and_two_roads_have_sentences():
    lines = ["f_t = 1", "c_t = f_t * c_{t-1}", "h_t = h_{t-1} + b_h"]
    made = CellWiring({"a": Wiring(lines, 0, 1, [1, 1])}, "a", "a").cells[0]
    assert said(made["nodes"][2]["says"]) == "f[t] is a constant."
    assert " from c[t\u22121] to c[t] and from h[t\u22121] to h[t]:" in said(made["verdict"])


# ---- what is refused ----------------------------------------------------------------------------

RNN = Wiring(EQUATIONS["RNN"], 2, 1, np.array([1, 0.5, 0.1]))


@pytest.mark.parametrize("cells, said", [
    ([RNN], "cells is a list: give a dict, name -> Wiring"),
    ({}, "cells has 0 entries: give 1 to 40"),
    ({str(k): RNN for k in range(41)}, "cells has 41 entries"),
    ({7: RNN}, "7 cannot name a cell"),
    ({"": RNN}, "'' cannot name a cell"),
    ({"x" * 33: RNN}, "text of 1 to 32 characters"),
    ({"a": None}, r"cells\['a'\] is None: give Wiring\(equations"),
    ({"a": RNN[:3]}, r"cells\['a'\] is .*: give Wiring\("),
    ({"a": RNN._replace(equations=["h_t = f_t * h_{t-1}"])},
     r"cells\['a'\]: equation 'h_t = f_t \* h_\{t-1\}' uses f_t, which is not defined"),
    ({"a": RNN._replace(squares=3)}, r"cells\['a'\].squares is 3, but its equations have 2 "
                                     r"matrices \(W_hh, W_xh\): count each once"),
    ({"a": RNN._replace(vectors=2)}, r"vectors is 2, but its equations have 1 vectors \(b_h\)"),
    ({"a": RNN._replace(squares=2.0)}, r"squares is 2.0"),
    ({"a": Wiring(["h_t = h_{t-1}"], 0, 0, [1, 1])}, r"cells\['a'\] has no weights"),
    ({"a": RNN._replace(gradient=[[1, 2], [3]])}, "gradient is not an array of numbers"),
    ({"a": RNN._replace(gradient=[[1, 0.5]])}, r"gradient has shape \(1, 2\): it must be \(T,\)"),
    ({"a": RNN._replace(gradient=[1])}, r"shape \(1,\)"),
    ({"a": RNN._replace(gradient=np.ones(1001))}, r"T from 2 to 1000"),
    ({"a": RNN._replace(gradient=[1, -0.5])}, "gradient holds -0.5 at 1 steps back"),
    ({"a": RNN._replace(gradient=[1, 0.5, np.nan])}, "gradient holds nan at 2 steps back"),
    ({"a": RNN._replace(gradient=[1, np.inf])}, "holds inf"),
    ({"a": RNN._replace(gradient=[3.2, 1])}, "begins with 3.2: divide it by its value at k = 0"),
    ({"a": RNN._replace(gradient=[0, 0])}, "begins with 0"),
])
def test_bad_cells_are_refused(cells, said):
    with pytest.raises(ValueError, match=said):
        CellWiring(cells, "a", "a")


@pytest.mark.parametrize("settings, said", [
    ({"left": "LSMT"}, r"no cell is called 'LSMT': use one of 'RNN', 'LSTM', 'GRU'"),
    ({"right": None}, "no cell is called None"),
    ({"hidden_size": 0}, "hidden_size is 0: choose a whole number from 1 to 512"),
    ({"hidden_size": 513}, "hidden_size is 513"),
    ({"hidden_size": 8.0}, "hidden_size is 8.0"),
])
def test_bad_settings_are_refused(settings, said):
    with pytest.raises(ValueError, match=said):
        widget(**settings)


def test_traits_stay_inside_what_there_is():
    changed = widget(hidden_size=np.int64(64))
    for value, kept in ((0, 1), (9999, 512), (3, 3)):
        changed.hidden_size = value
        assert changed.hidden_size == kept
    with pytest.raises(ValueError, match="no cell is called 'TSLM'"):
        changed.left = "TSLM"
    with pytest.raises(TraitError):
        changed.hidden_size = "large"
    changed.set_state({"left": "MUT2", "right": "RNN", "hidden_size": 12})
    assert (changed.left, changed.right, changed.hidden_size) == ("MUT2", "RNN", 12)
    for method in (changed.parameters, changed.reach, changed.roads):
        with pytest.raises(ValueError, match="no cell is called 'lstm'"):
            method("lstm")


# ---- display ------------------------------------------------------------------------------------


def test_repr_says_the_counts():
    assert repr(widget()) == "CellWiring(17 cells: LSTM | GRU, H = 32: 8,320 and 6,240 weights)"


@pytest.mark.parametrize("left, right", [("LSTM", "GRU"), ("NAS cell", "full gate recurrence")])
def test_poster_tells_the_measured_numbers(left, right):
    shown = widget(left, right, hidden_size=48)
    picture = shown.poster()
    assert isinstance(picture, Picture)
    for name, other in ((left, right), (right, left)):
        k = shown.reach(name)
        for part in (f"{name}: {len(EQUATIONS[name])} equations, "
                     f"{len(shown.differing(name, other))} of them not in {other}",
                     f"{shown.parameters(name):,} weights at H = 48",
                     f"falls to 1 % after {k} step" if k else "stays above 1 % for all 59 steps"):
            assert part in picture.alt
    assert ("no additive road" in picture.alt) == (left == "NAS cell")
    data, metadata = shown._repr_mimebundle_()
    assert metadata["image/png"]["alt"] == picture.alt
    assert data["text/plain"] == repr(shown)


def test_poster_takes_any_name():
    name = "$x_$ \\frac"
    CellWiring({name: RNN}, name, name).poster()._repr_mimebundle_()


def test_the_page_asks_nobody_and_cannot_be_broken_by_a_name():
    esm, css = bundle("cell_wiring")
    assert "innerHTML" not in esm and "import(" not in esm and "@import" not in css
    evil = "</script><b>&amp;<!-"
    page = CellWiring({evil: RNN}, evil, evil).static_html(evil)
    assert page.count("</script>") == 1 and not re.search("<!-(?!-)", page)
    assert "<title>&lt;/script&gt;" in page

"""The gate stepper without a browser: its numbers, its checks, its poster."""

import re

import numpy as np
import pytest
import torch
from traitlets import TraitError

from lecture_utils.visual.style import Picture
from lecture_utils.visual.widgets import GateStepper
from lecture_utils.visual.widgets.base import bundle

ALPHABET = 'abAB." \n'
TEXT = 'ab."A. B"b\n'
V, H, T, SYMBOLS = len(ALPHABET), 5, len(TEXT), 3


def blocks(matrix):
    """PyTorch's gates i, f, g, o in the lecture's order i, f, o, g."""
    i, f, g, o = matrix.chunk(4)
    return torch.cat([i, f, o, g])


def lstm():
    torch.manual_seed(3)
    return torch.nn.LSTM(V, H, batch_first=True, dtype=torch.float64)


def arrays():
    network = lstm()
    W = torch.cat([blocks(network.weight_hh_l0), blocks(network.weight_ih_l0)], dim=1)
    b = blocks(network.bias_hh_l0 + network.bias_ih_l0)
    return {"W": W.detach().numpy(), "b": b.detach().numpy(), "alphabet": ALPHABET, "text": TEXT}


def readout(seed=0):
    draw = np.random.default_rng(seed).normal
    return draw(size=(SYMBOLS, H)), draw(size=SYMBOLS), ["x", " ", "end"]


def stepper(**changes):
    return GateStepper(**(arrays() | changes))


# ---- the numbers ------------------------------------------------------------------------------


def pytorch(text=TEXT):
    """h and c of PyTorch's LSTM after every character: (T, H) each."""
    network, state, hs, cs = lstm(), None, [], []
    for character in text:
        x = torch.eye(V, dtype=torch.float64)[ALPHABET.index(character)]
        _, state = network(x.reshape(1, 1, V), state)
        hs.append(state[0].flatten())
        cs.append(state[1].flatten())
    return torch.stack(hs).detach().numpy(), torch.stack(cs).detach().numpy()


def test_run_is_pytorchs_lstm():
    now = stepper().run()
    assert {name: values.shape for name, values in now.items()} == dict.fromkeys("ifogch", (T, H))
    h, c = pytorch()
    np.testing.assert_allclose(now["h"], h, rtol=1e-12)
    np.testing.assert_allclose(now["c"], c, rtol=1e-12)


def test_gates_make_the_cell_and_the_state():
    now = stepper().run()
    old = np.concatenate([np.zeros((1, H)), now["c"][:-1]])
    np.testing.assert_allclose(now["c"], now["f"] * old + now["i"] * now["g"], rtol=1e-14)
    np.testing.assert_allclose(now["h"], now["o"] * np.tanh(now["c"]), rtol=1e-14)
    assert all((0 < now[gate]).all() and (now[gate] < 1).all() for gate in "ifo")


@pytest.mark.parametrize("one, other", [(0, 1), (0, 2), (0, 3), (1, 2), (1, 3), (2, 3)])
def test_run_would_notice_two_swapped_gates(one, other):
    given = arrays()
    order = [0, 1, 2, 3]
    order[one], order[other] = other, one
    rows = np.concatenate([np.arange(H) + H * gate for gate in order])
    now = stepper(W=given["W"][rows], b=given["b"][rows]).run()
    assert not np.allclose(now["h"], pytorch()[0], rtol=0.01)


def test_run_would_notice_swapped_columns():
    W = np.roll(arrays()["W"], H, axis=1)  # input first, hidden state second
    assert not np.allclose(stepper(W=W).run()["h"], pytorch()[0], rtol=0.01)


def test_run_follows_the_text():
    widget = stepper()
    widget.text = "Ba.\n\n"
    np.testing.assert_allclose(widget.run()["h"], pytorch("Ba.\n\n")[0], rtol=1e-12)


def test_probabilities_are_the_softmax_of_the_readout():
    W, b, names = readout()
    widget = stepper(readout=(torch.tensor(W, requires_grad=True), b, tuple(names)))
    y = torch.tensor(widget.run()["h"] @ W.T + b)
    np.testing.assert_allclose(widget.probabilities(), torch.softmax(y, dim=1), rtol=1e-12)
    with pytest.raises(ValueError, match="no readout: give one"):
        stepper().probabilities()


def test_extremes_stay_numbers():
    widget = stepper(W=1e6 * np.sign(arrays()["W"]), text="a" * 120)
    assert all(np.isfinite(values).all() for values in widget.run().values())
    assert isinstance(widget.poster(), Picture)


def test_float32_weights_are_sent_as_such_and_others_keep_their_digits():
    given = arrays()
    assert stepper().weights["W"]["kind"] == "float64"
    small = stepper(W=given["W"].astype(np.float32), b=torch.tensor(given["b"]).float())
    assert {packed["kind"] for packed in small.weights.values()} == {"float32"}
    np.testing.assert_allclose(small.run()["h"], stepper().run()["h"], atol=1e-5)


# ---- what is refused --------------------------------------------------------------------------


def with_value(name, value):
    changed = arrays()[name].copy()
    changed[(0,) * changed.ndim] = value
    return {name: changed}


@pytest.mark.parametrize("changes, said", [
    ({"alphabet": ""}, "alphabet is '': give a text"),
    ({"alphabet": list(ALPHABET)}, "give a text of different characters"),
    ({"alphabet": "abAB.aBc"}, "has 'a' more than once"),
    ({"alphabet": "abAB.\" \r"}, r"has '\\r'"),
    ({"alphabet": ALPHABET + "z"}, r"W has shape \(20, 13\): it must be \(4H, H \+ V\).* V = 9"),
    ({"W": np.ones((20, 12))}, r"W has shape \(20, 12\)"),
    ({"W": np.ones((18, 13))}, r"W has shape \(18, 13\)"),
    ({"W": np.ones(20)}, r"W has shape \(20,\)"),
    ({"W": np.ones((0, V))}, "H = 0 hidden units: the widget shows 1 to 64"),
    ({"W": np.ones((260, 65 + V))}, "H = 65"),
    ({"W": [[1, 2], [3]]}, "W is not an array of numbers"),
    (with_value("W", np.nan), r"W holds nan at \[0, 0\]: pass finite numbers"),
    (with_value("W", -np.inf), "W holds -inf"),
    (with_value("W", 1e7), "at most 1e\\+06 in size"),
    ({"b": np.ones(19)}, r"b has shape \(19,\): it must be \(4H,\) = \(20,\)"),
    ({"b": np.ones((2, 20))}, "add PyTorch's two biases"),
    (with_value("b", np.nan), r"b holds nan at \[0\]"),
    ({"text": ""}, "text is '': give at least one character of"),
    ({"text": 7}, "text is 7"),
    ({"text": "a" * 121}, "text has 121 characters: shorten it to 120 at most"),
    ({"text": "aZ"}, "text has 'Z' at position 1, which is not in the alphabet"),
    ({"readout": readout()[:2]}, "readout must be three things"),
    ({"readout": 5}, "readout must be three things"),
    ({"readout": (np.ones((3, 4)), np.ones(3), "xyz")}, r"W_hy .* \(3, 4\): it must be \(3, 5\)"),
    ({"readout": (np.ones((3, 5)), np.ones(4), "xyz")}, r"b_y .* \(4,\): it must be \(3,\)"),
    ({"readout": (np.ones((3, 5)), np.full(3, np.inf), "xyz")}, "b_y holds inf"),
    ({"readout": (np.ones((0, 5)), np.ones(0), "")}, "0 names: give 1 to 256"),
    ({"readout": (np.ones((3, 5)), np.ones(3), ["x", "", "z"])}, "'' cannot name a symbol"),
    ({"readout": (np.ones((3, 5)), np.ones(3), [1, 2, 3])}, "1 cannot name a symbol"),
    ({"unit": 5}, "unit is 5: choose a whole number from 0 to 4"),
    ({"unit": -1}, "unit is -1"),
    ({"unit": 1.0}, "unit is 1.0"),
])
def test_bad_arguments_are_refused(changes, said):
    with pytest.raises(ValueError, match=said):
        stepper(**changes)


def test_traits_stay_inside_what_there_is():
    widget = stepper(unit=np.int64(2))
    for name, value, kept in (("unit", 99, H - 1), ("unit", -3, 0), ("step", 99, T),
                              ("step", 0, 1)):
        setattr(widget, name, value)
        assert getattr(widget, name) == kept
    for value, said in (("", "at least one"), ("a?", "'\\?' at position 1"), ("a" * 121, "121")):
        with pytest.raises(ValueError, match=said):
            widget.text = value
        assert widget.text == TEXT
    with pytest.raises(TraitError):
        widget.unit = "first"


def test_the_step_stays_inside_a_shorter_text():
    widget = stepper()
    widget.step = 9
    widget.text = "ab."
    assert widget.step == 3
    widget.set_state({"text": "A", "step": 1, "unit": 4})
    assert repr(widget) == "GateStepper(5 units, 1 character, unit 4)"


# ---- display ----------------------------------------------------------------------------------


def test_repr_has_no_address():
    assert repr(stepper(unit=3)) == "GateStepper(5 units, 11 characters, unit 3)"


def test_poster_tells_the_measured_numbers():
    widget = stepper(unit=2, readout=readout())
    widget.step = 7
    now = {name: values[:, 2] for name, values in widget.run().items()}
    picture = widget.poster()
    assert isinstance(picture, Picture)
    assert (f"c = {now['f'][6]:.2f} * {now['c'][5]:.2f} + {now['i'][6]:.2f} * {now['g'][6]:.2f} = "
            f"{now['c'][6]:.2f}") in picture.alt
    assert f"f is {now['f'].mean():.2f} on average" in picture.alt
    assert f"to {now['c'].max():.2f}" in picture.alt
    data, metadata = widget._repr_mimebundle_()
    assert metadata["image/png"]["alt"] == picture.alt
    assert data["text/plain"] == repr(widget)


def test_poster_takes_any_text():
    weights = np.ones((4, 1 + 3)), np.zeros(4)
    poster = GateStepper(*weights, alphabet="$_\\", text="$_$\\", unit=0).poster()
    labels = [label.get_text() for label in poster.axes[0].get_xticklabels()]
    assert labels == ["$", "_", "$", "\\"]
    poster._repr_mimebundle_()  # drawn without taking the dollars for a formula


def test_the_page_asks_nobody_and_cannot_be_broken_by_a_text():
    esm, css = bundle("gate_stepper")
    assert "innerHTML" not in esm and "import(" not in esm and "@import" not in css
    evil = "</script><!-"
    alphabet = "".join(dict.fromkeys(evil))
    page = GateStepper(np.ones((4, 1 + len(alphabet))), np.ones(4), alphabet=alphabet, text=evil,
                       readout=([[1.0]], [0.0], ["</b>"])).static_html()
    assert page.count("</script>") == 1 and not re.search("<!-(?!-)", page)

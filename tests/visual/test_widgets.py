"""The widgets without a browser: packing, checks, shared state, posters, static pages."""

import html
import json
import re

import numpy as np
import pytest
from traitlets import TraitError

from lecture_utils.visual.style import Picture
from lecture_utils.visual.widgets import BPTTFilm, RNNStepper, TrainingScrubber
from lecture_utils.visual.widgets.base import STATIC, bundle, pack, unpack


def small_network(H=3, V=4, seed=0):
    draw = np.random.default_rng(seed).normal
    return [draw(size=size) for size in ((H, V), (H, H), (V, H), H, V)]


def stepper(**changes):
    return RNNStepper(*small_network(), **changes)


def film(T=6, **changes):
    settings = {"flow": np.tril(np.ones((T, T))), "cosine": {1: 0.4, 3: 0.8, T: 1.0}, "chunk": 3}
    return BPTTFilm(**(settings | changes))


def scrubber(**changes):
    settings = {
        "iterations": [0, 10, 20, 30], "losses": [4.0, 3.0, 2.5, 2.4],
        "samples": [(0, "xq"), (20, "the sea")], "known": [[False] * 2, [True] * 7],
        "reference": {"uniform": 4.1},
    }
    return TrainingScrubber(**(settings | changes))


WIDGETS = [stepper, film, scrubber]


# ---- packing ----------------------------------------------------------------------------------


@pytest.mark.parametrize("kind, error", [("float64", 0), ("float32", 1e-7), ("int8", 0.004)])
def test_packing_keeps_the_numbers(kind, error):
    array = np.random.default_rng(0).uniform(-5, 5, size=(2, 3, 7))
    back = unpack(pack(array, kind))
    assert back.shape == array.shape
    largest = np.abs(array).max(axis=-1, keepdims=True)
    assert (np.abs(back - array) <= error * largest).all()


def test_uint8_is_scaled_row_by_row():
    array = np.array([[0.0, 1e-6, 2e-6], [0.0, 0.5, 1.0], [0.0, 0.0, 0.0]])
    packed = pack(array, "uint8")
    assert len(packed["data"]) == 9
    np.testing.assert_allclose(unpack(packed), array, atol=1 / 400, rtol=0.005)
    assert unpack(packed)[0, 2] == pytest.approx(2e-6)


@pytest.mark.parametrize("array, kind, said", [
    ([1.0, np.nan], "int8", r"nan at \[1\]"),
    ([-1.0], "uint8", "negative"),
    ([1.0], "int4", "int4"),
])
def test_packing_refuses(array, kind, said):
    with pytest.raises(ValueError, match=said):
        pack(array, kind)


def test_the_browser_module_imports_nothing_and_names_no_host():
    for name in ("rnn_stepper", "bptt_film", "training_scrubber"):
        esm, css = bundle(name)
        assert not re.search(r"^\s*import\b|\bimport\(", esm, re.MULTILINE)
        assert "innerHTML" not in esm
        hosts = set(re.findall(r"https?://[^\s\"'`]+", esm + css))
        assert hosts <= {"http://www.w3.org/2000/svg"}  # the name of the SVG vocabulary


# ---- what is refused --------------------------------------------------------------------------


@pytest.mark.parametrize("changes, said", [
    ({"text": "help"}, "'p' at position 3"),
    ({"text": ""}, "text is '': give at least one character of 'helo'"),
    ({"text": "h" * 25, "targets": "h" * 25}, "24 at most"),
    ({"targets": "ell"}, "3 characters"),
    ({"targets": "elly"}, "'y'"),
    ({"alphabet": "hel"}, r"W_xh has shape \(3, 4\): it must be \(3, 3\)"),
    ({"alphabet": "hell"}, "different characters"),
])
def test_stepper_refuses(changes, said):
    with pytest.raises(ValueError, match=said):
        stepper(**changes)


def test_stepper_refuses_wrong_and_large_weights():
    W_xh, W_hh, W_hy, b_h, b_y = small_network()
    with pytest.raises(ValueError, match=r"W_hy has shape \(3, 4\): it must be \(4, 3\), with H"):
        RNNStepper(W_xh, W_hh, W_hy.T, b_h, b_y)
    with pytest.raises(ValueError, match="9 hidden units"):
        RNNStepper(*small_network(H=9))
    with pytest.raises(ValueError, match=r"b_h holds nan at \[0\]: train with a smaller"):
        RNNStepper(W_xh, W_hh, W_hy, b_h * np.nan, b_y)


@pytest.mark.parametrize("changes, said", [
    ({"flow": np.ones((6, 6))}, r"flow\[0, 1\] = 1.0 lies above the diagonal"),
    ({"flow": -np.tril(np.ones((6, 6)))}, "is negative"),
    ({"flow": np.ones((6, 5))}, r"\(6, 5\)"),
    ({"flow": np.zeros((6, 6))}, "zero everywhere"),
    ({"flow": np.tril(np.full((6, 6), np.inf), 0)}, "not finite"),
    ({"chunk": 7}, "chunk is 7"),
    ({"text": "hello"}, "5 characters"),
    ({"cosine": {3: 1.5}}, "length 3 is 1.5"),
    ({"cosine": {9: 0.5}}, "chunk length 9"),
    ({"cosine": {}}, "cosine is empty"),
    ({"size": {2: -1.0}}, "size for chunk length 2 is -1.0"),
])
def test_film_refuses(changes, said):
    with pytest.raises(ValueError, match=said):
        film(**changes)


@pytest.mark.parametrize("changes, said", [
    ({"losses": [1.0, 2.0]}, "same length"),
    ({"losses": [1.0, np.nan, 1.0, 1.0]}, r"losses\[1\] is nan"),
    ({"iterations": [0, 10, 10, 30]}, r"iterations\[2\] = 10"),
    ({"samples": [], "known": None}, "samples is empty"),
    ({"samples": [(0, "xq"), (40, "the sea")]}, "outside"),
    ({"samples": [(20, "xq"), (0, "the sea")]}, "sort the samples"),
    ({"samples": [(0, "xq"), (20, 7)]}, "int"),
    ({"known": [[True]]}, "1 entries for 2 samples"),
    ({"known": [None, [True]]}, r"known\[1\] has 1 entries"),
    ({"reference": {"uniform": np.inf}}, "'uniform' is inf"),
])
def test_scrubber_refuses(changes, said):
    with pytest.raises(ValueError, match=said):
        scrubber(**changes)


# ---- shared state -----------------------------------------------------------------------------


def test_stepper_reads_back_what_the_browser_sends():
    widget = stepper()
    given = small_network()
    for name, array in zip(("W_xh", "W_hh", "W_hy", "b_h", "b_y"), given):
        np.testing.assert_array_equal(widget.weights()[name], array)
    sent = dict(widget.edited)
    sent["W_hh"] = {"kind": "float64", "shape": [3, 3], "data": memoryview(np.zeros(9).tobytes())}
    widget.set_state({"edited": sent, "text": "oleh", "step": 3, "forget": [2]})
    assert (widget.text, widget.step, widget.forget) == ("oleh", 3, [2])
    assert (widget.weights()["W_hh"] == 0).all()
    np.testing.assert_array_equal(unpack(widget.given["W_hh"]), given[1])
    assert widget.targets() == "leh?"
    assert np.isnan(widget.forward()["loss"][-1])


def test_stepper_forward_is_the_recurrence():
    widget = stepper(text="hel", targets="elo")
    W_xh, W_hh, W_hy, b_h, b_y = small_network()
    h = np.zeros(3)
    for t, (x, target) in enumerate(((0, 1), (1, 2), (2, 3))):
        h = np.tanh(W_xh @ np.eye(4)[x] + W_hh @ h + b_h)
        p = np.exp(W_hy @ h + b_y)
        p /= p.sum()
        np.testing.assert_allclose(widget.forward()["p"][t], p)
        assert widget.forward()["loss"][t] == pytest.approx(-np.log(p[target]))


def test_stepper_forgets_where_told():
    widget = stepper()
    widget.forget = [3]
    alone = stepper(text="l", targets="l").forward()
    np.testing.assert_allclose(widget.forward()["h"][2], alone["h"][0])


def test_stepper_keeps_its_step_inside_the_text_and_takes_new_weights():
    widget = stepper()
    widget.step = 99
    assert widget.step == 4
    widget.text = "he"
    assert widget.step == 2
    with pytest.raises(ValueError, match="not in the alphabet"):
        widget.text = "hey"
    widget.set_weights(W_hh=np.eye(3))
    np.testing.assert_array_equal(widget.weights()["W_hh"], np.eye(3))
    with pytest.raises(ValueError, match="no weight is called 'W'"):
        widget.set_weights(W=np.eye(3))


def test_film_counts_what_is_kept():
    widget = film()
    assert widget.kept().sum() == 12
    assert widget.share_kept() == pytest.approx(12 / 21)
    widget.chunk = 6
    assert widget.share_kept() == 1.0
    widget.chunk = 1
    assert (widget.kept() == np.eye(6, dtype=bool)).all()
    widget.set_state({"chunk": 2, "frame": 5})
    assert (widget.chunk, widget.frame) == (2, 5)


def test_film_takes_cosines_as_an_array_from_length_one():
    np.testing.assert_array_equal(unpack(film(cosine=[0.5, 0.6, 1.0]).cosine)[:, 0], [1, 2, 3])


def test_scrubber_finds_the_sample_before_the_cursor():
    widget = scrubber()
    assert widget.sample_at(19.9) == (0, "xq")
    assert widget.sample_at(20) == (20, "the sea")
    assert scrubber(samples=[(10, "a")], known=None).sample_at(5) is None
    widget.iteration = 1000.0
    assert widget.iteration == 30
    with pytest.raises(TraitError):
        widget.pinned = "first"


# ---- display ----------------------------------------------------------------------------------


@pytest.mark.parametrize("make", WIDGETS)
def test_repr_is_stable(make):
    assert repr(make()) == repr(make())
    assert "0x" not in repr(make())


@pytest.mark.parametrize("make", WIDGETS)
def test_poster_stands_in_with_an_alt_text(make, monkeypatch):
    monkeypatch.delenv(STATIC, raising=False)
    widget = make()
    assert isinstance(widget.poster(), Picture)
    data, metadata = widget._repr_mimebundle_()
    assert len(metadata["image/png"]["alt"]) > 60
    assert metadata["image/png"]["width"] > 200
    assert {"image/png", "text/plain", "application/vnd.jupyter.widget-view+json"} <= set(data)


@pytest.mark.parametrize("make", WIDGETS)
def test_static_mode_shows_the_page_in_a_frame(make, monkeypatch):
    monkeypatch.setenv(STATIC, "1")
    data, metadata = make()._repr_mimebundle_()
    assert "application/vnd.jupyter.widget-view+json" not in data
    assert "alt" in metadata["image/png"]
    page = html.unescape(re.search(r'srcdoc="([^"]*)"', data["text/html"]).group(1))
    assert page.startswith("<!doctype html>") and "<main>" in page


def test_static_page_cannot_be_broken_by_texts():
    evil = '</script><script>alert(1)</script><!-- \u2028 "'
    page = scrubber(samples=[(0, evil)], known=None, reference={evil: 2.0}).static_html(evil)
    assert page.count("</script>") == 1 and page.count("<script") == 1
    assert "<!--" not in page
    assert "<title>&lt;/script&gt;" in page
    state = json.loads(re.search(r"^const state = (.*);$", page, re.MULTILINE).group(1))
    assert state["samples"][0]["text"] == evil
    assert not [key for key in state if key.startswith("_")]


def test_static_page_is_saved_and_errors_name_the_file(tmp_path):
    path = stepper().save_html(tmp_path / "stepper.html", "Step")
    assert "<h1>Step</h1>" in path.read_text(encoding="utf-8")
    with pytest.raises(OSError, match="Choose a folder that exists"):
        stepper().save_html(tmp_path / "nowhere" / "stepper.html")

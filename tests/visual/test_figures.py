"""Figures: each says in words what it shows, with its number, and shows itself once as a PNG."""

import base64
import functools
import importlib
import inspect
import itertools
import pkgutil
import struct
import sys

import numpy as np
import pytest
from matplotlib.colors import to_rgb
from matplotlib.figure import Figure

from lecture_utils.visual import figures, style
from lecture_utils.visual.figures import (
    backprop_through_time,
    captioning,
    cells,
    hidden_cells,
    lstm,
    pixels,
    recurrence,
    start_here,
    vanishing_gradients,
)
from lecture_utils.visual.style import Picture

STEPS, SEEDS = 12, 5
rng = np.random.default_rng(0)
flow = np.tril(rng.uniform(0.1, 1, (STEPS, STEPS)))
norms = np.array([0.05, 0.15, 0.3, 0.5])
curves = np.linspace(90, 10, 20) + np.arange(SEEDS)[:, None]
apart = np.geomspace(1e-16, 1, 33)  # passes 1e-6 between the 21st and the 22nd point
recall = np.array([[0.2, 0.5, 0.9], [0.4, 0.5, 0.7]])
held = np.ones((3, 2, 50), bool)
held[0, 0, 40:] = False
W, hx, b = rng.standard_normal((3, 8)), rng.uniform(-1, 1, 8), rng.standard_normal(3)
probabilities = np.eye(4)[[1, 2, 2, 3]] * 0.6 + 0.1
states = rng.uniform(-1, 1, (4, 16))
images = rng.random((2, 10, 8, 8))
jacobian = rng.standard_normal((4, 4))
grey, colour = rng.integers(0, 17, (6, 1, 8, 8)), rng.integers(0, 8, (6, 3, 9, 9))
table = [
    {"model": "PixelCNN", "weights": 64849, "train": 1.9, "test": 2.125, "seconds_per_epoch": 1.06},
    {"model": "Row LSTM", "weights": 7288, "train": 2.0, "test": 2.1, "seconds_per_epoch": 12},
]
decay = np.geomspace(1e-10, 1, 21)  # of a gradient at h_0 ... h_20
rng_of = np.random.default_rng
scene = rng.integers(0, 256, (64, 64, 3), dtype=np.uint8)
quoted = {
    "feature": "quotes", "kind": "AUC", "score": 0.96, "low": 0.94, "high": 0.98, "control": 0.62,
    "untrained": 0.61, "from_character": 0.55, "all_cells": 0.99, "hard": 0.9, "in_story": np.nan,
}  # fmt: skip
column = quoted | {
    "feature": "column", "kind": "r", "score": -0.41, "low": -0.5, "high": -0.3, "untrained": 0.2,
    "hard": np.nan,
}  # fmt: skip


# Function: (how it is called, the texts that its description has to contain)
CALLS = {
    start_here.course_map: (lambda f: f({"00", "02", "01"}), ["15 lessons", "01 The recurrence"]),
    recurrence.loop_and_unrolled: (lambda f: f(steps=4), ["drawn 4 times"]),
    recurrence.wiring: (
        lambda f: f(
            "one to many",
            ["3", None, None, None],
            states,
            list(np.eye(4)),
            feedback=True,
            losses=True,
        ),
        ["one to many", "4 states", "1 input", "4 outputs", "fed back", "one loss per output"],
    ),
    recurrence.stacked_product: (
        lambda f: f(W, hx, b, hidden_size=3),
        ["3 by 8", "first 3 columns", *(f"{row @ hx + bias:+.2f}" for row, bias in zip(W, b))],
    ),
    recurrence.hello_table: (
        lambda f: f("hell", "ello", "helo", states[:, :3], probabilities),
        ["'hell'", "Likeliest letters: 'ello'", "targets 'ello'"],
    ),
    recurrence.learning_hello: (
        lambda f: f([1.386, 0.5, 0.2, 0.0164], 0.34657, {1: "hllll", 4: "hello"}),
        ["1.39 to 0.016", "0.347", "hllll after 1, hello after 4"],
    ),
    recurrence.drawn_digits: (lambda f: f(images[0], images[1]), ["Ten 8 by 8 images"]),
    recurrence.accuracy_against: (
        lambda f: f([1, 5, 9], recall, label="lag", chance=0.25, trained=5),
        ["mean of 2 runs", "30% at 1", "80% at 9", "25%"],
    ),
    recurrence.temperatures: (
        lambda f: f(np.array([1.0, 2.2, -3.0, 4.1]), "helo"),
        ["0.3 (largest 1.00)", "1 (largest 0.84)", "3 (largest 0.50)"],
    ),
    recurrence.cost_of_length: (lambda f: f([250, 2000], [1.5, 12.0], [0.1, 0.4]), ["12", "0.4"]),
    backprop_through_time.who_teaches_whom: (
        lambda f: f(flow, "Every evenin", "very evening"),
        ["12 by 12", f"{np.trace(flow) / 12:.2f}", f"{np.trace(flow, -5) / 7:.2f}"],
    ),
    backprop_through_time.terms_of_the_sum: (lambda f: f(norms), ["4 bars", "5.0%"]),
    backprop_through_time.truncation: (
        lambda f: f([1, 5, 25], [0.64, 0.812, 0.99], [0.66, 0.9, 1.01]),
        ["0.64 at 1 to 0.99 at 25", "0.66 to 1.01"],
    ),
    backprop_through_time.memory_and_time: (
        lambda f: f([250, 2000], [[0.5, 4.26], [20.0, 160.0]], [[0.6, 0.61], [21.0, 170.0]], 25),
        ["4.3 MB", "chunks of 25", "0.6 MB"],
    ),
    backprop_through_time.learned_and_remembered: (
        lambda f: f(
            {"short": ([2, 8, 16], recall), "long": ([4, 16], recall[:, 1:])},
            15,
            {"trained": held, "untrained": ~held},
            horizon=2,
        ),
        [
            "short, window 2 30%",
            "window 16 80%",
            "long, window 4 50%",
            "horizon 2",
            "trained 83% after 50 steps",
            "untrained 17% after 50 steps",
        ],
    ),
    backprop_through_time.run_among_seeds: (
        lambda f: f(
            (np.arange(1, 21) * 100, curves),
            (np.arange(1, 21) * 100, curves[2]),
            ("The chart", "The spread is wide."),
        ),
        ["The chart", "2,000 iterations", "ends at 12.0", "between 10.0 and 14.0", "is wide"],
    ),
    backprop_through_time.parting_of_ways: (
        lambda f: f({"batched": apart, "alike": apart * 1e-9}),
        ["batched: above one in a million from iteration 22", "alike"],
    ),
    vanishing_gradients.two_roads: (lambda f: f(), ["over 2 steps", "no matrix, no tanh"]),
    vanishing_gradients.three_readings: (
        lambda f: f(jacobian, jacobian.copy(), jacobian + 0.25),
        ["4 by 4", "largest difference 0e+00", "off by up to 0.25"],
    ),
    vanishing_gradients.three_views: (
        lambda f: f(decay, np.outer(decay, [2, 1, 0.5]), 3 * decay),
        ["over 20 steps", "falls to 1.0e-10", "product to 2.0e-10", "power of W_hh to 3.0e-10"],
    ),
    vanishing_gradients.slopes: (
        lambda f: f(np.full((5, 4), 0.75), np.full((5, 4), 0.05)),
        ["mean 0.75", "mean 0.05, 100% of all below 0.1"],
    ),
    vanishing_gradients.gains: (
        lambda f: f({"tanh": {0.5: decay, 1.0: decay**0}, "linear": {0.5: decay**2}}),
        ["20 steps", "tanh, gain 0.5: 1e-10", "tanh, gain 1: 1e+00", "linear, gain 0.5: 1e-20"],
    ),
    vanishing_gradients.stretch_then_vanish: (
        lambda f: f([1.0, 4.0, 2.0, 0.5], 4.0, 0.5),
        ["rises to 4.0 at n = 1", "5e-01 at n = 3"],
    ),
    vanishing_gradients.cliff: (
        lambda f: f(
            (np.linspace(0, 1, 5), np.linspace(0, 2, 7), rng_of(1).random((7, 5))),
            {
                "thrown": np.array([[0.5, 1, 0.2], [0.6, 1, 0.3], [3.6, 5, 0.4]]),
                "calm": np.array([[0.5, 1, 0.2], [0.6, 1, 0.01]]),
            },
        ),
        [
            "thrown: longest step 5, loss at the end 4.0e-01",
            "calm: longest step 0.1, loss at the end 1.0e-02",
        ],
    ),
    vanishing_gradients.two_clippings: (
        lambda f: f(np.array([30.0, -40.0]), np.array([0.6, -0.8]), np.array([1.0, -1.0])),
        ["length 50", "cosine 1.000", "cosine 0.990"],
    ),
    vanishing_gradients.learning: (
        lambda f: f({"plain": ([100, 200], [0.2, 0.3]), "clipped": ([100], [1.0])}, 0.25),
        ["plain 30% after 200", "clipped 100% after 100"],
    ),
    vanishing_gradients.against_lag: (
        lambda f: f(
            [2, 8, 16],
            {"recall": {"plain": recall}, "order": {"plain": recall / 2}},
            {"recall": {"guessing": 0.25}, "order": {"guessing": 0.25, "last key only": 0.5}},
        ),
        ["2, 8, 16 steps", "recall, plain: 30%, 50%, 80%", "order, plain: 15%, 25%, 40%"],
    ),
    hidden_cells.bits: (
        lambda f: f(
            {"code": {"gzip": 2.5, "lzma": 1.45, "LSTM 4": 1.4}, "prose": {"uniform": 6.6}}
        ),
        ["code: gzip 2.50, lzma 1.45, LSTM 4 1.40", "prose: uniform 6.60"],
    ),
    hidden_cells.two_groups: (
        lambda f: f(np.array([1.0, 0.5, -1.0, 0.0]), np.arange(4) < 2, "quotes", 7, 0.9),
        ["cell 7", "where quotes, their mean is 0.75", "elsewhere -0.50", "AUC 0.900"],
    ),
    hidden_cells.survey: (
        lambda f: f([quoted, column]),
        ["quotes 0.96 (untrained 0.61)", "column -0.41 (untrained 0.20)"],
    ),
    hidden_cells.minimal_pair: (
        lambda f: f(np.full((3, 8), 1.5), np.full((3, 8), -2.0), 4, "the mark", 7),
        ["Cell 7", "with the mark 1.50", "without the mark -2.00"],
    ),
    hidden_cells.effects: (
        lambda f: f(
            {"quotes": (-0.4, np.array([-0.1, 0.02]), np.array([-0.2, 0.01]))}, "bits", "cell 7"
        ),
        ["Bits", "quotes: -0.40, other cells -0.20 to +0.02"],
    ),
    hidden_cells.by_position: (
        lambda f: f(
            np.array([0, 40, 80]),
            {"free": np.array([0.1, 0.6])},
            "probability\nof a line end",
            np.array([0.05, 0.7]),
        ),
        ["Probability of a line end", "free from 0.10 to 0.60"],
    ),
    hidden_cells.time_constants: (
        lambda f: f(np.array([1.0, 3.0, 5.0, 10.0, 40.0, 90.0]), 2, {"quote cell": 4}),
        ["layer 1, middle 3.0", "layer 2, middle 40.0", "quote cell 40.0"],
    ),
    hidden_cells.saturation: (
        lambda f: f({"i": np.full((5, 4), 0.95), "f": np.full((5, 4), 0.05)}, layers=2),
        ["i, layer 2: open 100%, closed 0%", "f, layer 1: open 0%, closed 100%"],
    ),
    hidden_cells.closing: (
        lambda f: f({"brackets": {"LSTM": ([1, 8], np.array([0.9, 0.7]))}}),
        ["brackets, LSTM: 0.90 at 1, 0.70 from 8"],
    ),
    hidden_cells.context: (
        lambda f: f({"LSTM": (np.array([1, 100]), np.array([3.5, 1.5]))}),
        ["LSTM: 3.50 after 1, 1.50 after 100"],
    ),
    captioning.gallery: (
        lambda f: f(
            [scene] * 3, [["a red ring".split()]] * 3, [[True], [False], [None]],
            titles=["one", "two", "three"], boxes=[np.array([[2, 3, 9, 9]])] * 3,
        ),
        ["3 pictures", "a red ring"],
    ),
    captioning.feature_maps: (
        lambda f: f(scene, {"pool 1": images[0, :4], "pool 2": images[0, :9, :4, :4]}, 4),
        ["pool 1 (4, 8, 8)", "pool 2 (9, 4, 4)"],
    ),
    captioning.courses: (
        lambda f: f({"true": ([1, 10], [0.0, 0.75])}, "updates", "share of captions", logx=True),
        ["Share of captions along updates", "true from 0.00 to 0.75"],
    ),
    captioning.bars: (
        lambda f: f({"shape": {"attention": 0.3, "gradient": 0.2}}, "share", {"shape": 0.1}),
        ["Share.", "shape: attention 0.30, gradient 0.20"],
    ),
    captioning.attention: (
        lambda f: f(
            scene, ["a", "ring"], images[:, 0], [np.empty((0, 4)), np.array([[2, 3, 9, 9]])]
        ),
        ["each word of: a ring"],
    ),
    captioning.by_ground: (
        lambda f: f(
            {way: {"grass": 0.9, "sand": 0.2} for way in ("plain", "both")}, ["grass", "sand"]
        ),
        ["plain: grass 0.90, sand 0.20"],
    ),
    lstm.block: (lambda f: f(), ["four boxes", "times f, plus i times g"]),
    lstm.flows: (
        lambda f: f({"RNN": decay, "LSTM": decay**0.1}),
        ["20 steps back", "RNN 1e-10, LSTM 1e-01"],
    ),
    lstm.roads: (
        lambda f: f(
            {"directly": np.array([0.75, 0.25, 0.75]), "through i": np.array([0.25, 0.75, 0.25])},
            'ab"c',
        ),
        ["3 steps", "directly 58%, through i 42%", "has 75%", "at quotation marks 25%"],
    ),
    lstm.preserved: (
        lambda f: f(np.array([1, 51]), {"RNN": np.array([1e-3, 1e-9])}),
        ["51 updates", "RNN from 1e-03 to 1e-09"],
    ),
    lstm.learning: (
        lambda f: f({"LSTM": np.full(30, 0.02), "RNN": np.full(30, 0.17)}, 1 / 6),
        ["trivial one is 0.167", "LSTM ends at 0.0200", "RNN ends at 0.1700"],
    ),
    lstm.grid: (lambda f: f(steps=4, layers=2), ["4 steps by 2 layers", "from 1", "to 5"]),
    lstm.depth: (
        lambda f: f({"plain": decay, "residual": decay**0}),
        ["20 layers", "plain 1e-10, residual 1e+00"],
    ),
    cells.reaches: (
        lambda f: f({"RNN": 0.5 ** np.arange(30), "LSTM": 0.9 ** np.arange(30)}),
        ["RNN 7", "LSTM 30", "30: never"],
    ),
    cells.bench: (
        lambda f: f(
            {"order": {"RNN": np.array([0.2, 0.4]), "GRU": np.array([0.9, 1.0])}},
            {"order": 0.125},
            bounded=("GRU",),
        ),
        ["2 cells", "GRU 95.0%", "RNN 30.0%", "without the past 12.5%"],
    ),
    cells.generations: (
        lambda f: f(
            {"selection": np.array([[0.5, 0.8], [0.5, 0.9]])},
            {"RNN": 0.5},
            {"selection": np.array([0.7, 0.6])},
        ),
        ["selection: 80% to 90%", "from new starts 60% to 70%"],
    ),
    cells.searchers: (
        lambda f: f(
            np.array([0.1, 0.2, 0.9]),
            {"RNN": 0.5},
            {"random": np.array([[0.1, 0.2], [0.1, 0.4]])},
        ),
        ["3 cells: median 20%, best 90%", "RNN 50%", "after 2 cells: random: median 30%"],
    ),
    cells.tree: (
        lambda f: f(("+", "tanh", "*", "relu", "*", "sigma", "+", "identity", "1", "0")),
        ["Leaf 0: +, then tanh", "joins leaf 0 by +, then identity", "that of leaf 1"],
    ),
    pixels.gallery: (
        lambda f: f({"drawn": colour, "real": colour[:4]}, 8),
        ["9 by 9 pixels, 8 levels", "6 drawn, 4 real"],
    ),
    pixels.neighbours: (
        lambda f: f(grey[:3], grey[3:], np.array([10.5, 20.0, 14.5]), 17),
        ["3 images", "10.5 to 20.0 levels, mean 15.0"],
    ),
    pixels.completions: (
        lambda f: f(grey[:2], np.stack([grey[2:4], grey[4:]], 1), 3, 17),
        ["2 images", "upper 3 of 8 rows", "2 completions of each"],
    ),
    pixels.skewing: (
        lambda f: f(np.array([[1, 2, 3], [4, 5, 6]]), np.array([[1, 2, 3, 0], [0, 4, 5, 6]])),
        ["2 by 3", "2 by 4", "pixel 5 reads 2 above and 4 to the left, both in column 1"],
    ),
    pixels.masks: (
        lambda f: f({"A": np.eye(3), "B, in colour": np.ones((3, 3, 5, 5))}),
        ["A keeps 3 of 9 weights", "B, in colour keeps 225 of 225 weights"],
    ),
    pixels.bits: (
        lambda f: f(table, 17),
        ["PixelCNN 2.12 (training 1.90)", "Row LSTM 2.10 (training 2.00)", "needs 4.09"],
    ),
    pixels.learning: (
        lambda f: f(
            [{"model": "PixelCNN", "start": 0, "seconds": t, "validation": 3 - t} for t in (0.5, 1)]
            + [{"model": "Row LSTM", "start": k, "seconds": 2, "validation": 1.5 + k}
               for k in (0, 1)],
            2.0,
        ),
        ["compared at 2.00", "PixelCNN ends at 2.00 after 1 s", "Row LSTM ends at 2.00 after 2 s"],
    ),
    cells.writing: (
        lambda f: f(np.linspace(0, 1, 20), np.full(20, 0.5), width=2),
        ["20 cells", "first 2 3%", "last 2 97%"],
    ),
}
each_figure = pytest.mark.parametrize("function", CALLS, ids=lambda f: f.__name__)


def draw(function):
    return CALLS[function][0](function)


@functools.cache  # drawing is most of the time that these tests take
def drawn(function):
    """A figure and what it shows of itself."""
    figure = draw(function)
    return figure, figure._repr_mimebundle_()


def public_figures():
    for found in pkgutil.iter_modules(figures.__path__):
        module = importlib.import_module(f"{figures.__name__}.{found.name}")
        for name, value in vars(module).items():
            own = inspect.isfunction(value) and value.__module__ == module.__name__
            if own and not name.startswith("_"):
                yield value


def test_every_public_figure_is_tested_here():
    assert {f.__qualname__ for f in public_figures()} == {f.__qualname__ for f in CALLS}
    assert set(public_figures()) == set(CALLS)


@each_figure
def test_the_description_is_a_sentence_with_the_numbers_of_the_figure(function):
    figure, _ = drawn(function)
    assert isinstance(figure, Picture)
    assert len(figure.alt) >= 40 and "\n" not in figure.alt
    assert (figure.alt[0].isupper() or figure.alt[0].isdigit()) and figure.alt.endswith(".")
    for text in CALLS[function][1]:
        assert text in figure.alt, figure.alt
    assert "nan" not in figure.alt.lower().split()


@each_figure
def test_it_shows_itself_as_a_png_with_its_size_and_description(function):
    figure, (data, about) = drawn(function)
    png = base64.b64decode(data["image/png"])
    assert png[:8] == b"\x89PNG\r\n\x1a\n"
    assert len(png) < 200_000  # ten of them and a notebook is still small
    width, height = struct.unpack(">II", png[16:24])
    shown = about["image/png"]
    assert shown["alt"] == figure.alt
    assert data["text/plain"] == f"Figure: {figure.alt}"
    # Shown at 100 dots an inch, stored at 160: sharp on any screen.
    assert abs(width - 1.6 * shown["width"]) <= 2 and abs(height - 1.6 * shown["height"]) <= 2
    assert 300 <= shown["width"] <= 950 and 150 <= shown["height"] <= 500


@each_figure
def test_the_same_numbers_give_the_same_picture(function):
    """Stored notebooks are compared: no date, no random jitter in the file."""
    assert draw(function)._repr_mimebundle_() == drawn(function)[1]


@each_figure
def test_nothing_enters_pyplot_and_no_argument_changes(function):
    kept = [a.copy() for a in (flow, norms, curves, apart, recall, held, W, hx, b, states)]
    draw(function)
    if "matplotlib.pyplot" in sys.modules:  # another test may have imported it
        assert sys.modules["matplotlib.pyplot"].get_fignums() == []
    now = (flow, norms, curves, apart, recall, held, W, hx, b, states)
    assert all(np.array_equal(a, b) for a, b in zip(kept, now))


def test_the_figures_do_not_even_import_pyplot():
    for function in CALLS:
        assert "pyplot" not in inspect.getsource(inspect.getmodule(function))


# The numbers are those of the data ----------------------------------------------------------------


def test_the_triangle_of_a_short_text_says_nothing_about_five_steps():
    with np.errstate(all="raise"):
        figure = backprop_through_time.who_teaches_whom(flow[:4, :4], "ever", "very")
    assert "4 by 4" in figure.alt
    assert "nan" not in figure.alt


def test_runs_that_never_part_are_said_to_stay_together():
    figure = backprop_through_time.parting_of_ways({"same": np.zeros(10)})
    assert "from iteration never" not in figure.alt
    assert "one in a million" in figure.alt


def test_the_map_draws_what_is_not_there_yet_dashed():
    def dashes(available):
        boxes = start_here.course_map(available).axes[0].patches
        return sum(box.get_linestyle() not in ("-", "solid") for box in boxes)

    everything = set(start_here.LESSONS)
    assert dashes(everything) == 0
    assert dashes(everything - {"07", "15"}) == 2
    alt = start_here.course_map({"01"}).alt
    assert "01 The recurrence" in alt and "02" not in alt


def test_every_lesson_builds_on_one_that_exists_and_comes_before():
    for number, (_, column, row, needs) in start_here.LESSONS.items():
        assert all(need in start_here.LESSONS and need < number for need in needs)
        assert 0 <= column < 5 and 0 <= row < len(start_here.GROUPS)
    places = [lesson[1:3] for lesson in start_here.LESSONS.values()]
    assert len(set(places)) == len(places) == 15


def test_seven_different_temperatures_keep_the_order_of_the_logits():
    figure = recurrence.temperatures(np.array([0.0, 1.0]), "ab", (0.1, 1.0, 100.0))
    heights = [[bar.get_height() for bar in ax.patches] for ax in figure.axes]
    expected = [1 / (1 + np.exp(-1 / t)) for t in (0.1, 1.0, 100.0)]
    assert [h[1] for h in heights] == pytest.approx(expected)
    assert [sum(h) for h in heights] == pytest.approx([1, 1, 1])


# Style -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("alt", ["", "A plot.", "x" * 19])
def test_a_description_that_says_too_little_is_refused(alt):
    with pytest.raises(ValueError, match="says too little: name what is plotted"):
        style.described(Picture(), alt)


def test_a_description_is_kept_on_one_line():
    figure = style.described(Picture(), "Three bars,\n   the second of which\tis the largest.")
    assert figure.alt == "Three bars, the second of which is the largest."


def test_a_new_picture_has_its_size_and_no_frame():
    figure, axes = style.picture(4, 2, 2, 3)
    assert isinstance(figure, Figure) and axes.shape == (2, 3)
    assert figure.get_size_inches().tolist() == [4, 2]
    for ax in axes.flat:
        assert not ax.spines["top"].get_visible() and ax.spines["left"].get_visible()


def test_heat_is_symmetric_about_zero_and_prints_the_values():
    _, ax = style.picture()
    image = style.heat(ax, [[1.0, -4.0], [0.0, 2.0]], numbers="{:+.1f}")
    assert image.get_clim() == (-4, 4)
    assert [t.get_text() for t in ax.texts] == ["+1.0", "-4.0", "+0.0", "+2.0"]
    places = [t.get_position() for t in ax.texts]
    assert places == [(0, 0), (1, 0), (0, 1), (1, 1)]  # column, row


def test_heat_of_sizes_starts_at_zero():
    _, ax = style.picture()
    image = style.heat(ax, [1.0, 3.0], cmap=style.MAGNITUDE)
    assert image.get_clim() == (0, 3)
    assert style.heat(ax, [1.0, 3.0], limit=10.0).get_clim() == (-10, 10)


def test_heat_of_nothing_but_zeros_is_drawn():
    _, ax = style.picture()
    assert style.heat(ax, np.zeros((2, 2))).get_clim() == (-1, 1)


@pytest.mark.parametrize(
    "values, labels",
    [
        (np.zeros((2, 0)), {}),
        (np.zeros((2, 3)), {"row_labels": ["only one"]}),
        (np.zeros((2, 3)), {"column_labels": ["a", "b"]}),
        ([["a", "b"]], {}),
    ],
    ids=["empty", "too few row labels", "too few column labels", "text"],
)
def test_heat_refuses_what_it_cannot_draw(values, labels):
    _, ax = style.picture()
    with pytest.raises((ValueError, TypeError)):
        style.heat(ax, values, **labels)


def test_shades_run_from_near_white_to_the_colour_of_the_quantity():
    for quantity, colour in style.COLOURS.items():
        shades = style.shades(quantity)
        assert shades(1.0)[:3] == pytest.approx(to_rgb(colour), abs=0.01)
        assert min(shades(0.0)[:3]) > 0.95
    with pytest.raises(KeyError, match="hiden"):
        style.shades("hiden")


def test_signed_colours_leave_black_ink_readable():
    """WCAG contrast of black on the strongest colours: at least 4.5 to 1."""
    for position in np.linspace(0, 1, 21):
        linear = [
            c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4
            for c in style.SIGNED(position)[:3]
        ]
        luminance = np.dot([0.2126, 0.7152, 0.0722], linear)
        assert (luminance + 0.05) / 0.05 >= 4.5


# How red-green blindness changes linear RGB: Machado, Oliveira and Fernandes (2009), severity 1.
SIGHT = {
    "all cones": np.eye(3),
    "protanopia": np.array(
        [
            [0.152286, 1.052583, -0.204868],
            [0.114503, 0.786281, 0.099216],
            [-0.003882, -0.048116, 1.051998],
        ]
    ),
    "deuteranopia": np.array(
        [
            [0.367322, 0.860646, -0.227968],
            [0.280085, 0.672501, 0.047413],
            [-0.011820, 0.042940, 0.968881],
        ]
    ),
}


def lab(colour, sight):
    """CIE Lab of a colour as seen; distances are in units of about one just visible step."""
    c = np.array(to_rgb(colour))
    linear = np.where(c <= 0.04045, c / 12.92, ((c + 0.055) / 1.055) ** 2.4)
    linear = np.clip(sight @ linear, 0, 1)
    xyz = (
        np.array([[0.4124, 0.3576, 0.1805], [0.2126, 0.7152, 0.0722], [0.0193, 0.1192, 0.9505]])
        @ linear
    )
    t = xyz / np.array([0.9505, 1.0, 1.089])
    f = np.where(t > 0.008856, np.cbrt(t), 7.787 * t + 16 / 116)
    return np.array([116 * f[1] - 16, 500 * (f[0] - f[1]), 200 * (f[1] - f[2])])


@pytest.mark.parametrize("sight", SIGHT)
@pytest.mark.parametrize("palette", ["COLOURS", "SERIES"])
def test_no_two_colours_look_alike(sight, palette):
    colours = getattr(style, palette)
    colours = dict(colours) if palette == "COLOURS" else {c: c for c in colours}
    assert len(set(colours.values())) == len(colours)
    seen = {name: lab(colour, SIGHT[sight]) for name, colour in colours.items()}
    apart = {
        (a, b): round(float(np.linalg.norm(seen[a] - seen[b])), 1)
        for a, b in itertools.combinations(colours, 2)
    }
    # 2.3 is a just noticeable difference for a careful eye on large patches: three of them.
    assert not {pair: distance for pair, distance in apart.items() if distance < 7}

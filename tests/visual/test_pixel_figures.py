"""The figures of lesson 07: what is where in them, and what they refuse."""

import numpy as np
import pytest
import torch
from matplotlib.colors import to_rgb, to_rgba

from lecture_utils.models.pixel_cnn import GatedPixelCNN, PixelCNN, mask
from lecture_utils.models.pixel_rnn import skew
from lecture_utils.models.pixels import sees
from lecture_utils.visual.figures import pixels as figures
from lecture_utils.visual.style import COLOURS
from lecture_utils.visual.widgets.pixel_sight import BLIND

rng = np.random.default_rng(0)
grey = rng.integers(0, 17, (6, 1, 8, 8))
colour = rng.integers(0, 8, (6, 3, 5, 5))


def pasted(figure):
    """(column, row, image) of each image in a page, in the order of pasting."""
    return [
        (image.get_extent()[0], image.get_extent()[3], np.asarray(image.get_array()))
        for image in figure.axes[0].images
    ]


# Images ------------------------------------------------------------------------------------------


def test_a_gallery_shows_the_pixels_that_it_is_given():
    places = pasted(figures.gallery({"drawn": colour[:4], "real": torch.tensor(colour[4:])}, 8))
    assert [(x, y) for x, y, _ in places] == [(0, 0), (1, 0), (2, 0), (3, 0), (0, 1), (1, 1)]
    for (_, _, shown), image in zip(places, colour):
        np.testing.assert_allclose(shown, image.transpose(1, 2, 0) / 7)


def test_columns_are_numbered_where_they_are_to_be_compared():
    def numbers(rows):
        texts = figures.gallery(rows, 8).axes[0].texts
        return [(text.get_text(), text.get_position()) for text in texts if text.get_text() < "a"]

    found = numbers({"drawn": colour[:3], "real": colour[3:5]})
    assert [text for text, _ in found] == ["1", "2", "3"]
    assert all(n < x < n + 1 and y < 0 for n, (_, (x, y)) in enumerate(found))
    assert numbers({"drawn": colour}) == []


def test_grey_goes_from_paper_to_ink():
    ((_, _, shown),) = pasted(figures.gallery({"ramp": np.arange(4).reshape(1, 1, 2, 2)}, 4))
    brightness = shown.sum(-1).ravel()
    assert shown[0, 0].tolist() == [1, 1, 1] and (np.diff(brightness) < -0.5).all()
    assert shown.shape == (2, 2, 3)


def test_each_nearest_image_lies_below_its_sample():
    figure = figures.neighbours(grey[:3], grey[3:], np.array([1.25, 2.0, 30.0]), 17)
    places = pasted(figure)
    assert [(x, y) for x, y, _ in places] == [(0, 0), (0, 1), (1, 0), (1, 1), (2, 0), (2, 1)]
    ink = [shown.mean() for _, _, shown in places]
    order = [0, 3, 1, 4, 2, 5]
    assert np.argsort(ink).tolist() == np.argsort([-grey[k].mean() for k in order]).tolist()
    texts = [text.get_text() for text in figure.axes[0].texts]
    assert [t for t in texts if t[0].isdigit()] == ["1.2", "2.0", "30.0"]


def test_completions_lie_between_what_is_given_and_what_is_real():
    completed = np.stack([grey[2:4], grey[4:]], axis=1)
    figure = figures.completions(grey[:2], completed, 2, 17)
    columns = sorted({round(x, 3) for x, _, _ in pasted(figure)})
    assert columns == [0, 1.2, 2.2, 3.4]
    inner = pasted(figures.gallery({"": grey}, 17))[0][0]
    hidden = [p for p in figure.axes[0].patches if p.get_hatch()]
    assert len(hidden) == 2 and [p.get_x() for p in hidden] == [inner, inner]
    assert hidden[0].get_y() / hidden[0].get_height() == pytest.approx(2 / 6)


# Masks and skewing -------------------------------------------------------------------------------


def test_skewed_columns_have_one_colour_each():
    image = torch.arange(1.0, 13).view(3, 4)
    figure = figures.skewing(image, skew(image))
    cells = [p for p in figure.axes[1].patches if p.get_linestyle() in ("-", "solid")]
    by_column = {}
    for cell in cells:
        by_column.setdefault(cell.get_x() + 0.5, set()).add(cell.get_facecolor())
    assert len(cells) == 12 and len(by_column) == 6
    assert all(len(colours) == 1 for colours in by_column.values())
    assert len(set.union(*by_column.values())) == 6
    assert "both in column 2; it is in column 3" in figure.alt


def test_a_wrong_skew_is_seen():
    image = np.arange(1, 13).reshape(3, 4)
    figure = figures.skewing(image, np.array([[*row, 0, 0] for row in image]))
    assert "in different columns" in figure.alt


def test_a_mask_is_drawn_as_it_is():
    masks = {"A": mask("A", 1, 1, 3)[0, 0], "B": mask("B", 3, 3, 3, 3)}
    plain, coloured = figures.masks(masks).axes
    texts = [int(text.get_text()) for text in plain.texts]
    assert texts == masks["A"].flatten().int().tolist() == [1, 1, 1, 1, 0, 0, 0, 0, 0]
    texts = [int(text.get_text()) for text in coloured.texts]
    assert texts == masks["B"].flatten().int().tolist()
    kept = [p for p in coloured.patches if p.get_facecolor() == to_rgba(COLOURS["hidden"])]
    assert len(kept) == masks["B"].sum() == 9 * 4 + 6
    assert [t.get_text() for t in coloured.get_yticklabels()] == ["to R", "to G", "to B"]


# What a pixel sees -------------------------------------------------------------------------------


def test_the_blind_spot_of_the_plain_one_is_gone_in_the_gated_one():
    torch.manual_seed(0)
    images = torch.randint(2, (1, 1, 7, 7))
    plain = sees(PixelCNN(1, 2, 8, 5, first_kernel=3), images, 0, 5, 2)[0]
    gated = sees(GatedPixelCNN(1, 2, 8, 5, first_kernel=3), images, 0, 5, 2)[0]
    figure = figures.sight({"plain": plain, "gated": gated}, 5, 2)
    # In the row r above it reaches r columns to the right: of four it misses 3, 2 and 1.
    assert "plain sees 31 of 37, misses 6" in figure.alt
    assert "gated sees 37 of 37, misses 0" in figure.alt
    shown = np.asarray(figure.axes[0].images[0].get_array())
    blind = np.argwhere((np.abs(shown - to_rgba(BLIND)) < 1e-9).all(-1))
    assert blind.tolist() == [[2, 6], [3, 5], [3, 6], [4, 4], [4, 5], [4, 6]]


def test_a_faint_pixel_is_seen_and_a_later_one_is_a_leak():
    seen = np.zeros((3, 3))
    seen[0, 0], seen[0, 1], seen[2, 2], seen[1, 1] = 1, 1e-30, 1e-30, 0.5
    figure = figures.sight({"model": seen}, 1, 1)
    assert "sees 2 of 4, misses 2, leaks from 2" in figure.alt
    shown = np.asarray(figure.axes[0].images[0].get_array())
    assert shown[0, 1, 3] == 1 and (shown[0, 1] != shown[0, 0]).any()
    assert tuple(shown[2, 2, :3]) == pytest.approx(to_rgb(COLOURS["output"]))
    legend = [text.get_text() for text in figure.legends[0].texts]
    assert legend == ["seen", "not seen (yet)", "later", "leak"]


# Numbers -----------------------------------------------------------------------------------------

ROWS = [
    {"model": "a", "weights": 1234, "train": 1.5, "test": 2.0, "seconds_per_epoch": 0.5},
    {"model": "b", "weights": 99, "train": 1.0, "test": 1.25, "seconds_per_epoch": 20.0},
]


def test_bars_and_ticks_have_the_lengths_of_the_table():
    figure = figures.bits(ROWS, 17)
    (ax,) = figure.axes
    assert [bar.get_width() for bar in ax.patches] == [2.0, 1.25]
    ticks, uniform = ax.lines
    assert list(ticks.get_xdata()) == [1.5, 1.0]
    assert uniform.get_xdata()[0] == pytest.approx(4.0875, abs=1e-4)
    labels = [t.get_text() for t in ax.get_yticklabels()]
    assert labels == ["a  (1,234 weights)", "b  (99 weights)"]
    texts = [text.get_text() for text in ax.texts]
    assert texts == ["2.00", "1.25", "knows nothing: log2 17 = 4.09"]


def test_marks_are_at_the_time_and_bits_of_each_model():
    (ax,) = figures.cost(ROWS).axes
    marks = [(*line.get_xdata(), *line.get_ydata(), line.get_label()) for line in ax.lines]
    assert marks == [(0.5, 2.0, "a"), (20.0, 1.25, "b")]
    assert ax.get_ylim() == (1.0, 2.1)


def test_small_differences_of_bits_do_not_fill_the_picture():
    tests = {"PixelCNN": (0.86, 1.8214), "Diagonal BiLSTM": (4.78, 1.7631)}
    rows = [{"model": m, "seconds_per_epoch": s, "test": t} for m, (s, t) in tests.items()]
    figure = figures.cost(rows)
    (ax,) = figure.axes
    assert ax.get_ylim() == (1.5, 2.0)
    figure.draw_without_rendering()
    low, high = ax.get_xlim()
    shown = [tick for tick in ax.xaxis.get_major_ticks() if low <= tick.get_loc() <= high]
    assert [tick.label1.get_text() for tick in shown] == ["1", "2", "5"]
    assert len({tick.label1.get_fontsize() for tick in shown}) == 1
    assert not len(ax.xaxis.get_minorticklocs()) and "log scale" in ax.get_xlabel()
    for test, lowest in ((2.0, 1.5), (2.04, 1.5), (2.06, 2.0)):  # no mark on the axis itself
        (ax,) = figures.cost([rows[0] | {"test": test}]).axes
        assert ax.get_ylim()[0] == lowest


def test_times_are_compared_with_the_first_way_of_the_same_model():
    times = {"a": {"naive": 10.0, "cached": 0.5}, "b": {"naive": 30.0, "cached": 1.0}}
    figure = figures.sampling_times(times)
    (ax,) = figure.axes
    assert [bar.get_width() for bar in ax.patches] == [10.0, 30.0, 0.5, 1.0]
    assert "a, cached: 0.5 s, 20 times as fast" in figure.alt
    assert "b, cached: 1 s, 30 times as fast" in figure.alt
    assert ax.get_xlim()[0] == 0  # bars from anywhere else would lie about the ratio


# What is refused ---------------------------------------------------------------------------------


@pytest.mark.parametrize("call, said", [
    (lambda: figures.gallery({"drawn": grey[:, 0]}, 17), r"drawn has shape \(6, 8, 8\)"),
    (lambda: figures.gallery({"drawn": grey}, 16), "levels from 0 to 16: expected 0 to 15"),
    (lambda: figures.gallery({"drawn": colour[:, :2]}, 8), "with 1 or 3 channels"),
    (lambda: figures.neighbours(grey[:3], grey[3:5], np.ones(3), 17), "3 samples, 2 nearest ones"),
    (lambda: figures.completions(grey[:2], grey[2:], 3, 17), r"expected \(2, S, C, 8, 8\)"),
    (lambda: figures.completions(grey[:2], grey[None, 2:4].repeat(2, 0), 8, 17), "rows_given is 8"),
    (lambda: figures.skewing(np.ones((3, 3)), np.ones((3, 5))), "cannot be followed"),
    (lambda: figures.masks({"A": np.ones((2, 2, 3, 3))}), r"mask 'A' has shape \(2, 2, 3, 3\)"),
    (lambda: figures.masks({"A": np.ones((3, 5))}), r"mask 'A' has shape \(3, 5\)"),
    (lambda: figures.cost([*ROWS, ROWS[0] | {"model": "c", "seconds_per_epoch": 0}]),
     "c took 0 seconds, .* give models that were trained"),
    (lambda: figures.sight({"a": np.ones((3, 3))}, 3, 0), r"pixel \(3, 0\) lies outside"),
    (lambda: figures.sight({"a": np.ones((3, 3)), "b": np.ones((2, 3))}, 1, 0), "of one size"),
])  # fmt: skip
def test_what_cannot_be_drawn_is_refused_with_its_remedy(call, said):
    with pytest.raises(ValueError, match=said):
        call()

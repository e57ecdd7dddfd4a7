"""The figures of lesson 07: what is where in them, and what they refuse."""

import numpy as np
import pytest
import torch
from matplotlib.colors import to_rgba

from lecture_utils.models.pixel_cnn import mask
from lecture_utils.models.pixel_rnn import skew
from lecture_utils.visual.figures import pixels as figures
from lecture_utils.visual.style import COLOURS

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


# Numbers -----------------------------------------------------------------------------------------

ROWS = [
    {"model": "a", "weights": 1234, "train": 1.5, "test": 2.0},
    {"model": "b", "weights": 99, "train": 1.0, "test": 1.25},
    {"model": "b", "weights": 99, "train": 1.2, "test": 1.75},
]


def test_bars_and_ticks_have_the_mean_lengths_of_the_table():
    figure = figures.bits(ROWS, 17)
    (ax,) = figure.axes
    assert [bar.get_width() for bar in ax.patches] == [2.0, 1.5]
    ticks, range_of_b, uniform = ax.lines
    assert list(ticks.get_xdata()) == [1.5, 1.1]
    assert list(range_of_b.get_xdata()) == [1.25, 1.75] and list(range_of_b.get_ydata()) == [1, 1]
    assert uniform.get_xdata()[0] == pytest.approx(4.0875, abs=1e-4)
    labels = [t.get_text() for t in ax.get_yticklabels()]
    assert labels == ["a  (1,234 weights)", "b  (99 weights)"]
    texts = [text.get_text() for text in ax.texts]
    assert texts == ["2.00", "1.50", "knows nothing: log2 17 = 4.09"]


def epochs(model, start, *validation):
    return [{"model": model, "start": start, "seconds": 2.0 * k, "validation": bits}
            for k, bits in enumerate(validation, start=1)]  # fmt: skip


def test_each_start_is_a_line_in_the_colour_of_its_model():
    rows = epochs("a", 0, 3.0, 2.0) + epochs("a", 1, 2.5, 1.9) + epochs("b", 0, 2.2, 1.8, 1.7)
    figure = figures.learning(rows, 2.0)
    (ax,) = figure.axes
    *lines, level = ax.lines
    assert [list(line.get_ydata()) for line in lines] == [[3.0, 2.0], [2.5, 1.9], [2.2, 1.8, 1.7]]
    assert [list(line.get_xdata()) for line in lines] == [[2, 4], [2, 4], [2, 4, 6]]
    assert lines[0].get_color() == lines[1].get_color() != lines[2].get_color()
    assert list(level.get_ydata()) == [2.0, 2.0]
    assert [text.get_text() for text in ax.get_legend().texts] == ["a", "b"]
    assert "a ends at 1.95 after 4 s; b ends at 1.70 after 6 s" in figure.alt
    assert "log scale" in ax.get_xlabel()


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
    (lambda: figures.learning([row for k in range(11) for row in epochs(f"m{k}", 0, 2.0)], 2),
     "11 models: there are colours for"),
])  # fmt: skip
def test_what_cannot_be_drawn_is_refused_with_its_remedy(call, said):
    with pytest.raises(ValueError, match=said):
        call()

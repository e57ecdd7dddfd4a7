"""How figures show themselves, whatever pyplot has done before; heat maps; packing of arrays."""

import struct

import matplotlib
import numpy as np
import pytest
import torch
from IPython.core.interactiveshell import InteractiveShell
from IPython.utils.capture import capture_output

from lecture_utils.visual import style
from lecture_utils.visual.widgets.base import pack, unpack


def a_figure():
    figure, ax = style.picture(4, 2)
    ax.plot([1, 2])
    return style.described(figure, "One line that goes from 1 to 2.")


@pytest.fixture
def shell():
    yield InteractiveShell.instance()
    InteractiveShell.clear_instance()


@pytest.mark.parametrize("formats", [None, {"png"}, {"retina"}, {"svg", "png"}])
def test_a_picture_is_shown_once_with_its_own_size_and_alt_text(shell, formats):
    if formats:  # what pyplot does when it first draws inline
        from IPython.core.pylabtools import select_figure_formats

        select_figure_formats(shell, formats)
    with capture_output() as captured:
        data, metadata = shell.display_formatter.format(a_figure())
    assert (data, metadata) == ({}, {})  # nothing for the result: it has shown itself
    (shown,) = captured.outputs
    assert set(shown.data) == {"text/plain", "image/png"}
    about = shown.metadata["image/png"]
    assert about == {"alt": "One line that goes from 1 to 2.", "width": 400, "height": 200}


def test_settings_of_the_notebook_do_not_change_the_size():
    with matplotlib.rc_context({"savefig.bbox": "tight"}):
        png, width, height = style._png(a_figure())
    assert struct.unpack(">II", png[16:24]) == (640, 320)
    assert (width, height) == (400, 200)


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_heat_names_the_value_it_cannot_colour(bad):
    _, ax = style.picture()
    with pytest.raises(ValueError, match=f"{bad} in row 1, column 0.*finite"):
        style.heat(ax, [[0.0, 1.0], [bad, 2.0]])


@pytest.mark.parametrize("cmap", [style.MAGNITUDE, style.shades("hidden"), style.shades("loss")])
def test_numbers_on_dark_squares_are_white(cmap):
    _, ax = style.picture()
    style.heat(ax, [0.0, 1.0], cmap=cmap, numbers="{:.0f}")
    assert [text.get_color() for text in ax.texts] == ["black", "white"]


def test_numbers_on_signed_colours_stay_black():
    _, ax = style.picture()
    style.heat(ax, [-1.0, 0.0, 1.0], numbers="{:.0f}")
    assert {text.get_color() for text in ax.texts} == {"black"}


# Packing -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["float64", "float32", "int8", "uint8"])
@pytest.mark.parametrize("shape", [(0,), (2, 0), (0, 3), (), (1,), (2, 3)])
def test_any_shape_comes_back(kind, shape):
    array = np.ones(shape)
    back = unpack(pack(array, kind))
    assert back.shape == shape
    np.testing.assert_allclose(back, array, rtol=1e-6)


def test_tensors_are_packed_as_they_are():
    for tensor in (torch.ones(2, requires_grad=True), torch.ones(2, dtype=torch.bfloat16)):
        assert unpack(pack(tensor)).tolist() == [1, 1]


@pytest.mark.parametrize("kind", ["float32", "int8", "uint8"])
def test_numbers_that_the_cast_makes_infinite_are_refused(kind):
    with pytest.raises(ValueError, match=r"1e\+300 at \[1\]: .* are finite as float32"):
        pack([1.0, 1e300], kind)
    assert unpack(pack([1e300], "float64")).tolist() == [1e300]

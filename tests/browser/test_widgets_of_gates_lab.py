"""The widgets of lessons 03 and 04 in JupyterLab: keys stay, values reach Python and back."""

import nbformat
import pytest

FLOW = """\
import numpy as np
from lecture_utils.visual.widgets import CellProgrammer, GateStepper, GradientFlow
draw = np.random.default_rng(0).normal
starts = {"Gaussian": draw(size=(2, 8, 8)) / 3}
flow = GradientFlow(starts, draw(size=(2, 30, 8)), draw(size=(2, 8)), gain=1.0, steps=20)
flow"""
GATES = """\
gates = GateStepper(draw(size=(16, 7)), draw(size=16), alphabet="ab ", text="ab ab")
gates"""
PROGRAM = """\
marks = np.zeros((5, 20))
marks[:, ::6] = 1
programmer = CellProgrammer(np.clip(draw(size=(5, 20)), -1, 1), marks)
programmer"""
READ = 'print("read", f"{flow.gain:.2f}", gates.text, programmer.weights["b_i"])'


@pytest.fixture
def notebook(tmp_path, lab):
    folder = tmp_path / "notebooks"
    folder.mkdir()
    cells = [nbformat.v4.new_code_cell(source) for source in (FLOW, GATES, PROGRAM, READ)]
    kernel = {"name": "python3", "display_name": "Python 3", "language": "python"}
    book = nbformat.v4.new_notebook(cells=cells, metadata={"kernelspec": kernel})
    nbformat.write(book, folder / "gates.ipynb")
    opened = lab(folder, "gates.ipynb")
    opened.run_all()
    for name in ("flow-widget", "gates", "cell-programmer"):
        opened.page.wait_for_selector(f".lecture.{name} input")
    return opened


def test_three_widgets_answer_to_keys_and_share_their_values_with_python(notebook):
    page, cells = notebook.page, notebook.cell_count()
    assert notebook.output(3) == "read 1.00 ab ab 0.0"

    gain = page.locator(".flow-widget input[type=range]").first
    bias = page.locator(".cell-programmer input[type=range]").first
    for slider, key in ((gain, "ArrowRight"), (bias, "ArrowLeft")):
        slider.scroll_into_view_if_needed()
        slider.focus()
        for pressed in (key, key, "d", "d", "a", "b"):  # d d would delete the cell
            page.keyboard.press(pressed)
    page.locator(".gates").get_by_label("Text", exact=True).fill("bb a")
    page.wait_for_timeout(400)
    assert notebook.cell_count() == cells
    notebook.run_cell(3)
    page.wait_for_function(
        "() => document.querySelector('.jp-Notebook').innerText.includes('read 1.04')")
    assert notebook.output(3) == "read 1.04 bb a -1.0"

    notebook.set_source(3, 'flow.gain = 1.5\ngates.text = "aab"\nprint("set")')
    notebook.run_cell(3)
    page.wait_for_function(
        "() => document.querySelector('.gates .counter').textContent.includes('of 3')")
    assert float(gain.input_value()) == pytest.approx(1.5)

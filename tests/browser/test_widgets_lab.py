"""The stepper in a real JupyterLab: keys stay in the widget, edits come back to Python."""

import nbformat
import pytest

MAKE = """\
import numpy as np
from lecture_utils.visual.widgets import RNNStepper
draw = np.random.default_rng(0).normal
W_hh = draw(size=(3, 3))
stepper = RNNStepper(draw(size=(3, 4)), W_hh, draw(size=(4, 3)), draw(size=3), draw(size=4))
stepper"""
READ = """\
changed = stepper.weights()["W_hh"]
where = [tuple(int(i) for i in place) for place in np.argwhere(changed != W_hh)]
print("read", stepper.step, stepper.text, where, [float(changed[place]) for place in where])"""


@pytest.fixture
def notebook(tmp_path, lab):
    folder = tmp_path / "notebooks"
    folder.mkdir()
    cells = [nbformat.v4.new_code_cell(source) for source in ("1 + 1", MAKE, READ)]
    kernel = {"name": "python3", "display_name": "Python 3", "language": "python"}
    book = nbformat.v4.new_notebook(cells=cells, metadata={"kernelspec": kernel})
    nbformat.write(book, folder / "stepper.ipynb")
    opened = lab(folder, "stepper.ipynb")
    opened.run_all()
    opened.page.wait_for_selector(".stepper .moment")
    return opened


def test_keys_stay_in_the_widget_and_edits_reach_python(notebook):
    page = notebook.page
    cells = notebook.cell_count()
    assert notebook.output(2) == "read 1 hell [] []"

    # Keys that would delete, run or leave a cell.
    page.locator(".moment").nth(1).click()
    active = notebook.active_cell()
    for key in ("d", "d", "ArrowDown", "ArrowUp", "a", "b", "x", "Shift+Enter", "ArrowRight"):
        page.keyboard.press(key)
    page.locator('table[aria-label="Weights W_hh"] button').nth(3).click()
    page.locator(".editor input[type=range]").focus()
    for key in ("d", "d", "ArrowDown", "Shift+Enter"):
        page.keyboard.press(key)
    page.wait_for_timeout(300)
    assert notebook.cell_count() == cells
    assert notebook.active_cell() == active
    assert notebook.output(2) == "read 1 hell [] []"
    assert page.locator(".stepper").count() == 1

    # From the browser to Python.
    page.get_by_label("Value of W_hh[1,0], as a number").fill("1.25")
    page.get_by_label("Text", exact=True).fill("hello")
    page.locator(".moment").nth(4).click()
    page.wait_for_timeout(400)
    notebook.run_cell(2)
    page.wait_for_function(
        "() => document.querySelector('.jp-Notebook').innerText.includes('read 5')")
    assert notebook.output(2) == "read 5 hello [(1, 0)] [1.25]"

    # And back: Python changes the widget on the page.
    notebook.set_source(2, "stepper.set_weights(W_hh=0 * W_hh)\nstepper.step = 2")
    notebook.run_cell(2)
    page.wait_for_function("() => document.querySelector('.counter').textContent === 't = 2 of 5'")
    assert page.get_by_role("button", name="No memory: Whh = 0").get_attribute(
        "aria-pressed") == "true"


def test_card_stays_light_in_the_dark_theme(notebook):
    page = notebook.page
    page.evaluate("""() => window.jupyterapp.commands.execute(
        'apputils:change-theme', { theme: 'JupyterLab Dark' })""")
    page.wait_for_selector("body[data-jp-theme-light=false]", state="attached")
    colours = page.eval_on_selector(
        ".stepper.lecture", "card => [getComputedStyle(card).backgroundColor, "
        "getComputedStyle(card).color, card.getBoundingClientRect().width]")
    assert colours[:2] == ["rgb(255, 255, 255)", "rgb(31, 36, 41)"]
    assert colours[2] > 600

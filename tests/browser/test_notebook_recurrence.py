"""Notebook 01 as a learner uses it: run all, step, do an exercise wrong and then right."""

import json
import shutil
from pathlib import Path

import pytest

NOTEBOOKS = Path(__file__).resolve().parents[2] / "notebooks"
NAME = "01_recurrence.ipynb"


@pytest.fixture(scope="module")
def cells():
    return json.loads((NOTEBOOKS / NAME).read_text(encoding="utf-8"))["cells"]


def index_of(cells, text: str) -> int:
    """The one cell whose source contains `text`."""
    found = [i for i, cell in enumerate(cells) if text in "".join(cell["source"])]
    assert len(found) == 1, (text, found)
    return found[0]


def test_a_learners_hour(cells, lab, tmp_path):
    folder = tmp_path / "notebooks"
    shutil.copytree(NOTEBOOKS, folder)
    notebook = lab(folder, NAME)
    notebook.run_all(timeout=240)
    page = notebook.page
    page.wait_for_selector(".stepper .moment")
    assert "reproduced" in notebook.output(index_of(cells, 'claim("01.5"'))
    assert page.locator(".jp-OutputArea-output[data-mime-type*=stderr]").count() == 0

    stub, check = index_of(cells, "def rnn_step("), index_of(cells, "ex.rnn_step.check")
    assert "not yet" in notebook.output(check)
    header = "def rnn_step(x, h, W_xh, W_hh, b_h):\n    a = W_xh @ x + W_hh @ h"
    answers = {
        header + "\n    return a, np.tanh(a)": "The bias b_h is missing",
        header + " + b_h\n    return a, a": "There is no non-linearity",
        header + " + b_h\n    return a, np.tanh(a)": "rnn_step: right.",
    }
    for answer, verdict in answers.items():
        notebook.set_source(stub, answer)
        notebook.run_cell(stub)
        notebook.run_cell(check)
        page.wait_for_function(
            "text => document.querySelector('.jp-Notebook').innerText.includes(text)", arg=verdict
        )
        assert verdict in " ".join(notebook.output(check).split())

    page.locator(".stepper").scroll_into_view_if_needed()
    page.locator(".stepper .moment").nth(2).click()
    page.wait_for_function("() => document.querySelector('.counter').textContent === 't = 3 of 4'")
    page.keyboard.press("ArrowRight")
    page.wait_for_function("() => document.querySelector('.counter').textContent === 't = 4 of 4'")
    assert notebook.cell_count() == len(cells)

"""The notebook machinery itself: what must fail fails, and what is stored is stable."""

import re
import subprocess
import sys
import types

import nbformat
import pytest

import course
from tests.test_notebook_form import problems
from tools import refresh, solve

FIGURE = """
import base64
from IPython.display import display
from ipywidgets import IntSlider
pixel = base64.b64encode(b"no image, but nobody looks").decode()
about = {"image/png": {"alt": "a dot", "width": 10, "height": 10, "needs_background": "light"}}
data = {"image/png": pixel, "text/plain": "Figure: a dot"}
display(data, metadata=about, raw=True)
display(IntSlider(3))
"""
NETWORK = """
import socket
try:
    socket.create_connection(("192.0.2.1", 80), timeout=1)
except OSError as error:
    print(type(error).__name__)
"""


def code(source, *tags):
    return nbformat.v4.new_code_cell(source.strip(), metadata={"tags": list(tags)})


def sample_cells():
    numbers = [code(f"print({n}.5)", "nbval-check-output", f"topic-{n}") for n in range(1, 5)]
    return [
        nbformat.v4.new_markdown_cell("# A sample\n\nIt says little."),
        *numbers,
        code(FIGURE, "widget"),
        code(NETWORK, "nbval-check-output"),
        code("[1, 2, 3];"),
    ]


@pytest.fixture(scope="module")
def stored(tmp_path_factory):
    """A sample notebook, refreshed once."""
    path = tmp_path_factory.mktemp("notebooks") / "00_sample.ipynb"
    nbformat.write(nbformat.v4.new_notebook(cells=sample_cells()), path)
    assert refresh.refresh(path)
    return path


@pytest.fixture
def copy(stored, tmp_path):
    path = tmp_path / "00_sample.ipynb"
    path.write_bytes(stored.read_bytes())
    return path


def edit(path, change):
    notebook = refresh.read(path)
    change(notebook)
    path.write_text(nbformat.v4.writes(notebook) + "\n", encoding="utf-8")


def cell_with(notebook, text):
    return next(cell for cell in notebook.cells if text in cell.source)


def run_nbval(mode, path):
    command = [sys.executable, "-m", "pytest", *course.nbval(mode, str(path)), "-n", "0"]
    return subprocess.run(command, cwd=course.ROOT, capture_output=True, text=True, timeout=300)


# ------------------------------------------------------------------- the passes


@pytest.mark.parametrize("mode", ["--nbval", "--nbval-lax"])
def test_good_notebook_passes_and_one_wrong_number_fails(mode, copy):
    result = run_nbval(mode, copy)
    assert result.returncode == 0, result.stdout
    edit(copy, lambda notebook: cell_with(notebook, "print(3.5)").outputs[0].update(text="3.4\n"))
    result = run_nbval(mode, copy)
    assert result.returncode == 1
    assert re.search(r"1 failed, \d+ passed", result.stdout), result.stdout
    assert "3.4" in result.stdout and "3.5" in result.stdout


def test_kernels_of_both_runs_are_offline(stored):
    assert cell_with(refresh.read(stored), "create_connection").outputs[0].text == "NetworkIsOff\n"


# ------------------------------------------------------------------ normal form


def test_second_refresh_changes_no_byte(copy):
    before = copy.read_bytes()
    assert not refresh.refresh(copy)
    assert copy.read_bytes() == before
    assert refresh.is_normal(copy)
    assert problems(copy) == []


def test_widget_state_goes_and_alt_text_stays(stored):
    text = stored.read_text(encoding="utf-8")
    assert "widget-view" not in text and "widget-state" not in text
    figure, widget = cell_with(refresh.read(stored), "IntSlider").outputs
    assert figure.metadata == {"image/png": {"alt": "a dot", "width": 10, "height": 10}}
    assert "IntSlider" in widget.data["text/plain"]


def test_traces_of_other_front_ends_go(copy):
    before = copy.read_text(encoding="utf-8")

    def spoil(notebook):
        notebook.metadata["widgets"] = {"state": {}}
        notebook.metadata["kernelspec"]["name"] = "my-conda"
        notebook.nbformat_minor = 4
        cell = notebook.cells[2]
        cell.metadata["execution"] = {"iopub.execute_input": "2020-01-01"}
        cell.metadata["outputId"] = "x"
        cell.metadata["collapsed"] = False

    edit(copy, spoil)
    assert "not in normal form: run course.py refresh" in problems(copy)
    assert refresh.main(["--check", str(copy)]) == 1
    assert refresh.main(["--no-run", str(copy)]) == 0
    assert copy.read_text(encoding="utf-8") == before


def test_missing_and_repeated_ids_are_replaced_the_same_way_each_time(copy):
    def drop(notebook):
        del notebook.cells[2]["id"]
        notebook.cells[4]["id"] = notebook.cells[3]["id"]

    edit(copy, drop)
    damaged = copy.read_bytes()
    texts = set()
    for _ in range(2):
        copy.write_bytes(damaged)
        refresh.refresh(copy, run=False)
        texts.add(copy.read_text(encoding="utf-8"))
    assert len(texts) == 1
    ids = [cell.id for cell in refresh.read(copy).cells]
    assert len(set(ids)) == len(ids)


def test_set_up_cell_and_badge_are_written_once(copy):
    def spoil(notebook):
        notebook.cells[0].source = notebook.cells[0].source.replace("00_sample", "99_other")
        cell_with(notebook, "#@title").source = "#@title mine"

    before = copy.read_text(encoding="utf-8")
    edit(copy, spoil)
    assert refresh.refresh(copy, run=False)
    assert copy.read_text(encoding="utf-8") == before
    assert before.count("colab-badge.svg") == 1


def test_failing_cell_is_named_and_the_file_kept(copy, capsys):
    edit(copy, lambda notebook: cell_with(notebook, "print(2.5)").update(source="1 / 0"))
    before = copy.read_bytes()
    assert refresh.main([str(copy)]) == 1
    assert copy.read_bytes() == before
    out = capsys.readouterr().out
    assert "ZeroDivisionError" in out and "00_sample.ipynb: FAILED" in out


# ---------------------------------------------------------------- the form test


def tagged(*tags):
    return lambda notebook: cell_with(notebook, "print(2.5)").metadata.update(tags=list(tags))


def output(**changes):
    return lambda notebook: cell_with(notebook, "print(2.5)").outputs[0].update(changes)


def without_alt(notebook):
    cell_with(notebook, "IntSlider").outputs[0].metadata.clear()


def markdown(text):
    return lambda notebook: notebook.cells[0].update(source=notebook.cells[0].source + text)


def last_count(notebook):
    notebook.cells[-1]["execution_count"] = 99


def big(notebook):
    notebook.cells.append(nbformat.v4.new_markdown_cell("word " * 310_000))


def error(notebook):
    wrong = nbformat.v4.new_output("error", ename="ValueError", evalue="x", traceback=[])
    cell_with(notebook, "[1, 2, 3]").outputs.append(wrong)


@pytest.mark.parametrize(
    "change, problem",
    [
        (tagged("nbval-chek-output"), "unknown tag 'nbval-chek-output'"),
        (tagged("NBVAL-CHECK-OUTPUT"), "unknown tag"),
        (tagged("nbval-check-output", "topic-156"), "unknown tag 'topic-156'"),
        (tagged("exercise:step"), "unknown tag"),
        (tagged("topic-1"), "4 cells are compared everywhere, 5 needed"),
        (tagged("nbval-ignore-output"), "must assert a range"),
        (tagged("raises-exception"), "needs nbval-check-output too"),
        (output(name="stderr"), "stderr is stored"),
        (output(text="/home/me/x\n"), "machine path in the output: '/home/m'"),
        (output(text="lib/python3.11/site-packages\n"), "machine path"),
        (output(text="UserWarning: x\n"), "warning in the output: 'UserWarning'"),
        (output(text="<object at 0x7f00aa11>\n"), "differs from run to run"),
        (output(text="0.12345678\n"), "print fewer digits"),
        (without_alt, "an output of kind image/png has no alt text"),
        (markdown("\n![](figure.png)"), "a Markdown image has no alt text"),
        (markdown('\n<img src="figure.png">'), "an HTML image has no alt text"),
        (markdown('\n<img src="figure.png" alt="">'), "an HTML image has no alt text"),
        (last_count, "not run from top to bottom"),
        (big, "bytes are more than 1500000"),
        (error, "an error is stored: ValueError"),
        (lambda n: n.cells[-1].update(source="# NBVAL_CHECK_OUTPUT\n1"), "tags, not comments"),
        (lambda n: n.cells.append(n.cells.pop(1)), "the first code cell, and no other"),
    ],
)
def test_form_test_refuses(change, problem, copy):
    edit(copy, change)
    assert any(problem in found for found in problems(copy)), problems(copy)


@pytest.mark.parametrize("source", ["assert 0.1 < loss < 0.2", 'claim("02.1", "…", holds=x)'])
def test_ignored_cell_may_assert_a_range(source, copy):
    def change(notebook):
        cell = cell_with(notebook, "[1, 2, 3]")
        cell.update(source=source, outputs=[nbformat.v4.new_output("stream", text="0.1\n")])
        cell.metadata["tags"] = ["nbval-ignore-output"]

    edit(copy, change)
    assert problems(copy) == []


# ------------------------------------------------------------------- solutions


@pytest.fixture
def lesson(monkeypatch):
    """A stand-in for lecture_utils.exercises.a_lesson with one solution."""
    module = types.ModuleType("lecture_utils.exercises.a_lesson")
    module.two_steps = types.SimpleNamespace(source="def two_steps():\n    return 2")
    monkeypatch.setitem(sys.modules, module.__name__, module)
    return module


def test_solutions_replace_stubs_and_checks_are_no_longer_compared(lesson):
    cells = [
        code("def two_steps():\n    ...", "exercise-two-steps"),
        code("two_steps = ex.two_steps.check(two_steps)", "nbval-check-output", "topic-1"),
        code("print(two_steps())", "nbval-check-output"),
    ]
    notebook = nbformat.v4.new_notebook(cells=cells)
    assert solve.solve(notebook, "07_a_lesson.ipynb") == 1
    assert cells[0].source == "def two_steps():\n    return 2"
    assert cells[1].metadata["tags"] == ["topic-1"]
    assert cells[2].metadata["tags"] == ["nbval-check-output"]


def test_tag_without_a_solution_is_named(lesson):
    notebook = nbformat.v4.new_notebook(cells=[code("...", "exercise-three-steps")])
    with pytest.raises(LookupError, match="'exercise-three-steps' asks for three_steps"):
        solve.solve(notebook, "07_a_lesson.ipynb")


# --------------------------------------------------------- the set-up cell's work

# What the set-up cell meets: a Python without the course (-S hides what is installed), and on
# Colab a module google.colab. pip only prints what it was asked for.
STAGE = """
import importlib.metadata, subprocess, sys, types
if {colab}:
    sys.modules["google.colab"] = types.ModuleType("google.colab")
importlib.metadata.version = dict(torch="2.11.0+cu126", numpy="2.1.3", ipywidgets="7.7.1").get
run = subprocess.run
def run_but_pip(command, **options):
    if "pip" in command:
        return print("pip", command[4:])
    return run(command, **options)
subprocess.run = run_but_pip
cell = {cell!r}
exec(cell)
exec(cell)
import os, lecture_utils
print(lecture_utils.__file__)
print(os.getcwd())
"""


def run_set_up(folder, cell, colab):
    stage = STAGE.format(cell=cell, colab=colab)
    command = [sys.executable, "-S", "-P", "-c", stage]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=60)


@pytest.fixture
def small_course(tmp_path):
    """A folder like the course: a package and notebooks."""
    root = tmp_path / "origin"
    for name in ("lecture_utils", "notebooks"):
        (root / name).mkdir(parents=True)
    (root / "lecture_utils" / "__init__.py").touch()
    (root / "notebooks" / "00_start_here.ipynb").touch()
    return root


def test_set_up_fetches_the_course_on_colab(small_course, tmp_path):
    git = ["git", "-c", "user.name=course", "-c", "user.email=course@example.org"]
    for arguments in (["init", "-q"], ["add", "."], ["commit", "-q", "-m", "course"]):
        subprocess.run([*git, *arguments], cwd=small_course, check=True)
    place = tmp_path / "content" / "course"
    cell = refresh.set_up_source().replace("/content/course", str(place))
    cell = cell.replace(refresh.repository(), small_course.as_uri())
    (tmp_path / "empty").mkdir()
    result = run_set_up(tmp_path / "empty", cell, colab=True)
    assert result.returncode == 0, result.stderr
    pip, package, folder = result.stdout.splitlines()
    kept = ["torch==2.11.0+cu126", "numpy==2.1.3", "ipywidgets==7.7.1"]
    assert pip == f"pip {['-q', '-e', str(place), *kept]}"
    assert package == str(place / "lecture_utils" / "__init__.py")
    assert folder == str(place / "notebooks")


def test_set_up_finds_a_course_that_is_not_installed(small_course):
    result = run_set_up(small_course / "notebooks", refresh.set_up_source(), colab=False)
    assert result.returncode == 0, result.stderr
    package, folder = result.stdout.splitlines()
    assert package == str(small_course / "lecture_utils" / "__init__.py")
    assert folder == str(small_course / "notebooks")


def test_set_up_says_what_to_do_elsewhere(tmp_path):
    result = run_set_up(tmp_path, refresh.set_up_source(), colab=False)
    assert result.returncode == 1
    assert f"Get it from {refresh.repository()}" in result.stderr
    assert "python3 course.py lab" in result.stderr


def test_set_up_changes_nothing_where_the_course_is_installed(monkeypatch):
    monkeypatch.setattr(subprocess, "run", None)
    path, folder = list(sys.path), course.Path.cwd()
    exec(refresh.set_up_source(), {})
    assert sys.path == path and course.Path.cwd() == folder

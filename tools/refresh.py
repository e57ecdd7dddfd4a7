"""Run notebooks and store them in the one form that this repository keeps.

    python3 course.py refresh [FILE ...]    run, normalise and write (without FILE: all notebooks)
    --no-run    only normalise
    --check     write nothing; name the files that are not in normal form and exit with 1

Normal form: what running twice gives twice. No timing, no widget state, one kernel name; cell
ids, tags, folded cells and the alt texts of images stay. The set-up cell and the Colab badge are
written here, from one template and the repository's address in pyproject.toml.
"""

import argparse
import copy
import hashlib
import os
import re
import shutil
import sys
import tempfile
import tomllib
from pathlib import Path

import nbformat
from nbclient import NotebookClient
from nbclient.exceptions import CellExecutionError

ROOT = Path(__file__).resolve().parent.parent
NOTEBOOKS = ROOT / "notebooks"
NETWORK_OFF = ROOT / "tests" / "offline" / "00-network-off.py"
SET_UP_TEMPLATE = Path(__file__).with_name("set_up_cell.txt")
CELL_TIMEOUT = 120
WIDGET_VIEW = "application/vnd.jupyter.widget-view+json"

NOTEBOOK_METADATA = {
    "kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"},
    "language_info": {
        "codemirror_mode": {"name": "ipython", "version": 3},
        "file_extension": ".py",
        "mimetype": "text/x-python",
        "name": "python",
        "nbconvert_exporter": "python",
        "pygments_lexer": "ipython3",
    },
}
# `#@title` and cellView fold the cell in Colab, source_hidden folds it in JupyterLab.
SET_UP_METADATA = {"cellView": "form", "jupyter": {"source_hidden": True}, "tags": ["set-up"]}


def repository():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    return project["urls"]["Repository"]


def set_up_source():
    template = SET_UP_TEMPLATE.read_text(encoding="utf-8").strip()
    return template.replace("REPOSITORY", repository())


def badge(file_name):
    """The Markdown line that opens this notebook in Colab."""
    path = repository().replace("https://github.com/", "github/", 1)
    host = "https://colab.research.google.com"
    return (
        f"[![Open in Colab]({host}/assets/colab-badge.svg)]"
        f"({host}/{path}/blob/main/notebooks/{file_name})"
    )


def read(path):
    """The notebook as it is stored; nbformat.read would invent missing cell ids at random."""
    return nbformat.v4.reads(Path(path).read_text(encoding="utf-8"))


def to_text(notebook):
    nbformat.validate(notebook)
    return nbformat.v4.writes(notebook) + "\n"


def normalised(notebook, file_name):
    """A copy of the notebook in normal form."""
    notebook = copy.deepcopy(notebook)
    notebook.nbformat, notebook.nbformat_minor = 4, 5
    notebook.metadata = nbformat.from_dict(NOTEBOOK_METADATA)
    write_set_up_cell(notebook)
    write_badge(notebook, file_name)
    give_ids(notebook)
    for cell in notebook.cells:
        cell.metadata = nbformat.from_dict(kept_metadata(cell.metadata))
        if not cell.get("attachments"):
            cell.pop("attachments", None)
        if cell.cell_type == "code":
            cell.outputs = normalised_outputs(cell.outputs)
    return notebook


def write_set_up_cell(notebook):
    """Fill the cell tagged `set-up`; without one, insert it before the first code cell."""
    code = [cell for cell in notebook.cells if cell.cell_type == "code"]
    cell = next((c for c in code if "set-up" in c.metadata.get("tags", [])), None)
    if cell is None:
        cell = nbformat.v4.new_code_cell()
        del cell["id"]
        place = notebook.cells.index(code[0]) if code else len(notebook.cells)
        notebook.cells.insert(place, cell)
    cell.source = set_up_source()
    cell.metadata = nbformat.from_dict(SET_UP_METADATA)


def write_badge(notebook, file_name):
    """Put the badge below the title: the first line of the first cell."""
    if not notebook.cells or notebook.cells[0].cell_type != "markdown":
        raise ValueError(f"{file_name}: the first cell must be Markdown and begin with the title")
    title, *rest = notebook.cells[0].source.split("\n")
    rest = "\n".join(line for line in rest if "colab-badge.svg" not in line).strip("\n")
    parts = [title, badge(file_name)] + ([rest] if rest else [])
    notebook.cells[0].source = "\n\n".join(parts)


def give_ids(notebook):
    """Keep each cell's id; give one made of place and source where it is missing or repeated."""
    seen = set()
    for place, cell in enumerate(notebook.cells):
        attempt = 0
        while not cell.get("id") or cell.id in seen:
            name = f"{place} {attempt} {cell.source}"
            cell["id"] = hashlib.sha256(name.encode()).hexdigest()[:8]
            attempt += 1
        seen.add(cell.id)


def kept_metadata(metadata):
    kept = {key: metadata[key] for key in ("tags", "cellView") if metadata.get(key)}
    if metadata.get("jupyter", {}).get("source_hidden"):
        kept["jupyter"] = {"source_hidden": True}
    return kept


def normalised_outputs(outputs):
    kept = []
    for output in outputs:
        if output.output_type == "stream" and kept and kept[-1].get("name") == output.name:
            kept[-1].text += output.text
            continue
        kept.append(output)
        if "data" in output:
            output.data.pop(WIDGET_VIEW, None)
        if "metadata" in output:
            output.metadata = nbformat.from_dict(kept_image_metadata(output.metadata))
    return kept


def kept_image_metadata(metadata):
    """Per kind of image its alt text and size; widgets and front ends add other things."""
    kept = {}
    for kind, about in metadata.items():
        if isinstance(about, dict):
            kept[kind] = {key: about[key] for key in ("alt", "height", "width") if key in about}
    return {kind: about for kind, about in kept.items() if about}


def write_ipython_folder(folder):
    """Make `folder` one that IPYTHONDIR can name for kernels without network."""
    place = Path(folder) / "profile_default" / "startup"
    place.mkdir(parents=True)
    shutil.copyfile(NETWORK_OFF, place / NETWORK_OFF.name)


def executed(notebook, folder):
    """Run all cells in `folder` in a fresh kernel without network; return the notebook."""
    client = NotebookClient(
        notebook,
        timeout=CELL_TIMEOUT,
        kernel_name="python3",
        record_timing=False,
        coalesce_streams=True,
        extra_arguments=["--log-level=40"],  # ipykernel warns that TCP is not encrypted
        resources={"metadata": {"path": str(folder)}},
    )
    # store_widget_state stays on: without it nbclient 0.11 can hang on an Output widget.
    with tempfile.TemporaryDirectory(prefix="ipython-offline-") as ipython_folder:
        write_ipython_folder(ipython_folder)
        return client.execute(env=dict(os.environ, IPYTHONDIR=ipython_folder))


def refresh(path, run=True):
    """Bring one file into normal form; return whether its text changed."""
    path = Path(path)
    before = path.read_text(encoding="utf-8")
    notebook = normalised(read(path), path.name)
    if run:
        notebook = normalised(executed(notebook, path.resolve().parent), path.name)
    after = to_text(notebook)
    if after == before:
        return False
    beside = path.with_name(path.name + ".part")
    beside.write_text(after, encoding="utf-8", newline="\n")
    os.replace(beside, path)
    return True


def is_normal(path):
    path = Path(path)
    return to_text(normalised(read(path), path.name)) == path.read_text(encoding="utf-8")


def error_in(trouble):
    """The last lines of an exception's text, without the colours of a traceback."""
    return "\n".join(re.sub(r"\x1b\[[\d;]*m", "", str(trouble)).strip().splitlines()[-15:])


def main(arguments=None):
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("files", nargs="*", type=Path)
    parser.add_argument("--no-run", action="store_true")
    parser.add_argument("--check", action="store_true")
    chosen = parser.parse_args(arguments)
    failed = False
    for path in chosen.files or sorted(NOTEBOOKS.glob("*.ipynb")):
        try:
            if chosen.check:
                done = "in normal form" if is_normal(path) else "NOT in normal form"
                failed |= done.startswith("NOT")
            else:
                done = "written" if refresh(path, run=not chosen.no_run) else "unchanged"
        except (CellExecutionError, OSError, RuntimeError, ValueError) as trouble:
            done = f"FAILED, the file is as it was\n{error_in(trouble)}"
            failed = True
        print(f"{path}: {done}", flush=True)
    return int(failed)


if __name__ == "__main__":
    sys.exit(main())

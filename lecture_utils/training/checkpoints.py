"""What ships with the course, each thing with a card that says how it was made.

    data/checkpoints/NAME.safetensors   trained weights      data/experiments/NAME.csv   rows
    data/checkpoints/NAME.json          their card           data/experiments/NAME.json  their card

The card carries the sha256 of the file beside it, so that a damaged file is noticed. Nothing here
unpickles: a weight file from a stranger can be wrong, but it cannot run code.
"""

import csv
import difflib
import hashlib
import io
import json
import os
import platform
import shutil
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path

import numpy as np
import safetensors
import safetensors.torch
import torch
from torch import nn

from lecture_utils import DATA


def save(name: str | Path, model: nn.Module, card: Mapping, float16: bool = False) -> dict:
    """Write NAME.safetensors and NAME.json; returns the card as written.

    name: a plain name belongs to data/checkpoints; a path with a folder is taken as it is.
    card: how the weights were made (command, seed, data, steps, metrics, seconds). Added here:
    parameters, stored_as, versions, sha256.
    float16: store floating-point weights in half the space. `load` casts them back; three
    decimal digits remain.

    ValueError for weights that are NaN. OSError if the disk is full or the folder read-only. In
    each case what was there before is untouched.
    """
    path = _path(name, "checkpoints")
    tensors = {key: value.detach().cpu() for key, value in weights(model).items()}
    for key, value in tensors.items():
        if nans := int(value.isnan().sum()):
            raise ValueError(
                f"{key!r} is NaN in {nans} of {value.numel()} numbers, so nothing was saved. "
                "Train again with a lower rate, or go back to weights that are numbers."
            )
    if float16:
        tensors = {key: _half(key, value) for key, value in tensors.items()}
    # clone: safetensors refuses tensors that are windows on the same memory
    tensors = {
        key: value.clone(memory_format=torch.contiguous_format) for key, value in tensors.items()
    }
    parameters = sum(p.numel() for p in model.parameters())
    stored_as = sorted({str(value.dtype).removeprefix("torch.") for value in tensors.values()})
    return _write(
        Path(f"{path}.safetensors"),
        safetensors.torch.save(tensors),
        {**card, "parameters": parameters, "stored_as": stored_as},
    )


def load(name: str | Path, model: nn.Module) -> dict:
    """Put the saved weights into `model`, whatever device it is on; returns the card.

    The model changes only if everything fits. FileNotFoundError for an unknown name, ValueError
    for a file that does not match its card and for a model of other sizes.
    """
    data, found = _read(name, "checkpoints")
    try:
        tensors = safetensors.torch.load(data)
    except safetensors.SafetensorError as error:
        path = _path(name, "checkpoints")
        raise ValueError(
            f"{path}.safetensors holds no weights ({error}). {_remedy(path)}"
        ) from error
    put_weights(model, tensors, f"checkpoint {str(name)!r}")
    return found


def card(name: str | Path) -> dict:
    """The card of a checkpoint."""
    return _read_card(_path(name, "checkpoints"), "checkpoint")


def save_experiment(
    name: str | Path, rows: Sequence[Mapping] | Mapping[str, Iterable], card: Mapping
) -> dict:
    """Write NAME.csv and NAME.json; returns the card as written.

    rows: a list of dicts with the same keys, or a dict of columns of the same length. Numbers or
    text; round them first: they are written in full.
    """
    path = _path(name, "experiments")
    columns = _columns(rows)
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(columns)
    writer.writerows(zip(*([_plain(v) for v in column] for column in columns.values())))
    return _write(Path(f"{path}.csv"), text.getvalue().encode(), dict(card))


def experiment(name: str | Path) -> dict[str, np.ndarray]:
    """The columns of an experiment: int64 or float64 where every entry is a number, else text.

    Errors as for `load`.
    """
    data, _ = _read(name, "experiments")
    header, *rows = csv.reader(io.StringIO(data.decode(), newline=""))
    return {key: _column([row[i] for row in rows]) for i, key in enumerate(header)}


def experiment_card(name: str | Path) -> dict:
    """The card of an experiment."""
    return _read_card(_path(name, "experiments"), "experiment")


# Shared with resume.py and the recipes --------------------------------------------------------


def weights(model: nn.Module) -> dict[str, torch.Tensor]:
    """Parameters and persistent buffers by name; tied weights once, under their first name."""
    seen, kept = set(), {}
    for name, value in model.state_dict().items():
        place = (value.data_ptr(), value.shape, value.stride())
        if value.numel() == 0 or place not in seen:
            kept[name] = value
            seen.add(place)
    return kept


def put_weights(model: nn.Module, tensors: Mapping[str, torch.Tensor], source: str) -> None:
    """Copy `tensors` into the model in place. ValueError, and no change, unless all of them fit."""
    check_weights(model, tensors, source)
    with torch.no_grad():
        for key, value in weights(model).items():
            value.copy_(tensors[key])


def check_weights(model: nn.Module, tensors: Mapping[str, torch.Tensor], source: str) -> None:
    """ValueError unless the tensors have the model's names and shapes."""
    mine = weights(model)
    wrong = [f"{key!r} is not in the model" for key in tensors.keys() - mine.keys()]
    wrong += [f"{key!r} is not in the file" for key in mine.keys() - tensors.keys()]
    wrong += [
        f"{key!r} is {tuple(tensors[key].shape)} in the file, {tuple(mine[key].shape)} in the model"
        for key in mine.keys() & tensors.keys()
        if tensors[key].shape != mine[key].shape
    ]
    if wrong:
        more = f"; and {len(wrong) - 3} more" if len(wrong) > 3 else ""
        raise ValueError(
            f"{source} does not fit this model: {'; '.join(sorted(wrong)[:3])}{more}. "
            "Build the model with the sizes it was saved with."
        )


def write_atomically(files: Mapping[Path, bytes]) -> None:
    """Write all files, or none and leave what was there.

    Everything is written beside its target and forced to disk before the first name changes
    hands, so a full disk or a power cut cannot leave half a file. Until the last name has changed
    hands, the old files stay on disk under another name: putting them back needs no space.
    """
    new = {path: path.with_name(f".{path.name}.{os.getpid()}.new") for path in files}
    old = {path: path.with_name(f".{path.name}.{os.getpid()}.old") for path in files}
    begun = []
    try:
        for path, data in files.items():
            path.parent.mkdir(parents=True, exist_ok=True)
            with open(new[path], "wb") as file:
                file.write(data)
                file.flush()
                os.fsync(file.fileno())
        for path in files:
            if path.exists():
                _keep(path, old[path])
        for path in files:
            begun.append(path)
            os.replace(new[path], path)
    except BaseException as error:  # Ctrl-C between two names too
        for replaced in (p for p in begun if not new[p].exists()):
            if old[replaced].exists():
                os.replace(old[replaced], replaced)
            else:
                replaced.unlink()
        _remove(old.values())
        if not isinstance(error, OSError):
            raise
        raise OSError(
            error.errno,
            f"cannot write {path}: {error.strerror or error}. What was there before is unchanged. "
            "Free some space, or choose a folder that can be written",
        ) from error
    else:
        _remove(old.values())
    finally:
        _remove(new.values())


def unknown_name(kind: str, name: str, known: Iterable[str]) -> str:
    """The sentence for a name that does not exist: near names first, then all of them."""
    known = sorted(known)
    near = difflib.get_close_matches(name, known, n=3)
    guess = f" Did you mean {' or '.join(map(repr, near))}?" if near else ""
    return f"there is no {kind} {name!r}.{guess} There are: {', '.join(known) or 'none yet'}."


# ---------------------------------------------------------------------------------------------


def _path(name: str | Path, folder: str) -> Path:
    """The path without its suffix. A plain name lives in data/, anything with a folder does not."""
    text = str(name).removesuffix(".safetensors").removesuffix(".csv")
    if text in ("", ".", ".."):
        raise ValueError(f"{text!r} is no name: write one like 'min_char_rnn'")
    plain = Path(text).name == text
    return DATA / folder / text if plain else Path(text)


def _write(path: Path, data: bytes, card: dict) -> dict:
    card = {
        **card,
        "versions": {
            "python": platform.python_version(),
            "torch": torch.__version__,
            "numpy": np.__version__,
        },
        "sha256": hashlib.sha256(data).hexdigest(),
    }
    try:
        text = json.dumps(card, indent=2, ensure_ascii=False, allow_nan=False, default=_plain)
    except ValueError as error:
        raise ValueError(f"the card of {path.stem!r} cannot be written: {error}") from error
    write_atomically({path: data, path.with_name(f"{path.stem}.json"): f"{text}\n".encode()})
    return json.loads(text)


def _read(name: str | Path, folder: str) -> tuple[bytes, dict]:
    """The file's bytes and its card, once the two agree."""
    kind, suffix = {
        "checkpoints": ("checkpoint", ".safetensors"),
        "experiments": ("experiment", ".csv"),
    }[folder]
    path = _path(name, folder)
    found = _read_card(path, kind)
    file = Path(f"{path}{suffix}")
    if not file.exists():
        raise FileNotFoundError(f"{file} is missing beside its card. {_remedy(path)}")
    data = file.read_bytes()
    # The bytes that were hashed are the bytes that are used: no second look at the disk.
    digest = hashlib.sha256(data).hexdigest()
    if digest != found.get("sha256"):
        raise ValueError(
            f"{file} is not the file that its card describes: {len(data)} bytes with sha256 "
            f"{digest[:12]}…, the card says {str(found.get('sha256'))[:12]}…. "
            f"It was cut short or changed. {_remedy(path)}"
        )
    return data, found


def _read_card(path: Path, kind: str) -> dict:
    file = Path(f"{path}.json")
    if not file.exists():
        known = (other.stem for other in path.parent.glob("*.json"))
        message = unknown_name(kind, path.name, known)
        if path.parent.parent != DATA:
            message = f"in the folder {path.parent.resolve()} {message}"
        raise FileNotFoundError(message)
    try:
        found = json.loads(file.read_text(encoding="utf-8"))
    except ValueError as error:
        raise ValueError(f"the card {file} is damaged ({error}). {_remedy(path)}") from error
    if not isinstance(found, dict):
        raise ValueError(f"the card {file} is damaged (not a JSON object). {_remedy(path)}")
    return found


def _keep(path: Path, name: Path) -> None:
    """Give what is in `path` a second name: a hard link, or a copy where there are none."""
    with suppress(FileNotFoundError):  # left by an interrupt of an earlier process
        name.unlink()
    try:
        os.link(path, name)
    except OSError:
        shutil.copyfile(path, name)


def _remove(paths: Iterable[Path]) -> None:
    for path in paths:
        with suppress(OSError):  # not there: it was never written, or has its right name by now
            path.unlink()


def _remedy(path: Path) -> str:
    if path.parent.parent != DATA:
        return "Save it again, or restore a copy."
    files = f"data/{path.parent.name}/{path.name}.*"
    command = f"python -m lecture_utils.recipes {path.name}"
    with suppress(OSError, ValueError, KeyError, TypeError):  # the card may be what is damaged
        command = json.loads(Path(f"{path}.json").read_text(encoding="utf-8"))["command"]
    return f"Restore it with `git checkout -- {files}`, or make it again: `{command}`."


def _half(name: str, value: torch.Tensor) -> torch.Tensor:
    if not value.is_floating_point():
        return value
    half = value.to(torch.float16)
    if half.isinf().any() and not value.isinf().any():
        raise ValueError(f"{name!r} reaches {value.abs().max():.3g}: too large for float16")
    return half


def _columns(rows) -> dict[str, list]:
    if isinstance(rows, Mapping):
        columns = {key: list(column) for key, column in rows.items()}
        lengths = {key: len(column) for key, column in columns.items()}
        if len(set(lengths.values())) > 1:
            raise ValueError(f"the columns have different lengths: {lengths}")
    else:
        for i, row in enumerate(rows):
            if row.keys() != rows[0].keys():
                raise ValueError(f"row {i} has keys {list(row)}, row 0 has {list(rows[0])}")
        columns = {key: [row[key] for row in rows] for key in (rows[0] if rows else ())}
    if not any(columns.values()):
        raise ValueError("an experiment without rows: nothing to save")
    return columns


def _column(entries: list[str]) -> np.ndarray:
    for dtype in (np.int64, np.float64):
        try:
            return np.array([dtype(entry) for entry in entries], dtype)
        except (ValueError, OverflowError):
            pass
    return np.array(entries)


def _plain(value):
    """A Python value for JSON and CSV: NumPy and PyTorch scalars and arrays unwrapped."""
    if isinstance(value, torch.Tensor | np.ndarray | np.generic):
        value = value.tolist()
    if isinstance(value, bool):
        return int(value)  # "True" would come back from a CSV file as text, and be true either way
    if isinstance(value, str | int | float | list):
        return value
    raise ValueError(f"{value!r} is a {type(value).__name__}: only numbers and text can be saved")

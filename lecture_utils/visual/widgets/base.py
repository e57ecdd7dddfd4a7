"""What every widget of the course shares: one browser module, a poster, a page that works offline.

A widget is three files: NAME.py holds the traits and the checks, NAME.js draws and computes, and
NAME.css styles. `bundle` puts base.js and base.css in front, so that the browser loads one module
without imports: no server but the notebook's own is ever asked for anything.
"""

import base64
import html
import json
import math
import os
from collections.abc import Callable
from pathlib import Path

import anywidget
import numpy as np
from IPython.display import display
from matplotlib.colors import to_rgb

from lecture_utils.visual.style import COLOURS, MAGNITUDE, SIGNED, Picture
from lecture_utils.visual.widgets import checks

FOLDER = Path(__file__).parent
STATIC = "LECTURE_STATIC_WIDGETS"
"""Environment variable: set to 1, widgets display as the page of `static_html`, in an iframe."""


def bundle(name: str) -> tuple[str, str]:
    """The browser module and the style sheet of the widget whose files are NAME.js and NAME.css."""
    return compose(_text(f"{name}.js"), _text(f"{name}.css"))


def compose(script: str, style: str = "") -> tuple[str, str]:
    """A widget's own script and style behind what all widgets share."""
    constants = {
        "COLOURS": COLOURS,
        "SIGNED": [_rgb(SIGNED(x)) for x in (0.0, 0.5, 1.0)],
        "MAGNITUDE": [_rgb(MAGNITUDE(x)) for x in (0.0, 0.5, 1.0)],
    }
    esm = [f"const {key} = {json.dumps(value)};" for key, value in constants.items()]
    css = [".lecture {", *(f"  --{key}: {value};" for key, value in COLOURS.items()), "}"]
    return "\n".join([*esm, _text("base.js"), script]), "\n".join([*css, _text("base.css"), style])


def _text(name: str) -> str:
    return (FOLDER / name).read_text(encoding="utf-8")


def _rgb(colour) -> list[int]:
    return [round(255 * channel) for channel in to_rgb(colour)]


def numbers(name: str, values) -> np.ndarray:
    """What a widget was given, as a float64 array of its own; ValueError naming it if it is none.

    Tensors may have a gradient, be on a GPU or in bfloat16.
    """
    if hasattr(values, "detach"):  # a tensor, perhaps with a gradient or on a GPU
        values = values.detach().cpu().double().numpy()
    try:
        values = np.array(values, dtype=float)
    except (TypeError, ValueError) as error:
        raise ValueError(f"{name} is not an array of numbers ({error}): give rows of the same "
                         "length") from error
    return values


def attempt(make: Callable[[], dict]) -> dict:
    """What `make` returns; {"error": what the reader is told} if it raises.

    For functions of the notebook that the browser asks for: nobody would see a traceback there. A
    ValueError is made to be read, of any other error the kind tells most.
    """
    try:
        return make()
    except Exception as error:
        kind = "" if isinstance(error, ValueError) else f"{type(error).__name__}: "
        return {"error": f"{kind}{error}"}


def counted(count: int, thing: str) -> str:
    """1 step, 2 steps."""
    return f"{count} {thing}{'' if count == 1 else 's'}"


def sigmoid(a):
    """1 / (1 + e^-a), of a number or an array."""
    with np.errstate(over="ignore"):  # exp may be infinite, then the result is 0
        return 1 / (1 + np.exp(-a))


def pack(array, kind: str = "float32") -> dict:
    """An array as bytes that `unpack` of base.js reads; for a synced `traitlets.Dict`.

    kind: "float64" or "float32" keep the numbers; "int8" (signed) and "uint8" (nonnegative) keep
    about 1 % of each row's largest absolute value, enough for colour, in a quarter of the bytes.
    """
    if kind not in ("float64", "float32", "int8", "uint8"):
        raise ValueError(f"kind is {kind!r}: write 'float64', 'float32', 'int8' or 'uint8'")
    array = numbers("the array", array)
    stored = np.float32 if kind != "float64" else np.float64  # the scales are float32
    with np.errstate(over="ignore"):
        finite = np.isfinite(array.astype(stored))
    remedy = f"pass numbers that are finite as {np.dtype(stored)}"
    checks.refuse("the array", array, ~finite, remedy)
    packed = {"kind": kind, "shape": list(array.shape)}
    if kind in ("float32", "float64"):
        return packed | {"data": array.astype(np.dtype(kind).newbyteorder("<")).tobytes()}
    if kind == "uint8" and (array < 0).any():
        raise ValueError(f"{array.min()} is negative: pack signed values with kind='int8'")
    steps = 127 if kind == "int8" else 255
    rows = array.reshape(_rows(array.shape))
    scale = np.abs(rows).max(axis=1, keepdims=True, initial=0.0) / steps
    scale[scale == 0] = 1.0
    data = np.rint(rows / scale).astype(kind)
    return packed | {"data": data.tobytes(), "scale": scale.astype("<f4").tobytes()}


def _rows(shape):
    """(how many rows, how long): the last axis is a row; a single number is one row of one."""
    return (math.prod(shape[:-1]), shape[-1]) if len(shape) else (1, 1)


def unpack(packed: dict) -> np.ndarray:
    """The array of `pack`, back as float64."""
    data = np.frombuffer(bytes(packed["data"]), np.dtype(packed["kind"]).newbyteorder("<"))
    values = data.astype(float)
    if "scale" in packed:
        scale = np.frombuffer(bytes(packed["scale"]), "<f4").astype(float)
        values = values.reshape(_rows(packed["shape"])) * scale[:, None]
    return values.reshape(packed["shape"])


class LectureWidget(anywidget.AnyWidget):
    """Base class of the widgets.

    A subclass sets `_esm, _css = bundle(NAME)`, declares what it shares as traits with
    `.tag(sync=True)` (arrays as `Dict` through `pack`), checks its arguments, and writes `__repr__`
    (no address in it) and `poster`. NAME.js ends in `export default widget(NAME, label, draw)`.
    """

    def poster(self) -> Picture:
        """A still picture with alt text, shown where no widget can run."""
        raise NotImplementedError(f"{type(self).__name__} needs a poster()")

    def static_html(self, title: str | None = None) -> str:
        """A whole page that holds the widget, works without kernel and network, and asks nobody."""
        title = type(self).__name__ if title is None else title
        return _PAGE.format(
            title=html.escape(title),
            css=_css_text(str(self._css)),
            state=_script_text(_encode(self._shared_state())),
            esm=_script_text(str(self._esm)),
            shim=_SHIM,
        )

    def save_html(self, path, title: str | None = None) -> Path:
        """Write `static_html` to a file; returns its path."""
        path = Path(path)
        try:
            path.write_text(self.static_html(title), encoding="utf-8")
        except OSError as error:
            raise OSError(f"cannot write {path}: {error.strerror}. Choose a folder that exists "
                          "and that you may write to") from error
        return path

    def _shared_state(self) -> dict:
        """The widget's own synced values, without those of the widget machinery."""
        machinery = set(anywidget.AnyWidget.class_trait_names()) | {"layout"}
        state = self.get_state()
        return {k: v for k, v in state.items() if k not in machinery and not k.startswith("_")}

    def _iframe(self) -> str:
        page = html.escape(self.static_html(), quote=True)
        return (
            f'<iframe title="{html.escape(repr(self))}" srcdoc="{page}" '
            'style="width:100%;height:640px;border:0"></iframe>'
        )

    def _repr_mimebundle_(self, **_):
        picture, picture_metadata = self.poster()._repr_mimebundle_()
        data = {"text/plain": repr(self), "image/png": picture["image/png"]}
        if os.environ.get(STATIC) == "1":
            return data | {"text/html": self._iframe()}, picture_metadata
        view, metadata = super()._repr_mimebundle_()
        return view | data, metadata | picture_metadata

    if hasattr(anywidget.AnyWidget, "_ipython_display_"):
        # ipywidgets 7 (Colab) displays through this method and never asks for the bundle.
        def _ipython_display_(self, **kwargs):
            data, metadata = self._repr_mimebundle_()
            display(data, metadata=metadata, raw=True)
            self._handle_displayed(**kwargs)


def _encode(value):
    """JSON-ready copy in which bytes are {"base64": text}."""
    if isinstance(value, (bytes, bytearray, memoryview)):
        return {"base64": base64.b64encode(bytes(value)).decode()}
    if isinstance(value, dict):
        return {key: _encode(inner) for key, inner in value.items()}
    if isinstance(value, (list, tuple)):
        return [_encode(inner) for inner in value]
    return value


def _script_text(value) -> str:
    """JSON that cannot end, or hide, the script element it stands in."""
    return json.dumps(value, allow_nan=False).replace("<", "\\u003c")


def _css_text(css: str) -> str:
    return css.replace("</", "<\\/")


_PAGE = """<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{title}</title>
<style>
body {{ margin: 0; padding: 8px; background: #fff; }}
h1 {{
  max-width: 1040px; margin: 8px auto 16px;
  font: 600 20px/28px system-ui, sans-serif; color: #1f2429;
}}
.framed h1 {{
  position: absolute; width: 1px; height: 1px; overflow: hidden; clip-path: inset(50%);
}}
{css}
</style>
</head>
<body>
<main><h1>{title}</h1><div id="widget"></div></main>
<script type="module">
const state = {state};
const esm = {esm};
{shim}
</script>
</body>
</html>
"""

# The part of the notebook's widget model that the course's widgets use, without a kernel behind it.
_SHIM = """
function decode(value) {
  if (Array.isArray(value)) return value.map(decode);
  if (value === null || typeof value !== "object") return value;
  if (typeof value.base64 === "string") {
    return new DataView(Uint8Array.from(atob(value.base64), (c) => c.charCodeAt(0)).buffer);
  }
  return Object.fromEntries(Object.entries(value).map(([key, inner]) => [key, decode(inner)]));
}
const values = decode(state);
const listeners = new Map();
const model = {
  kernel: false,
  get: (name) => values[name],
  set(name, value) {
    if (values[name] === value) return;
    values[name] = value;
    for (const event of [`change:${name}`, "change"]) {
      for (const listener of [...(listeners.get(event) ?? [])]) listener();
    }
  },
  save_changes() {},
  send() {},
  on(event, listener) { listeners.set(event, [...(listeners.get(event) ?? []), listener]); },
  off(event, listener) {
    listeners.set(event, (listeners.get(event) ?? []).filter((other) => other !== listener));
  },
};
const url = URL.createObjectURL(new Blob([esm], { type: "text/javascript" }));
const module = await import(url);
URL.revokeObjectURL(url);
await module.default.render({ model, el: document.getElementById("widget") });

// Inside an iframe the page gives the frame its own height.
let frame = null;
try { frame = window.frameElement; } catch { frame = null; }
if (frame) {
  document.body.classList.add("framed");
  const fit = () => { frame.style.height = `${document.documentElement.offsetHeight}px`; };
  new ResizeObserver(fit).observe(document.body);
}
"""

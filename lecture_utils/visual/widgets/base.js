// What every widget shares. It stands in front of the widget's own file, so that both are one
// module without imports. COLOURS, SIGNED and MAGNITUDE come from lecture_utils/visual/style.py.
// Text reaches the page as text nodes only, never as markup.

const SVG = "http://www.w3.org/2000/svg";

// make("button", { class: "quiet", onclick: f }, "Next", icon) -> an HTML element.
function make(tag, attributes = {}, ...children) {
  return dress(document.createElement(tag), attributes, children);
}

// The same for SVG elements.
function shape(tag, attributes = {}, ...children) {
  return dress(document.createElementNS(SVG, tag), attributes, children);
}

function line(x1, y1, x2, y2, attributes) {
  return shape("line", { x1, y1, x2, y2, ...attributes });
}

function words(name, x, y, anchor, ...parts) {
  return shape("text", { class: name, x, y, "text-anchor": anchor }, ...parts);
}

function italic(text) {
  return shape("tspan", { "font-style": "italic" }, text);
}

// A drawing of which one place at a time is read: the pointer points at it, arrow keys step.
//   at(x)       the place that many pixels from the left edge
//   current()   the place that is read, null before the first
//   first()     where reading starts when the drawing gets the focus
//   longest     more than all places: Home and End go that far
//   read(place) reads it; it has to stay inside by itself
function readByPlace(plot, { at, current, first, longest, read }) {
  plot.addEventListener("pointermove", (event) =>
    read(at(event.clientX - plot.getBoundingClientRect().left)),
  );
  plot.addEventListener("focus", () => {
    if (current() === null) read(first());
  });
  plot.addEventListener("keydown", (event) => {
    const by = {
      ArrowLeft: -1,
      ArrowDown: -1,
      ArrowRight: 1,
      ArrowUp: 1,
      PageDown: -10,
      PageUp: 10,
      Home: -longest,
      End: longest,
    }[event.key];
    if (!by) return;
    event.preventDefault();
    read((current() ?? first()) + by);
  });
}

function dress(element, attributes, children) {
  for (const [name, value] of Object.entries(attributes)) {
    if (value === null || value === undefined || value === false) continue;
    if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
    else element.setAttribute(name, value === true ? "" : value);
  }
  element.append(...children.filter((child) => child !== null && child !== undefined));
  return element;
}

// symbol("h", "t−1") -> h with the index t−1, as the lecture writes it.
function symbol(letter, index = "", colour = "") {
  const parts = index === "" ? [] : [make("sub", {}, String(index))];
  return make(
    "span",
    { class: "symbol", style: colour && `color: var(--${colour}-ink)` },
    make("i", {}, letter),
    ...parts,
  );
}

// Numbers with a true minus sign, of one width: 0.31, −1.20.
function format(value, digits = 2) {
  const text = value.toFixed(digits);
  return /^-0\.?0*$/.test(text) ? text.slice(1) : text.replace("-", "\u2212");
}

// Powers of ten: 10⁻⁷, 1, 10².
const raised = (number) =>
  [...String(number)].map((digit) => (digit === "-" ? "⁻" : "⁰¹²³⁴⁵⁶⁷⁸⁹"[digit])).join("");
const power = (exponent) => (exponent === 0 ? "1" : `10${raised(exponent)}`);

// Two digits: 0.31, 12, 1.2 × 10⁻⁷.
function scientific(value) {
  if (value === 0) return "0";
  const [digits, exponent] = value.toExponential(1).split("e").map(Number);
  if (exponent >= -2 && exponent <= 1) return value.toPrecision(2);
  return `${digits.toFixed(1)} × 10${raised(exponent)}`;
}

function clamp(value, low, high) {
  return Math.min(high, Math.max(low, value));
}

function mix(stops, x) {
  const place = clamp(x, 0, 1) * (stops.length - 1);
  const left = Math.min(stops.length - 2, Math.floor(place));
  const channel = (i) =>
    Math.round(stops[left][i] + (stops[left + 1][i] - stops[left][i]) * (place - left));
  return `rgb(${channel(0)}, ${channel(1)}, ${channel(2)})`;
}

// Blue below zero, near-white at zero, orange above; black ink is readable on all of it.
function signedColour(value, limit = 1) {
  return mix(SIGNED, 0.5 + value / (2 * limit));
}

function sizeColour(share) {
  return mix(MAGNITUDE, share);
}

// A bar that shows signedColour from one end to the other.
function signedScale(limit, digits = 1) {
  const stops = [-1, 0, 1].map((x) => signedColour(x)).join(", ");
  return make(
    "span",
    { class: "scale" },
    `\u2212${format(limit, digits)}`,
    make("span", {
      class: "scale-bar keep",
      style: `background: linear-gradient(90deg, ${stops})`,
    }),
    `+${format(limit, digits)}`,
  );
}

// Reads what pack() of base.py wrote: { shape, values }. The bytes are copied first, because a
// host may hand over a view that starts anywhere.
function unpack(packed) {
  const numbers = (view, Type) =>
    new Type(view.buffer.slice(view.byteOffset, view.byteOffset + view.byteLength));
  const types = {
    int8: Int8Array,
    uint8: Uint8Array,
    float32: Float32Array,
    float64: Float64Array,
  };
  const values = Float64Array.from(numbers(packed.data, types[packed.kind]));
  if (packed.scale) {
    const scale = numbers(packed.scale, Float32Array);
    const width = values.length / scale.length;
    for (let i = 0; i < values.length; i++) values[i] *= scale[Math.floor(i / width)];
  }
  return { shape: packed.shape, values };
}

// The way back: a float64 array that unpack() of base.py reads.
function packExact(values, shape) {
  return { kind: "float64", shape, data: new DataView(Float64Array.from(values).buffer) };
}

// Calls the action once things rest. now() does at once what is still waiting.
function debounce(action, delay) {
  let timer = 0;
  let waiting = null;
  const act = () => {
    const values = waiting;
    later.cancel();
    action(...values);
  };
  const later = (...values) => {
    clearTimeout(timer);
    waiting = values;
    timer = setTimeout(act, delay);
  };
  later.cancel = () => {
    clearTimeout(timer);
    waiting = null;
  };
  later.now = () => {
    if (waiting) act();
  };
  return later;
}

function prefersStill() {
  return matchMedia("(prefers-reduced-motion: reduce)").matches;
}

const ICONS = {
  previous: "M11 2v12L4 8z",
  next: "M5 2v12l7-6z",
  play: "M4 2v12l9-6z",
  pause: "M4 2h3v12H4z M9 2h3v12H9z",
};

function icon(name) {
  return shape(
    "svg",
    { viewBox: "0 0 16 16", width: 16, height: 16, "aria-hidden": "true" },
    shape("path", { d: ICONS[name], fill: "currentColor" }),
  );
}

function iconButton(name, label, action) {
  return make(
    "button",
    { class: "icon", type: "button", "aria-label": label, title: label, onclick: action },
    icon(name),
  );
}

let lastId = 0;
function freshId() {
  lastId += 1;
  return `lecture-${lastId}-${Math.random().toString(36).slice(2, 8)}`;
}

// What stands for a character that has no shape of its own.
function visible(character) {
  const marks = { " ": "\u2423", "\n": "\u23ce", "\t": "\u21e5" };
  if (marks[character]) return marks[character];
  const code = character.codePointAt(0);
  return code < 32 ? String.fromCodePoint(0x2400 + code) : character;
}

const spoken = (character) =>
  ({ " ": "space", "\n": "line end", "\t": "tab" })[character] ?? `\u201c${character}\u201d`;

// A visible label tied to its control.
function labelled(text, control) {
  control.id ||= freshId();
  return make("span", { class: "field" }, make("label", { for: control.id }, text), control);
}

// Previous, play, next. `go(by)` moves and returns false at the end. Nothing moves by itself
// before play is pressed, and play is off where the system asks for reduced motion.
function transport(view, { go, interval, restart, unit }) {
  let timer = 0;
  const play = iconButton("play", `Play through the ${unit}s`, () => (timer ? stop() : start()));
  const show = () => {
    play.replaceChildren(icon(timer ? "pause" : "play"));
    const label = timer ? "Pause" : `Play through the ${unit}s`;
    play.setAttribute("aria-label", label);
    play.title = label;
  };
  function start() {
    if (!go(1)) restart();
    timer = setInterval(() => {
      if (!go(1)) stop();
    }, interval);
    show();
  }
  function stop() {
    clearInterval(timer);
    timer = 0;
    show();
  }
  if (prefersStill()) {
    play.disabled = true;
    play.title = "Off: your system asks for reduced motion. Step with the buttons beside.";
  }
  view.atEnd(stop);
  const step = (by) => () => {
    stop();
    go(by);
  };
  return {
    stop,
    element: make(
      "span",
      { class: "transport", role: "group", "aria-label": `Move through the ${unit}s` },
      iconButton("previous", `Previous ${unit}`, step(-1)),
      play,
      iconButton("next", `Next ${unit}`, step(1)),
    ),
  };
}

// Turns draw(view) into what the notebook expects. `view` offers
//   root            the card to draw into
//   get, set        values shared with Python; set() sends them after a short rest
//   watch(name, f)  call f when Python, or another view, changes the value
//   say(text)       announce to screen readers, after a rest
//   atEnd(f)        call f when the widget goes away
function widget(name, label, draw) {
  function render({ model, el }) {
    const root = make("section", { class: `lecture ${name}`, "aria-label": label });
    const body = make("div", { class: "body" });
    const status = make("p", { class: "unseen", role: "status", "aria-live": "polite" });
    root.append(body, status);
    // The notebook's shortcuts must not see keys meant for the widget: `d d` deletes a cell.
    const keepKeys = (event) => event.stopPropagation();
    root.addEventListener("keydown", keepKeys);
    const endings = [() => root.removeEventListener("keydown", keepKeys)];
    const send = debounce(() => model.save_changes(), 100);
    const speak = debounce((text) => {
      status.textContent = text;
    }, 350);
    let drawn = false;
    let ours = false; // is a change being made by this very view?
    const view = {
      root: body,
      hasKernel: model.kernel !== false,
      get: (key) => model.get(key),
      set(key, value) {
        ours = true;
        model.set(key, value);
        ours = false;
        send();
      },
      watch(key, action) {
        const listener = () => {
          if (!ours) action();
        };
        model.on(`change:${key}`, listener);
        view.atEnd(() => model.off(`change:${key}`, listener));
      },
      say(text) {
        if (drawn) speak(text); // nothing is announced before the learner acts
      },
      atEnd: (action) => endings.push(action),
    };
    draw(view);
    el.append(root);
    drawn = true;
    return () => {
      send.now();
      speak.cancel();
      for (const end of endings) end();
      root.remove();
    };
  }
  return { render };
}

const PATIENCE = 4000; // milliseconds without an answer, until Python is said to be busy

// For widgets that ask Python of the notebook. From begin(text) to end(text) `place` has the class
// "busy" (see the style sheets), and `message` says what goes on: a text, or, if none comes for
// long, why. A complaint is marked and announced.
function awaiting(view, place, message) {
  let patience = 0;
  view.atEnd(() => clearTimeout(patience));
  function end(text, isComplaint = false) {
    clearTimeout(patience);
    place.classList.remove("busy");
    message.classList.toggle("complaint", isComplaint);
    message.textContent = text;
    if (isComplaint) view.say(text);
  }
  function begin(text) {
    end(text);
    place.classList.add("busy");
    patience = setTimeout(() => {
      message.textContent = "No answer from Python yet: is the notebook running another cell?";
    }, PATIENCE);
  }
  return { begin, end, isBusy: () => place.classList.contains("busy") };
}

// Said in a page without kernel, beside what then stays off.
function kernelNotice(what) {
  return make("p", { class: "notice" }, `${what} needs Python: open the notebook to use it.`);
}

// The gate stepper. The whole text is run again after every keystroke: with 64 units and 120
// characters that is two million products.

const LONGEST = 120;
const LIKELY = 6; // symbols shown of what the network expects
const FADE = 24; // pixels at an end of the score that say: there is more
// Where the lane of c may end; no text of 120 characters brings it further.
const ENDS = [1, 1.5, 2, 3, 4, 6, 8, 12, 16, 24, 32, 48, 64, 96, 128];
// One lane of the score each, in the order in which a step computes them.
const LANES = [
  { name: "f", word: "keep", hue: COLOURS.forget, tall: 36 },
  { name: "i", word: "write", hue: COLOURS.input, tall: 36 },
  { name: "g", word: "what", hue: COLOURS.reference, tall: 44, signed: true },
  { name: "c", word: "memory", hue: COLOURS.cell, tall: 60, signed: true },
  { name: "o", word: "reveal", hue: COLOURS.output, tall: 36 },
  { name: "h", word: "shown", hue: COLOURS.hidden, tall: 44, signed: true },
];
const HUES = Object.fromEntries(LANES.map(({ name, hue }) => [name, hue]));
// Tablets type these where a straight quote was meant.
const STRAIGHT = { "\u201c": '"', "\u201d": '"', "\u201e": '"', "\u2018": "'", "\u2019": "'" };

const sigmoid = (a) => 1 / (1 + Math.exp(-a));

// The text as indices into the alphabet -> i, f, o, g, c, h, one row of H per step.
function runGates({ W, b, H, V }, indices) {
  const T = indices.length;
  const all = {};
  for (const name of "ifogch") all[name] = new Float64Array(T * H);
  const { i, f, o, g, c, h } = all;
  const a = new Float64Array(4 * H);
  for (let t = 0; t < T; t++) {
    const here = t * H;
    const before = here - H;
    for (let row = 0; row < 4 * H; row++) {
      const start = row * (H + V);
      let sum = b[row] + W[start + H + indices[t]]; // x is one-hot: W x is a column of W
      if (t > 0) for (let j = 0; j < H; j++) sum += W[start + j] * h[before + j];
      a[row] = sum;
    }
    for (let j = 0; j < H; j++) {
      const at = here + j;
      i[at] = sigmoid(a[j]);
      f[at] = sigmoid(a[H + j]);
      o[at] = sigmoid(a[2 * H + j]);
      g[at] = Math.tanh(a[3 * H + j]);
      c[at] = (t > 0 ? f[at] * c[before + j] : 0) + i[at] * g[at];
      h[at] = o[at] * Math.tanh(c[at]);
    }
  }
  return all;
}

function shares(W, b, h) {
  const y = Array.from(b, (start, v) =>
    h.reduce((sum, x, j) => sum + W[v * h.length + j] * x, start),
  );
  const top = Math.max(...y);
  const e = y.map((value) => Math.exp(value - top));
  const sum = e.reduce((left, right) => left + right, 0);
  return e.map((value) => value / sum);
}

function drawGates(view) {
  const alphabet = Array.from(view.get("alphabet"));
  const V = alphabet.length;
  const { W, b } = Object.fromEntries(
    Object.entries(view.get("weights")).map(([name, packed]) => [name, unpack(packed).values]),
  );
  const H = b.length / 4;
  const given = view.get("readout");
  const readout = given.names && {
    W: unpack(given.W).values,
    b: unpack(given.b).values,
    names: given.names,
  };

  let text = [];
  let now = null; // i, f, o, g, c, h of the whole text
  let limit = 1; // the ends of the lane of c
  const unit = () => view.get("unit");
  const step = () => clamp(view.get("step"), 1, text.length);
  const value = (name, t = step()) => (t > 0 ? now[name][(t - 1) * H + unit()] : 0);

  // ---- the text -----------------------------------------------------------------------------
  const box = make("textarea", {
    class: "mono",
    rows: 2,
    spellcheck: "false",
    autocomplete: "off",
    autocorrect: "off",
    autocapitalize: "off",
  });
  const message = make("p", { class: "small" });
  const straightened = (typed) =>
    Array.from(typed, (x) => (alphabet.includes(x) ? x : (STRAIGHT[x] ?? x)));
  const known = (typed) =>
    straightened(typed)
      .filter((x) => alphabet.includes(x))
      .slice(0, LONGEST);

  const letters = alphabet.map(visible).join(" ");
  let complained = false;
  function complain(refused, long, empty) {
    const quoted = [...new Set(refused)].map((x) => spoken(visible(x)));
    const some = quoted.slice(0, 4).join(", ") + (quoted.length > 4 ? " and others" : "");
    const parts = [];
    if (quoted.length) parts.push(`The network has never seen ${some}.`);
    if (empty) parts.push("Type at least one character.");
    if (parts.length) parts.push(`It knows ${letters}`);
    if (long) parts.push(`The score holds ${LONGEST} characters: the rest was left out.`);
    complained = parts.length > 0;
    message.textContent = complained ? parts.join(" ") : `The network knows ${letters}`;
    message.classList.toggle("complaint", complained);
    if (complained) view.say(message.textContent);
  }

  function takeText() {
    const began = performance.now();
    const typed = straightened(box.value);
    const refused = typed.filter((x) => !alphabet.includes(x));
    const kept = known(box.value);
    const long = typed.length - refused.length > LONGEST;
    complain(refused, long, kept.length === 0);
    const caret = known(box.value.slice(0, box.selectionStart));
    if (kept.join("") !== box.value) {
      box.value = kept.join("");
      box.selectionStart = box.selectionEnd = caret.join("").length;
    }
    if (!kept.length || kept.join("") === view.get("text")) return;
    moves.stop();
    view.set("text", kept.join(""));
    // The cursor goes with the typing: what was just typed is what one wants to see.
    view.set("step", clamp(caret.length, 1, kept.length));
    recompute();
    view.root.dataset.milliseconds = (performance.now() - began).toFixed(2);
  }
  box.addEventListener("input", (event) => {
    if (!event.isComposing) takeText();
  });
  box.addEventListener("compositionend", takeText);
  box.addEventListener("keydown", (event) => {
    // Pressed out of habit, to be done: no reason to complain.
    if (event.key === "Enter" && !alphabet.includes("\n")) event.preventDefault();
  });
  box.addEventListener("blur", () => {
    if (box.value) return;
    box.value = view.get("text");
    complain([], false, false);
  });

  const key = (character) => make("b", { class: "key mono" }, visible(character));

  // ---- cursor and unit ------------------------------------------------------------------------
  const go = (by) => {
    const next = step() + by;
    if (next < 1 || next > text.length) return false;
    moveTo(next);
    return true;
  };
  const moves = transport(view, { go, interval: 600, unit: "character", restart: () => moveTo(1) });
  const counter = make("span", { class: "counter" });
  const unitBox = make("input", { type: "number", min: 0, max: H - 1, step: 1 });
  unitBox.addEventListener("input", () => {
    const wanted = Number(unitBox.value);
    const fits = Number.isInteger(wanted) && wanted >= 0 && wanted < H;
    if (unitBox.value !== "" && fits) choose(wanted);
  });
  unitBox.addEventListener("change", () => {
    unitBox.value = unit();
  });
  const before = iconButton("previous", "Previous unit", () => choose(unit() - 1));
  const after = iconButton("next", "Next unit", () => choose(unit() + 1));
  const controls = make(
    "div",
    { class: "controls" },
    make("div", { class: "typing" }, labelled("Text", box), message),
    make(
      "div",
      { class: "row" },
      moves.element,
      counter,
      make(
        "span",
        { class: "field push", role: "group", "aria-label": "Hidden unit" },
        labelled("Unit", unitBox),
        before,
        after,
        make("span", { class: "quiet" }, H === 1 ? "the only one" : `0 to ${H - 1}`),
      ),
    ),
  );

  // ---- the score --------------------------------------------------------------------------
  // Names stand at the left and stay there; the score and the map of all units move sideways.
  const CHARACTERS = 30,
    GAP = 10,
    SIDE = 108,
    BETWEEN = 32,
    EDGE = 2; // room for the frame of the first and the last unit
  let y = CHARACTERS;
  const lanes = LANES.map((lane) => {
    const top = y;
    y += lane.tall + GAP;
    return { ...lane, top, zero: top + (lane.signed ? lane.tall / 2 : lane.tall) };
  });
  const HEIGHT = y - GAP + 2;
  const rowHeight = clamp(Math.floor(160 / H), 4, 14);
  let column = 24;
  const wide = () => column * text.length;

  const names = shape("svg", { class: "names keep", width: SIDE, "aria-hidden": "true" });
  const score = shape("svg", {
    class: "score keep",
    height: HEIGHT,
    tabindex: 0,
    role: "slider",
    "aria-label": "Score of the gates: arrow left and right move, up and down change the unit",
    "aria-valuemin": 1,
  });
  const bars = shape("g");
  const scoreCursor = shape("g");
  score.append(bars, scoreCursor);
  const map = make("canvas", { "aria-hidden": "true" });
  const marks = shape("svg", {
    class: "marks keep",
    height: rowHeight * H + 2 * EDGE,
    tabindex: 0,
    role: "slider",
    "aria-orientation": "vertical",
    "aria-label": "Map of all units: arrow up and down choose one",
    "aria-valuemin": 0,
    "aria-valuemax": H - 1,
  });
  const strip = make("div", { class: "strip" }, score, make("div", { class: "map" }, map, marks));
  const sheet = make("div", { class: "sheet keep" }, names, strip);

  const rect = (x, top, width, height, attributes) =>
    shape("rect", { x, y: top, width, height, ...attributes });
  const line = (x1, y1, x2, y2, stroke) => shape("line", { x1, y1, x2, y2, stroke });
  const word = (name, x, height, anchor, ...parts) =>
    shape("text", { class: name, x, y: height, "text-anchor": anchor }, ...parts);

  function paintNames() {
    const parts = [];
    for (const { name, word: says, hue, tall, top, signed } of lanes) {
      const middle = top + tall / 2;
      const end = name === "c" ? limit : 1;
      parts.push(
        rect(0, middle - 9, 4, 18, { fill: hue, rx: 2 }),
        word("letter", 12, middle + 5, "start", name),
        word("", 28, middle + 4, "start", says),
        word("tick", SIDE - 6, top + 8, "end", signed ? `+${end}` : "1"),
        word("tick", SIDE - 6, top + tall, "end", signed ? `\u2212${end}` : "0"),
      );
    }
    const top = HEIGHT + BETWEEN;
    const at = (j) => top + EDGE + (j + 0.5) * rowHeight + 4;
    const far = (j) => Math.abs(at(j) - at(unit())) > 13;
    parts.push(
      word("", 0, top - 10, "start", H === 1 ? "as a map" : `all ${H} units`),
      word("tick chosen", SIDE - 6, at(unit()), "end", `unit ${unit()} \u25b8`),
    );
    for (const j of new Set([0, H - 1])) {
      if (far(j)) parts.push(word("tick", SIDE - 6, at(j), "end", `${j}\u2007\u2007`));
    }
    // The last number may be taller than its row.
    names.setAttribute("height", top + rowHeight * H + 8);
    names.replaceChildren(...parts);
  }

  function paintScore() {
    const T = text.length;
    const largest = Math.max(...text.map((_, t) => Math.abs(value("c", t + 1))));
    limit = ENDS.find((end) => largest <= end);
    const gap = column < 16 ? 1 : 2;
    const parts = text.map((character, t) =>
      word("character", (t + 0.5) * column, 19, "middle", visible(character)),
    );
    for (const { name, hue, tall, top, zero, signed } of lanes) {
      const scale = (signed ? tall / 2 : tall) / (name === "c" ? limit : 1);
      parts.push(rect(0, top, wide(), tall, { class: "lane" }));
      let path = "";
      for (let t = 1; t <= T; t++) {
        const height = -scale * value(name, t);
        const x = (t - 1) * column + gap / 2;
        if (name !== "c") {
          path += `M${x} ${zero}h${column - gap}v${height.toFixed(2)}h${gap - column}z`;
          continue;
        }
        // As in the map below: the same colour is the same memory.
        parts.push(
          rect(x, zero + Math.min(0, height), column - gap, Math.abs(height), {
            fill: signedColour(Math.tanh(value(name, t))),
          }),
        );
        path += `M${x} ${(zero + height).toFixed(2)}h${column - gap}`;
      }
      parts.push(
        shape(
          "path",
          name === "c"
            ? { d: path, stroke: hue, "stroke-width": 2, "data-lane": name }
            : { d: path, fill: hue, "data-lane": name },
        ),
        line(0, zero, wide(), zero, "#97a3ad"),
      );
    }
    bars.replaceChildren(...parts);
    score.setAttribute("width", wide());
    score.setAttribute("aria-valuemax", T);
  }

  const shades = Array.from({ length: 256 }, (_, k) => [
    ...signedColour(k / 127.5 - 1)
      .match(/\d+/g)
      .map(Number),
    255,
  ]);
  function paintMap() {
    const T = text.length;
    map.width = T;
    map.height = H;
    Object.assign(map.style, {
      top: `${EDGE}px`,
      width: `${wide()}px`,
      height: `${rowHeight * H}px`,
    });
    const pixels = new ImageData(T, H);
    for (let t = 0; t < T; t++) {
      for (let j = 0; j < H; j++) {
        const shade = Math.round(127.5 * (1 + Math.tanh(now.c[t * H + j])));
        pixels.data.set(shades[shade], 4 * (j * T + t));
      }
    }
    map.getContext("2d").putImageData(pixels, 0, 0);
    marks.setAttribute("width", wide());
  }

  // ---- the cursor and its arithmetic ----------------------------------------------------------
  const lettered = (name, index) => symbol(name, index);
  // A quantity, its number and its word, one below the other; a sign stands between two of them.
  function term(name, letter, number, exact, says) {
    return make(
      "span",
      { class: "term", style: `--hue: ${HUES[name]}` },
      make("span", { class: "letter" }, letter),
      make("span", { class: "number", "data-name": name, "data-value": exact }, number),
      make("span", { class: "says" }, says),
    );
  }
  const sign = (mark) =>
    make("span", { class: "sign" }, make("span", {}, mark), make("span", {}, mark));
  const factor = (x) => (format(x).startsWith("\u2212") ? `(${format(x)})` : format(x));

  const sums = make("div", { class: "sums" });
  const expected = make("div", { class: "expected" });
  function paintSums() {
    const t = step();
    const [f, i, g, c, o, h] = LANES.map(({ name }) => value(name));
    const old = value("c", t - 1);
    const squashed = make("span", {}, "tanh ", lettered("c", t));
    sums.replaceChildren(
      make(
        "div",
        {
          class: "sum",
          role: "img",
          "aria-label":
            `c at step ${t} is ${format(f)} times ${format(old)} plus ` +
            `${format(i)} times ${format(g)}, which is ${format(c)}`,
        },
        term("c", lettered("c", t), format(c), c, "memory"),
        sign("="),
        term("f", lettered("f", t), format(f), f, "keep"),
        sign("\u00b7"),
        term("c", lettered("c", t - 1), factor(old), old, "old memory"),
        sign("+"),
        term("i", lettered("i", t), format(i), i, "write"),
        sign("\u00b7"),
        term("g", lettered("g", t), factor(g), g, "what"),
      ),
      make(
        "div",
        {
          class: "sum",
          role: "img",
          "aria-label":
            `h at step ${t} is ${format(o)} times tanh of ${format(c)}, ` +
            `which is ${format(h)}`,
        },
        term("h", lettered("h", t), format(h), h, "shown"),
        sign("="),
        term("o", lettered("o", t), format(o), o, "reveal"),
        sign("\u00b7"),
        term("c", squashed, `tanh ${factor(c)}`, c, "squashed memory"),
      ),
    );
  }

  function paintExpected() {
    if (!readout) return;
    const t = step();
    const p = shares(readout.W, readout.b, now.h.subarray((t - 1) * H, t * H));
    const comes = t < text.length ? readout.names.indexOf(text[t]) : -1;
    const best = Array.from(p.keys())
      .sort((left, right) => p[right] - p[left])
      .slice(0, LIKELY);
    const predicts = readout.names.every((name) => alphabet.includes(name));
    expected.replaceChildren(
      make("p", {}, predicts ? "what it expects after " : "what it says after ", key(text[t - 1])),
      make(
        "ol",
        {},
        ...best.map((v) => {
          const next = v === comes;
          return make(
            "li",
            { class: next ? "comes" : null },
            make("span", { class: "number", "data-value": p[v] }, format(p[v])),
            make(
              "span",
              { class: "well", "aria-hidden": "true" },
              make("span", { class: "share keep", style: `height: ${(100 * p[v]).toFixed(1)}%` }),
            ),
            make(
              "span",
              { class: "mono symbol-name" },
              Array.from(readout.names[v], visible).join(""),
            ),
            next ? make("span", { class: "unseen" }, ", comes next in the text") : null,
          );
        }),
      ),
      comes < 0
        ? ""
        : make("p", {}, "next in the text ", key(text[t]), ` gets ${format(p[comes])}`),
    );
  }

  const summary = () =>
    `step ${step()}, character ${spoken(text[step() - 1])}: f ${format(value("f"))}, ` +
    `i ${format(value("i"))}, c ${format(value("c"))}`;

  function paintCursor() {
    const t = step();
    const x = (t - 1) * column;
    scoreCursor.replaceChildren(
      rect(x, 2, column, 24, { class: "here", rx: 4 }),
      word("character here-text", x + column / 2, 19, "middle", visible(text[t - 1])),
      rect(x + 0.5, 24, column - 1, HEIGHT - 24, { class: "band" }),
    );
    marks.replaceChildren(
      rect(x + 0.5, EDGE, column - 1, rowHeight * H, { class: "band" }),
      // Around the row, not on it: it may be 4 pixels high.
      rect(1, EDGE + unit() * rowHeight - 1, wide() - 2, rowHeight + 2, { class: "row-mark" }),
    );
    counter.replaceChildren(
      make("i", {}, "t"),
      ` = ${t} of ${text.length}, reads `,
      key(text[t - 1]),
    );
    score.setAttribute("aria-valuenow", t);
    score.setAttribute("aria-valuetext", summary());
    marks.setAttribute("aria-valuenow", unit());
    paintSums();
    paintExpected();
  }

  function follow() {
    const x = (step() - 1) * column;
    const seen = strip.scrollLeft;
    if (x < seen + FADE || x + column > seen + strip.clientWidth - FADE) {
      strip.scrollLeft = x - strip.clientWidth / 2;
    }
    fade();
  }

  function fade() {
    const rest = strip.scrollWidth - strip.clientWidth - strip.scrollLeft;
    strip.style.setProperty("--before", strip.scrollLeft > 1 ? `${FADE}px` : "0px");
    strip.style.setProperty("--after", rest > 1 ? `${FADE}px` : "0px");
  }
  strip.addEventListener("scroll", fade);

  function moveTo(t) {
    view.set("step", clamp(t, 1, text.length));
    paintCursor();
    follow();
    view.say(summary());
  }

  function choose(wanted) {
    view.set("unit", clamp(wanted, 0, H - 1));
    paintUnit();
    view.say(`unit ${unit()}, ${summary()}`);
  }

  score.addEventListener("keydown", (event) => {
    const by = {
      ArrowLeft: -1,
      ArrowRight: 1,
      PageUp: -10,
      PageDown: 10,
      Home: -LONGEST,
      End: LONGEST,
    }[event.key];
    const units = { ArrowUp: -1, ArrowDown: 1 }[event.key];
    if (!by && !units) return;
    event.preventDefault();
    moves.stop();
    if (by) moveTo(step() + by);
    else choose(unit() + units);
  });
  marks.addEventListener("keydown", (event) => {
    const by = { ArrowUp: -1, ArrowDown: 1, PageUp: -10, PageDown: 10, Home: -H, End: H }[
      event.key
    ];
    const steps = { ArrowLeft: -1, ArrowRight: 1 }[event.key];
    if (!by && !steps) return;
    event.preventDefault();
    moves.stop();
    if (by) choose(unit() + by);
    else moveTo(step() + steps);
  });
  const pointTo = (event) => {
    moves.stop();
    const x = event.clientX - score.getBoundingClientRect().left;
    moveTo(Math.floor(x / column) + 1);
  };
  score.addEventListener("click", pointTo);
  score.addEventListener("pointermove", (event) => {
    // A finger that is dragged moves the score itself.
    if (event.buttons === 1 && event.pointerType === "mouse") pointTo(event);
  });
  marks.addEventListener("click", (event) => {
    choose(Math.floor((event.clientY - map.getBoundingClientRect().top) / rowHeight));
  });

  // ---- together ------------------------------------------------------------------------------
  const legend = make(
    "p",
    { class: "legend" },
    make("span", {}, "map, and colour of ", symbol("c"), ": tanh ", symbol("c", "t")),
    signedScale(1, 0),
    make("span", {}, "Click a character or a row of the map, or use the arrow keys in the score."),
  );

  function paintUnit() {
    paintScore();
    paintNames();
    unitBox.value = unit();
    before.disabled = unit() === 0;
    after.disabled = unit() === H - 1;
    paintCursor();
  }

  function paintAll() {
    column = clamp(Math.floor((10 * strip.clientWidth) / text.length) / 10, 14, 32);
    paintMap();
    paintUnit();
    follow();
  }

  function recompute() {
    text = Array.from(view.get("text"));
    const indices = text.map((character) => alphabet.indexOf(character));
    now = runGates({ W, b, H, V }, indices);
    paintAll();
    if (!complained) view.say(summary());
  }

  view.root.append(
    controls,
    make("div", { class: "drawing" }, sheet, legend),
    make("div", { class: "reading" }, sums, readout ? expected : null),
  );
  map.parentNode.style.marginTop = `${BETWEEN}px`;
  box.value = view.get("text");
  complain([], false, false);
  recompute();
  const fit = new ResizeObserver(paintAll);
  fit.observe(sheet);
  view.atEnd(() => fit.disconnect());

  view.watch("text", () => {
    if (document.activeElement !== box) box.value = view.get("text");
    complain([], false, false);
    recompute();
  });
  view.watch("step", () => {
    paintCursor();
    follow();
  });
  view.watch("unit", paintUnit);
}

export default widget("gates", "Gate stepper", drawGates);

// The RNN stepper. The forward pass is recomputed here after every edit; W[name] is row-major.

const WEIGHTS = ["W_xh", "W_hh", "W_hy", "b_h", "b_y"];
const LONGEST = 24;

function product(W, rows, columns, vector) {
  return Array.from({ length: rows }, (_, i) => {
    let sum = 0;
    for (let j = 0; j < columns; j++) sum += W[i * columns + j] * vector[j];
    return sum;
  });
}

function softmax(y) {
  const top = Math.max(...y);
  const e = y.map((value) => Math.exp(value - top));
  const sum = e.reduce((a, b) => a + b, 0);
  return e.map((value) => value / sum);
}

// One entry per step, with every value that the widget shows.
function forward(W, { H, V, alphabet, text, targets, forget }) {
  const steps = [];
  let h = new Array(H).fill(0);
  for (let t = 0; t < text.length; t++) {
    const before = forget.includes(t + 1) ? new Array(H).fill(0) : h;
    const x = Array.from(alphabet, (character) => Number(character === text[t]));
    const fromInput = product(W.W_xh, H, V, x);
    const fromState = product(W.W_hh, H, H, before);
    const a = fromInput.map((value, i) => value + fromState[i] + W.b_h[i]);
    h = a.map(Math.tanh);
    const fromHidden = product(W.W_hy, V, H, h);
    const y = fromHidden.map((value, v) => value + W.b_y[v]);
    const p = softmax(y);
    const target = alphabet.indexOf(targets[t]);
    const loss = target < 0 ? null : -Math.log(p[target]);
    steps.push({ x, before, fromInput, fromState, a, h, fromHidden, y, p, target, loss });
  }
  return steps;
}

function totalLoss(steps) {
  return steps.reduce((sum, { loss }) => sum + (loss ?? 0), 0);
}

// A number on its colour. `exact` keeps all digits for the tooltip.
function paint(cell, name, value, limit) {
  cell.textContent = format(value);
  cell.style.background = signedColour(value, limit);
  cell.dataset.value = value;
  cell.title = `${name} = ${format(value, 6)}`;
}

function drawStepper(view) {
  const alphabet = Array.from(view.get("alphabet"));
  const V = alphabet.length;
  const H = view.get("given").W_hh.shape[0];
  const shapes = { W_xh: [H, V], W_hh: [H, H], W_hy: [V, H], b_h: [H], b_y: [V] };
  const read = (packed) =>
    Object.fromEntries(WEIGHTS.map((name) => [name, unpack(packed[name]).values]));
  const given = read(view.get("given"));
  let W = read(view.get("edited"));
  let steps = [];
  let unit = 0; // the hidden unit whose sum is written out
  let chosen = null; // the weight in the editor: { name, row, column }
  const shown = (character) => (character === " " ? "\u2423" : character);
  const largest = Math.max(...WEIGHTS.flatMap((name) => Array.from(given[name], Math.abs)));
  const limit = Math.max(1, Math.ceil(largest * 2) / 2);

  const now = () => view.get("step");
  const text = () => Array.from(view.get("text"));
  const targets = () =>
    view.get("text") === view.get("given_text")
      ? Array.from(view.get("given_targets"))
      : [...text().slice(1), "?"];
  const indexed = (name, row, column) =>
    column === undefined
      ? `${name}[${row}]`
      : `${name}[${row},${name === "W_hh" || name === "W_hy" ? column : shown(alphabet[column])}]`;
  const place = (name, row, column) =>
    column === undefined ? row : row * shapes[name][1] + column;

  // ---- controls -----------------------------------------------------------------------------
  const go = (by) => {
    const next = now() + by;
    if (next < 1 || next > text().length) return false;
    moveTo(next);
    return true;
  };
  const moves = transport(view, { go, interval: 1100, unit: "step", restart: () => moveTo(1) });
  const counter = make("span", { class: "counter" });
  const textBox = make("input", {
    type: "text",
    class: "mono",
    size: 12,
    maxlength: LONGEST,
    spellcheck: "false",
    autocomplete: "off",
    autocapitalize: "off",
  });
  const complaint = make("span", { class: "small complaint" });
  textBox.addEventListener("input", () => {
    const typed = Array.from(textBox.value);
    const refused = typed.filter((character) => !alphabet.includes(character));
    const kept = typed
      .filter((character) => alphabet.includes(character))
      .slice(0, LONGEST)
      .join("");
    const can = `This network knows only ${alphabet.map(shown).join(" ")}`;
    complaint.textContent = refused.length
      ? `\u201c${shown(refused[0])}\u201d is not in the alphabet. ${can}.`
      : kept
        ? ""
        : `Type at least one character. ${can}.`;
    if (complaint.textContent) view.say(complaint.textContent);
    if (refused.length) textBox.value = kept;
    if (!kept || kept === view.get("text")) return;
    moves.stop();
    view.set("text", kept);
    view.set(
      "forget",
      view.get("forget").filter((t) => t <= kept.length),
    );
    view.set("step", clamp(now(), 1, kept.length));
    recompute();
  });
  const controls = make(
    "div",
    { class: "row" },
    moves.element,
    counter,
    make("span", { class: "push row" }, complaint, labelled("Text", textBox)),
  );

  // ---- the unrolled network -------------------------------------------------------------------
  const strip = make("div", {
    class: "strip sheet keep",
    role: "group",
    "aria-label": "All steps. Arrow keys move.",
  });
  strip.addEventListener("keydown", (event) => {
    const by = { ArrowLeft: -1, ArrowRight: 1, Home: -LONGEST, End: LONGEST }[event.key];
    if (!by) return;
    event.preventDefault();
    moves.stop();
    moveTo(clamp(now() + by, 1, text().length));
    strip.querySelector("[aria-current]").focus();
  });
  let columns = [];

  function buildStrip() {
    columns = text().map((character, index) => {
      const bars = alphabet.map(() => make("span", { class: "bar keep" }));
      const letters = alphabet.map((letter) => make("span", { class: "letter" }, shown(letter)));
      const squares = Array.from({ length: H }, () => make("span", { class: "square keep" }));
      const target = make("span", { class: "target mono" });
      const loss = make("span", { class: "loss number" });
      const arrow = make("span", { class: "arrow", "aria-hidden": "true" });
      const button = make(
        "button",
        {
          type: "button",
          class: "moment",
          onclick: () => {
            moves.stop();
            moveTo(index + 1);
          },
        },
        make("span", { class: "goal" }, target, loss),
        make(
          "span",
          { class: "bars" },
          ...bars.map((bar, v) => make("span", { class: "slot" }, bar, letters[v])),
        ),
        make("span", { class: "up output-edge" }),
        make("span", { class: "squares" }, ...squares),
        make("span", { class: "up input-edge" }),
        make("span", { class: "input mono" }, shown(character)),
        make("span", { class: "when small" }, `t = ${index + 1}`),
      );
      return { button, arrow, bars, letters, squares, target, loss };
    });
    const start = make(
      "span",
      { class: "origin small" },
      make("span", {}, symbol("h", "0", "hidden"), " = 0"),
    );
    strip.replaceChildren(start, ...columns.flatMap(({ arrow, button }) => [arrow, button]));
  }

  function paintStrip() {
    const goals = targets();
    const cutAll = W.W_hh.every((value) => value === 0);
    columns.forEach((column, index) => {
      const { h, p, target, loss } = steps[index];
      h.forEach((value, i) => {
        column.squares[i].style.background = signedColour(value);
      });
      p.forEach((value, v) => {
        column.bars[v].style.height = `${(value * 100).toFixed(1)}%`;
        column.letters[v].classList.toggle("is-target", v === target);
      });
      column.target.textContent = shown(goals[index]);
      column.loss.textContent = loss === null ? "" : format(loss);
      column.arrow.classList.toggle("cut", cutAll || view.get("forget").includes(index + 1));
      const current = index + 1 === now();
      if (current) column.button.setAttribute("aria-current", "step");
      else column.button.removeAttribute("aria-current");
      column.button.tabIndex = current ? 0 : -1;
      column.button.setAttribute(
        "aria-label",
        `Step ${index + 1}: reads ${shown(text()[index])}, ${summary(index)}`,
      );
    });
  }

  function summary(index) {
    const { p, target, loss } = steps[index];
    const best = p.indexOf(Math.max(...p));
    const guess = `most likely next ${shown(alphabet[best])} with ${format(p[best])}`;
    return target < 0
      ? `${guess}, target unknown`
      : `${guess}, target ${shown(alphabet[target])} with ${format(p[target])}, loss ${format(loss)} nats`;
  }

  // ---- the equation, in letters and in numbers -----------------------------------------------
  const lettered = make(
    "p",
    { class: "equation" },
    make(
      "span",
      {},
      symbol("h", "t", "hidden"),
      " = tanh(",
      symbol("W", "xh"),
      "\u2009",
      symbol("x", "t", "input"),
      " + ",
      symbol("W", "hh"),
      "\u2009",
      symbol("h", "t\u22121", "hidden"),
      " + ",
      symbol("b", "h"),
      ")",
    ),
    make(
      "span",
      {},
      symbol("y", "t", "output"),
      " = ",
      symbol("W", "hy"),
      "\u2009",
      symbol("h", "t", "hidden"),
      " + ",
      symbol("b", "y"),
    ),
    make("span", {}, symbol("p", "t", "output"), " = softmax(", symbol("y", "t", "output"), ")"),
  );
  const numbered = make("p", { class: "sum number" });

  function writeSum() {
    const { x, before, a, h } = steps[now() - 1];
    const terms = [];
    const term = (weight, value, colour) =>
      terms.push(
        make(
          "span",
          { class: "term" },
          terms.length ? (weight < 0 ? " \u2212 " : " + ") : weight < 0 ? "\u2212" : "",
          format(Math.abs(weight)),
          ...(value === null
            ? []
            : [
                "\u00b7",
                make(
                  "b",
                  { style: `color: var(--${colour}-ink)` },
                  format(value, colour === "input" ? 0 : 2),
                ),
              ]),
        ),
      );
    x.forEach((value, v) => {
      if (value) term(W.W_xh[unit * V + v], value, "input");
    });
    before.forEach((value, j) => term(W.W_hh[unit * H + j], value, "hidden"));
    term(W.b_h[unit], null);
    numbered.replaceChildren(
      symbol("h", now(), "hidden"),
      `[${unit}] = tanh(`,
      ...terms,
      ")",
      make(
        "span",
        { class: "term" },
        ` = tanh(${format(a[unit])}) = `,
        make("b", { style: "color: var(--hidden-ink)" }, format(h[unit])),
      ),
    );
  }

  // The sum may need several lines; their room is kept, so that nothing moves under the pointer.
  const keepRoom = new ResizeObserver(() => {
    const characters = 12.5 * (H + 2) + 30;
    const lines = Math.ceil((characters * 7.9) / Math.max(numbered.clientWidth, 200));
    numbered.style.minHeight = `${20 * lines}px`;
  });
  keepRoom.observe(numbered);
  view.atEnd(() => keepRoom.disconnect());

  // ---- one step, number by number ------------------------------------------------------------
  // A matrix as a table: above it the vector it multiplies, so that a row of numbers times the
  // row on top, summed, is one entry of the product beside it.
  const cells = {}; // name -> its editable cells
  const tops = {}; // name -> the vector above the matrix
  function matrix(name, letter, index, top, topColour, captions) {
    const [rows, width] = shapes[name];
    cells[name] = [];
    tops[name] = Array.from({ length: width }, () =>
      make("td", { class: `value keep framed ${topColour}` }),
    );
    const body = Array.from({ length: rows }, (_, row) =>
      make(
        "tr",
        { "data-row": row },
        ...Array.from({ length: width }, (_, column) =>
          make("td", {}, weightButton(name, row, column)),
        ),
      ),
    );
    return make(
      "table",
      { class: "matrix", "aria-label": `Weights ${name}` },
      make(
        "thead",
        {},
        make(
          "tr",
          { class: "captions" },
          ...captions.map((caption) => make("th", { scope: "col" }, caption)),
        ),
        make("tr", {}, ...tops[name]),
        make(
          "tr",
          { class: "names" },
          make(
            "th",
            { colspan: width },
            symbol(letter, index),
            make("span", { class: "quiet" }, " times "),
            top,
          ),
        ),
      ),
      make("tbody", {}, ...body),
    );
  }

  function weightButton(name, row, column) {
    const button = make("button", {
      type: "button",
      class: "value weight keep",
      tabindex: cells[name].length ? -1 : 0,
      onclick: () => choose({ name, row, column }),
    });
    button.addEventListener("keydown", (event) => {
      const [rows, width = 1] = shapes[name];
      const move = { ArrowLeft: [0, -1], ArrowRight: [0, 1], ArrowUp: [-1, 0], ArrowDown: [1, 0] }[
        event.key
      ];
      const nudge = { "+": 0.1, "=": 0.1, "-": -0.1, PageUp: 0.5, PageDown: -0.5 }[event.key];
      if (move) {
        event.preventDefault();
        const [r, c] = [
          clamp(row + move[0], 0, rows - 1),
          clamp((column ?? 0) + move[1], 0, width - 1),
        ];
        const next = cells[name][r * width + c];
        for (const cell of cells[name]) cell.tabIndex = cell === next ? 0 : -1;
        next.focus();
      } else if (nudge) {
        event.preventDefault();
        choose({ name, row, column }, false);
        change(W[name][place(name, row, column)] + nudge);
      } else if (event.key === "Escape") {
        choose(null);
      }
    });
    cells[name].push(button);
    return button;
  }

  // A vector beside the matrix; `sign` stands between it and its left neighbour. In a narrow card
  // the words are left out and the arrows stay.
  const plain = (text) => [() => text];
  const arrowFrom = (word) => [
    () => make("span", {}, make("span", { class: "word" }, `${word} `), "\u2192"),
  ];
  function vector(size, head, sign, name, colour = "") {
    const values = Array.from({ length: size }, () =>
      name ? null : make("span", { class: `value keep ${colour && `framed ${colour}`}` }),
    );
    if (name) cells[name] = [];
    return { head, sign, values: values.map((value, i) => value ?? weightButton(name, i)) };
  }

  function vectorTable(label, rowNames, vectors, extra = null) {
    const rows = rowNames.map((rowName, i) =>
      make(
        "tr",
        { "data-row": i },
        make("th", { scope: "row" }, rowName),
        ...vectors.flatMap(({ sign, values }) => [
          ...sign.map((part) => make("td", { class: "sign" }, part())),
          make("td", {}, values[i]),
        ]),
        ...(extra ? extra.rows[i] : []),
      ),
    );
    return make(
      "table",
      { class: "vectors", "aria-label": label },
      make(
        "thead",
        {},
        make(
          "tr",
          { class: "names" },
          make("td", {}),
          ...vectors.flatMap(({ head, sign }) => [
            ...sign.map(() => make("td")),
            make("th", { scope: "col" }, ...head),
          ]),
          ...(extra ? extra.heads : []),
        ),
      ),
      make("tbody", {}, ...rows),
    );
  }

  const units = Array.from({ length: H }, (_, i) => i);
  const first = {
    fromInput: vector(H, [symbol("W", "xh"), symbol("x", "t", "input")], []),
    fromState: vector(H, [symbol("W", "hh"), symbol("h", "t\u22121", "hidden")], plain("+")),
    bias: vector(H, [symbol("b", "h")], plain("+"), "b_h"),
    a: vector(H, [symbol("a", "t")], plain("=")),
    h: vector(H, [symbol("h", "t", "hidden")], arrowFrom("tanh"), null, "hidden"),
  };
  const hiddenTable = vectorTable(
    "The hidden state",
    units.map((i) => make("span", {}, make("span", { class: "word" }, "unit "), String(i))),
    Object.values(first),
  );
  const inputMatrix = matrix(
    "W_xh",
    "W",
    "xh",
    symbol("x", "t", "input"),
    "input",
    alphabet.map(shown),
  );
  const stateMatrix = matrix(
    "W_hh",
    "W",
    "hh",
    symbol("h", "t\u22121", "hidden"),
    "hidden",
    units.map(String),
  );
  const second = {
    fromHidden: vector(V, [symbol("W", "hy"), symbol("h", "t", "hidden")], []),
    bias: vector(V, [symbol("b", "y")], plain("+"), "b_y"),
    y: vector(V, [symbol("y", "t", "output")], plain("="), null, "output"),
  };
  const chances = alphabet.map(() => ({
    bar: make("span", { class: "chance keep" }),
    share: make("span", { class: "number" }),
    mark: make("span", { class: "mark" }),
  }));
  const outputTable = vectorTable("The prediction", alphabet.map(shown), Object.values(second), {
    heads: [
      make("td", { class: "sign" }),
      make("th", { class: "wide", scope: "col" }, symbol("p", "t", "output")),
    ],
    rows: chances.map(({ bar, share, mark }) => [
      make("td", { class: "sign" }, arrowFrom("softmax")[0]()),
      make(
        "td",
        { class: "wide" },
        make("span", { class: "rail" }, bar),
        make("span", { class: "reading" }, share, mark),
      ),
    ]),
  });
  const outputMatrix = matrix(
    "W_hy",
    "W",
    "hy",
    symbol("h", "t", "hidden"),
    "hidden",
    units.map(String),
  );

  // The unit under the pointer, or the one focused, has its sum written out.
  for (const table of [hiddenTable, inputMatrix, stateMatrix]) {
    for (const kind of ["mouseover", "focusin"]) {
      table.addEventListener(kind, (event) => {
        const row = event.target.closest("tbody tr");
        if (row) pickUnit(Number(row.dataset.row));
      });
    }
  }
  first.h.values.forEach((cell, i) => {
    cell.tabIndex = i ? -1 : 0;
    cell.setAttribute("role", "button");
    cell.addEventListener("keydown", (event) => {
      const by = { ArrowUp: -1, ArrowDown: 1 }[event.key];
      if (!by) return;
      event.preventDefault();
      const next = first.h.values[clamp(i + by, 0, H - 1)];
      for (const other of first.h.values) other.tabIndex = other === next ? 0 : -1;
      next.focus();
    });
  });

  function pickUnit(i) {
    unit = i;
    for (const table of [hiddenTable, inputMatrix, stateMatrix]) {
      for (const row of table.tBodies[0].rows)
        row.classList.toggle("picked", Number(row.dataset.row) === unit);
    }
    writeSum();
  }

  function paintStep() {
    const step = steps[now() - 1];
    const column = (vector, name, values, scale = limit) =>
      vector.values.forEach((cell, i) => paint(cell, `${name}[${i}]`, values[i], scale));
    column(first.fromInput, "(W_xh x)", step.fromInput);
    column(first.fromState, "(W_hh h)", step.fromState);
    column(first.a, "a", step.a);
    column(first.h, "h", step.h, 1);
    column(second.fromHidden, "(W_hy h)", step.fromHidden);
    column(second.y, "y", step.y);
    first.h.values.forEach((cell, i) =>
      cell.setAttribute("aria-label", `h of unit ${i} is ${format(step.h[i])}: show its sum`),
    );
    tops.W_xh.forEach((cell, v) => {
      cell.textContent = step.x[v];
      cell.classList.toggle("on", step.x[v] === 1);
    });
    step.before.forEach((value, j) => paint(tops.W_hh[j], `h before[${j}]`, value, 1));
    step.h.forEach((value, j) => paint(tops.W_hy[j], `h[${j}]`, value, 1));
    for (const name of WEIGHTS) {
      cells[name].forEach((cell, i) => {
        const [row, col] =
          shapes[name].length > 1 ? [Math.floor(i / shapes[name][1]), i % shapes[name][1]] : [i];
        paint(cell, indexed(name, row, col), W[name][i], limit);
        // A weight that is multiplied by 0 at this step steps back.
        const isIdle = name === "W_xh" && step.x[col] === 0;
        if (isIdle) cell.style.background = signedColour(0.35 * W[name][i], limit);
        const isEdited = W[name][i] !== given[name][i];
        cell.classList.toggle("edited", isEdited);
        cell.classList.toggle("idle", isIdle);
        const isChosen =
          chosen && chosen.name === name && place(name, chosen.row, chosen.column) === i;
        cell.setAttribute("aria-pressed", String(Boolean(isChosen)));
        cell.setAttribute(
          "aria-label",
          `${indexed(name, row, col)} is ${format(W[name][i])}${isEdited ? `, given ${format(given[name][i])}` : ""}: edit`,
        );
      });
    }
    step.p.forEach((value, v) => {
      const { bar, share, mark } = chances[v];
      bar.style.width = `${(value * 100).toFixed(2)}%`;
      share.textContent = format(value, 3);
      share.dataset.value = value;
      mark.replaceChildren(
        ...(v === step.target
          ? [
              make("span", { class: "word" }, "target \u00b7 "),
              `\u2212log p = ${format(step.loss)}`,
            ]
          : []),
      );
      bar.parentNode.classList.toggle("is-target", v === step.target);
    });
    writeSum();
  }

  // ---- the editor ----------------------------------------------------------------------------
  const editorName = make("span", { class: "mono editor-name" });
  const slider = make("input", { type: "range", step: 0.01 });
  const number = make("input", { type: "number", class: "mono", step: 0.1 });
  const giveBack = make("button", {
    type: "button",
    onclick: () => change(given[chosen.name][place(chosen.name, chosen.row, chosen.column)]),
  });
  slider.addEventListener("input", () => change(Number(slider.value)));
  number.addEventListener("input", () => {
    if (number.value !== "" && Number.isFinite(Number(number.value)))
      change(clamp(Number(number.value), -99, 99), number);
  });
  const editing = make("div", { class: "row" }, editorName, slider, number, giveBack);
  const invitation = make(
    "p",
    { class: "quiet" },
    "Click any weight to change it, or focus it and press + or \u2212.",
  );
  const editor = make("div", { class: "editor" }, invitation, editing);

  function choose(weight, focus = true) {
    chosen = weight;
    moves.stop();
    if (chosen) for (const cell of cells[chosen.name]) cell.tabIndex = -1;
    if (chosen) cells[chosen.name][place(chosen.name, chosen.row, chosen.column)].tabIndex = 0;
    paintAll();
    if (chosen && focus) slider.focus({ preventScroll: true });
  }
  editing.addEventListener("keydown", (event) => {
    if (event.key !== "Escape" || !chosen) return;
    const cell = cells[chosen.name][place(chosen.name, chosen.row, chosen.column)];
    choose(null);
    cell.focus();
  });

  function change(value, source = null) {
    const index = place(chosen.name, chosen.row, chosen.column);
    W[chosen.name][index] =
      Math.round(value * 1e6) / 1e6 === given[chosen.name][index]
        ? given[chosen.name][index]
        : value;
    share();
    recompute(source);
  }

  function share() {
    view.set(
      "edited",
      Object.fromEntries(WEIGHTS.map((name) => [name, packExact(W[name], shapes[name])])),
    );
  }

  function paintEditor(source) {
    editing.hidden = !chosen;
    invitation.hidden = Boolean(chosen);
    if (!chosen) return;
    const { name, row, column } = chosen;
    const [value, start] = [
      W[name][place(name, row, column)],
      given[name][place(name, row, column)],
    ];
    const span = Math.max(2 * limit, Math.ceil(Math.abs(value)));
    const label = indexed(name, row, column);
    editorName.textContent = label;
    slider.min = -span;
    slider.max = span;
    slider.value = value;
    slider.setAttribute("aria-label", `Value of ${label}`);
    slider.setAttribute("aria-valuetext", format(value));
    number.setAttribute("aria-label", `Value of ${label}, as a number`);
    if (source !== number) number.value = value.toFixed(2);
    giveBack.textContent = `Back to ${format(start)}`;
    giveBack.disabled = value === start;
  }

  // ---- experiments ---------------------------------------------------------------------------
  function scaled(name, factor) {
    return () => {
      moves.stop();
      W[name] = given[name].map((value) => value * factor || 0);
      share();
      recompute();
    };
  }
  const forgetHere = make("button", {
    type: "button",
    onclick: () => {
      const list = view.get("forget");
      view.set(
        "forget",
        list.includes(now())
          ? list.filter((t) => t !== now())
          : [...list, now()].sort((a, b) => a - b),
      );
      recompute();
    },
  });
  const reset = make(
    "button",
    {
      type: "button",
      onclick: () => {
        moves.stop();
        W = Object.fromEntries(WEIGHTS.map((name) => [name, given[name].slice()]));
        share();
        view.set("forget", []);
        view.set("text", view.get("given_text"));
        view.set("step", clamp(now(), 1, text().length));
        textBox.value = view.get("text");
        complaint.textContent = "";
        choose(null);
        recompute();
      },
    },
    "As given",
  );
  const experiments = {
    cut: make(
      "button",
      { type: "button", onclick: scaled("W_hh", 0) },
      "No memory: ",
      symbol("W", "hh"),
      " = 0",
    ),
    deaf: make(
      "button",
      { type: "button", onclick: scaled("W_xh", 0) },
      "Deaf: ",
      symbol("W", "xh"),
      " = 0",
    ),
    loud: make(
      "button",
      { type: "button", onclick: scaled("W_hh", 3) },
      "Memory three times as loud",
    ),
  };
  const verdict = make("p", { class: "verdict" });
  const tryRow = make(
    "div",
    { class: "row tight", role: "group", "aria-label": "Experiments" },
    make("span", { class: "quiet" }, "Try"),
    experiments.cut,
    forgetHere,
    experiments.loud,
    experiments.deaf,
    reset,
  );

  function paintExperiments() {
    const same = (name, factor) =>
      W[name].every((value, i) => Math.abs(value - given[name][i] * factor) < 1e-12);
    experiments.cut.setAttribute("aria-pressed", String(same("W_hh", 0)));
    experiments.loud.setAttribute("aria-pressed", String(same("W_hh", 3)));
    experiments.deaf.setAttribute("aria-pressed", String(same("W_xh", 0)));
    forgetHere.setAttribute("aria-pressed", String(view.get("forget").includes(now())));
    forgetHere.replaceChildren("Forget: ", symbol("h", now() - 1), " = 0");
    forgetHere.disabled = now() === 1;
    const untouched =
      WEIGHTS.every((name) => same(name, 1)) &&
      !view.get("forget").length &&
      view.get("text") === view.get("given_text");
    reset.disabled = untouched;
    const total = totalLoss(steps);
    verdict.replaceChildren(
      "Total loss ",
      make("b", { class: "total", "data-value": total }, format(total)),
      " nats",
      ...(untouched
        ? []
        : [make("span", { class: "quiet" }, ` \u00b7 ${format(givenTotal())} as given`)]),
    );
  }

  function givenTotal() {
    const setting = {
      H,
      V,
      alphabet,
      text: Array.from(view.get("given_text")),
      targets: Array.from(view.get("given_targets")),
      forget: [],
    };
    return totalLoss(forward(given, setting));
  }

  // ---- together ------------------------------------------------------------------------------
  function paintAll(source) {
    counter.replaceChildren(make("i", {}, "t"), ` = ${now()} of ${text().length}`);
    paintStrip();
    paintStep();
    paintEditor(source);
    paintExperiments();
  }

  function recompute(source = null) {
    const began = performance.now();
    steps = forward(W, {
      H,
      V,
      alphabet,
      text: text(),
      targets: targets(),
      forget: view.get("forget"),
    });
    if (
      columns.map(({ button }) => button.querySelector(".input").textContent).join() !==
      text().map(shown).join()
    )
      buildStrip();
    paintAll(source);
    view.root.dataset.milliseconds = (performance.now() - began).toFixed(2);
    view.say(`${summary(now() - 1)}. Total loss ${format(totalLoss(steps))} nats.`);
  }

  function moveTo(t) {
    view.set("step", t);
    paintAll();
    const { button } = columns[t - 1];
    const frame = strip.parentNode;
    if (
      button.offsetLeft < frame.scrollLeft ||
      button.offsetLeft + button.offsetWidth > frame.scrollLeft + frame.clientWidth
    ) {
      frame.scrollLeft = button.offsetLeft - frame.clientWidth / 2;
    }
    view.say(`Step ${t}: ${summary(t - 1)}`);
  }

  const legend = make(
    "p",
    { class: "legend" },
    signedScale(limit),
    make("span", {}, "for ", symbol("h"), " the ends are \u22121 and +1"),
    make("span", {}, make("span", { class: "dot-sample" }), "changed by you"),
  );

  view.root.append(
    controls,
    make("div", { class: "scroll" }, strip),
    make("div", { class: "formula" }, lettered, numbered),
    make(
      "div",
      { class: "stage" },
      make("div", { class: "scroll matrices" }, inputMatrix, stateMatrix),
      make("div", { class: "scroll" }, hiddenTable),
    ),
    editor,
    make(
      "div",
      { class: "stage" },
      make("div", { class: "scroll matrices" }, outputMatrix),
      make("div", { class: "scroll" }, outputTable),
    ),
    make("div", { class: "foot" }, tryRow, verdict),
    legend,
  );
  textBox.value = view.get("text");
  recompute();
  pickUnit(0);

  // Text and step may arrive one after the other: wait until they fit together.
  const fromOutside = () => {
    if (document.activeElement !== textBox) textBox.value = view.get("text");
    if (now() <= text().length) recompute();
  };
  view.watch("step", fromOutside);
  view.watch("text", fromOutside);
  view.watch("forget", fromOutside);
  view.watch("edited", () => {
    W = read(view.get("edited"));
    recompute(document.activeElement === number ? number : null);
  });
}

export default widget("stepper", "RNN stepper", drawStepper);

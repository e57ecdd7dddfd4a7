// Program an LSTM cell by hand. Every move runs the cell over all sequences (at most 60,000 steps)
// and draws one of them.

const LIMIT = 12;
const BLANK = { b_i: 0, w_i: 0, b_f: 0, w_f: 0, w_g: 1, b_o: 0 };
const STARTS = [
  ["Blank", "", BLANK],
  ["Remember everything", "f = 1, i = ½", { ...BLANK, b_f: 10 }],
  ["Forget at once", "f = 0, i = 1", { ...BLANK, b_f: -10, b_i: 10 }],
];
const SOLUTION = { b_i: -6, w_i: 12, b_f: 6, w_f: -12, w_g: 6, b_o: 6 };
const SOLVED = 0.98;
// The axis of c takes one of these ends, so that it rarely jumps.
const ENDS = [1, 2, 5, 10, 20, 50, 120];
const WEAK = 0.1; // the x that stands for a weak signal

const sigma = (a) => 1 / (1 + Math.exp(-a));
const same = (a, b) => Object.keys(BLANK).every((name) => a[name] === b[name]);

// i, f and o take two values at most: [without a mark, at a mark].
function gatesOf(w) {
  return {
    i: [sigma(w.b_i), sigma(w.b_i + w.w_i)],
    f: [sigma(w.b_f), sigma(w.b_f + w.w_f)],
    o: sigma(w.b_o),
    g: (x) => Math.tanh(w.w_g * x),
  };
}

// c of every step of every sequence, and how good the signs are.
function runAll(signal, marks, targets, gates, T) {
  const c = new Float64Array(signal.length);
  let right = 0;
  let margin = 0;
  for (let k = 0; k < signal.length; k++) {
    const before = k % T === 0 ? 0 : c[k - 1];
    c[k] = gates.f[marks[k]] * before + gates.i[marks[k]] * gates.g(signal[k]);
    const along = gates.o * Math.tanh(c[k]) * targets[k];
    if (along > 0) right += 1;
    margin += along;
  }
  return { c, right, margin: margin / signal.length };
}

// Rounded down, so that "100 %" is said of no cell that errs.
const percent = (right, steps) => `${Math.floor((1000 * right) / steps) / 10} %`;

// What to say about a cell: [the point, what lies behind it]. The first rule that fits speaks.
function advice({ weights, gates, score }) {
  const [i0, i1] = gates.i;
  const [f0, f1] = gates.f;
  const n = (value) => format(value);
  if (score >= SOLVED) return praise(gates, weights);
  if (weights.w_g === 0)
    return ["Nothing is ever written: what decides g?", "With a weight of 0, g is 0 for any x."];
  if (weights.w_g < 0)
    return ["The sign is turned round.", "With a negative weight, g is negative for a positive x."];
  if (f0 < 0.9) {
    const left = 100 * f0 ** 10;
    const share = left < 0.1 ? "less than 0.1" : Number(left.toPrecision(2));
    return [
      "The cell forgets between marks: what keeps c?",
      `Without a mark f = ${n(f0)}: after 10 steps ${share} % of c is left.`,
    ];
  }
  if (i0 > 0.1)
    return [
      "Noise is written in: close the write gate between marks.",
      `Without a mark i = ${n(i0)}, so every noisy x adds to c.`,
    ];
  if (i1 < 0.5)
    return [
      "Nothing is written at a mark.",
      `At a mark i = ${n(i1)}: the value to hold hardly enters c.`,
    ];
  if (f1 > 0.5)
    return [
      "The old bit is still there when the new one is written.",
      `At a mark f = ${n(f1)}: what does c need to lose just then?`,
    ];
  // All four are on the right side of ½: name the one that is farthest from its end.
  const [far, where] = [
    [1 - f0, `f without a mark, ${n(f0)}`],
    [i0, `i without a mark, ${n(i0)}`],
    [1 - i1, `i at a mark, ${n(i1)}`],
    [f1, `f at a mark, ${n(f1)}`],
  ].sort((a, b) => b[0] - a[0])[0];
  return far > 0.05
    ? ["Nearly: make the gates decide.", `Farthest from 0 or 1 is ${where}.`]
    : ["Nearly: faint marked values are still lost.", "Push i and f still closer to 0 and 1."];
}

function praise({ i: [i0, i1], f: [f0, f1], o }, { w_g }) {
  const is = (letter, value) => `${letter}\u00a0=\u00a0${format(value)}`;
  const drop = f1 > 0.5 ? "" : `${is("f", f1)} ${f1 > 0.1 ? "weakens" : "drops"} the old bit, `;
  const noise = i0 > 0.02 ? "dampens noise" : "blocks noise";
  const gates =
    `At a mark ${drop}${is("i", i1)} writes the new; ` +
    `between marks ${is("f", f0)} keeps it, ${is("i", i0)} ${noise}.`;
  // None of these is an error: the sign of h is that of c, however small. So a write gate that is
  // always nearly shut will do, if a mark opens it many times wider.
  if (i1 < 0.5)
    return [
      "Latched, but faintly: open the write gate at a mark.",
      `At a mark i is ${Number((i1 / i0).toPrecision(2))} times what it is between marks, ` +
        `and yet ${i1 < 0.01 ? "below 0.01" : `only ${format(i1)}`}: c has the sign, but no size.`,
    ];
  if (o < 0.9) return ["Latched. For a clearer h, open the reveal gate.", gates];
  if (w_g < 3) return ["Latched. Weak signals leave c near 0: make g decide.", gates];
  return ["Latched.", gates];
}

function drawProgrammer(view) {
  const {
    shape: [N, T],
    values: signal,
  } = unpack(view.get("signal"));
  const { values: marks } = unpack(view.get("markers"));
  const targets = new Int8Array(N * T);
  for (let k = 0; k < N * T; k++) targets[k] = marks[k] ? Math.sign(signal[k]) : targets[k - 1];

  // Everything that is shown, for the settings as they are.
  let now = null;
  let best = null; // the most steps right so far, by the learner's own doing
  let mine = null; // the weights from before the solution was shown
  let shownSolution = false;
  function compute() {
    const weights = view.get("weights");
    const gates = gatesOf(weights);
    now = { weights, gates, ...runAll(signal, marks, targets, gates, T) };
    now.score = now.right / (N * T);
    if (!shownSolution && !same(weights, SOLUTION)) best = Math.max(best ?? 0, now.right);
    choose();
  }
  function choose() {
    const n = (now.n = view.get("example"));
    const part = (array) => array.subarray(n * T, (n + 1) * T);
    Object.assign(now, { x: part(signal), m: part(marks), target: part(targets), cs: part(now.c) });
    now.hs = now.cs.map((c) => now.gates.o * Math.tanh(c));
    now.wrong = Array.from(now.hs, (h, t) => !(h * now.target[t] > 0));
  }

  // ---- the gates ------------------------------------------------------------------------------
  const program = (weights) => {
    view.set("weights", { ...weights });
    show();
  };

  const sliders = {};
  function slider(words, name) {
    const range = { type: "range", min: -LIMIT, max: LIMIT, step: 0.5 };
    const control = make("input", { ...range, id: freshId() });
    const output = make("output", { class: "mono", for: control.id });
    control.addEventListener("input", () =>
      program({ ...view.get("weights"), [name]: Number(control.value) }),
    );
    sliders[name] = { control, output };
    const label = make("label", { for: control.id }, `${words} `, symbol(...name.split("_")));
    return make("div", { class: "setting" }, label, output, control);
  }

  const bars = [];
  function bar(words, signed, read) {
    const fill = make("span", { class: "fill" });
    const output = make("span", { class: "mono" });
    bars.push({ fill, output, signed, read });
    const track = make("span", { class: signed ? "track signed keep" : "track keep" }, fill);
    return make("div", { class: "gate-value" }, make("span", {}, words), track, output);
  }

  function gate(words, letter, colour, formula, settings, values) {
    return make(
      "div",
      {
        class: "gate",
        role: "group",
        "aria-label": `${words}: ${letter}`,
        style: `--gate: var(--${colour}); --gate-ink: var(--${colour}-ink)`,
      },
      make(
        "p",
        {},
        make("b", {}, `${words}: `, symbol(letter, "t")),
        " ",
        make("span", { class: "small quiet" }, "= ", ...formula),
      ),
      ...settings,
      make("div", { class: "gate-values small" }, ...values),
    );
  }

  const half = (letter) => [
    "σ(",
    symbol("b", letter),
    " + ",
    symbol("w", letter),
    " ",
    symbol("m", "t"),
    ")",
  ];
  const both = (letter) => [
    bar("no mark", false, () => now.gates[letter][0]),
    bar("at a mark", false, () => now.gates[letter][1]),
  ];
  const gates = make(
    "div",
    { class: "gates" },
    gate(
      "write",
      "i",
      "input",
      half("i"),
      [slider("bias", "b_i"), slider("mark", "w_i")],
      both("i"),
    ),
    gate(
      "keep",
      "f",
      "forget",
      half("f"),
      [slider("bias", "b_f"), slider("mark", "w_f")],
      both("f"),
    ),
    gate(
      "what",
      "g",
      "cell",
      ["tanh(", symbol("w", "g"), " ", symbol("x", "t"), ")"],
      [slider("signal", "w_g")],
      [
        bar(`x = ${WEAK}`, true, () => now.gates.g(WEAK)),
        bar("x = 1", true, () => now.gates.g(1)),
      ],
    ),
    gate(
      "reveal",
      "o",
      "output",
      ["σ(", symbol("b", "o"), ")"],
      [slider("bias", "b_o")],
      [bar("always", false, () => now.gates.o)],
    ),
  );

  const starts = STARTS.map(([name, detail, weights]) => {
    const button = make(
      "button",
      { type: "button", class: "start" },
      name,
      detail && make("span", { class: "small" }, ` ${detail}`),
    );
    button.addEventListener("click", () => {
      shownSolution = false;
      mine = null;
      program(weights);
    });
    return { button, weights };
  });
  const solve = make("button", { type: "button", class: "solve" });
  solve.addEventListener("click", () => {
    if (mine && same(now.weights, SOLUTION)) {
      shownSolution = false;
      program(mine);
    } else {
      mine = now.weights;
      shownSolution = true;
      program(SOLUTION);
    }
  });
  const beginnings = make(
    "div",
    { class: "row beginnings" },
    make(
      "span",
      { class: "starts", role: "group", "aria-label": "Start from" },
      make("span", { class: "quiet" }, "Start from"),
      ...starts.map(({ button }) => button),
    ),
    solve,
  );

  function paintGates() {
    const { weights, gates: values } = now;
    const spoken = {
      i: `write gate ${format(values.i[0])} without a mark, ${format(values.i[1])} at a mark`,
      f: `keep gate ${format(values.f[0])} without a mark, ${format(values.f[1])} at a mark`,
      g: `g is ${format(values.g(WEAK))} for x ${WEAK}, ${format(values.g(1))} for x 1`,
      o: `reveal gate ${format(values.o)}`,
    };
    for (const [name, { control, output }] of Object.entries(sliders)) {
      control.value = weights[name];
      // Python may set a weight between two steps of the slider: its own number is shown.
      const whole = Number.isInteger(10 * weights[name]);
      output.textContent = format(weights[name], whole ? 1 : 2);
      control.setAttribute("aria-valuetext", `${output.textContent}: ${spoken[name[2]]}`);
    }
    for (const { fill, output, signed, read } of bars) {
      const value = read();
      const long = signed ? 50 * Math.abs(value) : 100 * value;
      fill.style.width = `${long}%`;
      if (signed) fill.style.left = `${value < 0 ? 50 - long : 50}%`;
      output.textContent = format(value);
      output.dataset.value = value;
    }
    for (const { button, weights: start } of starts)
      button.setAttribute("aria-pressed", same(weights, start));
    const back = mine && same(weights, SOLUTION);
    solve.textContent = back ? "Back to my own" : "Show a solution";
  }

  // ---- the score ------------------------------------------------------------------------------
  const count = `${(N * T).toLocaleString("en")} steps`;
  const share = make("b", { class: "share", "data-name": "score" });
  const margin = make("b", { "data-name": "margin" });
  const record = make("span", {});
  const meter = make("span", { class: "fill" });
  const peak = make("span", { class: "peak" });
  const point = make("p", { class: "point" });
  const behind = make("p", { class: "behind quiet" });
  const tick = (name, place, words) =>
    make("span", { class: `tick ${name}`, style: `left: ${place}%` }, make("span", {}, words));
  const results = make(
    "div",
    { class: "results" },
    make(
      "p",
      { class: "row" },
      make("span", { class: "verdict" }, "right at ", share, ` of ${count}`),
      make(
        "span",
        { class: "push quiet facts" },
        make("span", { title: "mean of h times target, from −1 to 1" }, "margin ", margin),
        record,
      ),
    ),
    make(
      "div",
      { class: "meter keep", "aria-hidden": "true" },
      meter,
      peak,
      tick("coin", 50, "50 %: a coin"),
      tick("goal", 100 * SOLVED, "goal: 98 %"),
    ),
    make("div", { class: "advice" }, point, behind),
  );

  function paintScore() {
    const [lead, rest] = advice(now);
    share.textContent = percent(now.right, N * T);
    share.dataset.value = now.score;
    margin.textContent = format(now.margin);
    margin.dataset.value = now.margin;
    record.replaceChildren(
      "best so far ",
      make("b", {}, best === null ? "–" : percent(best, N * T)),
    );
    meter.style.width = `${100 * now.score}%`;
    peak.hidden = best === null;
    peak.style.left = `${(100 * (best ?? 0)) / (N * T)}%`;
    results.classList.toggle("done", now.score >= SOLVED);
    point.textContent = lead;
    behind.textContent = rest;
  }

  // ---- one run --------------------------------------------------------------------------------
  const SIGNAL = 20,
    SIGNAL_TALL = 76,
    TARGET = 104,
    TARGET_TALL = 18,
    GATES = { i: 134, f: 168 },
    GATE_TALL = 24,
    CELL = 208,
    CELL_TALL = 68,
    SHOWN = 290,
    SHOWN_TALL = 60,
    CROSSES = SHOWN + SHOWN_TALL + 12,
    AXIS = CROSSES + 8,
    HEIGHT = AXIS + 24,
    RIGHT = 36;
  let width = 640;
  const narrow = () => width < 520;
  const left = () => (narrow() ? 60 : 92);
  const column = () => (width - left() - RIGHT) / T;
  const x = (t) => left() + (t + 0.5) * column(); // t from 0 to T − 1 here
  const edge = (t) => left() + t * column();
  const path = (name, d, attributes) => shape("path", { class: name, d, ...attributes });
  const steps = Array.from({ length: T }, (_, t) => t);
  // Stretches of steps with the same value: [value, first, one past the last].
  function stretches(values, breaks = () => false) {
    const found = [];
    values.forEach((value, t) => {
      const last = found[found.length - 1];
      if (last && last[0] === value && !breaks(t)) last[2] = t + 1;
      else found.push([value, t, t + 1]);
    });
    return found;
  }

  const hatch = freshId();
  const pattern = shape(
    "pattern",
    {
      id: hatch,
      width: 6,
      height: 6,
      patternUnits: "userSpaceOnUse",
      patternTransform: "rotate(45)",
    },
    shape("rect", { width: 6, height: 6, fill: "#1f2429", "fill-opacity": 0.05 }),
    line(0, 0, 0, 6, { stroke: "#1f2429", "stroke-width": 1.8, "stroke-opacity": 0.32 }),
  );
  const lines = shape("g");
  const cursor = shape("g", { "aria-hidden": "true" });
  const plot = shape("svg", {
    class: "plot",
    height: HEIGHT,
    tabindex: 0,
    role: "slider",
    "aria-label": "Step to read",
    "aria-valuemin": 1,
    "aria-valuemax": T,
  });
  plot.append(shape("defs", {}, pattern), lines, cursor);
  const sheet = make("div", { class: "sheet keep" }, plot);

  // The name of a row: words where there is room, then its letter.
  function title(name, text, letter, height) {
    const label = narrow() || !text ? [italic(letter)] : [`${text} `, italic(letter)];
    return words(`title ${name}`, left() - 12, height + 4, "end", ...label);
  }

  function paintSignal() {
    const zero = SIGNAL + SIGNAL_TALL / 2;
    const y = (value) => zero - (value * SIGNAL_TALL) / 2;
    const stems = (list) => list.map((t) => `M${x(t)} ${zero}V${y(now.x[t])}`).join("");
    const dots = (list) => list.map((t) => `M${x(t)} ${y(now.x[t])}h0`).join("");
    const quiet = steps.filter((t) => !now.m[t]);
    const marked = steps.filter((t) => now.m[t]);
    const size = clamp(column() / 2.5, 3, 5);
    const grey = { stroke: "#97a3ad", "stroke-linecap": "round", fill: "none" };
    const black = { ...grey, stroke: COLOURS.target };
    const boxes = stretches(now.target, (t) => now.m[t]).map(([sign, from, to]) => {
      const plus = sign > 0;
      const wide = edge(to) - edge(from);
      return shape(
        "g",
        {},
        shape("rect", {
          class: "goal",
          x: edge(from) + 0.75,
          y: TARGET,
          width: Math.max(1, wide - 1.5),
          height: TARGET_TALL,
          fill: plus ? "#fff" : "#4d565e",
          stroke: "#4d565e",
        }),
        wide < 11
          ? null
          : words(
              plus ? "sign" : "sign minus",
              (edge(from) + edge(to)) / 2,
              TARGET + 14,
              "middle",
              plus ? "+" : "\u2212",
            ),
      );
    });
    return [
      title("", "signal", "x", zero),
      line(left(), zero, width - RIGHT, zero, { stroke: "#c6ced5" }),
      ...[1, -1].map((value) =>
        words("tick", width - RIGHT + 6, y(value) + 4, "start", format(value, 0)),
      ),
      path("stems", stems(quiet), { ...grey, "stroke-width": 1.5 }),
      path("dots", dots(quiet), { ...grey, "stroke-width": size }),
      path("stems", stems(marked), { ...black, "stroke-width": clamp(column() / 4, 2, 3) }),
      path("dots", dots(marked), { ...black, "stroke-width": size + 4 }),
      path(
        "marks",
        marked.map((t) => `M${x(t) - 5} ${SIGNAL - 17}h10l-5 8z`).join(""),
        { fill: COLOURS.target },
      ),
      words("title", left() - 12, TARGET + 13, "end", "target"),
      ...boxes,
    ];
  }

  function paintRibbon(letter, text, colour) {
    const top = GATES[letter];
    const gap = column() > 5 ? 1 : 0;
    const base = top + GATE_TALL;
    const pieces = steps.map((t) => {
      const high = now.gates[letter][now.m[t]] * GATE_TALL;
      return `M${edge(t)} ${base}v${-high}h${column() - gap}v${high}z`;
    });
    return [
      shape("rect", {
        x: left(),
        y: top,
        width: width - left() - RIGHT,
        height: GATE_TALL,
        fill: "#f5f7f9",
      }),
      path("ribbon", pieces.join(""), { fill: COLOURS[colour] }),
      line(left(), base, width - RIGHT, base, { stroke: "#c6ced5" }),
      title(`${colour}-ink`, text, letter, top + GATE_TALL / 2),
      words("tick", width - RIGHT + 6, top + 8, "start", "1"),
      words("tick", width - RIGHT + 6, base + 1, "start", "0"),
    ];
  }

  function paintState(values, limit, top, tall, text, letter, colour) {
    const zero = top + tall / 2;
    const y = (value) => zero - (value / limit) * (tall / 2);
    const points = Array.from(values, (value, t) => `${x(t).toFixed(1)} ${y(value).toFixed(2)}`);
    const drawn = { stroke: COLOURS[colour], fill: "none", "stroke-linejoin": "round" };
    const ticks = [limit, 0, -limit].map((value) =>
      words("tick", width - RIGHT + 6, y(value) + 4, "start", format(value, 0)),
    );
    return [
      title(`${colour}-ink`, text, letter, zero),
      ...ticks,
      line(left(), zero, width - RIGHT, zero, { stroke: "#97a3ad" }),
      ...[top, top + tall].map((at) =>
        line(left(), at, width - RIGHT, at, { stroke: "#e1e6ea" }),
      ),
      path(letter, `M${points.join("L")}`, { ...drawn, "stroke-width": 2 }),
      path("dots", points.map((point) => `M${point}h0`).join(""), {
        ...drawn,
        "stroke-width": clamp(column() / 2.5, 3, 5.5),
        "stroke-linecap": "round",
      }),
    ];
  }

  function paintErrors() {
    const zero = SHOWN + SHOWN_TALL / 2;
    const sides = stretches(now.target).map(([sign, from, to]) =>
      shape("rect", {
        x: edge(from),
        y: sign > 0 ? SHOWN : zero,
        width: edge(to) - edge(from),
        height: SHOWN_TALL / 2,
        fill: COLOURS.soft,
      }),
    );
    const errors = stretches(now.wrong).filter(([wrong]) => wrong);
    const crosses = (column() >= 9 ? steps.filter((t) => now.wrong[t]).map(x) : [])
      .concat(column() >= 9 ? [] : errors.map(([, from, to]) => (edge(from) + edge(to)) / 2))
      .map((at) => `M${at - 3} ${CROSSES - 3}l6 6m0 -6l-6 6`);
    const marked = steps.filter((t) => now.m[t]);
    return [
      ...sides,
      ...errors.map(([, from, to]) =>
        shape("rect", {
          class: "error",
          x: edge(from),
          y: CELL,
          width: edge(to) - edge(from),
          height: SHOWN + SHOWN_TALL - CELL,
          fill: `url(#${hatch})`,
        }),
      ),
      path("crosses", crosses.join(""), { stroke: "#1f2429", "stroke-width": 1.5 }),
      words("title", left() - 12, CROSSES + 4, "end", "wrong"),
      path("guides", marked.map((t) => `M${x(t)} ${TARGET + TARGET_TALL}V${AXIS}`).join(""), {
        stroke: "#1f2429",
        "stroke-opacity": 0.5,
        "stroke-dasharray": "1 4",
      }),
    ];
  }

  function paintAxis() {
    const hop = [1, 2, 5, 10, 20, 50].find((size) => size * column() > 28) ?? 100;
    const shown = steps.filter((t) => (t + 1) % hop === 0 || t === 0);
    return [
      words("title", left() - 12, AXIS + 18, "end", narrow() ? "" : "step ", italic("t")),
      ...shown
        .filter((t) => t === 0 || x(t) - x(0) > 16)
        .map((t) => words("tick", x(t), AXIS + 18, "middle", String(t + 1))),
    ];
  }

  function paintPlot() {
    plot.setAttribute("width", width);
    plot.setAttribute("viewBox", `0 0 ${width} ${HEIGHT}`);
    const furthest = now.cs.reduce((most, c) => Math.max(most, Math.abs(c)), 0);
    const limit = ENDS.find((end) => end >= furthest) ?? ENDS[ENDS.length - 1];
    lines.replaceChildren(
      ...paintSignal(),
      ...paintRibbon("i", "write", "input"),
      ...paintRibbon("f", "keep", "forget"),
      ...paintErrors(),
      ...paintState(now.cs, limit, CELL, CELL_TALL, "cell", "c", "cell"),
      ...paintState(now.hs, 1, SHOWN, SHOWN_TALL, "revealed", "h", "hidden"),
      ...paintAxis(),
    );
    paintExample();
    paintCursor();
  }

  // ---- which run, and its single steps --------------------------------------------------------
  const which = make("output", { class: "which" });
  const tally = make("span", { class: "quiet" });
  const turn = (by) => () => {
    view.set("example", (view.get("example") + by + N) % N);
    choose();
    paintPlot();
    view.say(`${which.textContent}, ${tally.textContent}`);
  };
  const arrows = [
    iconButton("previous", "Previous example", turn(-1)),
    iconButton("next", "Next example", turn(1)),
  ];
  for (const arrow of arrows) arrow.hidden = N === 1;
  const examples = make(
    "div",
    { class: "row examples" },
    make(
      "span",
      { class: "field", role: "group", "aria-label": "Example" },
      arrows[0],
      which,
      arrows[1],
    ),
    tally,
  );
  function paintExample() {
    which.textContent = N === 1 ? "The only example" : `Example ${now.n + 1} of ${N}`;
    const right = now.wrong.filter((wrong) => !wrong).length;
    tally.textContent = `right at ${right} of its ${T} steps`;
  }

  const reading = make("p", { class: "reading" });
  let pointed = null;
  function paintCursor() {
    if (pointed === null) {
      plot.setAttribute("aria-valuenow", 1);
      plot.setAttribute("aria-valuetext", "none chosen");
      reading.replaceChildren(
        make("span", { class: "quiet" }, "Point at a step, or focus the drawing: ← and →."),
      );
      return;
    }
    const t = pointed;
    cursor.replaceChildren(
      shape("rect", {
        x: edge(t) - 0.5,
        y: SIGNAL - 4,
        width: column() + 1,
        height: AXIS - SIGNAL + 4,
        fill: "none",
        stroke: "#1f2429",
        "stroke-width": 1.5,
        rx: 2,
      }),
    );
    const i = now.gates.i[now.m[t]];
    const f = now.gates.f[now.m[t]];
    const g = now.gates.g(now.x[t]);
    const before = t ? now.cs[t - 1] : 0;
    const target = now.target[t] > 0 ? "+" : "\u2212";
    const verdict = now.wrong[t] ? "wrong" : "right";
    const value = (name, number) =>
      make("span", { class: "mono", "data-name": name, "data-value": number }, format(number));
    const signed = (name, number) =>
      number < 0 ? make("span", {}, "(", value(name, number), ")") : value(name, number);
    const near = (...parts) => make("span", { class: "term" }, ...parts);
    const c = (index) => symbol("c", index, "cell");
    reading.replaceChildren(
      make("b", {}, `t = ${t + 1}`),
      now.m[t] ? ", marked: " : ": ",
      near(c("t"), " = ", symbol("f", "t", "forget"), " ", c("t−1"), " +"),
      " ",
      near(symbol("i", "t", "input"), " ", symbol("g", "t", "cell")),
      " ",
      near("= ", value("f", f), " · ", signed("before", before), " +"),
      " ",
      near(value("i", i), " · ", signed("g", g)),
      " ",
      near("= ", make("b", {}, value("c", now.cs[t]))),
      "; ",
      near(symbol("h", "t", "hidden"), " = ", make("b", {}, value("h", now.hs[t]))),
      `, target ${target}: `,
      make("b", {}, verdict),
    );
    plot.setAttribute("aria-valuenow", t + 1);
    plot.setAttribute(
      "aria-valuetext",
      `step ${t + 1}${now.m[t] ? ", marked" : ""}: x ${format(now.x[t])}, ` +
        `c ${format(now.cs[t])}, h ${format(now.hs[t])}, ` +
        `target ${target === "+" ? "plus" : "minus"}, ${verdict}`,
    );
  }
  function read(t) {
    pointed = clamp(t, 0, T - 1);
    paintCursor();
  }
  readByPlace(plot, {
    at: (pixels) => Math.floor((pixels - left()) / column()),
    current: () => pointed,
    first: () => 0,
    longest: T,
    read,
  });

  // ---- together -------------------------------------------------------------------------------
  const sample = (...parts) =>
    shape("svg", { width: 16, height: 14, "aria-hidden": "true" }, ...parts);
  const key = (picture, text) => make("span", { class: "field" }, picture, text);
  const legend = make(
    "p",
    { class: "legend" },
    key(
      sample(shape("path", { d: "M3 3h10l-5 8z", fill: COLOURS.target })),
      "mark: hold the sign of this x",
    ),
    key(
      sample(shape("rect", { width: 16, height: 14, fill: COLOURS.soft })),
      make("span", {}, "side on which ", symbol("h"), " should be"),
    ),
    key(
      sample(shape("rect", { width: 16, height: 14, fill: `url(#${hatch})` })),
      "× wrong side",
    ),
  );

  function show() {
    const began = performance.now();
    compute();
    paintGates();
    paintScore();
    paintPlot();
    const said = `${point.textContent} ${behind.textContent}`;
    view.say(`Right at ${share.textContent} of ${count}. ${said}`);
    view.root.dataset.milliseconds = (performance.now() - began).toFixed(2);
  }

  view.root.append(
    beginnings,
    gates,
    results,
    make("div", { class: "drawing" }, examples, sheet, legend, reading),
  );
  const fit = new ResizeObserver(() => {
    width = Math.max(280, sheet.clientWidth);
    paintPlot();
  });
  fit.observe(sheet);
  view.atEnd(() => fit.disconnect());
  show();
  for (const name of ["weights", "example"]) view.watch(name, show);
}

export default widget("cell-programmer", "Program an LSTM cell by hand", drawProgrammer);

// The attention explorer. Python paints and captions; the browser shows where each word looked, and
// lets the reader move, recolour and delete things.

const FINE = 8; // dots of the canvas per pixel of the picture
const THUMB = 96; // dots of a small picture's width
const NIGHT = [15, 20, 26]; // the colour of a place without attention,
const DARKNESS = 0.82; // and how much of the picture it covers
const NUDGE = 2; // pixels per arrow key
const FAR = 8; // with Shift
const SETTLE = 450; // milliseconds of rest after an arrow key, until Python is asked
const SLACK = 4; // pixels of the screen that are not yet a drag
const GRIP = 1.25; // of its radius: where a thing can be taken hold of
const LETTERS = ["\u03b1", "z", "y"]; // the stages of a word: it looks, reads, speaks
const [LOOKS, READS, SPEAKS] = [0, 1, 2];
const MARKS = { true: "\u2713", false: "\u2717", null: "?" };
const VERDICTS = { true: "true", false: "false", null: "not known" };

const percent = (share) => `${format(100 * share, share > 0 && share < 0.0995 ? 1 : 0)}\u00a0%`;
const same = (one, other) => JSON.stringify(one) === JSON.stringify(other);

// the red heart and 2 × blue ring
function listed(names) {
  const often = (name) => names.filter((other) => other === name).length;
  const told = [...new Set(names)].map((name) =>
    often(name) > 1 ? `${often(name)} \u00d7 ${name}` : `the ${name}`,
  );
  return told.join(" and ");
}

const bare = ({ thing, x, y, colour }) => ({ thing, x, y, colour });

// Of each pixel of a row (or column): the cells that it lies in, with the share of the cell's length
// that it takes.
function cellsOfPixels(pixels, cells) {
  return Array.from({ length: pixels }, (_, i) => {
    const [start, end] = [(i * cells) / pixels, ((i + 1) * cells) / pixels];
    const found = [];
    for (let c = Math.floor(start); c < end; c++)
      found.push([c, Math.min(end, c + 1) - Math.max(start, c)]);
    return found.filter(([, share]) => share > 0);
  });
}

// The share of a map inside the boxes, and the share of the picture that they take, each place
// counted once; null where there is no box.
function shareInside(map, rows, columns, boxes, width, height) {
  const down = cellsOfPixels(height, rows);
  const across = cellsOfPixels(width, columns);
  const isInside = (i, j) =>
    boxes.some(([x0, y0, x1, y1]) => x0 <= j && j < x1 && y0 <= i && i < y1);
  let [inside, pixels] = [0, 0];
  for (let i = 0; i < height && boxes.length; i++) {
    for (let j = 0; j < width; j++) {
      if (!isInside(i, j)) continue;
      pixels += 1;
      for (const [r, tall] of down[i])
        for (const [c, wide] of across[j]) inside += tall * wide * map[r * columns + c];
    }
  }
  return pixels ? { inside, chance: pixels / (width * height) } : null;
}

// What Python saw of one arrangement: its picture as a canvas, and of each word the map (with its
// largest value, where that is, the entropy in bits, and how far the scores e are apart), the boxes
// and names of what it speaks of.
function readSeen(seen) {
  const [height, width] = seen.image.shape;
  const [T, rows, columns] = seen.maps.shape;
  const rgb = unpack(seen.image).values;
  const dots = new ImageData(width, height);
  for (let k = 0; k < width * height; k++)
    dots.data.set([rgb[3 * k], rgb[3 * k + 1], rgb[3 * k + 2], 255], 4 * k);
  const picture = make("canvas", { width, height });
  picture.getContext("2d").putImageData(dots, 0, 0);
  const L = rows * columns;
  const { values } = unpack(seen.maps);
  const words = seen.words.map((text, t) => {
    const map = values.subarray(t * L, (t + 1) * L);
    const [low, top] = [Math.min(...map), Math.max(...map)];
    const isSeen = ([x0, y0, x1, y1]) => x1 > x0 && y1 > y0;
    const boxes = seen.about[t].map((k) => seen.boxes[k]).filter(isSeen);
    return {
      text,
      map,
      top,
      peak: map.indexOf(top),
      apart: low > 0 ? Math.log(top / low) : Infinity, // softmax keeps differences of scores
      entropy: Math.abs(map.reduce((sum, x) => sum - (x > 0 ? x * Math.log2(x) : 0), 0)),
      boxes,
      names: seen.about[t].map((k) => seen.things[k].name),
      share: shareInside(map, rows, columns, boxes, width, height),
      p: seen.p[t],
      beta: seen.beta ? seen.beta[t] : null,
    };
  });
  return { ...seen, picture, height, width, T, rows, columns, words };
}

// Two lists of words, their longest common part in order: what of the old one is gone, what of the
// other is fresh.
function compare(old, now) {
  const common = Array.from({ length: old.length + 1 }, () => new Array(now.length + 1).fill(0));
  for (let i = old.length - 1; i >= 0; i--)
    for (let j = now.length - 1; j >= 0; j--)
      common[i][j] =
        old[i] === now[j]
          ? common[i + 1][j + 1] + 1
          : Math.max(common[i + 1][j], common[i][j + 1]);
  const gone = old.map(() => true);
  const fresh = now.map(() => true);
  let [i, j] = [0, 0];
  while (i < old.length && j < now.length) {
    if (old[i] === now[j]) {
      gone[i++] = false;
      fresh[j++] = false;
    } else if (common[i + 1][j] >= common[i][j + 1]) i++;
    else j++;
  }
  return { gone, fresh };
}

function drawExplorer(view) {
  const { things: given, palette, title } = view.get("given");
  const original = given.map(bare);
  const canChange = view.hasKernel;
  let seen = readSeen(view.get("seen"));
  const { width, height } = seen;
  let here = view.get("asked").things.map(bare); // how the reader has arranged the things
  const find = (k) => here.find(({ thing }) => thing === k);
  const isAhead = () => !same(here, seen.things.map(bare)); // of what Python has painted

  const last = () => 3 * seen.T - 1;
  const step = () => clamp(view.get("step"), 0, last());
  let pointed = null; // the word under the pointer: shown, but not chosen
  const reached = () => Math.floor(step() / 3);
  const current = () => pointed ?? reached();
  const stage = () => (pointed === null ? step() % 3 : SPEAKS);
  const word = () => seen.words[current()];

  // ---- the picture ------------------------------------------------------------------------------
  const canvas = make("canvas", {
    class: "picture keep",
    width: width * FINE,
    height: height * FINE,
    role: "img",
  });
  const outlines = shape("svg", {
    class: "boxes keep",
    viewBox: `0 0 ${width} ${height}`,
    "aria-hidden": "true",
  });
  const board = make(
    "div",
    { class: "board", style: `aspect-ratio: ${width} / ${height}` },
    canvas,
    outlines,
  );

  function paintPlain(target) {
    const context = target.getContext("2d");
    context.imageSmoothingEnabled = target !== canvas; // whose dots are whole pixels' parts
    context.drawImage(seen.picture, 0, 0, target.width, target.height);
    return context;
  }

  // Dark where the word did not look. light: what is left of the light where it looked most.
  function paintLook(target, { map, top }, light, asCells) {
    const dim = make("canvas", { width: seen.columns, height: seen.rows });
    const dots = new ImageData(seen.columns, seen.rows);
    map.forEach((x, k) => {
      const dark = DARKNESS * (1 - (light * x) / top);
      dots.data.set([...NIGHT, Math.round(255 * dark)], 4 * k);
    });
    dim.getContext("2d").putImageData(dots, 0, 0);
    const context = paintPlain(target);
    context.imageSmoothingEnabled = !asCells;
    context.imageSmoothingQuality = "high";
    context.drawImage(dim, 0, 0, target.width, target.height);
  }

  function paintCells({ map }) {
    const { rows, columns } = seen;
    const [wide, tall] = [canvas.width / columns, canvas.height / rows];
    const context = canvas.getContext("2d");
    context.fillStyle = "rgba(255, 255, 255, 0.28)";
    for (let c = 1; c < columns; c++) context.fillRect(c * wide, 0, 1, canvas.height);
    for (let r = 1; r < rows; r++) context.fillRect(0, r * tall, canvas.width, 1);
    if (wide < 40) return; // no room for numbers
    Object.assign(context, {
      font: "600 15px system-ui, sans-serif",
      textAlign: "center",
      lineJoin: "round",
      lineWidth: 4,
      strokeStyle: `rgb(${NIGHT.join(", ")})`,
      fillStyle: "#fff",
    });
    map.forEach((x, k) => {
      if (x < 0.005) return;
      const at = [((k % columns) + 0.5) * wide, (Math.floor(k / columns) + 1) * tall - 8];
      context.strokeText(`${Math.round(100 * x)}%`, ...at);
      context.fillText(`${Math.round(100 * x)}%`, ...at);
    });
  }

  const rectangles = (boxes) =>
    boxes.flatMap(([x, y, x1, y1]) =>
      ["halo", "outline"].map((name) =>
        shape("rect", { class: name, x, y, width: x1 - x, height: y1 - y }),
      ),
    );

  function paintPicture() {
    const shows = view.get("shows");
    const hasMap = shows !== "picture" && !isAhead();
    if (hasMap) {
      paintLook(canvas, word(), stage() === READS ? (word().beta ?? 1) : 1, shows === "cells");
      if (shows === "cells") paintCells(word());
    } else paintPlain(canvas);
    const hasBoxes = stage() === SPEAKS && !isAhead();
    outlines.replaceChildren(
      ...rectangles(hasBoxes ? word().boxes : []),
      ...leftPlaces().map(({ thing, x, y }) =>
        shape("circle", { class: "left", cx: x, cy: y, r: GRIP * given[thing].radius }),
      ),
    );
    legend.classList.toggle("off", !hasMap);
    canvas.setAttribute(
      "aria-label",
      `The picture: ${seen.things.map(({ name }) => name).join(", ")}. For \u201c${word().text}` +
        `\u201d most attention, ${percent(word().top)}, is in ${peakOf(word())}.`,
    );
  }

  // Where the picture still shows what the reader has moved or deleted.
  const leftPlaces = () =>
    seen.things.filter(({ thing, x, y }) => {
      const now = find(thing);
      return !now || now.x !== x || now.y !== y;
    });

  const peakOf = ({ peak }) =>
    `row ${Math.floor(peak / seen.columns) + 1} of ${seen.rows}, ` +
    `column ${(peak % seen.columns) + 1} of ${seen.columns}`;

  // ---- which word, and which stage of it --------------------------------------------------------
  function moveTo(next) {
    pointed = null;
    view.set("step", clamp(next, 0, last()));
    paint();
    view.say(summary());
  }
  const sayWord = (t) => moveTo(3 * clamp(t, 0, seen.T - 1) + SPEAKS);
  function go(by) {
    const next = step() + by;
    if (next < 0 || next > last()) return false;
    moveTo(next);
    return true;
  }
  const moves = transport(view, { go, interval: 900, restart: () => moveTo(0), unit: "step" });

  function pointAt(t) {
    if (pointed === t) return;
    pointed = t;
    paint();
  }

  function summary() {
    const { text, names, share, p, beta, top, entropy } = word();
    const inBox = share
      ? `${percent(share.inside)} of its attention inside the box of ${listed(names)}, ` +
        `chance ${percent(share.chance)}`
      : "speaks of no thing";
    const told = [
      `alpha: at most ${percent(top)}, in ${peakOf(word())}; entropy ${format(entropy, 1)} bits`,
      beta === null ? "z: what it reads there" : `z: beta ${format(beta)}`,
      `${inBox}; ${beta === null ? "" : `beta ${format(beta)}; `}probability ${format(p)}`,
    ][stage()];
    return `word ${current() + 1}, \u201c${text}\u201d, ${told}`;
  }

  // A row of buttons, one per word, of which one is in the tab order. keys: key -> what it does.
  function wordRow(name, label, keys) {
    const row = make("div", { class: name, role: "group", "aria-label": label });
    row.addEventListener("keydown", (event) => {
      const action = keys[event.key];
      if (!action || event.ctrlKey || event.metaKey || event.altKey) return;
      event.preventDefault();
      moves.stop();
      action();
      row.children[reached()].focus();
    });
    row.addEventListener("pointerleave", () => pointAt(null));
    return row;
  }
  function wordButton(name, t, ...content) {
    const button = make("button", { type: "button", class: name }, ...content);
    button.addEventListener("click", () => {
      moves.stop();
      sayWord(t);
    });
    button.addEventListener("pointerenter", (event) => {
      if (event.pointerType === "mouse") pointAt(t);
    });
    return button;
  }

  const caption = wordRow("words", "The caption, now", {
    ArrowRight: () => sayWord(reached() + 1),
    ArrowLeft: () => sayWord(reached() - 1),
    Home: () => sayWord(0),
    End: () => sayWord(seen.T),
  });
  const strip = wordRow("strip", "Where each word looked; arrow keys go step by step", {
    ArrowRight: () => go(1),
    ArrowLeft: () => go(-1),
    Home: () => moveTo(0),
    End: () => moveTo(last()),
  });

  // ---- the caption, before and now, and whether it is true --------------------------------------
  const earlier = make("p", { class: "earlier" });
  const verdicts = make("ul", { class: "verdicts", "aria-label": "Is the caption true?" });

  function changes() {
    const texts = seen.words.map(({ text }) => text);
    const old = view.get("before").words ?? texts;
    return { old, ...compare(old, texts) };
  }

  function showCaption() {
    const { old, gone, fresh } = changes();
    caption.replaceChildren(
      ...seen.words.map(({ text }, t) =>
        fresh[t]
          ? wordButton("word fresh", t, text, make("span", { class: "unseen" }, ", new"))
          : wordButton("word", t, text),
      ),
    );
    const isSame = !gone.includes(true) && !fresh.includes(true);
    earlier.hidden = !view.get("before").words;
    earlier.replaceChildren(
      make("span", { class: "tag" }, isSame ? "before, the same words" : "before"),
      " ",
      ...old.flatMap((text, t) => [make(gone[t] ? "del" : "span", {}, text), " "]),
    );
    verdicts.hidden = !seen.facts.length;
    verdicts.replaceChildren(
      ...seen.facts.map(([text, holds]) =>
        make(
          "li",
          { class: `verdict is-${holds}` },
          make("span", { class: "mark keep", "aria-hidden": "true" }, MARKS[holds]),
          text,
          make("span", { class: "small quiet" }, VERDICTS[holds]),
        ),
      ),
    );
    strip.replaceChildren(...seen.words.map(frame));
  }

  function frame(one, t) {
    const tall = Math.round((THUMB * height) / width);
    const thumb = make("canvas", { class: "keep", width: THUMB, height: tall });
    paintLook(thumb, one, 1, false);
    const boxes = { class: "boxes keep", viewBox: `0 0 ${width} ${height}` };
    const stages = LETTERS.map((letter) => make("i", {}, letter));
    return wordButton(
      "frame",
      t,
      make(
        "span",
        { class: "thumb", "aria-hidden": "true" },
        thumb,
        shape("svg", boxes, ...rectangles(one.boxes)),
      ),
      make("span", { class: "said" }, one.text),
      make("span", { class: "stages", "aria-hidden": "true" }, ...stages),
    );
  }

  function markWords() {
    for (const row of [caption, strip]) {
      [...row.children].forEach((button, t) => {
        button.tabIndex = t === reached() ? 0 : -1;
        button.setAttribute("aria-pressed", String(t === current()));
        button.classList.toggle("later", pointed === null && t > reached());
      });
    }
    [...strip.children].forEach((button, t) =>
      [...button.lastChild.children].forEach((mark, k) =>
        mark.classList.toggle("here", t === current() && k === stage()),
      ),
    );
  }

  // ---- the numbers of a word --------------------------------------------------------------------
  const heading = make("p", {});
  const meter = make("div", { class: "meter keep", "aria-hidden": "true" });
  const comparison = make("p", { class: "comparison" });
  const facts = make("dl", { class: "facts" });
  const chain = make("ol", { class: "chain", "aria-label": "The word, step by step" });
  const bold = (text, exact) => make("b", { "data-value": exact }, text);

  function showNumbers() {
    const { text, names, boxes, share, p, beta, entropy } = word();
    heading.replaceChildren(
      make("span", { class: "quiet" }, `word ${current() + 1}: `),
      bold(text),
      make("span", { class: "quiet" }, names.length ? ` speaks of ${listed(names)}` : ""),
    );
    const these = boxes.length > 1 ? "boxes" : "box";
    meter.classList.toggle("off", !share);
    meter.replaceChildren(
      ...(share
        ? [
            make("span", { class: "fill", style: `width: ${100 * share.inside}%` }),
            make("span", { class: "chance", style: `left: ${100 * share.chance}%` }),
          ]
        : []),
    );
    comparison.replaceChildren(
      ...(share
        ? [
            bold(percent(share.inside), share.inside),
            ` of its attention is inside the ${these}; by chance it would be `,
            bold(percent(share.chance), share.chance),
            `, the share of the picture that ${boxes.length > 1 ? "they take" : "it takes"}.`,
          ]
        : [
            names.length
              ? "Nothing is to be seen of what it speaks of, so there is no box."
              : "It speaks of no thing, so there is no box to compare with.",
          ]),
    );
    const entry = (term, value, exact) => [
      make("dt", {}, ...term),
      make("dd", { "data-value": exact }, value),
    ];
    const spread = 2 ** entropy;
    facts.replaceChildren(
      ...entry(["probability of the word"], format(p), p),
      ...(beta === null
        ? []
        : entry([symbol("\u03b2"), ", how much picture it needs"], format(beta), beta)),
      ...entry(
        ["attention as if spread evenly over"],
        `${format(spread, spread < 9.95 ? 1 : 0)} of ${seen.rows * seen.columns} cells`,
        spread,
      ),
    );
  }

  function showChain() {
    const t = current() + 1;
    const { text, p, beta, top, entropy, apart } = word();
    const most = Math.log2(seen.rows * seen.columns);
    const sum = ["\u03a3 ", symbol("\u03b1", `${t}i`), " ", symbol("a", "i")];
    const link = (at, formula, ...told) =>
      make(
        "li",
        { class: at > stage() ? "link ahead" : "link" },
        make("span", { class: "formula" }, ...formula),
        make("span", { class: "small" }, ...told),
      );
    const links = [
      link(
        LOOKS,
        [symbol("e", t)],
        "a score for each cell; ",
        ...(apart === Infinity
          ? ["some are out of the race"]
          : ["best and worst are ", bold(format(apart, 1), apart), " apart"]),
      ),
      link(
        LOOKS,
        [symbol("\u03b1", t), " = softmax(", symbol("e", t), ")"],
        "at most ",
        bold(percent(top), top),
        "; entropy ",
        bold(format(entropy, 1), entropy),
        ` of ${format(most, 1)} bits`,
      ),
      link(
        READS,
        [symbol("z", t), " = ", ...(beta === null ? [] : [symbol("\u03b2", t), " "]), ...sum],
        "what it reads: the cells, weighted",
        ...(beta === null
          ? []
          : ["; ", symbol("\u03b2", t), "\u00a0=\u00a0", bold(format(beta), beta)]),
      ),
      link(SPEAKS, [symbol("y", t), " \u2192 ", bold(text)], "probability ", bold(format(p), p)),
    ];
    links[[1, 2, 3][stage()]].setAttribute("aria-current", "step");
    chain.replaceChildren(...links);
  }

  function paint() {
    const began = performance.now();
    paintPicture();
    markWords();
    showNumbers();
    showChain();
    view.root.dataset.milliseconds = (performance.now() - began).toFixed(2);
  }

  // ---- changing the picture ---------------------------------------------------------------------
  let settled = here.map(bare); // what Python was asked for last
  const past = []; // the arrangements before it
  let chosen = null; // a thing, by its place among the given ones
  const settle = debounce(commit, SETTLE);
  view.atEnd(() => settle.cancel());

  const nameOf = (k) => {
    const { name, colour } = given[k];
    return name.replace(colour, find(k)?.colour ?? colour);
  };

  // So that all of it stays inside the picture.
  function place(k, x, y) {
    const one = find(k);
    const fit = (value, size) => {
      const margin = Math.min(given[k].radius, size / 2);
      return clamp(value, margin, size - margin);
    };
    one.x = fit(x, width);
    one.y = fit(y, height);
    paintThings();
    paintPicture();
    view.say(`${nameOf(k)}: ${Math.round(one.x)} across, ${Math.round(one.y)} down`);
  }

  function commit() {
    settle.cancel();
    if (same(here, settled)) return;
    past.push(settled);
    ask();
  }
  function ask() {
    settled = here.map(bare);
    python.begin("The captioner looks \u2026");
    view.set("asked", { run: view.get("asked").run + 1, things: here.map(bare) });
    paintThings();
    paintPicture();
  }

  function recolour(colour) {
    settle.now();
    find(chosen).colour = colour;
    commit();
  }
  function remove(k) {
    if (here.length === 1) {
      python.end("At least one thing must stay.", true);
      return;
    }
    settle.now();
    view.say(`${nameOf(k)} deleted`);
    here = here.filter(({ thing }) => thing !== k);
    chosen = null;
    commit();
    undo.focus(); // what had the focus is gone, or off
  }
  function takeBack() {
    settle.now();
    if (!past.length) return;
    here = past.pop();
    ask();
  }
  function restore() {
    settle.now();
    here = original.map(bare);
    commit();
  }
  function choose(k) {
    chosen = k;
    paintThings();
  }

  const ARROWS = {
    ArrowLeft: [-1, 0],
    ArrowRight: [1, 0],
    ArrowUp: [0, -1],
    ArrowDown: [0, 1],
  };
  function makeGrip({ radius }, k) {
    const side = 2 * GRIP * radius;
    const dots = Math.round(side * FINE);
    const ghost = make("canvas", { class: "ghost keep", width: dots, height: dots });
    const grip = make("button", { type: "button", class: "grip" }, ghost);
    grip.style.width = `${(100 * side) / width}%`;
    let hold = null; // where it was taken hold of on the screen, and where it was in the picture
    grip.addEventListener("pointerdown", (event) => {
      if (event.button) return;
      settle.now();
      choose(k);
      const { x, y } = find(k);
      hold = { left: event.clientX, top: event.clientY, x, y };
      grip.setPointerCapture(event.pointerId);
    });
    grip.addEventListener("pointermove", (event) => {
      if (!hold) return;
      const [right, down] = [event.clientX - hold.left, event.clientY - hold.top];
      const isDragged = grip.classList.contains("dragged");
      if (!isDragged && Math.hypot(right, down) < SLACK) return;
      grip.classList.add("dragged");
      const scale = width / board.getBoundingClientRect().width;
      place(k, hold.x + right * scale, hold.y + down * scale);
    });
    function letGo(isDropped) {
      if (!hold) return;
      const { x, y } = hold;
      hold = null;
      grip.classList.remove("dragged");
      if (!isDropped) place(k, x, y);
      commit();
    }
    grip.addEventListener("pointerup", () => letGo(true));
    grip.addEventListener("pointercancel", () => letGo(false));
    grip.addEventListener("focus", () => choose(k));
    grip.addEventListener("keydown", (event) => {
      const by = ARROWS[event.key];
      if (event.key === "Escape") letGo(false);
      else if (event.key === "Delete" || event.key === "Backspace") remove(k);
      else if (by && !hold) {
        const far = event.shiftKey ? FAR : NUDGE;
        place(k, find(k).x + by[0] * far, find(k).y + by[1] * far);
        settle();
      } else return;
      event.preventDefault();
    });
    return { grip, ghost };
  }
  const grips = given.map(makeGrip);
  if (canChange) board.append(...grips.map(({ grip }) => grip));

  const tool = (text, onclick) => make("button", { type: "button", onclick }, text);
  const which = make("p", { class: "which" });
  const deletion = tool("Delete it", () => remove(chosen));
  const undo = tool("Undo", takeBack);
  const anew = tool("As it was", restore);
  const pots = palette.map(([name, colour]) => {
    const swatch = make("span", { class: "swatch keep", style: `background: ${colour}` });
    const pot = make("button", { type: "button", class: "pot" }, swatch, name);
    pot.addEventListener("click", () => recolour(name));
    return pot;
  });

  function paintThings() {
    grips.forEach(({ grip, ghost }, k) => {
      const one = find(k);
      grip.hidden = !one;
      if (!one) return;
      const side = 2 * GRIP * given[k].radius;
      grip.style.left = `${(100 * (one.x - side / 2)) / width}%`;
      grip.style.top = `${(100 * (one.y - side / 2)) / height}%`;
      grip.setAttribute("aria-pressed", String(k === chosen));
      grip.setAttribute(
        "aria-label",
        `${nameOf(k)}, ${Math.round(one.x)} across, ${Math.round(one.y)} down. ` +
          "Arrow keys move it, Delete removes it.",
      );
      // Until Python has painted it at its new place, a cut-out of the old picture stands there.
      const was = seen.things.find(({ thing }) => thing === k);
      ghost.hidden = !was || (was.x === one.x && was.y === one.y);
      if (ghost.hidden) return;
      const context = ghost.getContext("2d");
      const { width: dots } = ghost;
      context.imageSmoothingEnabled = false;
      context.clearRect(0, 0, dots, dots);
      context.drawImage(
        seen.picture,
        ...[was.x - side / 2, was.y - side / 2, side, side],
        ...[0, 0, dots, dots],
      );
    });
    const picked = find(chosen);
    which.replaceChildren(
      picked ? bold(nameOf(chosen)) : "Drag a thing, or choose one to recolour or delete it.",
      make("span", { class: "small quiet" }, picked ? "drag it, or use the arrow keys" : ""),
    );
    for (const pot of pots) {
      pot.disabled = !picked;
      pot.setAttribute("aria-pressed", String(pot.textContent === picked?.colour));
    }
    deletion.disabled = !picked;
    undo.disabled = !past.length;
    anew.disabled = same(here, original);
  }

  // ---- together ---------------------------------------------------------------------------------
  const modes = [
    { mode: "smooth", text: "smooth" },
    { mode: "cells", text: `${seen.rows} \u00d7 ${seen.columns} cells` },
    { mode: "picture", text: "no map" },
  ].map(({ mode, text }) => {
    const button = tool(text, () => {
      view.set("shows", mode);
      paintModes();
      view.say(`Map: ${text}`);
    });
    return { mode, button };
  });
  function paintModes() {
    for (const { mode, button } of modes)
      button.setAttribute("aria-pressed", String(mode === view.get("shows")));
    paintPicture();
  }
  const legend = make(
    "span",
    { class: "scale small quiet" },
    "no attention",
    make("span", { class: "scale-bar keep ramp" }),
    "most",
  );
  const group = (label, name, ...buttons) =>
    make("div", { class: name, role: "group", "aria-label": label }, ...buttons);

  const message = make("p", { class: "small message" });
  const side = make(
    "div",
    { class: "side" },
    make(
      "div",
      { class: "row maps" },
      group("Map", "tools", ...modes.map(({ button }) => button)),
      legend,
    ),
    board,
    ...(canChange
      ? [
          which,
          group("Recolour it", "pots", ...pots),
          make("div", { class: "tools" }, deletion, undo, anew),
        ]
      : [kernelNotice("Changing the picture")]),
    message,
  );
  const python = awaiting(view, side, message);
  view.root.addEventListener("keydown", (event) => {
    if (!canChange || event.key !== "z" || !(event.ctrlKey || event.metaKey)) return;
    event.preventDefault();
    takeBack();
  });

  view.root.append(
    ...(title ? [make("p", { class: "title" }, title)] : []),
    make(
      "div",
      { class: "desk" },
      side,
      make(
        "div",
        { class: "main" },
        earlier,
        caption,
        verdicts,
        make("div", { class: "card" }, heading, meter, comparison, facts),
      ),
      make(
        "div",
        { class: "steps" },
        make("div", { class: "row" }, moves.element, "One word, step by step"),
        chain,
      ),
    ),
    strip,
  );

  // Python's answer; answers to earlier questions are let go.
  const isAnswer = ({ run }) => run === view.get("asked").run;
  function takeSeen() {
    if (!isAnswer(view.get("seen"))) return;
    seen = readSeen(view.get("seen"));
    pointed = null;
    python.end("");
    const { fresh } = changes();
    const speaks = seen.words.findIndex(({ boxes }, t) => fresh[t] && boxes.length);
    if (speaks >= 0) view.set("step", 3 * speaks + SPEAKS);
    showCaption();
    paintThings();
    paint();
    view.say(`Now: ${seen.words.map(({ text }) => text).join(" ")}`);
  }
  function takeRefusal() {
    const { error } = view.get("refused");
    if (!error || !isAnswer(view.get("refused"))) return;
    seen = readSeen(view.get("seen"));
    here = seen.things.map(bare);
    settled = here.map(bare);
    if (past.length && same(past.at(-1), here)) past.pop();
    python.end(error, true);
    showCaption();
    paintThings();
    paint();
  }

  showCaption();
  paintThings();
  paintModes();
  paint();
  takeRefusal();

  view.watch("seen", takeSeen);
  view.watch("refused", takeRefusal);
  view.watch("asked", () => {
    here = view.get("asked").things.map(bare);
    settled = here.map(bare);
    paintThings();
    paintPicture();
  });
  view.watch("step", paint);
  view.watch("shows", paintModes);
}

export default widget("attention-explorer", "Attention explorer", drawExplorer);

// The page: what is drawn, the row that was read last, the unit that is followed, the gates that are held.

const model = withWeights(MODEL);
const ROW_SECONDS = model.size > 10 ? 0.12 : 0.4;
const one = (selector) => document.querySelector(selector);
const all = (selector) => [...document.querySelectorAll(selector)];
const calm = matchMedia("(prefers-reduced-motion: reduce)");

const page = {
  image: null, // rows of numbers; null while nothing is drawn
  steps: null, // what `read` gives for the image, with gates held by hand
  own: null, // the same with the network's own gates
  read: model.size, // how many rows have been read
  layer: 0,
  unit: Math.min(6, model.gru[0].units - 1),
  // of each layer the gates held: for each unit undefined or a number
  held: model.gru.map(({ units }) => ({ update: new Array(units).fill(), reset: new Array(units).fill() })),
  heldFrom: Math.round(0.4 * model.size) + 1, // the first row for which they are
};

// --- reading ----------------------------------------------------------------------------------------------------------

function readAgain() {
  page.own = page.image && read(model, page.image);
  page.steps = isHeld() ? page.image && read(model, page.image, heldAt) : page.own;
  show();
}

const heldAt = (layer, step) => (step + 1 >= page.heldFrom ? page.held[layer] : undefined);
const isHeld = () => page.held.some((gates) => [...gates.update, ...gates.reset].some((value) => value !== undefined));

const SETTLE_SECONDS = 0.8; // after a stroke, before the drawing is read from its top
let settling = null;
let timer = null; // while the rows are read one after the other

function play() {
  if (!page.image) return;
  stop();
  if (page.read === model.size) page.read = 0;
  timer = setInterval(() => {
    page.read = Math.min(page.read + 1, model.size);
    if (page.read === model.size) stop();
    show();
  }, 1000 * ROW_SECONDS);
  page.read += 1;
  show();
}

function stop() {
  clearInterval(timer);
  clearTimeout(settling);
  timer = null;
}

function goTo(row) {
  stop();
  page.read = clip(row, 1, model.size);
  show();
}

// --- gates held by hand -----------------------------------------------------------------------------------------------

const EXPERIMENTS = { freeze: ["update", 1], overwrite: ["update", 0], cut: ["reset", 0] };
const GATES = ["update", "reset"];
const scope = () => one('[name="scope"]:checked').value;

/** Hold a gate of the units in scope at a value, or let it go where the value is undefined. */
function hold(gate, value) {
  const units = page.held[page.layer][gate];
  if (scope() === "all") units.fill(value);
  else units[page.unit] = value;
  readAgain();
}

function letGo() {
  for (const gates of page.held) GATES.forEach((gate) => gates[gate].fill(undefined));
}

// --- wiring -----------------------------------------------------------------------------------------------------------

const pad = drawingPad(one("#pad"), (strokes) => {
  stop();
  page.image = strokes.length ? imageOf(strokes, model.size) : null;
  page.read = model.size;
  readAgain();
  if (page.image && !calm.matches) settling = setTimeout(play, 1000 * SETTLE_SECONDS);
});

function take(digit) {
  pad.set(SAMPLES[digit].map((stroke) => stroke.map(([x, y]) => [x / 100, y / 100])), true);
  if (calm.matches) stop();
  else play();
}

function build() {
  SAMPLES.forEach((strokes, digit) => {
    const path = strokes.map((stroke) => `M${stroke.map((point) => point.join(" ")).join("L")}`).join("");
    const button = document.createElement("button");
    button.type = "button";
    button.innerHTML = `<svg viewBox="0 0 100 100" aria-hidden="true"><path d="${path}"/></svg>`;
    button.addEventListener("click", () => take(digit));
    one("#samples").append(button);
  });
  one("#bars").innerHTML = Array.from({ length: model.dense.at(-1).units }, (_, digit) =>
    `<div><span>${digit}</span><span class="bar"><i></i></span><small></small></div>`).join("");
  one("#digits").innerHTML = model.dense.at(-1).units > 12 ? "" :
    Array.from({ length: model.dense.at(-1).units }, (_, digit) => `<span>${digit}</span>`).join("");
  one("#lines").innerHTML = LINES.map((name) =>
    `<span class="${name}"><svg viewBox="0 0 26 10" aria-hidden="true"><path d="M1 5H25"/></svg> ` +
    `<span data-word="${name}"></span> <output></output></span>`).join("");
  one("#layer").innerHTML = model.gru.map((_, index) => `<option value="${index}">${index + 1}</option>`).join("");
  one("#layer-choice").hidden = model.gru.length === 1;
  one("#time").max = one("#from").max = model.size;
}

function chooseLayer(index) {
  page.layer = index;
  page.unit = Math.min(page.unit, model.gru[index].units - 1);
  one("#maps").setAttribute("aria-valuemax", model.gru[index].units);
  showFormulas();
  speak(spoken.language);
}

function wireReading() {
  one("#clear").addEventListener("click", () => pad.set([], false));
  one("#play").addEventListener("click", () => {
    if (timer) stop();
    else play();
    show();
  });
  one("#time").addEventListener("input", (event) => goTo(Number(event.target.value)));
  one("#layer").addEventListener("change", (event) => chooseLayer(Number(event.target.value)));
  for (const canvas of [one("#image"), one("#answers")]) {
    canvas.addEventListener("pointerdown", (event) => {
      const box = canvas.getBoundingClientRect();
      goTo(Math.ceil(((event.clientY - box.top) / box.height) * model.size));
    });
  }
  one("#maps").addEventListener("pointerdown", (event) => {
    const canvas = event.target.closest("canvas");
    if (!canvas) return;
    const box = canvas.getBoundingClientRect();
    const share = (event.clientX - box.left) / box.width;
    page.unit = clip(Math.floor(share * model.gru[page.layer].units), 0, model.gru[page.layer].units - 1);
    show();
  });
  one("#maps").addEventListener("keydown", (event) => {
    const last = model.gru[page.layer].units - 1;
    const unit = { ArrowLeft: page.unit - 1, ArrowRight: page.unit + 1, Home: 0, End: last }[event.key];
    const row = { ArrowUp: page.read - 1, ArrowDown: page.read + 1 }[event.key];
    if (unit === undefined && row === undefined) return;
    event.preventDefault();
    if (unit !== undefined) page.unit = clip(unit, 0, last);
    if (row === undefined) show();
    else goTo(row);
  });
}

function wireHand() {
  for (const button of all("[data-experiment]")) {
    button.addEventListener("click", () => {
      one('[name="scope"][value="all"]').checked = true;
      letGo();
      const [gate, value] = EXPERIMENTS[button.dataset.experiment];
      for (const gates of page.held) gates[gate].fill(value);
      readAgain();
    });
  }
  one("#release").addEventListener("click", () => {
    letGo();
    readAgain();
  });
  one("#from").addEventListener("input", (event) => {
    page.heldFrom = Number(event.target.value);
    readAgain();
  });
  for (const radio of all('[name="scope"]')) radio.addEventListener("change", show);
  for (const gate of GATES) {
    const slider = one(`[data-value="${gate}"]`);
    one(`[data-hold="${gate}"]`).addEventListener("change", (event) =>
      hold(gate, event.target.checked ? Number(slider.value) : undefined));
    slider.addEventListener("input", () => hold(gate, Number(slider.value)));
  }
}

function repaintWhereThePageChanges() {
  const repaint = () => {
    pad.paint();
    show();
  };
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", repaint);
  new ResizeObserver(repaint).observe(document.body);
}

spoken.language = location.hash === "#zh" || (location.hash !== "#en" && navigator.language.startsWith("zh")) ? "zh" : "en";
build();
wireLanguages(speak);
wireReading();
wireHand();
chooseLayer(0);
take(3);
repaintWhereThePageChanges();

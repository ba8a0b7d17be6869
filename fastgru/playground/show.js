// What the page shows of its state, in words, numbers and pictures.

const percent = (share) => `${Math.round(100 * share)}\u00a0%`;
const decimal = (value) => value.toFixed(2).replace(/^-0.00$/, "0.00").replace("-", "−");
const largest = (numbers) => numbers.indexOf(Math.max(...numbers));
const guess = ({ answer }) => word("guess", { answer: largest(answer), percent: percent(Math.max(...answer)) });

/** Change a text that screen readers read out, where it does change. */
function say(selector, text) {
  if (one(selector).textContent !== text) one(selector).textContent = text;
}

function speak(language) {
  translate(language);
  document.title = word("title");
  for (const button of all("[data-experiment]")) {
    const [gate, value] = EXPERIMENTS[button.dataset.experiment];
    button.innerHTML = `${word(button.dataset.experiment)} <var>${gate === "update" ? "z" : "r"} = ${value}</var>`;
  }
  all("#samples button").forEach((button, digit) => button.setAttribute("aria-label", word("sample", { digit })));
  const layers = [
    ...model.gru.map(({ units }) => `GRU(${units})`), ...model.dense.map(({ units }) => `Dense(${units})`),
  ].join(word("stack"));
  const parameters = model.parameters.toLocaleString("en");
  one("#model").textContent = word(model.isOwn ? "own" : "model", { name: model.name, layers, parameters });
  one('[data-word="mapKeys"]').textContent = word("mapKeys", { units: model.gru[page.layer].units });
  show();
}

function showFormulas() {
  const { activation, recurrentActivation, resetAfter } = model.gru[page.layer];
  const name = (f) => (f === "sigmoid" ? "σ" : f.replaceAll("_", " "));
  const sum = (gate) =>
    `${name(recurrentActivation)}(<var>W</var><sub>${gate}</sub><var>x</var><sub>t</sub> + ` +
    `<var>U</var><sub>${gate}</sub><var>h</var><sub>t−1</sub> + <var>b</var><sub>${gate}</sub>)`;
  const past = resetAfter
    ? "<var>r</var><sub>t</sub> ⊙ (<var>U</var><var>h</var><sub>t−1</sub> + <var>c</var>)"
    : "<var>U</var>(<var>r</var><sub>t</sub> ⊙ <var>h</var><sub>t−1</sub>)";
  one('[data-formula="update"]').innerHTML = sum("z");
  one('[data-formula="reset"]').innerHTML = sum("r");
  one('[data-formula="candidate"]').innerHTML =
    `${name(activation)}(<var>W</var><var>x</var><sub>t</sub> + <var>b</var> + ${past})`;
}

// --- numbers and pictures ---------------------------------------------------------------------------------------------

function show() {
  const { read: row, steps } = page;
  one("#time").value = row;
  one("#time").setAttribute("aria-valuetext", word("row", { row, rows: model.size }));
  one("#row").textContent = word("row", { row, rows: model.size });
  one("#play").setAttribute("aria-label", word(timer ? "pause" : "play"));
  one("#play").classList.toggle("playing", timer !== null);
  one("#unit-title").textContent = word("unit", { unit: page.unit + 1 });
  one("#one-unit").textContent = word("oneUnit", { unit: page.unit + 1 });
  one(".invitation").hidden = Boolean(page.image);
  showAnswer(steps?.[row - 1]);
  showMaps();
  showUnit();
  showHand();
}

function showAnswer(step) {
  const answer = step ? step.answer : new Array(model.dense.at(-1).units).fill(0);
  const best = step ? largest(answer) : null;
  one("#best").textContent = best ?? "–";
  const row = page.read;
  const sentence = word(row === model.size ? "verdictEnd" : "verdict", { row, percent: percent(Math.max(...answer)) });
  one("#verdict").setAttribute("aria-live", timer ? "off" : "polite");
  say("#verdict", step ? sentence : word("nothing"));
  all("#bars > div").forEach((bar, digit) => {
    bar.classList.toggle("best", digit === best);
    bar.querySelector("i").style.width = `${100 * answer[digit]}%`;
    bar.querySelector("small").textContent = step ? percent(answer[digit]) : "";
  });
}

const valuesOf = (name) =>
  page.steps
    ? page.steps.map((step) => step.layers[page.layer][name])
    : Array.from({ length: model.size }, () => new Array(model.gru[page.layer].units).fill(0));

/** The largest number on the scale of states: 1, or more where the activation has no bound. */
function stateScale() {
  const numbers = page.steps ? [...valuesOf("state"), ...valuesOf("candidate")].flat().map(Math.abs) : [];
  return numbers.reduce((most, number) => Math.max(most, number), 1);
}

function showMaps() {
  const count = page.image ? page.read : 0;
  const scale = stateScale();
  const states = scaleOf(["--negative", "--zero", "--positive"], -scale, scale);
  const colours = {
    update: scaleOf(["--update-0", "--update-1"], 0, 1),
    reset: scaleOf(["--reset-0", "--reset-1"], 0, 1),
    candidate: states,
    state: states,
  };
  for (const canvas of all("[data-map]")) {
    const name = canvas.dataset.map;
    const gate = page.held[page.layer][name];
    const heldHere = (i, j) => gate?.[j] !== undefined && i + 1 >= page.heldFrom;
    heatMap(canvas, valuesOf(name), colours[name], count, { column: page.unit, isHeld: heldHere });
  }
  const image = page.image ?? blank(model.size);
  heatMap(one("#image"), image, scaleOf(["--paper", "--text"], 0, 1), count, { faint: 0.3 });
  const answers = page.steps ? page.steps.map((step) => step.answer) : [new Array(model.dense.at(-1).units).fill(0)];
  heatMap(one("#answers"), answers, scaleOf(["--paper", "--answer"], 0, 1), count);
  one('[data-scale="low"]').textContent = decimal(-scale).replace(/\.00$/, "");
  one('[data-scale="high"]').textContent = decimal(scale).replace(/\.00$/, "");
}

function showUnit() {
  const { unit, read: row } = page;
  const values = Object.fromEntries(LINES.map((name) => [name, valuesOf(name).map((numbers) => numbers[unit])]));
  const gates = page.held[page.layer];
  const isHeldHere = gates.update[unit] !== undefined || gates.reset[unit] !== undefined;
  historyChart(one("#history"), values, page.image ? row : 0, stateScale(), isHeldHere ? page.heldFrom : null);
  const now = Object.fromEntries(LINES.map((name) => [name, decimal(values[name][row - 1])]));
  for (const name of LINES) one(`#lines .${name} output`).textContent = page.image ? now[name] : "–";
  const maps = one("#maps");
  maps.setAttribute("aria-valuenow", unit + 1);
  maps.setAttribute("aria-valuetext", word("unitText", { unit: unit + 1, row, ...now }));
  const z = values.update[row - 1];
  const before = row > 1 ? values.state[row - 2] : 0;
  const term = (value) => decimal(value).replace(/^−.*/, "($&)");
  one("#sum").innerHTML = !page.image ? "" :
    `<span><var>h</var><sub>${row}</sub> = <var>z</var> · <var>h</var><sub>${row - 1}</sub> + ` +
    `(1 − <var>z</var>) · <var>h̃</var></span> <span>= <b class="update">${decimal(z)}</b> · ${term(before)} + ` +
    `<b class="update">${decimal(1 - z)}</b> · <b class="candidate">${term(values.candidate[row - 1])}</b></span> ` +
    `<span>= <b>${now.state}</b></span>`;
}

function showHand() {
  one("#from").value = page.heldFrom;
  one("#from-row").textContent = page.heldFrom;
  for (const gate of GATES) {
    const units = page.held[page.layer][gate];
    const value = scope() === "unit" ? units[page.unit] : units.find((number) => number !== undefined);
    const slider = one(`[data-value="${gate}"]`);
    one(`[data-hold="${gate}"]`).checked = value !== undefined;
    if (value !== undefined) slider.value = value;
    one(`[data-shown="${gate}"]`).textContent = value === undefined ? "" : decimal(value);
  }
  one("#release").disabled = !isHeld();
  const entire = (gate, number) => page.held.every((gates) => gates[gate].every((value) => value === number));
  const experiment = Object.keys(EXPERIMENTS).find((name) => {
    const [gate, number] = EXPERIMENTS[name];
    return entire(gate, number) && entire(gate === "update" ? "reset" : "update", undefined);
  });
  for (const button of all("[data-experiment]")) {
    button.setAttribute("aria-pressed", String(button.dataset.experiment === experiment));
  }
  const key = { freeze: "effectFreeze", overwrite: "effectOverwrite", cut: "effectCut" }[experiment] ?? "effectOther";
  say("#effect", word(isHeld() ? key : "effectNone", { from: page.heldFrom }));
  say("#compared", isHeld() && page.steps
    ? word("compared", { own: guess(page.own.at(-1)), now: guess(page.steps.at(-1)) })
    : "");
}

// The slider of an explanation: it moves a cursor through all charts over time and shows the numbers of the step.
const { steps, arrays: packed, words: WORDS, title } = JSON.parse(document.getElementById("explanation").textContent);
const arrays = packed.map(({ shape, low, high, codes }) => {
  const bytes = Uint8Array.from(atob(codes), (letter) => letter.charCodeAt(0));
  const view = new DataView(bytes.buffer);
  const at = (t, j) => {
    const code = view.getUint16(2 * (t * shape[1] + j), true);
    return code === 65535 ? NaN : low + (code / 65534) * (high - low);
  };
  return { steps: shape[0], width: shape[1], at };
});
const slider = document.getElementById("step"), where = document.getElementById("where");
const play = document.getElementById("play");
const shown = (value) => value.toFixed(3).replace("-", "\u2212");
// a chart may have other steps than the slider, behind a layer that leaves some out; both count from 1
const own = (step, count) => (steps > 1 ? 1 + Math.round(((step - 1) / (steps - 1)) * (count - 1)) : 1);
const area = (svg) => svg.dataset.area.split(" ").map(Number);
const countOf = (svg) => Math.floor(Number(svg.dataset.x.split(" ")[1]));

const charts = [...document.querySelectorAll("[data-time] svg[data-area]")].map((svg) => {
  const [left, top, right, floor] = area(svg), [low, high] = svg.dataset.x.split(" ").map(Number);
  const cursor = document.createElementNS(svg.namespaceURI, "line");
  cursor.setAttribute("class", "cursor");
  cursor.setAttribute("y1", top);
  cursor.setAttribute("y2", floor);
  svg.append(cursor);
  return (step) => {
    const x = left + ((own(step, countOf(svg)) - low) / (high - low)) * (right - left);
    cursor.setAttribute("x1", x);
    cursor.setAttribute("x2", x);
  };
});

const unitOf = (element) => Number(element.closest(".layer")?.querySelector(".unit").value ?? 1);
const readings = [...document.querySelectorAll(".reading")].map((element) => {
  const { steps: count, width, at } = arrays[element.dataset.array];
  return (step) => {
    const t = own(step, count) - 1, row = Array.from({ length: width }, (_, j) => at(t, j));
    const mean = row.reduce((sum, value) => sum + value, 0) / width, unit = unitOf(element);
    const values = {
      mean: shown(mean), least: shown(Math.min(...row)), most: shown(Math.max(...row)),
      unit, value: shown(row[element.dataset.row === "unit" ? unit - 1 : 0]),
    };
    const key = width === 1 ? "hereOne" : element.dataset.row === "unit" ? "hereUnit" : "here";
    element.textContent = Number.isNaN(mean) ? word("masked") : word(key, values);
  };
});

const answers = [...document.querySelectorAll(".answer")].map((element) => {
  const { steps: count, width, at } = arrays[element.dataset.array], labels = element.dataset.labels.split("\n");
  const text = (content, name) =>
    Object.assign(document.createElement("span"), { textContent: content, className: name });
  return (step) => {
    const t = own(step, count) - 1;
    const rows = labels.map((label, j) => ({ label, value: at(t, j) }));
    if (rows.some(({ value }) => Number.isNaN(value))) {
      element.replaceChildren(text(word("notYet"), "none"));
      return;
    }
    const isShare = rows.every(({ value }) => value >= 0 && value <= 1);
    if (isShare && width > 1) rows.sort((a, b) => b.value - a.value);
    element.replaceChildren(...rows.slice(0, 10).map(({ label, value }) => {
      const row = document.createElement("div"), bar = text("", "bar"), track = text("", "track");
      bar.style.width = isShare ? `${Math.max(0, 100 * value)}%` : "0";
      track.append(bar);
      row.append(text(label, "name"), track, text(shown(value), "number"));
      return row;
    }));
  };
});

// the history of a unit: its lines are drawn anew when another is chosen
function redraw(section) {
  const history = section.querySelector(".history"), svg = history.querySelector("svg[data-area]");
  const [left, top, right, floor] = area(svg), unit = unitOf(history);
  const [low, high] = svg.dataset.y.split(" ").map(Number);
  svg.querySelectorAll("path.line").forEach((path, index) => {
    const { steps: count, at } = arrays[Number(history.dataset.first) + index];
    let d = "", pen = "M";
    for (let t = 0; t < count; t++) {
      const value = at(t, unit - 1);
      if (Number.isNaN(value)) { pen = "M"; continue; }
      const x = left + (t / Math.max(1, count - 1)) * (right - left);
      d += `${pen}${x.toFixed(1)} ${(floor - ((value - low) / (high - low)) * (floor - top)).toFixed(1)}`;
      pen = "L";
    }
    path.setAttribute("d", d);
  });
}

function show() {
  const step = Number(slider.value);
  where.textContent = word("where", { step, steps });
  slider.setAttribute("aria-valuetext", where.textContent);
  play.setAttribute("aria-label", word(timer === null ? "play" : "pause"));
  play.textContent = timer === null ? "\u25b6" : "\u23f8\ufe0e";
  for (const update of [...charts, ...readings, ...answers]) update(step);
}
function moveTo(step) {
  slider.value = Math.min(steps, Math.max(1, step));
  show();
}
function speak(language) {
  translate(language);
  document.title = said(title);
  show();
}

// a click into a map goes to that step and, of a layer, to that unit
document.querySelectorAll("[data-time] svg[data-area]").forEach((svg) => svg.addEventListener("click", (event) => {
  const [left, top, right, floor] = area(svg), [low, high] = svg.dataset.x.split(" ").map(Number);
  const box = svg.getBoundingClientRect(), view = svg.viewBox.baseVal;
  const x = ((event.clientX - box.left) / box.width) * view.width;
  const y = ((event.clientY - box.top) / box.height) * view.height;
  if (x < left || x > right || y < top || y > floor) return;
  const at = Math.round(low + ((x - left) / (right - left)) * (high - low)), count = countOf(svg);
  const section = svg.closest(".layer");
  if (section && svg.closest(".map").querySelector("[data-row=unit]")) {
    const [bottom, first] = svg.dataset.y.split(" ").map(Number), choice = section.querySelector(".unit");
    const unit = Math.round(first + ((y - top) / (floor - top)) * (bottom - first));
    choice.value = Math.min(choice.max, Math.max(1, unit));
    redraw(section);
  }
  moveTo(count > 1 ? 1 + Math.round(((at - 1) / (count - 1)) * (steps - 1)) : 1);
}));
document.querySelectorAll(".unit").forEach((input) => input.addEventListener("input", () => {
  if (!input.checkValidity() || input.value === "") return;
  redraw(input.closest(".layer"));
  show();
}));

let timer = null;
function stop() {
  clearInterval(timer);
  timer = null;
}
play.addEventListener("click", () => {
  if (timer !== null) {
    stop();
    show();
    return;
  }
  timer = setInterval(() => {
    if (Number(slider.value) + 1 >= steps) stop();
    moveTo(Number(slider.value) + 1);
  }, Math.max(40, Math.min(300, 8000 / steps)));
  moveTo(Number(slider.value) === steps ? 1 : Number(slider.value));
});
slider.addEventListener("input", () => { stop(); show(); });
document.addEventListener("keydown", (event) => {
  if (event.target.matches("input, button") || event.ctrlKey || event.metaKey || event.altKey) return;
  const step = Number(slider.value), go = { ArrowLeft: step - 1, ArrowRight: step + 1, Home: 1, End: steps };
  if (event.key in go) { event.preventDefault(); moveTo(go[event.key]); }
  if (event.key === " ") { event.preventDefault(); play.click(); }
});
document.querySelectorAll(".layer").forEach(redraw);
wireLanguages(speak);
speak({ "#en": "en", "#zh": "zh" }[location.hash] ?? document.documentElement.lang.slice(0, 2));

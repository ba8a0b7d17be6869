// Pictures of numbers: heat maps on canvases and the lines of one unit as SVG. Colours stand in style.css.

const themeColour = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();

/** An empty canvas with as many pixels as the screen has for it; sizes are those of the page. */
function cleared(canvas) {
  const { width, height } = canvas.getBoundingClientRect();
  const ratio = window.devicePixelRatio || 1;
  canvas.width = Math.round(width * ratio);
  canvas.height = Math.round(height * ratio);
  const context = canvas.getContext("2d");
  context.scale(ratio, ratio);
  return { context, width, height };
}

/** From a number to a colour on the way through the colours of these names, which stand for `low` to `high`. */
function scaleOf(names, low, high) {
  const stops = names.map((name) => themeColour(name).match(/[0-9a-f]{2}/gi).map((hex) => parseInt(hex, 16)));
  return (value) => {
    const place = clip((value - low) / (high - low), 0, 1) * (stops.length - 1);
    const left = Math.min(Math.floor(place), stops.length - 2);
    const mixed = stops[left].map((from, index) => from + (place - left) * (stops[left + 1][index] - from));
    return `rgb(${mixed.map(Math.round).join(" ")})`;
  };
}

/**
 * A heat map of `rows` with the first `read` of them lit; the rest have not been read yet.
 *
 * `marks`: the column that is followed, which numbers are held by hand, how strong what is not read yet shows.
 */
function heatMap(canvas, rows, colour, read, { column = null, isHeld = () => false, faint = 0 } = {}) {
  const { context, width, height } = cleared(canvas);
  const columns = rows[0].length;
  const [x, y] = [(j) => Math.round((j * width) / columns), (i) => Math.round((i * height) / rows.length)];
  rows.forEach((row, i) => {
    context.globalAlpha = i < read ? 1 : faint;
    if (context.globalAlpha === 0) return;
    row.forEach((value, j) => {
      context.fillStyle = colour(value);
      context.fillRect(x(j), y(i), x(j + 1) - x(j), y(i + 1) - y(i));
    });
  });
  context.globalAlpha = 1;
  context.fillStyle = themeColour("--accent");
  rows.forEach((row, i) => row.forEach((_, j) => {
    if (!isHeld(i, j)) return;
    // the edge of what is held
    if (!isHeld(i - 1, j)) context.fillRect(x(j), y(i) - 1, x(j + 1) - x(j), 2);
    if (i === rows.length - 1) context.fillRect(x(j), height - 2, x(j + 1) - x(j), 2);
    if (j === 0 || !isHeld(i, j - 1)) context.fillRect(x(j), y(i), 2, y(i + 1) - y(i));
    if (j === columns - 1 || !isHeld(i, j + 1)) context.fillRect(x(j + 1) - 2, y(i), 2, y(i + 1) - y(i));
  }));
  context.strokeStyle = themeColour("--text");
  if (column !== null) context.strokeRect(x(column) - 0.5, 0.5, x(column + 1) - x(column) + 1, height - 1);
  if (read > 0) {
    context.lineWidth = 2;
    const top = clip(y(read - 1) - 1, 1, height - 2);
    context.strokeRect(1, top, width - 2, Math.min(y(read) + 1, height - 1) - top);
  }
}

const LINES = ["update", "reset", "candidate", "state"];

/** The values of one unit over all rows, each a line; `scale` is the largest number on the vertical axis. */
function historyChart(svg, values, read, scale, heldFrom) {
  const { width, height } = svg.getBoundingClientRect();
  const [left, right, top, bottom] = [34, 10, 10, 24];
  const count = values.update.length;
  const x = (step) => left + ((step - 1) / (count - 1)) * (width - left - right);
  const y = (value) => top + ((scale - value) / (2 * scale)) * (height - top - bottom);
  const number = (value) => String(Number(value.toFixed(1))).replace("-", "−");
  const level = (value) =>
    `<line class="level" x1="${left}" x2="${width - right}" y1="${y(value)}" y2="${y(value)}"/>` +
    `<text x="${left - 6}" y="${y(value) + 4}" text-anchor="end">${number(value)}</text>`;
  const steps = count > 10 ? [1, 7, 14, 21, 28].filter((step) => step <= count) : values.update.map((_, i) => i + 1);
  svg.setAttribute("viewBox", `0 0 ${width} ${height}`);
  svg.innerHTML = [
    heldFrom === null ? "" :
      `<rect class="held" x="${x(heldFrom)}" y="${top}" width="${width - right - x(heldFrom)}" height="${height - top - bottom}"/>`,
    ...[-scale, 0, scale].map(level),
    scale === 1 ? "" : level(1),
    ...steps.map((step) => `<text x="${x(step)}" y="${height - 6}" text-anchor="middle">${step}</text>`),
    ...(read === 0 ? [] : [
      `<line class="now" x1="${x(read)}" x2="${x(read)}" y1="${top}" y2="${height - bottom}"/>`,
      ...linesOf(values, read, x, y),
    ]),
  ].join("");
}

/** A line for each of the unit's values, strong as far as rows were read, and a dot where it is now. */
function linesOf(values, read, x, y) {
  const points = (name, stop) =>
    values[name].slice(0, stop).map((value, i) => `${x(i + 1).toFixed(1)},${y(value).toFixed(1)}`).join(" ");
  return [
    ...LINES.map((name) => `<polyline class="${name} later" points="${points(name)}"/>`),
    ...LINES.map((name) => `<polyline class="${name}" points="${points(name, read)}"/>`),
    ...LINES.map((name) => `<circle class="${name}" cx="${x(read)}" cy="${y(values[name][read - 1])}" r="3.5"/>`),
  ];
}

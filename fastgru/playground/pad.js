// The pad to draw on: by pointer (mouse, pen, finger), or by arrow keys that move a pen which space sets down and lifts.

const PEN_STEP = 0.04; // of the pad's side
const STROKE = 0.085;

/** Makes `canvas` a pad; `changed(strokes)` is called whenever a stroke grows, and returned are its own controls. */
function drawingPad(canvas, changed) {
  let strokes = [];
  let isSample = false; // a digit that was taken, not drawn: the first stroke begins anew
  let pen = null; // of the keyboard: { at: [x, y], isDown }
  let pointer = null; // the finger or button that draws

  function begin(point) {
    if (isSample) strokes = [];
    isSample = false;
    strokes.push([point]);
    tell();
  }

  function extend(point) {
    strokes.at(-1).push(point);
    tell();
  }

  function tell() {
    paint();
    changed(strokes);
  }

  function pointOf(event) {
    const box = canvas.getBoundingClientRect();
    return [(event.clientX - box.left) / box.width, (event.clientY - box.top) / box.height];
  }

  canvas.addEventListener("pointerdown", (event) => {
    if (pointer !== null || event.button > 0) return;
    pointer = event.pointerId;
    pen = null;
    canvas.setPointerCapture(pointer);
    begin(pointOf(event));
  });
  canvas.addEventListener("pointermove", (event) => {
    if (event.pointerId !== pointer) return;
    const events = event.getCoalescedEvents?.() ?? [];
    for (const moved of events.length ? events : [event]) strokes.at(-1).push(pointOf(moved));
    tell();
  });
  for (const end of ["pointerup", "pointercancel"]) {
    canvas.addEventListener(end, (event) => {
      if (event.pointerId === pointer) pointer = null;
    });
  }

  const MOVES = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };
  canvas.addEventListener("keydown", (event) => {
    pen ??= { at: [0.5, 0.15], isDown: false };
    if (event.key in MOVES) {
      pen.at = pen.at.map((place, axis) => clip(place + MOVES[event.key][axis] * PEN_STEP, 0.05, 0.95));
      if (pen.isDown) extend(pen.at);
    } else if (event.key === " " || event.key === "Enter") {
      pen.isDown = !pen.isDown;
      if (pen.isDown) begin(pen.at);
    } else if (event.key === "Delete" || event.key === "Backspace") {
      set([], false);
    } else {
      return;
    }
    event.preventDefault();
    paint();
  });
  canvas.addEventListener("blur", () => {
    pen = null;
    paint();
  });

  function set(newStrokes, areSample) {
    strokes = newStrokes;
    isSample = areSample;
    if (pen) pen.isDown = false;
    tell();
  }

  function paint() {
    const { context, width } = cleared(canvas);
    context.strokeStyle = themeColour("--text");
    context.lineWidth = STROKE * width;
    context.lineCap = context.lineJoin = "round";
    for (const stroke of strokes) {
      context.beginPath();
      for (const [x, y] of stroke) context.lineTo(x * width, y * width);
      if (stroke.length === 1) context.lineTo(stroke[0][0] * width, stroke[0][1] * width);
      context.stroke();
    }
    if (pen === null) return;
    context.beginPath();
    context.arc(pen.at[0] * width, pen.at[1] * width, (STROKE * width) / 2, 0, 2 * Math.PI);
    context.lineWidth = 3;
    context.strokeStyle = themeColour("--accent");
    context.fillStyle = pen.isDown ? themeColour("--accent") : "transparent";
    context.fill();
    context.stroke();
  }

  return { set, paint };
}

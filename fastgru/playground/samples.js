// A digit of each kind to read at once. Curves go through the points, of a pad of 100 by 100; a point twice is a corner.

const SAMPLES = [
  [[[52, 12], [32, 22], [22, 48], [30, 78], [50, 90], [70, 78], [78, 50], [70, 24], [52, 12], [32, 22]]],
  [[[36, 30], [53, 11], [53, 11], [52, 90]]],
  [[[25, 32], [34, 15], [54, 10], [71, 24], [64, 48], [42, 70], [23, 89], [23, 89], [79, 87]]],
  [[[26, 20], [48, 10], [70, 23], [62, 42], [43, 48], [43, 48], [66, 54], [75, 70], [58, 88], [26, 82]]],
  [[[57, 10], [40, 38], [20, 62], [20, 62], [82, 60]], [[62, 36], [62, 92]]],
  [[[72, 12], [34, 13], [34, 13], [30, 46], [30, 46], [52, 40], [74, 54], [72, 76], [50, 90], [25, 82]]],
  [[[66, 10], [42, 28], [28, 58], [33, 82], [52, 91], [71, 77], [66, 58], [47, 55], [30, 70]]],
  [[[22, 15], [78, 13], [78, 13], [58, 50], [46, 91]]],
  [[[68, 23], [50, 11], [32, 23], [40, 42], [60, 55], [71, 74], [52, 90], [31, 76], [40, 56], [62, 40], [68, 23], [50, 11]]],
  [[[70, 28], [53, 12], [33, 22], [32, 42], [50, 52], [67, 42], [70, 28], [70, 28], [68, 62], [57, 91]]],
].map((strokes) => strokes.map(curve));

/** Points close to each other on the curve through a few points (Catmull-Rom splines between corners). */
function curve(points) {
  const line = [points[0]];
  points.slice(1).forEach((end, index) => {
    const [before, start, , after] = [-1, 0, 1, 2].map((place) => points[index + place]);
    if (String(start) === String(end)) return;
    const knots = [before ?? start, start, end, after ?? end];
    for (let part = 1; part <= 8; part++) {
      line.push([0, 1].map((axis) => between(part / 8, knots.map((knot) => knot[axis]))));
    }
  });
  return line;
}

function between(t, [a, b, c, d]) {
  return b + (t / 2) * (c - a + t * (2 * a - 5 * b + 4 * c - d + t * (3 * (b - c) + d - a)));
}

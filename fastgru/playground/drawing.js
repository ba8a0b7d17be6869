// From strokes to the image that a model reads. A stroke is a list of points [x, y]; any unit will do.

// How the data set of each image size was made: the largest side of a digit, the width of its strokes, and whether the
// centre of mass stands in the middle pixel or the box in the middle. MNIST: 20 of 28 pixels, by mass; the 8x8 digits
// fill their image.
const FRAMES = {
  28: { box: 20, width: 2.7, byMass: true },
  8: { box: 8, width: 1.3, byMass: false },
};

/** The strokes as `size` rows of `size` numbers from 0 to 1, framed as the digits that the model was trained on. */
function imageOf(strokes, size) {
  const points = strokes.flat();
  if (points.length === 0) return blank(size);
  const { box, width, byMass } = FRAMES[size];
  const [left, right] = extent(points.map(([x]) => x));
  const [top, bottom] = extent(points.map(([, y]) => y));
  const scale = (box - width) / Math.max(right - left, bottom - top, 1e-9);
  const placed = (dx, dy) =>
    strokes.map((stroke) => stroke.map(([x, y]) => [(x - left) * scale + dx, (y - top) * scale + dy]));
  const dx = (size - (right - left) * scale) / 2;
  const dy = (size - (bottom - top) * scale) / 2;
  const image = inked(placed(dx, dy), size, width);
  if (!byMass) return image;
  const [x, y] = centreOfMass(image);
  return inked(placed(dx + (size + 1) / 2 - x, dy + (size + 1) / 2 - y), size, width);
}

const blank = (size) => Array.from({ length: size }, () => new Array(size).fill(0));
const extent = (numbers) => [Math.min(...numbers), Math.max(...numbers)];

function centreOfMass(image) {
  let mass = 0, x = 0, y = 0;
  image.forEach((row, i) => row.forEach((ink, j) => {
    mass += ink;
    x += ink * (j + 0.5);
    y += ink * (i + 0.5);
  }));
  return [x / mass, y / mass];
}

/** Lines of a width with round ends; a pixel at the edge is as dark as the part of it that the line covers, about. */
function inked(strokes, size, width) {
  const image = blank(size);
  for (const stroke of strokes) {
    stroke.forEach((end, index) => {
      const start = stroke[Math.max(index - 1, 0)];
      const reach = width / 2 + 1;
      const [x0, x1] = extent([start[0], end[0]]);
      const [y0, y1] = extent([start[1], end[1]]);
      for (let i = Math.max(Math.floor(y0 - reach), 0); i < Math.min(y1 + reach, size); i++) {
        for (let j = Math.max(Math.floor(x0 - reach), 0); j < Math.min(x1 + reach, size); j++) {
          const ink = width / 2 + 0.5 - distance([j + 0.5, i + 0.5], start, end);
          image[i][j] = Math.max(image[i][j], Math.min(ink, 1));
        }
      }
    });
  }
  return image;
}

/** From a point to the nearest point of a line from `start` to `end`. */
function distance([x, y], [x0, y0], [x1, y1]) {
  const square = (x1 - x0) ** 2 + (y1 - y0) ** 2;
  const along = square && Math.min(Math.max(((x - x0) * (x1 - x0) + (y - y0) * (y1 - y0)) / square, 0), 1);
  return Math.hypot(x - x0 - along * (x1 - x0), y - y0 - along * (y1 - y0));
}

// A GRU as Keras computes it (Cho et al. 2014, arXiv:1406.1078), one step at a time, in plain numbers.

const clip = (x, low, high) => Math.min(Math.max(x, low), high);
const SELU = { alpha: 1.6732632423543772, scale: 1.0507009873554805 };
const ACTIVATIONS = {
  linear: (x) => x,
  sigmoid: (x) => 1 / (1 + Math.exp(-x)),
  hard_sigmoid: (x) => clip(x / 6 + 0.5, 0, 1),
  hard_sigmoid_old: (x) => clip(0.2 * x + 0.5, 0, 1), // what Keras 2 calls hard_sigmoid
  tanh: Math.tanh,
  relu: (x) => Math.max(x, 0),
  relu6: (x) => clip(x, 0, 6),
  leaky_relu: (x) => (x > 0 ? x : 0.2 * x),
  elu: (x) => (x > 0 ? x : Math.expm1(x)),
  selu: (x) => SELU.scale * (x > 0 ? x : SELU.alpha * Math.expm1(x)),
  softplus: (x) => Math.max(x, 0) + Math.log1p(Math.exp(-Math.abs(x))),
  softsign: (x) => x / (1 + Math.abs(x)),
  silu: (x) => x / (1 + Math.exp(-x)),
};

/** Columns `from` to `to` of a row vector times a matrix stored row by row, plus a bias. */
function affine(x, matrix, bias, from = 0, to = bias.length) {
  const sums = Array.from(bias.slice(from, to));
  x.forEach((value, row) => {
    const start = row * bias.length + from;
    for (let column = 0; column < sums.length; column++) sums[column] += value * matrix[start + column];
  });
  return sums;
}

/**
 * One step: from the row x and the state h to the gates, the candidate and the next state.
 *
 * `held` are gates held by hand: { update: { unit: value }, reset: { unit: value } }.
 */
function gruStep(layer, x, h, held = {}) {
  const { units, kernel, recurrentKernel, inputBias, recurrentBias, resetAfter } = layer;
  const gate = ACTIVATIONS[layer.recurrentActivation];
  const activation = ACTIVATIONS[layer.activation];
  const fromInput = affine(x, kernel, inputBias);
  const fromState = affine(h, recurrentKernel, recurrentBias, 0, 2 * units);
  const computed = fromState.map((sum, column) => gate(fromInput[column] + sum));
  const update = computed.slice(0, units).map((z, unit) => held.update?.[unit] ?? z);
  const reset = computed.slice(units).map((r, unit) => held.reset?.[unit] ?? r);
  const seen = resetAfter ? h : h.map((value, unit) => reset[unit] * value);
  const past = affine(seen, recurrentKernel, recurrentBias, 2 * units, 3 * units);
  const candidate = past.map((sum, unit) =>
    activation(fromInput[2 * units + unit] + (resetAfter ? reset[unit] * sum : sum)));
  const state = candidate.map((g, unit) => update[unit] * h[unit] + (1 - update[unit]) * g);
  return { update, reset, candidate, state };
}

function dense(layer, x) {
  const sums = affine(x, layer.kernel, layer.bias);
  if (layer.activation !== "softmax") return sums.map(ACTIVATIONS[layer.activation]);
  const largest = Math.max(...sums);
  const powers = sums.map((sum) => Math.exp(sum - largest));
  const total = powers.reduce((sum, power) => sum + power, 0);
  return powers.map((power) => power / total);
}

/** What happens at every row: of each GRU layer its gates and states, and the answer if the rows ended there. */
function read(model, rows, heldAt = () => undefined) {
  let states = model.gru.map((layer) => new Array(layer.units).fill(0));
  return rows.map((row, step) => {
    let x = row;
    const layers = model.gru.map((layer, index) => {
      const values = gruStep(layer, x, states[index], heldAt(index, step));
      x = values.state;
      return values;
    });
    states = layers.map((values) => values.state);
    return { layers, answer: model.dense.reduce((input, layer) => dense(layer, input), x) };
  });
}

/** The model with its weights, which come as base64 of little-endian float32, as numbers. */
function withWeights(model) {
  const numbers = (text) =>
    new Float32Array(Uint8Array.from(atob(text), (character) => character.charCodeAt(0)).buffer);
  const decoded = (layer) =>
    Object.fromEntries(Object.entries(layer).map(([name, value]) =>
      [name, /kernel|bias/i.test(name) ? numbers(value) : value]));
  return { ...model, gru: model.gru.map(decoded), dense: model.dense.map(decoded) };
}

// Operators on tensors that need no knowledge of images: element by element, reductions and changes of shape.
// A tensor is {shape: [sizes], data: typed array}, with `integer: true` where it holds sizes or indices.
"use strict";

function sizeOf(shape) {
  return shape.reduce((product, size) => product * size, 1);
}

// The steps through the data of a tensor of the shape, one for each axis.
function stridesOf(shape) {
  const strides = new Array(shape.length);
  let step = 1;
  for (let axis = shape.length - 1; axis >= 0; axis--) {
    strides[axis] = step;
    step *= shape[axis];
  }
  return strides;
}

function positiveAxis(axis, rank) {
  return axis < 0 ? axis + rank : axis;
}

function mapTensor(x, f) {
  const data = new Float32Array(x.data.length);
  for (let i = 0; i < data.length; i++) data[i] = f(x.data[i]);
  return { shape: x.shape, data };
}

// The shape that two tensors have in common when axes of size one are repeated.
function broadcastShape(a, b) {
  const rank = Math.max(a.length, b.length);
  return Array.from({ length: rank }, (_, axis) => {
    const [m, n] = [a[axis - rank + a.length] ?? 1, b[axis - rank + b.length] ?? 1];
    if (m !== n && m !== 1 && n !== 1) throw new Error(`shapes ${a} and ${b} do not fit together`);
    return m === 1 ? n : m;
  });
}

// Steps through the data of a tensor that is repeated to a shape: zero along the axes that are repeated.
function broadcastStrides(from, to) {
  const strides = stridesOf(from);
  return to.map((_, axis) => {
    const own = axis - to.length + from.length;
    return own < 0 || from[own] === 1 ? 0 : strides[own];
  });
}

// Whether a tensor is repeated to a shape by writing all of its data again and again, as most are. That is fast.
function repeatsAsWhole(from, to) {
  const first = from.findIndex((size) => size !== 1);
  const own = first < 0 ? [] : from.slice(first);
  return own.every((size, i) => size === to[to.length - own.length + i]);
}

// Calls `visit(index, i, j)` for each element of `shape`, where i and j advance by the steps given. The last axis is the
// innermost loop, because most of the time is spent there.
function walk(shape, stepsA, stepsB, visit) {
  const rank = shape.length;
  if (rank === 0) return visit(0, 0, 0);
  const [inner, a, b] = [shape[rank - 1], stepsA[rank - 1], stepsB[rank - 1]];
  const counter = new Array(rank).fill(0);
  const total = sizeOf(shape);
  let [i, j] = [0, 0];
  for (let index = 0; index < total;) {
    for (let k = 0; k < inner; k++) visit(index++, i + k * a, j + k * b);
    for (let axis = rank - 2; axis >= 0; axis--) {
      i += stepsA[axis];
      j += stepsB[axis];
      if (++counter[axis] < shape[axis]) break;
      i -= stepsA[axis] * shape[axis];
      j -= stepsB[axis] * shape[axis];
      counter[axis] = 0;
    }
  }
}

// Applies f to each pair of elements. Results of sizes and indices are whole numbers, as in ONNX.
function combine(a, b, f) {
  const integer = Boolean(a.integer && b.integer);
  const shape = broadcastShape(a.shape, b.shape);
  const data = integer ? new Float64Array(sizeOf(shape)) : new Float32Array(sizeOf(shape));
  if (repeatsAsWhole(a.shape, shape) && repeatsAsWhole(b.shape, shape)) {
    const [m, n] = [a.data.length, b.data.length];
    for (let i = 0, j = 0, k = 0; i < data.length; i++) {
      data[i] = f(a.data[j], b.data[k]);
      if (++j === m) j = 0;
      if (++k === n) k = 0;
    }
  } else {
    const visit = (index, i, j) => (data[index] = f(a.data[i], b.data[j]));
    walk(shape, broadcastStrides(a.shape, shape), broadcastStrides(b.shape, shape), visit);
  }
  return { shape, data: integer ? data.map(Math.trunc) : data, integer };
}

// Reduces the axes by f, from `start`; `finish` is given the sum and the number of values that went into it.
function reduce(x, axes, keepDimensions, start, f, finish = (value) => value) {
  const rank = x.shape.length;
  const all = axes && axes.length ? axes.map((axis) => positiveAxis(axis, rank)) : x.shape.map((_, axis) => axis);
  const kept = x.shape.map((size, axis) => (all.includes(axis) ? 1 : size));
  const data = new Float64Array(sizeOf(kept)).fill(start);
  const first = Math.min(...all);
  const inner = sizeOf(x.shape.slice(Math.max(...all) + 1));
  if (Math.max(...all) - first + 1 === all.length) {
    // The axes lie next to each other, so that three loops do.
    const middle = sizeOf(x.shape.slice(first, first + all.length));
    for (let i = 0, at = 0; at < x.data.length; i += inner) {
      for (let j = 0; j < middle; j++) for (let k = 0; k < inner; k++, at++) data[i + k] = f(data[i + k], x.data[at]);
    }
    return reducedTensor(x, all, kept, data, keepDimensions, finish);
  }
  const visit = (index, i) => (data[i] = f(data[i], x.data[index]));
  walk(
    x.shape,
    broadcastStrides(kept, x.shape),
    x.shape.map(() => 0),
    visit,
  );
  return reducedTensor(x, all, kept, data, keepDimensions, finish);
}

function reducedTensor(x, all, kept, data, keepDimensions, finish) {
  const count = x.data.length / data.length;
  const shape = keepDimensions ? kept : x.shape.filter((_, axis) => !all.includes(axis));
  return { shape, data: Float32Array.from(data, (value) => finish(value, count)) };
}

function softmax(x, axis) {
  const axes = [positiveAxis(axis, x.shape.length)];
  const maximum = reduce(x, axes, true, -Infinity, Math.max);
  const powers = combine(x, maximum, (value, most) => Math.exp(value - most));
  const sum = reduce(powers, axes, true, 0, (a, b) => a + b);
  return combine(powers, sum, (a, b) => a / b);
}

function concatenate(parts, axis) {
  const at = positiveAxis(axis, parts[0].shape.length);
  const shape = parts[0].shape.slice();
  shape[at] = parts.reduce((sum, part) => sum + part.shape[at], 0);
  const integer = parts.every((part) => part.integer);
  const data = integer ? new Float64Array(sizeOf(shape)) : new Float32Array(sizeOf(shape));
  const outer = sizeOf(shape.slice(0, at));
  let to = 0;
  for (let row = 0; row < outer; row++) {
    for (const part of parts) {
      const length = part.data.length / outer;
      data.set(part.data.subarray(row * length, (row + 1) * length), to);
      to += length;
    }
  }
  return { shape, data, integer };
}

// ONNX writes 0 for “as in the input” and −1 for “whatever remains”.
function reshape(x, wanted) {
  const shape = Array.from(wanted, (size, axis) => (size === 0 ? x.shape[axis] : size));
  const rest = shape.indexOf(-1);
  if (rest >= 0) shape[rest] = -x.data.length / sizeOf(shape);
  if (sizeOf(shape) !== x.data.length) throw new Error(`a tensor of shape ${x.shape} cannot have the shape ${shape}`);
  return { ...x, shape };
}

function flatten(x, axis) {
  const outer = sizeOf(x.shape.slice(0, positiveAxis(axis, x.shape.length)));
  return { ...x, shape: [outer, x.data.length / outer] };
}

function unsqueeze(x, axes) {
  const rank = x.shape.length + axes.length;
  const added = Array.from(axes, (axis) => positiveAxis(axis, rank));
  const sizes = x.shape.slice();
  return { ...x, shape: Array.from({ length: rank }, (_, axis) => (added.includes(axis) ? 1 : sizes.shift())) };
}

function squeeze(x, axes) {
  const removed = axes && Array.from(axes, (axis) => positiveAxis(axis, x.shape.length));
  return { ...x, shape: x.shape.filter((size, axis) => (removed ? !removed.includes(axis) : size !== 1)) };
}

function slice(x, starts, ends, axes, steps) {
  const rank = x.shape.length;
  const [shape, jumps] = [x.shape.slice(), stridesOf(x.shape)];
  let offset = 0;
  starts.forEach((start, i) => {
    const axis = positiveAxis(axes ? axes[i] : i, rank);
    const [size, step] = [x.shape[axis], steps ? steps[i] : 1];
    if (step < 1) throw new Error("the operator Slice is known for positive steps only");
    const bound = (value) => Math.min(Math.max(value < 0 ? value + size : value, 0), size);
    const [from, to] = [bound(start), bound(ends[i])];
    shape[axis] = Math.max(Math.ceil((to - from) / step), 0);
    offset += from * jumps[axis];
    jumps[axis] *= step;
  });
  const data = new x.data.constructor(sizeOf(shape));
  walk(
    shape,
    jumps,
    shape.map(() => 0),
    (index, i) => (data[index] = x.data[offset + i]),
  );
  return { shape, data, integer: x.integer };
}

function pad(x, amounts, value) {
  const rank = x.shape.length;
  const shape = x.shape.map((size, axis) => size + amounts[axis] + amounts[axis + rank]);
  const data = new Float32Array(sizeOf(shape)).fill(value);
  const strides = stridesOf(shape);
  const offset = strides.reduce((sum, step, axis) => sum + step * amounts[axis], 0);
  walk(
    x.shape,
    strides,
    x.shape.map(() => 0),
    (index, i) => (data[offset + i] = x.data[index]),
  );
  return { shape, data };
}

function transpose(x, order) {
  const axes = order || x.shape.map((_, axis) => x.shape.length - 1 - axis);
  const strides = stridesOf(x.shape);
  const shape = axes.map((axis) => x.shape[axis]);
  const data = new Float32Array(x.data.length);
  walk(
    shape,
    axes.map((axis) => strides[axis]),
    shape.map(() => 0),
    (index, i) => (data[index] = x.data[i]),
  );
  return { shape, data };
}

// Takes entries along the first axis, which is all that sizes need.
function gather(x, indices) {
  const length = x.data.length / x.shape[0];
  const data = new x.data.constructor(indices.data.length * length);
  indices.data.forEach((entry, i) => {
    const from = positiveAxis(entry, x.shape[0]) * length;
    data.set(x.data.subarray(from, from + length), i * length);
  });
  return { shape: [...indices.shape, ...x.shape.slice(1)], data, integer: x.integer };
}

// Operators on images and the product of matrices: where nearly all of the time is spent.
"use strict";

// One buffer holds the windows of every convolution, since they are needed one after another.
let windowBuffer = new Float32Array(0);

// The position and size of the windows that a convolution or pooling takes from an image (1, C, H, W).
function windowsOf(x, kernel, attributes) {
  if (x.shape.length !== 4) throw new Error(`images have four axes, not ${x.shape.length}`);
  const [, , height, width] = x.shape;
  const [strideY, strideX] = attributes.strides || [1, 1];
  const [dilationY, dilationX] = attributes.dilations || [1, 1];
  const [top, left, bottom, right] = attributes.pads || [0, 0, 0, 0];
  const round = attributes.ceil_mode ? Math.ceil : Math.floor;
  const [reachY, reachX] = [(kernel[0] - 1) * dilationY + 1, (kernel[1] - 1) * dilationX + 1];
  const rows = round((height + top + bottom - reachY) / strideY) + 1;
  const columns = round((width + left + right - reachX) / strideX) + 1;
  if (rows < 1 || columns < 1) throw new Error(`an image of ${height}×${width} pixels is too small`);
  return { height, width, rows, columns, strideY, strideX, dilationY, dilationX, top, left };
}

// Writes the window of each position as one row (`channels` × kernel), with zeros outside the image.
function collectWindows(x, first, channels, kernel, w) {
  const [kernelY, kernelX] = kernel;
  const depth = channels * kernelY * kernelX;
  const needed = w.rows * w.columns * depth;
  if (windowBuffer.length < needed) windowBuffer = new Float32Array(needed);
  const windows = windowBuffer;
  for (let row = 0; row < w.rows; row++) {
    for (let column = 0; column < w.columns; column++) {
      let to = (row * w.columns + column) * depth;
      for (let channel = first; channel < first + channels; channel++) {
        for (let ky = 0; ky < kernelY; ky++) {
          const y = row * w.strideY - w.top + ky * w.dilationY;
          const line = (channel * w.height + y) * w.width;
          const inside = y >= 0 && y < w.height;
          let at = column * w.strideX - w.left;
          for (let kx = 0; kx < kernelX; kx++, at += w.dilationX) {
            windows[to++] = inside && at >= 0 && at < w.width ? x.data[line + at] : 0;
          }
        }
      }
    }
  }
  return windows;
}

// result[o, p] = bias[o] + Σ_k weight[o, k] · rows[p, k]. Four outputs share each value that is read. Behind a ReLU most
// values are zero, so only the others are listed and multiplied.
function multiplyRows(rows, count, depth, weight, from, outputs, bias, result) {
  const places = new Int32Array(depth);
  for (let p = 0; p < count; p++) {
    const row = p * depth;
    let listed = 0;
    for (let k = 0; k < depth; k++) if (rows[row + k] !== 0) places[listed++] = k;
    for (let o = from; o < from + outputs; o += 4) {
      const several = Math.min(4, from + outputs - o);
      // Where fewer than four outputs remain, the last one is computed again and not written.
      const a = o * depth;
      const b = (o + Math.min(1, several - 1)) * depth;
      const c = (o + Math.min(2, several - 1)) * depth;
      const d = (o + Math.min(3, several - 1)) * depth;
      let [s, t, u, v] = [0, 0, 0, 0];
      for (let i = 0; i < listed; i++) {
        const k = places[i];
        const value = rows[row + k];
        s += value * weight[a + k];
        t += value * weight[b + k];
        u += value * weight[c + k];
        v += value * weight[d + k];
      }
      const to = o * count + p;
      result[to] = bias ? s + bias[o] : s;
      if (several > 1) result[to + count] = bias ? t + bias[o + 1] : t;
      if (several > 2) result[to + 2 * count] = bias ? u + bias[o + 2] : u;
      if (several > 3) result[to + 3 * count] = bias ? v + bias[o + 3] : v;
    }
  }
}

function convolve([x, weight, bias], attributes) {
  const [outputs, channels, kernelY, kernelX] = weight.shape;
  const groups = attributes.group || 1;
  if (channels * groups !== x.shape[1]) throw new Error(`a convolution of ${channels} channels got ${x.shape[1]}`);
  const kernel = [kernelY, kernelX];
  const w = windowsOf(x, kernel, attributes);
  const [count, depth] = [w.rows * w.columns, channels * kernelY * kernelX];
  const data = new Float32Array(outputs * count);
  for (let group = 0; group < groups; group++) {
    const windows = collectWindows(x, group * channels, channels, kernel, w);
    const each = outputs / groups;
    multiplyRows(windows, count, depth, weight.data, group * each, each, bias && bias.data, data);
  }
  return { shape: [1, outputs, w.rows, w.columns], data };
}

function pool(x, attributes, average) {
  const kernel = attributes.kernel_shape;
  const w = windowsOf(x, kernel, attributes);
  const channels = x.shape[1];
  const data = new Float32Array(channels * w.rows * w.columns);
  let to = 0;
  for (let channel = 0; channel < channels; channel++) {
    for (let row = 0; row < w.rows; row++) {
      for (let column = 0; column < w.columns; column++) {
        let [most, sum, seen] = [-Infinity, 0, 0];
        for (let ky = 0; ky < kernel[0]; ky++) {
          const y = row * w.strideY - w.top + ky * w.dilationY;
          if (y < 0 || y >= w.height) continue;
          for (let kx = 0; kx < kernel[1]; kx++) {
            const at = column * w.strideX - w.left + kx * w.dilationX;
            if (at < 0 || at >= w.width) continue;
            const value = x.data[(channel * w.height + y) * w.width + at];
            if (value > most) most = value;
            sum += value;
            seen++;
          }
        }
        data[to++] = average ? sum / (attributes.count_include_pad ? kernel[0] * kernel[1] : seen) : most;
      }
    }
  }
  return { shape: [1, channels, w.rows, w.columns], data };
}

function globalPool(x, start, f, finish) {
  const axes = x.shape.slice(2).map((_, i) => i + 2);
  return reduce(x, axes, true, start, f, finish);
}

function normaliseBatch([x, scale, shift, mean, variance], attributes) {
  const size = sizeOf(x.shape.slice(2));
  const data = new Float32Array(x.data.length);
  for (let channel = 0; channel < x.shape[1]; channel++) {
    const factor = scale.data[channel] / Math.sqrt(variance.data[channel] + (attributes.epsilon ?? 1e-5));
    const offset = shift.data[channel] - mean.data[channel] * factor;
    for (let i = channel * size; i < (channel + 1) * size; i++) data[i] = x.data[i] * factor + offset;
  }
  return { shape: x.shape, data };
}

// Multiplies a row vector, or a matrix, by a matrix that may be transposed.
function multiply(a, b, transposeB) {
  if (a.shape.length !== 2 || b.shape.length !== 2) throw new Error("products are known for matrices only");
  const [rows, depth] = a.shape;
  const columns = b.shape[transposeB ? 0 : 1];
  const [alongDepth, alongColumn] = transposeB ? [1, depth] : [columns, 1];
  const data = new Float32Array(rows * columns);
  for (let row = 0; row < rows; row++) {
    for (let column = 0; column < columns; column++) {
      let sum = 0;
      for (let k = 0; k < depth; k++) sum += a.data[row * depth + k] * b.data[column * alongColumn + k * alongDepth];
      data[row * columns + column] = sum;
    }
  }
  return { shape: [rows, columns], data };
}

function gemm([a, b, c], attributes) {
  const { alpha = 1, beta = 1 } = attributes;
  const product = multiply(attributes.transA ? transpose(a) : a, b, attributes.transB);
  const scaled = alpha === 1 ? product : mapTensor(product, (value) => alpha * value);
  return c ? combine(scaled, c, (x, y) => x + beta * y) : scaled;
}

// Runs a trained network: an interpreter of a graph of ONNX operators, without any access to the page.
"use strict";

// Each operator takes the list of its input tensors and its attributes, and returns one tensor.
const OPERATORS = {
  Add: ([a, b]) => combine(a, b, (x, y) => x + y),
  AveragePool: ([x], attributes) => pool(x, attributes, true),
  BatchNormalization: normaliseBatch,
  Clip: ([x, low, high]) => {
    const [least, most] = [low ? low.data[0] : -Infinity, high ? high.data[0] : Infinity];
    return mapTensor(x, (value) => Math.min(Math.max(value, least), most));
  },
  Concat: (inputs, attributes) => concatenate(inputs, attributes.axis),
  Conv: convolve,
  Div: ([a, b]) => combine(a, b, (x, y) => x / y),
  Elu: ([x], { alpha = 1 }) => mapTensor(x, (value) => (value < 0 ? alpha * Math.expm1(value) : value)),
  Exp: ([x]) => mapTensor(x, Math.exp),
  Flatten: ([x], { axis = 1 }) => flatten(x, axis),
  Gather: ([x, indices], { axis = 0 }) => {
    if (axis !== 0) throw new Error("the operator Gather is known for the first axis only");
    return gather(x, indices);
  },
  Gemm: gemm,
  GlobalAveragePool: ([x]) =>
    globalPool(
      x,
      0,
      (a, b) => a + b,
      (sum, count) => sum / count,
    ),
  GlobalLpPool: ([x], { p = 2 }) =>
    globalPool(
      x,
      0,
      (sum, value) => sum + Math.abs(value) ** p,
      (sum) => sum ** (1 / p),
    ),
  GlobalMaxPool: ([x]) => globalPool(x, -Infinity, Math.max),
  Identity: ([x]) => x,
  Log: ([x]) => mapTensor(x, Math.log),
  MatMul: ([a, b]) => multiply(a, b, false),
  Max: (inputs) => inputs.reduce((a, b) => combine(a, b, Math.max)),
  MaxPool: ([x], attributes) => pool(x, attributes, false),
  Mean: (inputs) =>
    mapTensor(
      inputs.reduce((a, b) => combine(a, b, (x, y) => x + y)),
      (x) => x / inputs.length,
    ),
  Mul: ([a, b]) => combine(a, b, (x, y) => x * y),
  Neg: ([x]) => mapTensor(x, (value) => -value),
  Pad: ([x, amounts, value]) => pad(x, amounts.data, value ? value.data[0] : 0),
  Pow: ([a, b]) => combine(a, b, Math.pow),
  Reciprocal: ([x]) => mapTensor(x, (value) => 1 / value),
  ReduceMax: (inputs, attributes) => reduceBy(inputs, attributes, -Infinity, Math.max),
  ReduceMean: (inputs, attributes) =>
    reduceBy(
      inputs,
      attributes,
      0,
      (a, b) => a + b,
      (sum, count) => sum / count,
    ),
  ReduceSum: (inputs, attributes) => reduceBy(inputs, attributes, 0, (a, b) => a + b),
  Relu: ([x]) => mapTensor(x, (value) => (value > 0 ? value : 0)),
  Reshape: ([x, shape]) => reshape(x, shape.data),
  Shape: ([x]) => ({ shape: [x.shape.length], data: Float64Array.from(x.shape), integer: true }),
  Sigmoid: ([x]) => mapTensor(x, (value) => 1 / (1 + Math.exp(-value))),
  Slice: ([x, ...parts]) => slice(x, ...parts.map((part) => part && part.data)),
  Softmax: ([x], { axis = -1 }) => softmax(x, axis),
  Sqrt: ([x]) => mapTensor(x, Math.sqrt),
  Squeeze: ([x, axes], attributes) => squeeze(x, axes ? axes.data : attributes.axes),
  Sub: ([a, b]) => combine(a, b, (x, y) => x - y),
  Tanh: ([x]) => mapTensor(x, Math.tanh),
  Transpose: ([x], attributes) => transpose(x, attributes.perm),
  Unsqueeze: ([x, axes], attributes) => unsqueeze(x, axes ? axes.data : attributes.axes),
};

// The axes are an input in later versions of ONNX and an attribute in earlier ones.
function reduceBy([x, axes], attributes, start, f, finish) {
  const list = axes ? Array.from(axes.data) : attributes.axes;
  return reduce(x, list, attributes.keepdims !== 0, start, f, finish);
}

function bytesFromBase64(text) {
  return Uint8Array.from(atob(text), (character) => character.charCodeAt(0));
}

class Network {
  // Takes the description that the data of the page has for a network.
  constructor(description) {
    Object.assign(this, description);
    const { graph, weights } = description;
    const floats = new Float32Array(bytesFromBase64(weights).buffer);
    this.constants = new Map();
    for (const constant of graph.constants) {
      const { name, shape, offset, values } = constant;
      const data = values ? Float64Array.from(values) : floats.subarray(offset, offset + sizeOf(shape));
      this.constants.set(name, { shape, data, integer: Boolean(values) && values.every(Number.isInteger) });
    }
    this.nodes = this.foldConstants(this.neededNodes([graph.logits, graph.evidence].filter(Boolean)));
  }

  // The nodes that the outputs depend on, in order.
  neededNodes(outputs) {
    const needed = new Set(outputs);
    const nodes = [];
    for (const node of this.graph.nodes.slice().reverse()) {
      if (!needed.has(node.output)) continue;
      node.inputs.forEach((name) => needed.add(name));
      nodes.unshift(node);
    }
    return nodes;
  }

  // Computes once what does not depend on the image, and returns the other nodes.
  foldConstants(nodes) {
    return nodes.filter((node) => {
      if (!(node.operator in OPERATORS)) throw new Error(`the operator ${node.operator} is not known`);
      if (!node.inputs.every((name) => name === "" || this.constants.has(name))) return true;
      this.constants.set(node.output, this.apply(node, this.constants));
      return false;
    });
  }

  apply(node, values) {
    const inputs = node.inputs.map((name) => {
      if (name === "") return undefined;
      const value = values.get(name) || this.constants.get(name);
      if (!value) throw new Error(`${node.operator} needs ${name}, which is not there`);
      return value;
    });
    try {
      return OPERATORS[node.operator](inputs, node.attributes || {});
    } catch (error) {
      throw new Error(`${node.operator} (${node.output}): ${error.message}`);
    }
  }

  // Takes the pixels of a grey image, row by row from 0 to 1, or of one with all channels one after another.
  run(pixels) {
    const [channels, height, width] = this.input;
    const size = height * width;
    let data = pixels;
    if (pixels.length === size && channels > 1) {
      data = new Float32Array(channels * size);
      for (let channel = 0; channel < channels; channel++) data.set(pixels, channel * size);
    }
    if (data.length !== channels * size) throw new Error(`${this.name} takes images of ${this.input}`);
    const values = new Map([[this.graph.input, { shape: [1, channels, height, width], data }]]);
    for (const node of this.nodes) values.set(node.output, this.apply(node, values));
    const logits = values.get(this.graph.logits);
    // Not every head can tell what each position adds.
    const evidence = values.get(this.graph.evidence) || null;
    return { logits, probabilities: softmax(logits, -1).data, evidence, values };
  }
}

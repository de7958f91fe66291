// Finds out from a network's graph what the page tells about it: its layers and their sizes, how its head treats positions,
// and where each value of a map lies in the image.
"use strict";

// Operators that make up layers, with the words for them. What only changes values one by one joins the layer before it.
const LAYER_WORDS = {
  AveragePool: (node) => `Average pooling ${windowText(node)}`,
  Concat: () => "Several branches side by side",
  Conv: (node, weight) => `Convolution ${weight.shape.slice(2).join("×")}${strideText(node)}`,
  MaxPool: (node) => `Max pooling ${windowText(node)}`,
};
const JOINING_WORDS = {
  Add: "sum with the shortcut",
  BatchNormalization: "batch normalisation",
  Elu: "ELU",
  Relu: "ReLU",
};

function windowText(node) {
  return node.attributes.kernel_shape.join("×");
}

function strideText(node) {
  const stride = (node.attributes && node.attributes.strides && node.attributes.strides[0]) || 1;
  return stride > 1 ? `, step ${stride}` : "";
}

function formatCount(value) {
  return value.toLocaleString("en");
}

// Spatial size of a shape (1, C, H, W), or 1 if it has none.
function positionsOf(shape) {
  return shape.length === 4 ? shape[2] * shape[3] : 1;
}

// Describes the network after one run on an empty image. Returns its layers {name, words, shape}, its head, and the
// geometry of each value.
function analyse(network) {
  const { values } = network.run(new Float32Array(network.input[1] * network.input[2]));
  const path = network.neededNodes([network.graph.logits]).filter((node) => values.has(node.output));
  const layers = layersOf(network, path, values);
  return { layers, head: headOf(network, path, values, layers), geometry: geometryOf(network, values) };
}

function layersOf(network, path, values) {
  const users = new Map();
  for (const node of path) for (const name of node.inputs) users.set(name, [...(users.get(name) || []), node]);
  const layers = [
    { name: network.graph.input, words: "Image", shape: values.get(network.graph.input).shape, operator: "Image" },
  ];
  const pending = new Map();
  for (const node of path) {
    const shape = values.get(node.output).shape;
    const joins = JOINING_WORDS[node.operator];
    const before = pending.get(node.inputs[0]);
    if (shape.length !== 4 || !(joins ? before : node.operator in LAYER_WORDS)) continue;
    const words = joins
      ? `${before.words}, ${joins}`
      : LAYER_WORDS[node.operator](node, network.constants.get(node.inputs[1]));
    const layer = { name: node.output, words, shape, operator: joins ? before.operator : node.operator };
    pending.set(node.output, layer);
    const next = users.get(node.output) || [];
    // A layer is shown once everything that joins it has been applied.
    if (next.length === 1 && next[0].operator in JOINING_WORDS) continue;
    layers.push(layer);
  }
  // What comes after the last layer that everything passes through belongs to the head.
  while (layers.length > 1 && !isPassedByAll(network, path, layers[layers.length - 1].name)) layers.pop();
  return layers;
}

// Whether the logits depend on the image only through this value.
function isPassedByAll(network, path, name) {
  const reached = new Set([network.graph.input]);
  for (const node of path) {
    if (node.output !== name && node.inputs.some((input) => reached.has(input))) reached.add(node.output);
  }
  return !reached.has(network.graph.logits);
}

// What the head does with the last maps: its kind, whether it knows positions, and a sentence.
function headOf(network, path, values, layers) {
  const last = layers[layers.length - 1];
  const from = path.findIndex((node) => node.output === last.name);
  const after = path.slice(from + 1);
  const gemm = after.find((node) => node.operator === "Gemm" || node.operator === "MatMul");
  const vector = gemm ? gemm.inputs[0] : network.graph.logits;
  const used = new Set(after.map((node) => node.operator));
  const spreads = after.some((node) => {
    const shape = (values.get(node.inputs[0]) || { shape: [] }).shape;
    return ["Flatten", "Reshape"].includes(node.operator) && positionsOf(shape) > 1;
  });
  const [, channels, rows, columns] = last.shape;
  const count = sizeOf(values.get(vector).shape);
  const [maps, grid] = [formatCount(channels), `${rows}×${columns}`];
  const parts = { kept: count, channels, rows, columns, vector, last: last.name };
  const pools = ["GlobalMaxPool", "GlobalAveragePool", "Slice"].some((operator) => used.has(operator));
  if (!pools && rows * columns === 1) {
    const all = `keeps all ${formatCount(count)} values; the maps have only one position.`;
    return { ...parts, kind: "flatten", knowsPositions: false, sentence: all };
  }
  if (spreads && !used.has("Slice")) {
    const all = `keeps all ${grid}×${maps} = ${formatCount(count)} values. Each position has weights of its own.`;
    return { ...parts, kind: "flatten", knowsPositions: true, sentence: all };
  }
  if (used.has("Slice")) {
    const some = `keeps ${formatCount(count)} values: the largest value of each of ${maps} maps in each of several regions.`;
    return { ...parts, kind: "regions", knowsPositions: true, sentence: some };
  }
  const what = `of each of ${maps} maps, ${formatCount(count)} value${count === 1 ? "" : "s"} in all, and forgets`;
  if (used.has("GlobalMaxPool") && used.size <= 4 && !used.has("GlobalAveragePool") && !used.has("Exp")) {
    return { ...parts, kind: "max", knowsPositions: false, sentence: `keeps the largest value ${what} where it was.` };
  }
  if (used.has("GlobalAveragePool") && used.size <= 4 && !used.has("GlobalMaxPool")) {
    return { ...parts, kind: "average", knowsPositions: false, sentence: `keeps the average ${what} all positions.` };
  }
  const summary = `reduces each of ${maps} maps over all positions, ${formatCount(count)} values in all.`;
  return { ...parts, kind: "pooled", knowsPositions: false, sentence: summary };
}

// For each value with a place in the image: the distance of neighbouring positions and the middle of the first one, in
// pixels, on both axes.
function geometryOf(network, values) {
  const geometry = new Map([[network.graph.input, { jump: [1, 1], start: [0.5, 0.5], field: [1, 1] }]]);
  for (const node of network.nodes) {
    const from = node.inputs.map((name) => geometry.get(name)).find(Boolean);
    if (!from) continue;
    const windowed = ["Conv", "MaxPool", "AveragePool"].includes(node.operator);
    geometry.set(node.output, windowed ? throughWindow(network, node, from) : from);
  }
  return geometry;
}

function throughWindow(network, node, { jump, start, field }) {
  const attributes = node.attributes || {};
  const weight = network.constants.get(node.inputs[1]);
  const kernel = attributes.kernel_shape || (weight ? weight.shape.slice(2) : [1, 1]);
  const [strides, pads] = [attributes.strides || [1, 1], attributes.pads || [0, 0, 0, 0]];
  const [dilations, axes] = [attributes.dilations || [1, 1], [0, 1]];
  const reach = axes.map((axis) => (kernel[axis] - 1) * dilations[axis]);
  return {
    jump: axes.map((axis) => jump[axis] * strides[axis]),
    start: axes.map((axis) => start[axis] + (reach[axis] / 2 - pads[axis]) * jump[axis]),
    field: axes.map((axis) => field[axis] + reach[axis] * jump[axis]),
  };
}

// Where the positions of a network's evidence lie; evenly over the image where the graph does not tell.
function evidencePlaces(network, structure, shape) {
  const sizes = shape.slice(-2);
  const image = network.input.slice(1);
  const found = structure.geometry.get(network.graph.evidence);
  const fits =
    found && sizes.every((size, axis) => found.start[axis] + (size - 1) * found.jump[axis] <= image[axis] + 1);
  if (fits) return found;
  const jump = sizes.map((size, axis) => image[axis] / size);
  return { jump, start: jump.map((step) => step / 2), field: jump };
}

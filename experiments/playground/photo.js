// Turns any image file into grey pixels, white on black, of the size that the networks were trained on.
"use strict";

// The longer side to which a large image is reduced before anything else is done with it.
const PHOTO_SIDE = 320;

// Reads a file or blob, and returns its grey values {data, height, width} from 0 to 1.
async function readPhoto(blob) {
  const address = URL.createObjectURL(blob);
  try {
    const image = new Image();
    image.src = address;
    await image.decode();
    const factor = Math.min(1, PHOTO_SIDE / Math.max(image.naturalWidth, image.naturalHeight));
    const width = Math.max(1, Math.round((image.naturalWidth || PHOTO_SIDE) * factor));
    const height = Math.max(1, Math.round((image.naturalHeight || PHOTO_SIDE) * factor));
    const canvas = document.createElement("canvas");
    Object.assign(canvas, { width, height });
    const context = canvas.getContext("2d", { willReadFrequently: true });
    context.imageSmoothingQuality = "high";
    context.drawImage(image, 0, 0, width, height);
    return { ...greyOf(context.getImageData(0, 0, width, height).data), height, width };
  } finally {
    URL.revokeObjectURL(address);
  }
}

// The grey values of pixels with four channels. A transparent background counts as black if what is drawn on it is light,
// and as white otherwise.
function greyOf(rgba) {
  const count = rgba.length / 4;
  const grey = new Float32Array(count);
  let [opaque, light] = [0, 0];
  for (let i = 0; i < count; i++) {
    grey[i] = (0.299 * rgba[4 * i] + 0.587 * rgba[4 * i + 1] + 0.114 * rgba[4 * i + 2]) / 255;
    opaque += rgba[4 * i + 3];
    light += grey[i] * rgba[4 * i + 3];
  }
  const behind = opaque > 0 && light / opaque > 0.5 ? 0 : 1;
  for (let i = 0; i < count; i++) {
    const alpha = rgba[4 * i + 3] / 255;
    grey[i] = grey[i] * alpha + behind * (1 - alpha);
  }
  return { data: grey };
}

// Makes dark ink on light paper light ink on black. Paper is what most of the border shows.
function invertIfLight({ data, height, width }) {
  const border = Array.from(data).filter((_, i) => {
    const [x, y] = [i % width, Math.floor(i / width)];
    return x === 0 || y === 0 || x === width - 1 || y === height - 1;
  });
  const paper = border.sort((a, b) => a - b)[border.length >> 1];
  const inverted = paper > 0.5;
  return {
    data: inverted ? data.map((value) => 1 - value) : data,
    height,
    width,
    inverted,
    paper: inverted ? 1 - paper : paper,
  };
}

// Removes the paper's own grey and its noise, and stretches the ink to the full range.
function stretchInk({ data, height, width, paper }) {
  const most = data.reduce((a, b) => Math.max(a, b), 0);
  const floor = paper + 0.25 * (most - paper);
  const range = Math.max(most * 0.95 - floor, 1e-3);
  return { data: data.map((value) => Math.min(Math.max((value - floor) / range, 0), 1)), height, width };
}

// Halves an image until it is at most `side` pixels long, by means of four pixels.
function shrinkTo(image, side) {
  let current = image;
  while (Math.max(current.height, current.width) >= 2 * side) {
    const [height, width] = [Math.max(current.height >> 1, 1), Math.max(current.width >> 1, 1)];
    const data = new Float32Array(height * width);
    for (let i = 0; i < data.length; i++) {
      const [x, y] = [2 * (i % width), 2 * Math.floor(i / width)];
      const [right, below] = [Math.min(x + 1, current.width - 1), Math.min(y + 1, current.height - 1)];
      const at = (column, row) => current.data[row * current.width + column];
      data[i] = (at(x, y) + at(right, y) + at(x, below) + at(right, below)) / 4;
    }
    current = { data, height, width };
  }
  return current;
}

// Puts an image into the drawing: fitted into the frame as it is or, as MNIST does, with the box of its ink scaled to 20 of 28
// pixels and its centre of mass in the middle. Returns a sentence on what was done.
function placePhoto(drawing, photo, likeMnist) {
  const upright = invertIfLight(photo);
  const said = upright.inverted ? "Image loaded; its light background was inverted." : "Image loaded.";
  const frame = Math.min(drawing.height, drawing.width);
  if (!likeMnist) {
    const image = shrinkTo(upright, frame * 4);
    drawing.setImage(image, Math.max(image.height / drawing.height, image.width / drawing.width));
    return said;
  }
  const ink = stretchInk(upright);
  const box = inkBox(ink.data, ink.width, 0.3);
  if (!box) {
    drawing.setImage(ink, Math.max(ink.height / drawing.height, ink.width / drawing.width));
    return "The image shows no ink on a background, so there is nothing to centre.";
  }
  const image = shrinkTo(ink, frame * 4);
  const longer = Math.max(box.width * (image.width / ink.width), box.height * (image.height / ink.height));
  const perPixel = longer / ((20 / 28) * frame);
  const [dx, dy] = [box.massX / ink.width - 0.5, box.massY / ink.height - 0.5];
  const middle = [
    drawing.width / 2 - (dx * image.width) / perPixel,
    drawing.height / 2 - (dy * image.height) / perPixel,
  ];
  drawing.setImage(image, perPixel, null, middle);
  return `${said} It was scaled and centred as the digits of MNIST are.`;
}

// Colour maps that are perceptually uniform: equal steps of the value look like equal steps of colour, also to people who do
// not see red and green apart.
"use strict";

// “Berlin” by Fabio Crameri: blue against, black for nothing, red for.
const DIVERGING = ["9eb0ff", "5ba4db", "2d7597", "1a4256", "11191e", "280d01", "501803", "8a3f2a", "c4756a", "ffacac"];
// “Viridis” by Stéfan van der Walt and Nathaniel Smith, from dark violet for zero to yellow for the largest value.
const SEQUENTIAL = ["440154", "472d7b", "3b528b", "2c728e", "21918c", "28ae80", "5ec962", "addc30", "fde725"];

// A table of 256 colours, as three numbers each.
function colourTable(stops) {
  const table = new Uint8ClampedArray(256 * 3);
  const parts = stops.map((stop) => [0, 2, 4].map((at) => parseInt(stop.slice(at, at + 2), 16)));
  for (let i = 0; i < 256; i++) {
    const place = (i / 255) * (stops.length - 1);
    const first = Math.min(Math.floor(place), stops.length - 2);
    for (let k = 0; k < 3; k++) {
      table[3 * i + k] = parts[first][k] + (parts[first + 1][k] - parts[first][k]) * (place - first);
    }
  }
  return table;
}

const DIVERGING_TABLE = colourTable(DIVERGING);
const SEQUENTIAL_TABLE = colourTable(SEQUENTIAL);

// The index into a table of colours of a value from 0 to 1.
function colourIndex(value) {
  return 3 * Math.min(Math.max(Math.round(value * 255), 0), 255);
}

// Draws a grid of values as one tile, with `zoom` pixels for each value.
function paintTile(image, left, top, data, offset, rows, columns, least, most, zoom = 1) {
  const range = most - least || 1;
  for (let y = 0; y < rows * zoom; y++) {
    for (let x = 0; x < columns * zoom; x++) {
      const value = data[offset + Math.floor(y / zoom) * columns + Math.floor(x / zoom)];
      const colour = colourIndex((value - least) / range);
      const to = 4 * ((top + y) * image.width + left + x);
      for (let k = 0; k < 3; k++) image.data[to + k] = SEQUENTIAL_TABLE[colour + k];
      image.data[to + 3] = 255;
    }
  }
}

// Pixels for each pixel of the image, in the picture of the evidence.
const EVIDENCE_ZOOM = 5;

// Draws evidence over the drawing: red where it speaks for the class, blue where against, and the drawing in white. The
// colours end at ±`most`.
function paintEvidence(canvas, pixels, height, width, map, rows, columns, places, most) {
  canvas.width = width * EVIDENCE_ZOOM;
  canvas.height = height * EVIDENCE_ZOOM;
  const context = canvas.getContext("2d");
  const image = context.createImageData(canvas.width, canvas.height);
  const across = interpolation(canvas.width, columns, places.start[1], places.jump[1], places.field[1]);
  const down = interpolation(canvas.height, rows, places.start[0], places.jump[0], places.field[0]);
  let to = 0;
  for (let y = 0; y < canvas.height; y++) {
    const line = Math.floor(y / EVIDENCE_ZOOM) * width;
    const [row, below, fy, shareY] = down[y];
    for (let x = 0; x < canvas.width; x++) {
      const [column, right, fx, shareX] = across[x];
      const upper = map[row * columns + column] * (1 - fx) + map[row * columns + right] * fx;
      const lower = map[below * columns + column] * (1 - fx) + map[below * columns + right] * fx;
      const value = (shareX * shareY * (upper * (1 - fy) + lower * fy)) / most;
      const colour = colourIndex(0.5 + value / 2);
      const ink = 0.6 * pixels[line + Math.floor(x / EVIDENCE_ZOOM)];
      for (let k = 0; k < 3; k++) image.data[to++] = DIVERGING_TABLE[colour + k] * (1 - ink) + 255 * ink;
      image.data[to++] = 255;
    }
  }
  context.putImageData(image, 0, 0);
}

// For each pixel of a picture: the two positions that it lies between, its share of the second, and a factor that fades to
// zero between the outermost position and the edge of what that position sees.
function interpolation(length, count, start, jump, field) {
  return Array.from({ length }, (_, i) => {
    const place = ((i + 0.5) / EVIDENCE_ZOOM - start) / jump;
    const clamped = Math.min(Math.max(place, 0), count - 1);
    const first = Math.min(Math.floor(clamped), count - 1);
    const share = Math.max(0, 1 - (Math.abs(place - clamped) * jump) / (field / 2));
    return [first, Math.min(first + 1, count - 1), clamped - first, share];
  });
}

// The drawing, without any access to the page: strokes and an image that are kept as they were entered, and are moved,
// rotated and scaled each time that they are turned into pixels. So nothing degrades, however often they are moved.
"use strict";

// The width of the soft edge of a stroke, in pixels.
const SOFT_EDGE = 1.2;

// A generator of numbers from 0 to 1 that returns the same sequence for the same seed (mulberry32).
function randomNumbers(seed) {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let t = state;
    t = Math.imul(t ^ (t >>> 15), t | 1);
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
    return ((t ^ (t >>> 14)) >>> 0) / 4294967296;
  };
}

class Drawing {
  constructor(height, width) {
    this.height = height;
    this.width = width;
    this.clear();
  }

  clear() {
    this.strokes = [];
    this.image = null;
    this.imageLabel = null;
    this.clutterAmount = 0;
    this.clutterSeed = 1;
    this.clutter = [];
    this.version = (this.version || 0) + 1;
    this.resetTransform();
  }

  resetTransform() {
    Object.assign(this, { x: 0, y: 0, rotation: 0, scale: 1 });
  }

  isEmpty() {
    return !this.image && this.strokes.length === 0;
  }

  // The class that the drawing is known to show: that of a sample, as long as nothing is drawn on it.
  get label() {
    return this.strokes.length ? null : this.imageLabel;
  }

  isTransformed() {
    return this.x !== 0 || this.y !== 0 || this.rotation !== 0 || this.scale !== 1;
  }

  // Shows an image {data, height, width} that is `perPixel` times as fine as the pixels of the networks. Its middle comes to
  // the middle, or to `middle`.
  setImage(image, perPixel, label = null, middle = [this.width / 2, this.height / 2]) {
    this.clear();
    this.image = {
      ...image,
      perPixel,
      left: middle[0] - image.width / perPixel / 2,
      top: middle[1] - image.height / perPixel / 2,
    };
    this.imageLabel = label;
  }

  beginStroke(radius, erase) {
    this.strokes.push({ radius: radius / this.scale, erase, points: [] });
    this.version++;
  }

  // Adds a point of the visible frame to the last stroke.
  extendStroke(x, y) {
    this.strokes[this.strokes.length - 1].points.push(this.toDrawing(x, y));
    this.version++;
  }

  undo() {
    this.strokes.pop();
    this.version++;
  }

  // From the visible frame to the drawing as it was entered, and back.
  toDrawing(x, y) {
    const [cos, sin] = this.turn();
    const [dx, dy] = [x - this.width / 2 - this.x, y - this.height / 2 - this.y];
    return [(dx * cos + dy * sin) / this.scale + this.width / 2, (dy * cos - dx * sin) / this.scale + this.height / 2];
  }

  toFrame(x, y) {
    const [cos, sin] = this.turn();
    const [dx, dy] = [(x - this.width / 2) * this.scale, (y - this.height / 2) * this.scale];
    return [dx * cos - dy * sin + this.width / 2 + this.x, dx * sin + dy * cos + this.height / 2 + this.y];
  }

  turn() {
    const angle = (this.rotation * Math.PI) / 180;
    return [Math.cos(angle), Math.sin(angle)];
  }

  // The pixels of the drawing with its clutter, `height` × `width`.
  render(height = this.height, width = this.width) {
    const pixels = this.renderInk(height, width, 0);
    for (const mark of this.clutter) this.addStroke(pixels, height, width, 0, mark, mark.points);
    return pixels;
  }

  // The pixels without clutter. A margin of so many pixels on each side shows what lies outside.
  renderInk(height, width, margin) {
    const pixels = new Float32Array((height + 2 * margin) * (width + 2 * margin));
    if (this.image) this.addImage(pixels, height, width, margin);
    for (const stroke of this.strokes) {
      const points = stroke.points.map(([x, y]) => this.toFrame(x, y));
      this.addStroke(pixels, height, width, margin, { ...stroke, radius: stroke.radius * this.scale }, points);
    }
    return pixels;
  }

  addImage(pixels, height, width, margin) {
    const { data, height: rows, width: columns, perPixel, left, top } = this.image;
    const zoom = this.width / width;
    // A pixel that covers several of the image's is the mean of several points in it.
    const points = Math.min(Math.ceil((perPixel / this.scale) * zoom - 1e-6), 6);
    const sample = (u, v) => {
      const [x, y] = [Math.floor(u), Math.floor(v)];
      const at = (i, j) => (i >= 0 && i < columns && j >= 0 && j < rows ? data[j * columns + i] : 0);
      const upper = at(x, y) * (1 - u + x) + at(x + 1, y) * (u - x);
      const lower = at(x, y + 1) * (1 - u + x) + at(x + 1, y + 1) * (u - x);
      return upper * (1 - v + y) + lower * (v - y);
    };
    let to = 0;
    for (let row = -margin; row < height + margin; row++) {
      for (let column = -margin; column < width + margin; column++, to++) {
        let sum = 0;
        for (let i = 0; i < points; i++) {
          for (let j = 0; j < points; j++) {
            const [fx, fy] = [
              (column + (j + 0.5) / points) * zoom,
              (row + (i + 0.5) / points) * (this.height / height),
            ];
            const [x, y] = this.toDrawing(fx, fy);
            // Rounding keeps an image that is not transformed exactly as it is.
            const u = Math.round(((x - left) * perPixel - 0.5) * 1e6) / 1e6;
            const v = Math.round(((y - top) * perPixel - 0.5) * 1e6) / 1e6;
            sum += sample(u, v);
          }
        }
        pixels[to] = sum / (points * points);
      }
    }
  }

  // Draws or erases a line through points of the frame. Overlapping parts do not add up.
  addStroke(pixels, height, width, margin, { radius, erase, strength = 1 }, points) {
    const [zoomX, zoomY] = [width / this.width, height / this.height];
    const columns = width + 2 * margin;
    const soft = SOFT_EDGE / 2;
    const reach = (radius + soft) * zoomX;
    for (let i = 0; i < points.length; i++) {
      const [x0, y0] = points[Math.max(i - 1, 0)];
      const [x1, y1] = points[i];
      if (i === 0 && points.length > 1) continue;
      const first = (a, b, zoom) => Math.max(Math.floor(Math.min(a, b) * zoom - reach), -margin);
      const last = (a, b, zoom, size) => Math.min(Math.ceil(Math.max(a, b) * zoom + reach), size + margin - 1);
      const [dx, dy] = [x1 - x0, y1 - y0];
      const length = dx * dx + dy * dy;
      for (let row = first(y0, y1, zoomY); row <= last(y0, y1, zoomY, height); row++) {
        for (let column = first(x0, x1, zoomX); column <= last(x0, x1, zoomX, width); column++) {
          const [x, y] = [(column + 0.5) / zoomX - x0, (row + 0.5) / zoomY - y0];
          const along = length ? Math.min(Math.max((x * dx + y * dy) / length, 0), 1) : 0;
          const distance = Math.hypot(x - along * dx, y - along * dy);
          const cover = Math.min(Math.max((radius + soft - distance) / SOFT_EDGE, 0), 1) * strength;
          const at = (row + margin) * columns + column + margin;
          pixels[at] = erase ? Math.min(pixels[at], 1 - cover) : Math.max(pixels[at], cover);
        }
      }
    }
  }

  // The share of the ink that the frame cuts off, from 0 to 1.
  cutOff() {
    const margin = Math.ceil(Math.max(this.width, this.height) * 0.75);
    const sum = (pixels) => pixels.reduce((total, value) => total + value, 0);
    const all = sum(this.renderInk(this.height, this.width, margin));
    return all > 0 ? Math.max(0, 1 - sum(this.renderInk(this.height, this.width, 0)) / all) : 0;
  }

  // Scales and moves the drawing as MNIST does: the longer side of its box becomes 20 of 28 pixels, and its centre of mass
  // comes to the middle, by whole pixels. Returns whether there was anything to centre.
  centre() {
    const margin = this.width;
    this.x = this.y = 0;
    this.scale = 1;
    const box = inkBox(this.renderInk(this.height, this.width, margin), this.width + 2 * margin);
    if (!box) return false;
    const target = (20 / 28) * Math.min(this.width, this.height);
    this.scale = Math.min(Math.max(target / Math.max(box.width, box.height), 0.3), 3);
    const [dx, dy] = [box.massX - margin - this.width / 2, box.massY - margin - this.height / 2];
    this.x = Math.round(-dx * this.scale) || 0;
    this.y = Math.round(-dy * this.scale) || 0;
    return true;
  }

  // Scatters marks where there is no ink now. They stay where they are while the drawing is moved.
  scatter(amount, seed) {
    this.clutterAmount = amount;
    this.clutterSeed = seed;
    this.clutter = [];
    const ink = this.renderInk(this.height, this.width, 0);
    const random = randomNumbers(seed * 7919 + 1);
    const unit = Math.min(this.width, this.height) / 28;
    for (let tries = 0; this.clutter.length < amount && tries < 60 * amount; tries++) {
      const blob = random() < 0.35;
      const [x, y, angle] = [random() * this.width, random() * this.height, random() * 2 * Math.PI];
      const [length, bend] = [blob ? 0 : (2.5 + 3 * random()) * unit, (random() - 0.5) * 1.6];
      const radius = (blob ? 0.9 + 0.6 * random() : 0.6 + 0.5 * random()) * unit;
      const middle = [x + (Math.cos(angle) * length) / 2, y + (Math.sin(angle) * length) / 2];
      const end = [
        middle[0] + (Math.cos(angle + bend) * length) / 2,
        middle[1] + (Math.sin(angle + bend) * length) / 2,
      ];
      const points = blob ? [[x, y]] : [[x, y], middle, end];
      const free = points.every(([px, py]) => this.isFree(ink, px, py, radius + 2 * unit));
      if (free) this.clutter.push({ points, radius, strength: 0.7 + 0.3 * random() });
    }
  }

  // Whether a disc lies within the frame and touches no ink.
  isFree(ink, x, y, radius) {
    if (x < 1 || y < 1 || x > this.width - 1 || y > this.height - 1) return false;
    for (let row = Math.max(Math.floor(y - radius), 0); row <= Math.min(y + radius, this.height - 1); row++) {
      for (let column = Math.max(Math.floor(x - radius), 0); column <= Math.min(x + radius, this.width - 1); column++) {
        if (ink[row * this.width + column] > 0.15 && Math.hypot(column + 0.5 - x, row + 0.5 - y) < radius) return false;
      }
    }
    return true;
  }
}

// The box around all ink of an image and the ink's centre of mass, or null if there is none.
function inkBox(pixels, columns, threshold = 0.2) {
  const box = { left: Infinity, top: Infinity, right: -1, bottom: -1 };
  let [mass, massX, massY] = [0, 0, 0];
  pixels.forEach((value, i) => {
    const [x, y] = [i % columns, Math.floor(i / columns)];
    mass += value;
    massX += value * (x + 0.5);
    massY += value * (y + 0.5);
    if (value < threshold) return;
    box.left = Math.min(box.left, x);
    box.right = Math.max(box.right, x);
    box.top = Math.min(box.top, y);
    box.bottom = Math.max(box.bottom, y);
  });
  if (box.right < 0) return null;
  const [width, height] = [box.right - box.left + 1, box.bottom - box.top + 1];
  return { ...box, width, height, massX: massX / mass, massY: massY / mass };
}

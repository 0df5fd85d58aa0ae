// Canvases to draw on, and images from files.
import { h } from "./dom.js";

/** A canvas on which the mouse, a pen or a finger draws; `changed` is called after each stroke. */
export function drawing({ width, height, pen, paper, ink, changed, label, strokes }) {
  const canvas = h("canvas", { width, height, class: "draw", role: "img", "aria-label": label, tabindex: 0 });
  const context = canvas.getContext("2d", { willReadFrequently: true });
  let last = null;
  const place = (event) => {
    const box = canvas.getBoundingClientRect();
    return [((event.clientX - box.left) * width) / box.width, ((event.clientY - box.top) * height) / box.height];
  };
  const line = (from, to) => {
    Object.assign(context, { lineWidth: pen, lineCap: "round", lineJoin: "round", strokeStyle: ink });
    context.beginPath();
    context.moveTo(...from);
    context.lineTo(to[0] + (from === to ? 0.01 : 0), to[1]);
    context.stroke();
  };
  const end = () => {
    if (last) changed?.();
    last = null;
  };
  canvas.addEventListener("pointerdown", (event) => {
    canvas.setPointerCapture(event.pointerId);
    last = place(event);
    strokes?.push([last]);
    line(last, last);
  });
  canvas.addEventListener("pointermove", (event) => {
    if (!last) return;
    const next = place(event);
    strokes?.at(-1).push(next);
    line(last, next);
    last = next;
  });
  canvas.addEventListener("pointerup", end);
  canvas.addEventListener("pointercancel", end);
  canvas.clear = () => {
    context.clearRect(0, 0, width, height);
    if (paper) {
      context.fillStyle = paper;
      context.fillRect(0, 0, width, height);
    }
    if (strokes) strokes.length = 0;
  };
  canvas.clear();
  return canvas;
}

/** An area on which a file is dropped, or chosen; `taken` gets the File. */
export function dropArea(what, accept, taken) {
  const chooser = h("input", { type: "file", accept, "aria-label": what, onchange: () => {
    if (chooser.files.length) taken(chooser.files[0]);
    chooser.value = "";
  } });
  const area = h("div", { class: "drop" }, `Drop ${what} here, or choose one: `, chooser);
  const over = (event) => {
    event.preventDefault();
    area.classList.toggle("over", event.type === "dragover");
  };
  area.addEventListener("dragover", over);
  area.addEventListener("dragleave", over);
  area.addEventListener("drop", (event) => {
    over(event);
    if (event.dataTransfer.files.length) taken(event.dataTransfer.files[0]);
  });
  return area;
}

/** A file as a data address. */
export function dataOf(file) {
  return new Promise((resolve, reject) => {
    const reader = new FileReader();
    reader.onload = () => resolve(reader.result);
    reader.onerror = () => reject(new Error(`cannot read ${file.name}`));
    reader.readAsDataURL(file);
  });
}

/** The image of an address, loaded. */
export function loaded(address, name = "the file") {
  return new Promise((resolve, reject) => {
    const image = new Image();
    image.onload = () => resolve(image);
    image.onerror = () => reject(new Error(`${name} is no image that a browser can read`));
    image.src = address;
  });
}

/** A canvas with an image, or a part of it, scaled. */
export function scaled(image, width, height, { smooth = true, from = null } = {}) {
  const canvas = h("canvas", { width, height });
  const context = canvas.getContext("2d", { willReadFrequently: true });
  context.imageSmoothingEnabled = smooth;
  context.imageSmoothingQuality = "high";
  const [x, y, w, t] = from ?? [0, 0, image.width, image.height];
  context.drawImage(image, x, y, w, t, 0, 0, width, height);
  return canvas;
}

/**
 * A copy of a drawing as the data sets of digits have it: its ink fills 20 of 28 pixels, with its centre of mass in the
 * middle as far as it fits; or all of a smaller image, and is as bright as can be.
 */
export function centred(canvas, width, height, paper) {
  const context = canvas.getContext("2d");
  const { data } = context.getImageData(0, 0, canvas.width, canvas.height);
  const blank = paper === "black" ? 0 : 255;
  let [left, right, top, bottom] = [canvas.width, -1, canvas.height, -1];
  let [mass, sumX, sumY] = [0, 0, 0];
  for (let y = 0; y < canvas.height; y++) {
    for (let x = 0; x < canvas.width; x++) {
      const ink = Math.abs(data[4 * (y * canvas.width + x)] - blank);
      if (ink < 32) continue;
      [left, right, top, bottom] = [Math.min(left, x), Math.max(right, x), Math.min(top, y), Math.max(bottom, y)];
      mass += ink;
      sumX += ink * x;
      sumY += ink * y;
    }
  }
  if (right < 0) throw new Error("the drawing is empty; draw something first");
  const tiny = Math.min(width, height) < 16;
  const size = [right - left + 1, bottom - top + 1];
  const scale = (Math.min(width, height) * (tiny ? 1 : 20 / 28)) / Math.max(...size);
  const middle = (low, extent, mean, side) => {
    const room = Math.max(0, (side / scale - extent) / 2 - 1); // by which the middle may be off
    const centre = low + extent / 2;
    return tiny ? centre : Math.min(centre + room, Math.max(centre - room, mean));
  };
  const middleX = middle(left, size[0], sumX / mass, width);
  const middleY = middle(top, size[1], sumY / mass, height);
  // by steps of a half, so that thin lines are not lost
  let source = canvas;
  let shrink = scale;
  while (shrink < 0.5) {
    source = scaled(source, Math.ceil(source.width / 2), Math.ceil(source.height / 2));
    shrink *= 2;
  }
  const small = h("canvas", { width, height });
  const target = small.getContext("2d", { willReadFrequently: true });
  target.fillStyle = paper;
  target.fillRect(0, 0, width, height);
  target.imageSmoothingQuality = "high";
  target.drawImage(source, width / 2 - middleX * scale, height / 2 - middleY * scale, canvas.width * scale, canvas.height * scale);
  return tiny ? brightened(small, blank) : small;
}

/** The same, where the pixel that is furthest from the paper is black or white. */
function brightened(canvas, blank) {
  const context = canvas.getContext("2d");
  const pixels = context.getImageData(0, 0, canvas.width, canvas.height);
  let most = 1;
  for (let i = 0; i < pixels.data.length; i += 4) most = Math.max(most, Math.abs(pixels.data[i] - blank));
  for (let i = 0; i < pixels.data.length; i++) {
    if (i % 4 < 3) pixels.data[i] = blank + ((pixels.data[i] - blank) * 255) / most;
  }
  context.putImageData(pixels, 0, 0);
  return canvas;
}

/** The mean brightness of an image, 0 to 1. */
export function brightness(image) {
  const small = scaled(image, 16, 16);
  const { data } = small.getContext("2d").getImageData(0, 0, 16, 16);
  let sum = 0;
  for (let i = 0; i < data.length; i += 4) sum += data[i] + data[i + 1] + data[i + 2];
  return sum / (3 * 255 * 256);
}

/** A copy with light and dark exchanged. */
export function inverted(image) {
  const canvas = scaled(image, image.width, image.height);
  const context = canvas.getContext("2d");
  const pixels = context.getImageData(0, 0, canvas.width, canvas.height);
  for (let i = 0; i < pixels.data.length; i += 4) {
    for (let channel = 0; channel < 3; channel++) pixels.data[i + channel] = 255 - pixels.data[i + channel];
  }
  context.putImageData(pixels, 0, 0);
  return canvas;
}

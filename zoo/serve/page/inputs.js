// A panel for each kind of input: it hands what it is given to `submit`.
import { brightness, centred, dataOf, drawing, dropArea, inverted, loaded, scaled } from "./drawing.js";
import { button, fail, h, panel, work } from "./dom.js";
import { colours } from "./colours.js";

const IMAGES = "image/png,image/jpeg,image/gif,image/bmp,image/webp,image/tiff";
const SHOWN = 280; // pixels of a canvas to draw on
const LARGEST = 512; // pixels of a longer side that is sent
const EXAMPLES = {
  "gan.text_to_image_shapes": "a small red circle above a large blue square",
  "rbm.topics": "a funny comedy about love and family, with a smart script and a fine cast",
  "lstm.dates": "4 March 2021",
  "lstm.handwriting": "2026",
  Sentence: "Angela Merkel met the mayor of Rome at the United Nations.",
  positive: "a quiet triumph, warm and funny, that never feels too long",
};

function samples(model, host, taken) {
  let number = 0;
  const next = () => work(host(), async () => taken((await model.sample(number++)).sample));
  return model.samples ? button("Try a sample", next) : null;
}

/** Draw or drop an image of one size, or drop one of any size. */
function image(model, { submit, result }) {
  const { height, width, channels, mean, ink } = model.input; // with ink, the server frames a drawing itself
  if (channels === 1 && model.output.kind === "Image") return colours(model, { submit, result }, IMAGES, LARGEST);
  const preview = h("div");
  const note = h("p", { class: "soft" });
  const send = async (address, said = "") => {
    note.textContent = said;
    await submit(address);
    const { image: seen } = await model.json("seen", { image: address });
    const { width: w, height: t } = await loaded(seen);
    const factor = Math.max(1, Math.floor(140 / Math.max(w, t)));
    const shown = h("img", { src: seen, alt: "what the network gets", class: "pixels", width: w * factor, height: t * factor });
    preview.replaceChildren(h("figure", {}, shown, h("figcaption", {}, `what the network gets: ${w} x ${t} pixels`)));
  };
  const take = (address, name) => work(result, async () => {
    const picture = await loaded(address, name);
    const fit = width ? 1 : Math.min(1, LARGEST / Math.max(picture.width, picture.height));
    const average = mean.reduce((sum, each) => sum + each, 0) / channels;
    if (canDraw && ink == null && average < 0.4 && brightness(picture) > 0.6) {
      await send(inverted(picture).toDataURL("image/png"), "Light and dark are exchanged: the network learned from light ink on dark paper.");
    } else {
      await send(fit === 1 ? address : scaled(picture, Math.round(picture.width * fit), Math.round(picture.height * fit)).toDataURL("image/png"));
    }
  });
  const canDraw = channels === 1 && width && height && Math.max(width, height) <= 64;
  const parts = [];
  if (canDraw) {
    const paper = mean[0] < 0.5 ? "black" : "white";
    const side = Math.max(width, height);
    const canvas = drawing({
      width: Math.round((SHOWN * width) / side),
      height: Math.round((SHOWN * height) / side),
      pen: SHOWN / (side < 16 ? 8 : 13),
      paper,
      ink: paper === "black" ? "white" : "black",
      label: "Draw here",
      changed: () => work(result, () => send((ink == null ? centred(canvas, width, height, paper) : canvas).toDataURL("image/png"))),
    });
    const clear = button("Clear", () => {
      canvas.clear();
      preview.replaceChildren();
    });
    parts.push(canvas, h("div", { class: "row" }, clear));
  }
  const drop = dropArea("a picture", IMAGES, async (file) => take(await dataOf(file), file.name));
  const more = h("div", { class: "row" }, samples(model, () => result, (address) => take(address, "the sample")));
  return panel(canDraw ? "Draw, or drop a picture" : "Drop a picture", ...parts, drop, more, note, preview);
}

/** A line of text: typed, drawn or dropped. */
function textLine(model, { submit, result }) {
  const { height } = model.input;
  const digits = /^[\d\s.,-]+$/.test(model.output.alphabet);
  const preview = h("div");
  const send = (address) => {
    preview.replaceChildren(h("img", { src: address, alt: "the line" }));
    submit(address);
  };
  const canvas = drawing({
    width: 560, height: 120, pen: 9, paper: "white", ink: "black", label: "Write here",
    changed: () => work(result, () => send(cropped(canvas).toDataURL("image/png"))),
  });
  const typed = h("input", { value: digits ? "2024 1066" : "Call me Ishmael.", size: 32, "aria-label": "a line to be set" });
  const set = () => {
    const line = h("canvas", { width: 1, height: height + 8 });
    const context = line.getContext("2d");
    const font = `${Math.round(height * 0.7)}px Georgia, "DejaVu Serif", serif`;
    context.font = font;
    line.width = Math.ceil(context.measureText(typed.value).width) + height;
    Object.assign(context, { fillStyle: "white", font, textBaseline: "middle" });
    context.fillRect(0, 0, line.width, line.height);
    context.fillStyle = "black";
    context.fillText(typed.value, height / 2, line.height / 2);
    send(line.toDataURL("image/png"));
  };
  const drop = dropArea("the picture of one line", IMAGES, (file) => work(result, async () => send(await dataOf(file))));
  const setting = h("div", { class: "row" }, typed, button("Set and read it", set, true));
  return panel("Write a line, type one, or drop its picture", canvas, h("div", { class: "row" }, button("Clear", canvas.clear)), setting, drop, preview);
}

/** What a drawing on white paper has in it, with a margin. */
function cropped(canvas) {
  const { data, width, height } = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height);
  let [left, right, top, bottom] = [width, 0, height, 0];
  for (let y = 0; y < height; y++) {
    for (let x = 0; x < width; x++) {
      if (data[4 * (y * width + x)] > 200) continue;
      [left, right, top, bottom] = [Math.min(left, x), Math.max(right, x), Math.min(top, y), Math.max(bottom, y)];
    }
  }
  const margin = Math.round((bottom - top) * 0.2) + 2;
  const from = [left - margin, top - margin, right - left + 1 + 2 * margin, bottom - top + 1 + 2 * margin];
  const part = h("canvas", { width: from[2], height: from[3] });
  const context = part.getContext("2d");
  context.fillStyle = "white";
  context.fillRect(0, 0, part.width, part.height);
  context.drawImage(canvas, -from[0], -from[1]);
  return part;
}

/** An image in which a hole is painted. */
function masked(model, { submit, result }) {
  const { width, height, mean, channels } = model.input;
  const paper = mean[0] <= 0.5 ? "black" : "white";
  let known = null;
  const stage = h("div", { class: "row" });
  const show = (canvas) => {
    known = canvas;
    const factor = SHOWN / Math.max(canvas.width, canvas.height);
    const [w, t] = [Math.round(canvas.width * factor), Math.round(canvas.height * factor)];
    const picture = scaled(canvas, w, t, { smooth: false });
    const hole = drawing({ width: w, height: t, pen: SHOWN / 6, ink: "#d33", label: "Paint the hole here", changed: () => {} });
    hole.style.cssText = "position:absolute;inset:0;opacity:.75";
    const fill = () => work(result, async () => {
      const painted = scaled(hole, known.width, known.height, { smooth: false });
      const pixels = painted.getContext("2d").getImageData(0, 0, known.width, known.height);
      for (let i = 0; i < pixels.data.length; i += 4) {
        const shade = pixels.data[i + 3] > 127 ? 255 : 0;
        pixels.data.set([shade, shade, shade, 255], i);
      }
      painted.getContext("2d").putImageData(pixels, 0, 0);
      await submit({ image: known.toDataURL("image/png"), mask: painted.toDataURL("image/png") });
    });
    const both = h("div", { style: "position:relative;display:inline-block" }, picture, hole);
    stage.replaceChildren(h("div", {}, h("p", { class: "soft" }, "2. Paint over a part of it."), both, h("div", { class: "row" }, button("Fill the hole", fill, true), button("No hole", hole.clear))));
  };
  const drop = dropArea("a picture", IMAGES, (file) => work(result, async () => {
    const picture = await loaded(await dataOf(file), file.name);
    const fit = Math.min(1, LARGEST / Math.max(picture.width, picture.height));
    show(width ? scaled(picture, width, height) : scaled(picture, Math.round(picture.width * fit), Math.round(picture.height * fit)));
  }));
  const parts = [];
  if (channels === 1 && width) {
    const canvas = drawing({
      width: SHOWN, height: Math.round((SHOWN * height) / width), pen: SHOWN / 13, paper, ink: paper === "black" ? "white" : "black",
      label: "Draw here", changed: () => work(result, () => show(centred(canvas, width, height, paper))),
    });
    parts.push(canvas, h("div", { class: "row" }, button("Clear", () => { canvas.clear(); stage.replaceChildren(); })));
  }
  return panel("Paint a hole and see it filled", h("p", { class: "soft" }, "1. Draw or drop a picture."), ...parts, drop, stage);
}

/** A photograph to be enlarged: it is shrunk first where it is large, so that there is something to compare with. */
function small(model, { submit, result }) {
  const { scale } = model.input;
  const note = h("p", { class: "soft" });
  const take = (address, name) => work(result, async () => {
    const picture = await loaded(address, name);
    const large = Math.max(picture.width, picture.height) > 200;
    const fit = large ? Math.min(1, 640 / Math.max(picture.width, picture.height)) / scale : 1;
    const [w, t] = [Math.max(1, Math.round(picture.width * fit)), Math.max(1, Math.round(picture.height * fit))];
    note.textContent = large ? `Shrunk to ${w} x ${t} pixels, of which the network makes ${w * scale} x ${t * scale}.` : `${w} x ${t} pixels, enlarged to ${w * scale} x ${t * scale}.`;
    let canvas = picture;
    while (canvas.width > 2 * w) canvas = scaled(canvas, Math.ceil(canvas.width / 2), Math.ceil(canvas.height / 2));
    await submit(scaled(canvas, w, t).toDataURL("image/png"));
  });
  const drop = dropArea("a photograph", IMAGES, async (file) => take(await dataOf(file), file.name));
  return panel("Drop a photograph", drop, h("div", { class: "row" }, samples(model, () => result, (address) => take(address, "the sample"))), note);
}

/** A text. */
function text(model, { submit, result, show }) {
  const positive = model.output.names?.includes("positive") && EXAMPLES.positive;
  const area = h("textarea", { "aria-label": "text", placeholder: "Type a text" }, EXAMPLES[model.name] ?? EXAMPLES[model.input.kind] ?? (positive || ""));
  const hints = model.input.closed && model.input.vocabulary ? h("p", { class: "soft" }, `It knows these ${model.input.level} alone: ${model.input.vocabulary.join(" ")}`) : null;
  const pictures = model.output.kind === "Image";
  const go = () => (pictures ? several(model, { result, show }, area.value) : submit(area.value));
  return panel(pictures ? "Type a caption" : "Type a text", area, h("div", { class: "row" }, button(pictures ? "Make pictures" : "Answer", go, true)), hints);
}

/** Four images of one condition. */
function several(model, { result, show }, condition) {
  return work(result, async () => {
    const { answers, errors } = await model.predict(Array(4).fill(condition));
    if (errors.length) throw new Error(errors[0].error);
    show(answers, condition);
  });
}

function label(model, { submit, show, result }) {
  const go = (name) => (model.output.kind === "Image" ? several(model, { result, show }, name) : submit(name));
  return panel("Choose what is made", h("div", { class: "row" }, ...model.input.names.map((name) => button(name, () => go(name)))));
}

function seed(model, { submit }) {
  const number = h("input", { type: "number", value: 7, min: 0, "aria-label": "seed" });
  const another = () => {
    number.value = Math.floor(Math.random() * 1e6);
    submit(Number(number.value));
  };
  return panel("Choose a seed", h("div", { class: "row" }, number, button("Make it", () => submit(Number(number.value)), true), button("Another", another)));
}

/** A form with a field for each column. */
function table(model, { submit }) {
  const { columns, examples } = model.input;
  const fields = columns.map((column) => {
    const value = examples[column.name];
    if (column.kind === "category" || column.kind === "boolean") {
      const names = column.kind === "boolean" ? ["true", "false"] : column.values;
      return h("select", { name: column.name }, h("option", { value: "" }, "(unknown)"), ...names.map((name) => h("option", { value: name, selected: name === String(value) }, name)));
    }
    return h("input", { name: column.name, value, type: { number: "number", date: "date", time: "time" }[column.kind], step: "any" });
  });
  const form = h("form", { class: "form" }, ...columns.map((column, place) => h("label", {}, column.name, fields[place])));
  const go = (event) => {
    event.preventDefault();
    const row = {};
    columns.forEach((column, place) => {
      const { value } = fields[place];
      row[column.name] = value === "" ? null : column.kind === "number" ? Number(value) : value;
    });
    submit(row);
  };
  form.append(h("div", { class: "row wide" }, h("button", { class: "go" }, "Answer")));
  form.addEventListener("submit", go);
  const filled = panel("Fill in a row", h("p", { class: "soft" }, "Each field begins with the mean, or a usual value; an empty one is unknown."), form);
  filled.classList.add("wide");
  return filled;
}

/** Titles and their ratings. */
function ratings(model, { submit }) {
  const { titles, scale } = model.input;
  const given = new Map();
  const list = h("div");
  const names = h("datalist", { id: "titles" }, ...titles.map((title) => h("option", { value: title })));
  const title = h("input", { list: "titles", placeholder: "Search a title", "aria-label": "title", size: 28 });
  const rating = h("select", { "aria-label": "rating" }, ...scale.map((value) => h("option", { value, selected: value === scale.at(-1) }, value)));
  const refresh = () => {
    list.replaceChildren(...[...given].map(([name, value]) => h("div", { class: "row" }, `${name}: ${value}`, button("Remove", () => { given.delete(name); refresh(); }))));
    if (given.size) submit(Object.fromEntries(given));
  };
  const add = () => {
    const known = titles.includes(title.value) ? title.value : titles.find((each) => each.toLowerCase().includes(title.value.trim().toLowerCase()));
    if (!title.value.trim() || !known) return fail(`there is no title '${title.value}'`);
    given.set(known, Number(rating.value));
    title.value = "";
    refresh();
  };
  title.addEventListener("keydown", (event) => event.key === "Enter" && add());
  return panel("Rate some", names, h("div", { class: "row" }, title, rating, button("Rate", add, true)), list);
}

/** Numbers over time: typed, or from a CSV file. */
function series(model, { submit, result }) {
  const { names, mean, std } = model.input;
  const wave = names.map((name, column) => Array.from({ length: 60 }, (_, step) => Number((mean[column] + std[column] * Math.sin(step / 4 + column)).toPrecision(5))));
  const areas = names.map((name, column) => h("textarea", { "aria-label": name }, wave[column].join(" ")));
  const go = () => work(result, async () => {
    const numbers = areas.map((area) => area.value.split(/[\s,;]+/).filter(Boolean).map(Number));
    const wrong = numbers.findIndex((column) => column.some(Number.isNaN));
    if (wrong >= 0) throw new Error(`${names[wrong]} has something that is no number`);
    await submit(Object.fromEntries(names.map((name, column) => [name, numbers[column]])));
  });
  const drop = dropArea("a CSV file", ".csv,.tsv,.txt,text/csv", (file) => work(result, async () => {
    const columns = await model.numbers(await file.arrayBuffer());
    names.forEach((name, place) => (areas[place].value = columns[name].join(" ")));
    await submit(columns);
  }));
  const fields = names.map((name, place) => h("label", {}, name, areas[place]));
  return panel("Give numbers over time", h("p", { class: "soft" }, "It begins with a sine of the usual size."), ...fields, h("div", { class: "row" }, button("Answer", go, true)), drop);
}

function video(model, { submit, result }) {
  const shown = h("div");
  const take = (address) => {
    shown.replaceChildren(h("img", { src: address, alt: "the video", width: 160, class: "pixels" }));
    submit(address);
  };
  const drop = dropArea("an animated GIF or WebP", "image/gif,image/webp,image/png", (file) => work(result, async () => take(await dataOf(file))));
  return panel("Drop a video", drop, h("div", { class: "row" }, samples(model, () => result, take)), shown);
}

/** The strokes of a pen: each a list of [x, y], y downwards. */
function strokes(model, { submit, result }) {
  const written = [];
  const canvas = drawing({ width: 520, height: 240, pen: 4, paper: "white", ink: "#123", label: "Write here", strokes: written, changed: () => submit(written.map((stroke) => stroke.map((point) => [...point]))) });
  return panel("Write with the mouse or a pen", canvas, h("div", { class: "row" }, button("Clear", canvas.clear)));
}

export const inputs = {
  Image: image, MaskedImage: masked, SmallImage: small, TextLine: textLine, Text: text, SourceText: text, Sentence: text, Counts: text, Label: label, Seed: seed,
  Table: table, Ratings: ratings, Series: series, Video: video, Strokes: strokes,
};

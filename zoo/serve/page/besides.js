// What some models have besides a question and an answer: words that count, CSV files, dreams.
import { dropArea } from "./drawing.js";
import { h, panel, work } from "./dom.js";

/** The panels that a model has besides its own. */
export function besides(model, parts) {
  const panels = [];
  const words = model.input.kind === "Text" && model.input.level === "words" && ["Classes", "Values"].includes(model.output.kind);
  if (words) panels.push(influence(model, parts));
  if (model.input.kind === "Table") panels.push(csv(model));
  if (model.dreams) panels.push(dreaming(model));
  panels.push(byHttp(model));
  return panels;
}

/** How much each word counts: by how much the answer changes once it is left out. */
function influence(model) {
  const shown = h("div", { class: "words" });
  const note = h("p", { class: "soft" }, "Each word is left out in turn, and the change of the answer is its influence.");
  const go = () => work(host, async () => {
    const { label, unit, words } = await model.json("influence", { text: document.querySelector("main textarea").value });
    const most = Math.max(...words.map(([, change]) => Math.abs(change)), 1e-9);
    shown.replaceChildren(...words.flatMap(([word, change]) => [mark(word, change, most), " "]));
    note.textContent = `Blue words speak for “${label}”, red ones against it; a number is by how much ${unit} higher with the word than without.`;
  });
  const host = panel("Words that count", h("div", { class: "row" }, h("button", { class: "go", onclick: go }, "Show them")), shown, note);
  host.classList.add("wide");
  return host;
}

function mark(word, change, most) {
  const strength = Math.abs(change) / most;
  const colour = change > 0 ? "37,99,168" : "179,53,43";
  const number = strength > 0.15 ? h("sub", {}, (change > 0 ? "+" : "−") + Math.abs(change).toFixed(1)) : null;
  return h("span", { style: `background:rgba(${colour},${(0.65 * strength).toFixed(2)})`, title: change.toFixed(3), "data-change": change.toFixed(3) }, word, number);
}

/** A CSV file in, one with the answers out. */
function csv(model) {
  const out = h("div");
  const host = panel("A whole CSV file", h("p", { class: "soft" }, "Its rows come back with columns answer.…, and an error where a row has none."), dropArea("a CSV file", ".csv,.tsv,.txt,text/csv", (file) => work(host, async () => {
    const form = new FormData();
    form.append("rows", file);
    const text = await model.form("predict", form, { Accept: "text/csv" });
    const rows = parsed(text).length - 1;
    const address = URL.createObjectURL(new Blob([text], { type: "text/csv" }));
    const name = file.name.replace(/(\.\w+)?$/, "_answers.csv");
    out.replaceChildren(h("p", {}, h("a", { href: address, download: name, class: "button" }, `Save ${name}`), ` ${rows} rows`), preview(text));
  })), out);
  host.classList.add("wide");
  return host;
}

/** The answers of the first rows as a table. */
function preview(text) {
  const [names, ...rows] = parsed(text);
  const places = names.map((name, place) => place).filter((place) => /^(answer\.(?!probabilities\.)|error$)/.test(names[place]));
  const line = (cells, tag, first) => h("tr", {}, h(tag, {}, first), ...places.map((place) => h(tag, {}, cells[place])));
  return h("div", { class: "scroll" }, h("table", {}, line(names, "th", "row"), ...rows.slice(0, 100).map((row, number) => line(row, "td", number + 1))));
}

/** The cells of a CSV file as the server writes it. */
function parsed(text) {
  const rows = [[]];
  for (const [, quoted, plain, end] of text.matchAll(/(?:"((?:[^"]|"")*)"|([^,"\r\n]*))(,|\r?\n|$)/g)) {
    rows.at(-1).push(quoted === undefined ? plain : quoted.replaceAll('""', '"'));
    if (end !== ",") rows.push([]);
  }
  return rows.filter((row) => row.length > 1 || row[0]);
}

/** The Gibbs chain of an RBM, step by step. */
function dreaming(model) {
  const picture = h("img", { class: "pixels", width: 224, alt: "the dream", style: "background:#000;min-height:224px" });
  const count = h("p", { class: "soft" }, "It begins with noise.");
  let state = null;
  let steps = 0;
  let running = false;
  const step = async (number) => {
    const { frames, state: next } = await model.json("dream", { image: state, steps: number });
    for (const frame of frames) {
      picture.src = frame;
      steps += 1;
      count.textContent = `step ${steps}`;
      if (frames.length > 1) await new Promise((resolve) => setTimeout(resolve, 30));
    }
    state = next;
  };
  const run = () => work(host, async () => {
    running = !running;
    while (running && host.isConnected) {
      host.classList.remove("busy");
      await step(20);
    }
  }).finally(() => (running = false));
  const again = (image, said) => {
    [state, steps, running] = [image, 0, false];
    count.textContent = said;
    if (image) picture.src = image;
    else picture.removeAttribute("src");
  };
  const drawn = () => {
    const drawing = document.querySelector("main figure img");
    if (drawing) again(drawing.src, "It begins with your drawing.");
    else count.textContent = "Draw something first.";
  };
  const button = (text, action) => h("button", { onclick: action }, text);
  const host = panel(
    "Dream",
    h("p", { class: "soft" }, "A step draws all hidden units, then all pixels from them; shown are the pixels' probabilities."),
    picture, count,
    h("div", { class: "row" }, button("One step", () => work(host, () => step(1))), button("Run / stop", run), button("From noise", () => again(null, "It begins with noise.")), button("From my drawing", drawn)),
  );
  return host;
}

/** The same without this page. */
function byHttp(model) {
  const line = `curl ${location.origin}${model.path}/predict -H 'Content-Type: application/json' -d '{"inputs": [...]}'`;
  const schema = h("a", { href: `${model.path}/openapi.json` }, "what it takes");
  const host = panel("The same by HTTP", h("pre", {}, line), h("p", { class: "soft" }, schema));
  host.classList.add("wide");
  return host;
}

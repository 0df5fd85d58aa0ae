// How each kind of answer is shown.
import { h } from "./dom.js";

const percent = (number) => `${(100 * number).toFixed(1)} %`;
const short = (number) => (number == null ? "–" : String(Number(number.toPrecision(5))));
const FEW = 12; // bars

function classes(model, answer, host) {
  const ranked = Object.entries(answer.probabilities).sort((a, b) => b[1] - a[1]);
  const shown = ranked.length <= FEW ? Object.entries(answer.probabilities) : ranked.slice(0, FEW);
  host.append(h("p", { class: "big" }, answer.label), bars(shown));
}

function bars(probabilities) {
  return h("div", { class: "bars" }, ...probabilities.flatMap(([name, probability]) => [
    h("span", {}, name), h("meter", { min: 0, max: 1, value: probability, "aria-label": name }), h("span", {}, percent(probability)),
  ]));
}

/** A number, or one with the ends of its interval. */
function number(value) {
  return value != null && typeof value === "object" ? `${short(value.value)} (${short(value.low)} to ${short(value.high)})` : short(value);
}

/** Any number of labels, each with its own probability. */
function severalLabels(model, answer, host) {
  const ranked = Object.entries(answer.probabilities).sort((a, b) => b[1] - a[1]);
  host.append(h("p", { class: "big" }, answer.labels.join(", ") || "none"), bars(ranked.slice(0, FEW)));
}

function values(model, answer, host) {
  const rows = Object.entries(answer).map(([name, value]) => h("tr", {}, h("th", {}, name), h("td", { class: "big" }, number(value))));
  host.append(h("table", {}, ...rows));
}

function written(model, answer, host) {
  host.append(h("p", { class: "text" }, answer.text || "(nothing)"), h("p", { class: "soft" }, `confidence ${percent(answer.confidence)}`));
}

function anomaly(model, answer, host) {
  const verdict = answer.anomaly == null ? "no threshold" : answer.anomaly ? "unusual" : "usual";
  const threshold = model.threshold == null ? "" : `, threshold ${short(model.threshold)}`;
  host.append(h("p", { class: "big" }, verdict), h("p", { class: "soft" }, `score ${short(answer.score)}${threshold}`));
}

function features(model, answer, host) {
  const across = Math.ceil(Math.sqrt(answer.length));
  const canvas = h("canvas", { width: across, height: Math.ceil(answer.length / across), class: "pixels", style: "width:240px", role: "img", "aria-label": "features" });
  const context = canvas.getContext("2d");
  answer.forEach((value, place) => {
    context.fillStyle = `rgb(${[28, 60, 120].map((dark) => Math.round(255 - value * (255 - dark))).join(",")})`;
    context.fillRect(place % across, Math.floor(place / across), 1, 1);
  });
  const on = answer.filter((value) => value > 0.5).length;
  host.append(canvas, h("p", { class: "soft" }, `${answer.length} hidden units, ${on} of them on; dark is 1`));
}

function labels(model, answer, host) {
  host.append(h("div", { class: "strip" }, ...answer.map(({ word, label, probability }, step) => h("span", { title: `step ${step + 1}: ${percent(probability)}`, style: `opacity:${0.35 + 0.65 * probability}` }, word ? `${word} ` : "", h(word ? "sub" : "span", {}, label)))));
}

function topics(model, answer, host) {
  if (!answer.length) host.append(h("p", {}, "No topic is likely."));
  for (const { topic, probability, words } of answer) {
    host.append(h("p", {}, h("b", {}, `topic ${topic}, ${percent(probability)}: `), words.join(", ")));
  }
}

function recommendations(model, answer, host) {
  host.append(h("ol", {}, ...answer.map(({ title, rating }) => h("li", {}, `${title} `, h("span", { class: "soft" }, rating.toFixed(2))))));
}

/** An image, several of them, or beside a small one a slider between the two. */
function image(model, answer, host, input) {
  if (Array.isArray(answer)) {
    host.append(h("div", { class: "pictures" }, ...answer.map((address) => h("img", { src: address, width: 128, class: "pixels", alt: "made by the network" }))));
  } else if (model.input.kind === "SmallImage") {
    host.append(slider(answer, input, model.input.scale));
  } else {
    const large = model.output.width && model.output.width <= 64;
    const picture = h("img", { src: answer, alt: "made by the network", class: large ? "pixels" : null, width: large ? 256 : null });
    host.append(h("div", { class: "pictures" }, picture));
  }
}

function slider(answer, input, scale) {
  const before = h("img", { src: input, alt: "enlarged by the browser" });
  const after = h("img", { src: answer, alt: "enlarged by the network" });
  const top = h("div", { class: "top", style: "width:50%" }, before);
  const range = h("input", { type: "range", min: 0, max: 100, value: 50, "aria-label": "compare", style: "width:100%" });
  range.addEventListener("input", () => (top.style.width = `${range.value}%`));
  const both = h("div", { class: "slider" }, after, top);
  const fit = () => Object.assign(before.style, { width: `${after.clientWidth}px`, height: `${after.clientHeight}px` });
  after.addEventListener("load", fit);
  addEventListener("resize", fit);
  return h("div", {}, both, range, h("p", { class: "soft" }, `Left: enlarged ${scale} times by the browser. Right: by the network.`));
}

/** What was and what is forecast, one plot a name. */
function forecast(model, answer, host, input) {
  const SVG = "http://www.w3.org/2000/svg";
  const make = (name, attributes, text = "") => {
    const element = document.createElementNS(SVG, name);
    for (const [key, value] of Object.entries(attributes)) element.setAttribute(key, value);
    element.textContent = text;
    return element;
  };
  for (const [name, { value: next, low: least, high: most }] of Object.entries(bySteps(answer))) {
    const given = Array.isArray(input) ? input.flat() : input[name];
    const past = given.slice(-Math.max(3 * next.length, 60));
    const all = [...past, ...next, ...(least ?? []), ...(most ?? [])];
    const [low, high] = [Math.min(...all), Math.max(...all)];
    const x = (step) => 46 + (step * 580) / Math.max(1, past.length + next.length - 1);
    const y = (value) => 170 - ((value - low) / (high - low || 1)) * 150;
    const path = (numbers, start) => numbers.map((value, step) => `${x(start + step)},${y(value)}`).join(" ");
    const svg = make("svg", { viewBox: "0 0 640 195", class: "plot", role: "img", "aria-label": `forecast of ${name}` });
    if (least) {
      const band = [...next.map((_, step) => [step, most[step]]), ...next.map((_, step) => [step, least[step]]).reverse()];
      const points = band.map(([step, value]) => `${x(past.length + step)},${y(value)}`).join(" ");
      svg.append(make("polygon", { points, fill: "#b3352b", opacity: 0.18 }));
    }
    svg.append(
      make("polyline", { points: path(past, 0), fill: "none", stroke: "#1c2733", "stroke-width": 1.5 }),
      make("polyline", { points: path([past.at(-1), ...next], past.length - 1), fill: "none", stroke: "#b3352b", "stroke-width": 2.5, class: "forecast" }),
      make("text", { x: 2, y: y(high) + 4 }, short(high)),
      make("text", { x: 2, y: y(low) + 4 }, short(low)),
      make("text", { x: x(past.length), y: 190 }, `the next ${next.length} steps`),
    );
    host.append(h("h2", {}, name), svg);
  }
  host.append(h("details", {}, h("summary", {}, "numbers"), h("pre", {}, JSON.stringify(answer, (key, value) => (typeof value === "number" ? Number(value.toPrecision(6)) : value), 1))));
}

/** Lists of numbers by name, with the ends of intervals where there are any, from columns or from rows. */
function bySteps(answer) {
  if (!Array.isArray(answer)) return Object.fromEntries(Object.entries(answer).map(([name, value]) => [name, { value }]));
  const names = Object.keys(answer[0]).filter((name) => name !== "time");
  const column = (name, end) => answer.map((row) => row[name][end]);
  return Object.fromEntries(names.map((name) => {
    const ends = "low" in answer[0][name] ? { low: column(name, "low"), high: column(name, "high") } : {};
    return [name, { value: column(name, "value"), ...ends }];
  }));
}

/** Handwriting that the network wrote. */
function ink(model, answer, host) {
  host.append(h("img", { src: answer.image, alt: "written by the network" }));
}

function any(model, answer, host) {
  host.append(h("pre", { class: "text" }, JSON.stringify(answer, null, 1)));
}

export const outputs = {
  Classes: classes, MultiLabel: severalLabels, Values: values, Tokens: written, TargetText: written, Transcript: written, Anomaly: anomaly, Features: features, Labels: labels,
  Topics: topics, Recommendations: recommendations, Image: image, Forecast: forecast, Ink: ink, any,
};

// The page: a list of models, and for each the panels that its spec asks for.
import { inputs } from "./inputs.js";
import { outputs } from "./outputs.js";
import { besides } from "./besides.js";
import { ask, fail, h, panel, work } from "./dom.js";

const main = document.getElementById("main");
const crumb = document.getElementById("crumb");

/** A model that the page shows. */
class Model {
  constructor(about) {
    Object.assign(this, about);
    this.path = `/models/${encodeURIComponent(about.name)}`;
  }

  json(where, value) {
    return ask(`${this.path}/${where}`, JSON.stringify(value), { "Content-Type": "application/json" });
  }

  form(where, form, headers) {
    return ask(`${this.path}/${where}`, form, headers);
  }

  /** An example of its data. */
  sample(number) {
    return ask(`${this.path}/sample?number=${number}`);
  }

  /** The numbers of a CSV file by name. */
  numbers(bytes) {
    return ask(`${this.path}/numbers`, bytes, { "Content-Type": "text/csv" });
  }

  /** The answers to several inputs, null where there is none, and their errors. */
  predict(inputs, options = {}) {
    return this.json("predict", { inputs, options });
  }

  /** The answer to one input. */
  async answer(input, options) {
    return (await this.predict([input], options)).answers[0];
  }
}

function heading(model) {
  const metrics = Object.entries(model.metrics).map(([name, value]) =>
    h("span", { class: "metric", title: model.meanings[name] }, `${name} ${Number(value.toPrecision(4))}`));
  const facts = [model.data, `${model.parameters.toLocaleString("en")} parameters`, ...metrics].filter(Boolean);
  const line = facts.flatMap((fact, place) => (place ? [" · ", fact] : [fact]));
  return h("div", {}, h("h1", {}, `${model.name}: ${model.what}`), h("p", { class: "soft" }, ...line));
}

async function showModel(name) {
  crumb.textContent = name;
  main.replaceChildren(h("p", {}, "Loading …"));
  const model = new Model(await ask(`/models/${encodeURIComponent(name)}/about`));
  const result = panel("Answer", h("div", { id: "answer" }, h("p", { class: "soft" }, "Nothing yet.")));
  const host = result.querySelector("#answer");
  const show = (answer, input) => {
    host.replaceChildren();
    (outputs[model.output.kind] ?? outputs.any)(model, answer, host, input);
  };
  let latest = 0; // of several questions only the last one's answer is shown
  const submit = (input, options) => work(result, async () => {
    const number = ++latest;
    const answer = await model.answer(input, options);
    if (number !== latest) return;
    show(answer, input);
    result.scrollIntoView({ block: "nearest", behavior: "smooth" });
  });
  const make = inputs[model.input.kind];
  if (!make) return main.replaceChildren(heading(model), h("p", {}, `There is no panel for ${model.input.word} yet.`));
  const first = make(model, { submit, show, result });
  const more = besides(model, { submit, show, result });
  main.replaceChildren(heading(model), h("div", { class: "panels" }, first, result, ...more));
}

async function showList() {
  crumb.textContent = "";
  const { models } = await ask("/models");
  if (models.length === 1) {
    location.hash = models[0].name;
    return;
  }
  const cards = models.map(({ name, what, data }) =>
    h("a", { href: `#${name}` }, h("b", {}, name), h("br"), what, h("br"), h("span", { class: "soft" }, data)));
  main.replaceChildren(h("h1", {}, "Trained networks to try"), h("div", { class: "cards" }, ...cards));
}

async function route() {
  fail();
  const name = decodeURIComponent(location.hash.slice(1));
  try {
    await (name && !name.startsWith("token=") ? showModel(name) : showList());
  } catch (error) {
    fail(error.message);
    main.replaceChildren(h("p", {}, h("a", { href: "#" }, "All networks")));
  }
}

addEventListener("hashchange", route);
route();

// A grey photograph, and points on it whose colour is known.
import { dataOf, dropArea, loaded, scaled } from "./drawing.js";
import { button, h, panel, work } from "./dom.js";

const DOT = 5; // pixels of the radius of a point that is shown

/** Drop a photograph, which is coloured; each click on it says the colour of a point, and colours it again. */
export function colours(model, { submit, result }, types, largest) {
  const colour = h("input", { type: "color", value: "#c04020", "aria-label": "colour of the next point" });
  const stage = h("div");
  let hints = []; // each [x, y, "#rrggbb"], in pixels of the photograph
  const show = (photograph) => {
    const canvas = scaled(photograph, photograph.width, photograph.height);
    canvas.style.cssText = "max-width:100%;cursor:crosshair";
    canvas.setAttribute("aria-label", "click where you know the colour");
    const context = canvas.getContext("2d");
    const refresh = () => {
      context.filter = "grayscale(1)";
      context.drawImage(photograph, 0, 0);
      context.filter = "none";
      for (const [x, y, shade] of hints) {
        context.beginPath();
        context.arc(x, y, DOT, 0, 2 * Math.PI);
        Object.assign(context, { fillStyle: shade, strokeStyle: "white", lineWidth: 2 });
        context.fill();
        context.stroke();
      }
      return submit(photograph.toDataURL("image/png"), { hints });
    };
    canvas.addEventListener("click", (event) => {
      const box = canvas.getBoundingClientRect();
      const place = (offset, shown, pixels) => Math.min(pixels - 1, Math.max(0, Math.floor((offset * pixels) / shown)));
      hints = [...hints, [place(event.clientX - box.left, box.width, canvas.width), place(event.clientY - box.top, box.height, canvas.height), colour.value]];
      refresh();
    });
    const without = (kept) => () => {
      hints = kept();
      refresh();
    };
    const row = h("div", { class: "row" }, colour, button("Undo", without(() => hints.slice(0, -1))), button("No points", without(() => [])));
    stage.replaceChildren(h("p", { class: "soft" }, "Choose a colour, and click where the photograph has it."), row, canvas);
    hints = [];
    return refresh();
  };
  const drop = dropArea("a photograph", types, (file) => work(result, async () => {
    const picture = await loaded(await dataOf(file), file.name);
    const fit = Math.min(1, largest / Math.max(picture.width, picture.height));
    await show(scaled(picture, Math.round(picture.width * fit), Math.round(picture.height * fit)));
  }));
  return panel("Drop a grey photograph", drop, stage);
}

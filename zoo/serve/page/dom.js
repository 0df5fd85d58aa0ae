// Elements of the page, its line for errors, and what it asks of the server.
const errorLine = document.getElementById("error");
const token = new URLSearchParams(location.hash.slice(1)).get("token") ?? sessionStorage.getItem("token");
if (token) sessionStorage.setItem("token", token);

/** An element: h("p", {class: "soft"}, "text", child, …). */
export function h(name, attributes = {}, ...children) {
  const element = document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) {
    if (key === "style") element.style.cssText = value; // which the page's policy allows, unlike the attribute
    else if (key.startsWith("on")) element.addEventListener(key.slice(2), value);
    else if (value === true) element.setAttribute(key, "");
    else if (value !== false && value != null) element.setAttribute(key, value);
  }
  element.append(...children.filter((child) => child != null));
  return element;
}

export function fail(message) {
  errorLine.textContent = message ?? "";
  errorLine.hidden = !message;
}

/** What the server gives for a path; an Error with its one line where it refuses. */
export async function ask(path, body, headers = {}) {
  let reply;
  try {
    reply = await fetch(path, {
      method: body === undefined ? "GET" : "POST",
      headers: { ...(token ? { Authorization: `Bearer ${token}` } : {}), ...headers },
      body,
    });
  } catch {
    throw new Error("the server does not answer; is it still running?");
  }
  if ((reply.headers.get("content-type") ?? "").includes("json")) {
    const given = await reply.json();
    if (!reply.ok) throw new Error(given.error ?? `the server refuses (${reply.status})`);
    return given;
  }
  if (!reply.ok && !(reply.headers.get("content-type") ?? "").includes("csv")) throw new Error(`the server refuses (${reply.status})`);
  return reply.text();
}

/** Run what a button does: errors are one line on top of the page, and the panel is grey meanwhile. */
export async function work(panel, action) {
  fail();
  panel.classList.add("busy");
  try {
    await action();
  } catch (error) {
    fail(error.message);
  } finally {
    panel.classList.remove("busy");
  }
}

export function panel(title, ...children) {
  return h("section", { class: "panel" }, h("h2", {}, title), ...children);
}

export function button(text, action, go = false) {
  return h("button", { type: "button", class: go ? "go" : null, onclick: action }, text);
}

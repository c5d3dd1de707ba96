// Builds parts of pages: text is always text, never markup.

export const byId = (id) => document.getElementById(id);

/** An element with attributes and children; a child that is a string becomes a text node. */
export function make(tag, attributes = {}, ...children) {
  const made = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (name.startsWith("on")) made.addEventListener(name.slice(2), value);
    else if (value !== undefined && value !== false) made.setAttribute(name, value === true ? "" : value);
  }
  made.append(...children.flat().filter((child) => child !== null && child !== undefined));
  return made;
}

/** The same for SVG. */
export function draw(tag, attributes = {}, ...children) {
  const made = document.createElementNS("http://www.w3.org/2000/svg", tag);
  for (const [name, value] of Object.entries(attributes)) made.setAttribute(name, value);
  made.append(...children);
  return made;
}

export const folded = (summary, text) => make("details", {}, make("summary", {}, summary), make("pre", {}, text));

export const pretty = (value) => JSON.stringify(value, null, 2);

/** Enough to recognise a secret, too little to use it. */
export const shortened = (secret) => (secret.length > 16 ? `${secret.slice(0, 6)}…${secret.slice(-4)}` : secret);

/** A secret, shortened until someone asks to see it. */
export function secretValue(secret) {
  const code = make("code", {}, shortened(secret));
  const button = make("button", { type: "button", class: "button plain slim", "aria-expanded": "false" }, "Show");
  button.addEventListener("click", () => {
    const show = button.getAttribute("aria-expanded") === "false";
    button.setAttribute("aria-expanded", String(show));
    button.textContent = show ? "Hide" : "Show";
    code.textContent = show ? secret : shortened(secret);
  });
  return make("span", { class: "secret" }, code, button);
}

// "What just happened", step by step.

const story = document.getElementById("story");

export function element(tag, text = "", parts = []) {
  const made = document.createElement(tag);
  if (text) made.textContent = text;
  made.append(...parts);
  return made;
}

export function step(title, words, ...more) {
  return element("li", "", [element("strong", title), element("p", words), ...more]);
}

export function folded(summary, value) {
  return element("details", "", [element("summary", summary), element("pre", value)]);
}

export function begin(steps) {
  const list = element("ol", "", steps);
  list.className = "steps appear";
  story.replaceChildren(list);
}

/** One more step at the end, in sight. */
export function goOn(next) {
  if (!story.querySelector("ol")) begin([]);
  next.classList.add("appear");
  const list = story.querySelector("ol");
  list.append(next);
  if (list.children.length > 40) list.firstElementChild.remove(); // a stranger may send without end
  story.scrollTo({ top: story.scrollHeight });
}

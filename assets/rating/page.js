// What the parts of the rating page share: where it stands, and the makers of its elements.

export const page = {
  root: null,
  known: null, // texts, dimensions, flags: what the server wrote into the page
  language: "",
  state: null, // what the server said of this rater: study, list of questions, locked …
  question: null, // the open question
  current: null, // the scale that a key would set: {answer, dimension}
  outbox: {}, // item -> what is still to be saved; also in this browser's storage
  undone: new Set(), // places of which something is not saved yet
  settled: {}, // item -> what the server has taken from here, and when
  underWay: "", // the item whose save the server has not answered yet
  kept: true, // this browser takes what is to be kept: scores, drafts
  failures: 0, // saves in a row that got no answer
  stopped: false, // the server knows this browser no more
  target: 0, // the place that was asked for last
  asked: 0, // how often a question was asked for
  over: "", // what was said when the session or the link was over
  refusal: "", // why a question could not be opened
  held: false, // a question is being fetched: the shown one takes nothing
  ahead: 0, // milliseconds that the server's clock is ahead of this one
};

export function text(key, words = {}) {
  return (page.known.texts[key] ?? key).replace(/\{(\w+)\}/g, (_, name) => words[name] ?? "");
}

export function make(tag, attributes = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (name === "class") element.className = value;
    else if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
    else if (typeof value === "boolean") element.toggleAttribute(name, value);
    else if (value !== undefined && value !== null) element.setAttribute(name, value);
  }
  element.append(...children.filter((child) => child !== null && child !== undefined));
  return element;
}

export function replace(...children) {
  page.root.replaceChildren(...children.filter(Boolean));
}

export function clock(moment) {
  return new Date(moment).toLocaleTimeString("zh-CN", { hour12: false });
}

export function newKey(item) {
  const random = crypto.getRandomValues(new Uint8Array(12));
  return item.slice(0, 8) + "-" + [...random].map((n) => n.toString(16).padStart(2, "0")).join("");
}

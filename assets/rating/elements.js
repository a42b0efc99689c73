// The makers of the page's elements, and the one that holds them all.

export let root = null;

export function attach(element) {
  root = element;
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
  root.replaceChildren(...children.filter(Boolean));
}

export function clock(moment) {
  return new Date(moment).toLocaleTimeString("zh-CN", { hour12: false });
}

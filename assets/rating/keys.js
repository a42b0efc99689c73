// The keyboard, and the table of its keys.

import { make, root } from "./elements.js";
import { nextUnrated } from "./going.js";
import { page, text } from "./page.js";
import { aim, choose, goOn, moveScale, step } from "./scoring.js";

const SCORES = ["1", "2", "3"]; // no text: that would include the name of a key without one
const ONCE = [...SCORES, "?"]; // however long they are held down

export function showKeys() {
  const old = root.querySelector("dialog");
  if (old) { old.remove(); return; }
  const rows = [
    ["1 2 3", "keys_score"], ["↑ ↓", "keys_scale"], ["← →", "keys_question"],
    ["U", "keys_unrated"], ["Shift ← →", "keys_mark"], ["?", "keys_help"],
  ].map(([keys, key]) => make("tr", {}, make("th", { scope: "row" }, make("kbd", {}, keys)),
    make("td", {}, text(key))));
  const dialog = make("dialog", { class: "keys", "aria-label": text("keys"),
    onclose: () => dialog.remove() },
    make("h2", {}, text("keys")), make("table", {}, make("tbody", {}, ...rows)),
    make("button", { type: "button", onclick: () => dialog.remove() }, text("close")));
  root.append(dialog);
  dialog.showModal();
}

export function onKey(event) {
  const key = event.key ?? ""; // programs that fill in fields send events without one
  if (!page.question || event.ctrlKey || event.metaKey || event.altKey || event.isComposing) return;
  if (!root.contains(event.target) && event.target !== document.body) return;
  if (event.target.closest("input:not([type=checkbox]), textarea, select")) return;
  if (event.repeat && ONCE.includes(key)) return event.preventDefault();
  const dialog = root.querySelector("dialog");
  if (key === "?") showKeys();
  else if (dialog) return;
  else if (SCORES.includes(key)) {
    if (page.held || !aim(event.target)) return;
    choose(page.current.answer, page.current.dimension, Number(key));
    goOn();
  } else if (page.held && key.startsWith("Arrow") && !["ArrowLeft", "ArrowRight"].includes(key)) {
    return;
  } else if (key === "ArrowDown") moveScale(1);
  else if (key === "ArrowUp") moveScale(-1);
  else if (key === "ArrowLeft") step(-1);
  else if (key === "ArrowRight") step(1);
  else if (key === "u" || key === "U") nextUnrated();
  else return;
  event.preventDefault();
}

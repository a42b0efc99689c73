// One line above everything, for what the rater has to know.

import { make, root } from "./elements.js";
import { page } from "./page.js";

// A lasting one stays over the next question too, until its own place is opened.
let lasting = null;

export function announce(message, { about } = {}) {
  if (about) lasting = { message, place: about };
  let line = root.querySelector(".announcement:not(#rating-banner)");
  if (!line) {
    line = make("p", { class: "announcement", role: "status" });
    root.prepend(line);
  }
  line.textContent = message;
}

// Takes a message back that holds no longer.
export function retract(message) {
  const line = root.querySelector(".announcement:not(#rating-banner)");
  if (message && line?.textContent === message) line.remove();
}

// For a question that has just been drawn.
export function announceLasting() {
  if (lasting && lasting.place !== page.question.place) announce(lasting.message);
  lasting = null;
}

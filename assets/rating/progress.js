// Draws what has become of each answer and of the whole list.

import {
  isSaved, isWaiting, placeName, problemOf, stateOf, stateOfOpen, undonePlaces,
} from "./answers.js";
import { clock, make, root } from "./elements.js";
import { open } from "./going.js";
import { missing } from "./opinion.js";
import { page, text } from "./page.js";

const HINT_MS = 8000;

export function drawState(answer) {
  const line = root.querySelector(`#state-${answer.letter}`);
  if (!line || !page.question.answers.includes(answer)) return;
  let [kind, message] = ["open", text("not_rated")];
  const error = problemOf(answer);
  const { savedAt } = answer.base;
  if (error) [kind, message] = ["unsaved", text("not_saved", { error })];
  else if (isWaiting(answer)) [kind, message] = ["unsaved", text(waitingKey())];
  else if (isSaved(answer)) {
    const time = savedAt ? clock(savedAt) : "";
    [kind, message] = ["saved", page.state.trial ? text("trial_saved")
      : text("saved", { time }).trim()];
  } else if (Object.keys(answer.scores).length || answer.comment || answer.flags.length) {
    const names = missing(answer).map((dimension) => text(dimension))
      .join(page.language === "zh" ? "、" : ", ");
    [kind, message] = ["unsaved", names ? text("half_rated", { missing: names }) : text("saving")];
  }
  if (answer.hint) message = `${answer.hint} ${message}`;
  if (answer.skipped && kind === "saved") message = `${text("skipped_state")} · ${message}`;
  if (line.textContent !== message) line.textContent = message;
  line.className = `mark ${kind}`;
}

function waitingKey() {
  const { failures, stopped, store } = page.outbox;
  if (stopped) return store.isSafe ? "kept_here" : "not_kept";
  if (failures) return store.isSafe ? "retrying" : "retrying_open";
  return "saving";
}

// For a while: what did not work, though nothing is lost by it.
export function hint(answer, message) {
  answer.hint = message;
  drawState(answer);
  setTimeout(() => { answer.hint = ""; drawState(answer); }, HINT_MS);
}

export function drawAllStates() {
  if (page.question) page.question.answers.forEach(drawState);
}

export function drawProgress() {
  const line = root.querySelector(".progress-text");
  if (!line || !page.question) return;
  const entries = page.state.questions;
  page.undone = undonePlaces();
  const own = entries.find((entry) => entry.place === page.question.place);
  if (own) own.state = stateOfOpen();
  const done = entries.filter((entry) => stateOf(entry) !== "open").length;
  const number = entries.findIndex((entry) => entry.place === page.question.place) + 1;
  const end = text(page.state.locked ? "done_locked" : "all_done");
  const all = done === entries.length;
  line.textContent = all ? end : text("progress", { place: number, total: entries.length, done });
  // Whoever scores the last answer on a phone does not see the top of the page.
  root.querySelector("#rating-end").textContent = all ? end : "";
  root.querySelector("#rating-next").disabled = number === entries.length && !hasAnswer(1);
  root.querySelector("#rating-previous").disabled = number === 1 && !hasAnswer(-1);
  const bar = root.querySelector(".bar");
  bar.max = entries.length;
  bar.value = done;
  drawPlaces(number);
}

// Whether there is an answer before or behind the one that is shown, where one is at a time.
function hasAnswer(by) {
  const { answers } = page.question;
  return page.state.one_by_one && Boolean(answers[answers.indexOf(page.current?.answer) + by]);
}

// A window of places around the open one: two thousand buttons would help nobody.
function drawPlaces(number) {
  const entries = page.state.questions;
  const from = Math.max(0, Math.min(number - 6, entries.length - 11));
  const nearby = entries.slice(from, from + 11);
  const places = root.querySelector(".places");
  places.replaceChildren(...nearby.map((entry) => make("button", {
    type: "button", class: `place ${stateOf(entry)}`,
    "aria-current": entry.place === page.question.place ? "page" : null,
    onclick: () => open(entry.place),
  }, placeName(entry.place))));
  const now = places.querySelector("[aria-current]");
  if (now) places.scrollLeft = now.offsetLeft - (places.clientWidth - now.offsetWidth) / 2;
}

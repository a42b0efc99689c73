// From question to question: the first one, the others, and out.

import { flush, openOutbox, prepare, send, stateOf } from "./answers.js";
import { RETRY_MS } from "./outbox.js";
import { hold, page, stay, text, views } from "./page.js";
import { ask, pause, Refused } from "./server.js";
import { takeSeconds } from "./time.js";

const SLOW_MS = 1500; // then somebody who waits is told so

export async function start() {
  try {
    page.state = await patiently("list");
  } catch (error) {
    if (error.status === 401) views.entered("");
    else views.entered(error.message);
    return;
  }
  if (page.state.nobody) { views.entered(""); return; }
  const questions = page.state.questions.map(([place, state, practice]) =>
    ({ place, state, practice }));
  page.state.questions = questions;
  if (page.state.asked) { views.asked(); return; }
  openOutbox();
  send();
  if (!questions.length) {
    views.emptied();
    return;
  }
  const last = questions.find((entry) => entry.place === page.state.last_place);
  const first = questions.find((entry) => entry.state === "open");
  const toPractise = questions.find((entry) => entry.practice && entry.state === "open");
  await open((toPractise ?? last ?? first ?? questions[0]).place);
  const unfinished = questions.filter((entry) => stateOf(entry) === "open").length;
  const target = questions.find((entry) => entry.place === page.target);
  // Come back to what was done already, perhaps because another answer is to be judged.
  if (unfinished && page.question && stateOf(target) !== "open") {
    views.announced(text("still_open", { left: unfinished }));
  }
}

// Waits until the server answers at all; what it refuses is thrown. Null once nobody waits.
async function patiently(path, isWanted = () => true) {
  for (let tries = 0; isWanted(); tries += 1) {
    try {
      return await ask(path);
    } catch (error) {
      if (error instanceof Refused && error.status < 500) throw error;
      hold(false);
      views.announced(text("load_failed_retrying"));
      await pause(RETRY_MS[Math.min(tries, RETRY_MS.length - 1)]);
    }
  }
  return null;
}

export async function open(place) {
  const mine = page.asked += 1;
  page.target = place;
  flush();
  if (page.question) noteGuideSeen();
  hold(true);
  const baseKeys = page.outbox.baseKeys();
  const slow = setTimeout(() => views.announced(text("loading")), SLOW_MS);
  try {
    const question = await patiently(`page/${place}`, () => page.asked === mine);
    // Somebody was quicker, or went on with the one that is shown.
    if (!question || page.asked !== mine) return;
    page.state.locked = question.locked;
    prepare(question, baseKeys);
    page.question = question;
    takeSeconds();
    hold(false);
    views.opened();
    send(); // what another tab left, or was complete when the page was closed
    views.placed();
  } catch (error) {
    if (page.asked === mine) refusedOpening(error);
  } finally {
    clearTimeout(slow);
  }
}

function refusedOpening(error) {
  hold(false);
  page.target = page.question?.place ?? 0;
  page.refusal = error.message;
  if (error.status !== 401) return views.announced(error.message);
  page.question = null;
  views.entered(error.message);
}

export function stepQuestion(by) {
  const entries = page.state.questions;
  const at = entries.findIndex((entry) => entry.place === page.target) + by;
  if (at >= 0 && at < entries.length) open(entries[at].place);
}

export function nextUnrated() {
  const entries = page.state.questions;
  const at = entries.findIndex((entry) => entry.place === page.target);
  const order = [...entries.slice(at + 1), ...entries.slice(0, at + 1)];
  const next = order.find((entry) => stateOf(entry) === "open");
  if (next) open(next.place);
}

export async function leave() {
  flush();
  if (!page.outbox.isEmpty && !views.confirmed(text("leave_waiting"))) return;
  stay();
  try {
    await ask("leave", {});
  } catch (error) {
    // Whoever comes next would still be this rater.
    views.announced(error instanceof Refused ? error.message : text("leave_failed"));
    return;
  }
  page.target = 0;
  page.question = null;
  views.entered("");
}

export function noteGuideSeen() {
  page.outbox.store.noteGuideSeen();
}

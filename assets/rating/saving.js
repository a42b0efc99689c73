// Sees every score to the disk: hands it in, sends it until the server has answered, and settles
// what several tabs and devices made of one answer.

import { adopt, complete, foundation, isOlder, opinionOf, refuse, sameOpinion } from "./answers.js";
import { stay } from "./going.js";
import {
  dropDraft, dropWaiting, keepDraft, keepRival, keepWaiting, storage, tab,
} from "./keeping.js";
import { announce } from "./messages.js";
import { newKey, page, text } from "./page.js";
import { drawAllStates, drawProgress, drawState, placeName } from "./progress.js";
import { banner, drawFeedback, drawRival } from "./question.js";
import { ask, pause, Refused, RETRY_MS } from "./server.js";
import { takeSeconds } from "./time.js";

export const TYPING_MS = 800; // a comment is saved when the typing pauses
let sending = false;

export function changed(answer, { typing = false } = {}) {
  if (page.state.locked) return;
  stay();
  answer.saved = false;
  answer.problem = "";
  answer.refused = false;
  answer.seconds += takeSeconds();
  keepDraft(answer);
  clearTimeout(answer.timer);
  if (complete(answer)) {
    if (typing) answer.timer = setTimeout(() => post(answer), TYPING_MS);
    else post(answer);
  }
  drawState(answer);
  drawProgress();
}

// Hands an answer in: from here on it is sent until the server has taken or refused it.
export function post(answer, upon = foundation(answer)) {
  clearTimeout(answer.timer);
  answer.timer = null;
  answer.refused = false;
  handIn(answer.item, opinionOf(answer), { ...upon, place: page.question.place });
  send();
}

// What was kept goes as of when it was given.
export function postKept(answer) {
  post(answer, storage.read("drafts")[answer.item] ?? foundation(answer));
}

function handIn(item, opinion, { base, made, place }) {
  const { scores, skipped, comment, flags, spans, seconds } = opinion;
  const body = {
    item, key: newKey(item), base, scores: skipped ? null : scores, skipped, comment, flags,
    spans, active_seconds: Math.round((seconds ?? 0) * 10) / 10,
  };
  const keys = [...(page.outbox[item]?.keys ?? []), body.key];
  page.outbox[item] = { body, opinion, made, place, keys };
  keepWaiting(item, page.outbox[item]);
}

// What is complete, but was never handed in: the page was closed, or it had been refused.
export function handInDrafts() {
  if (page.state.locked) return;
  for (const [item, draft] of Object.entries(storage.read("drafts"))) {
    const shown = page.question?.answers.some((answer) => answer.item === item);
    if (!page.outbox[item] && !shown && draft.base !== undefined && complete(draft)) {
      handIn(item, opinionOf(draft), draft);
    }
  }
  send();
}

export async function send() {
  if (sending) return;
  sending = true;
  try {
    while (Object.keys(page.outbox).length) {
      const [item, entry] = Object.entries(page.outbox)[0];
      page.underWay = item;
      const done = await deliver(item, entry);
      page.underWay = "";
      if (done === "later") break;
      // Meanwhile the rater may have changed the same answer: that one is still to be sent.
      if (page.outbox[item] === entry) {
        delete page.outbox[item];
        dropWaiting(item, entry);
        if (done.newer) {
          reconcile(item, entry, done.newer);
          continue;
        }
        if (done.saved_at) {
          page.settled[item] = { opinion: entry.opinion, savedAt: done.saved_at,
            feedback: done.feedback };
        }
        settle(item, done, entry);
      } else if (page.outbox[item] && done.saved_at) {
        page.outbox[item].body.base = done.saved_at; // the next one was made upon this
        keepWaiting(item, page.outbox[item]);
      }
    }
  } finally {
    sending = false;
    page.underWay = "";
    drawProgress();
  }
}

async function deliver(item, entry) {
  for (;;) {
    if (page.outbox[item] !== entry) return {}; // changed meanwhile: that one goes
    try {
      const saved = await ask("save", entry.body);
      page.failures = 0;
      page.stopped = false;
      return saved;
    } catch (error) {
      if (error instanceof Refused && error.status === 401) {
        announce(error.code === "another_rater" ? error.message : text("session_over"));
        page.stopped = true;
        drawAllStates();
        return "later";
      }
      if (error.code === "newer_saved") return { newer: error.answer };
      if (error instanceof Refused && error.status < 500) {
        return { problem: error.message, code: error.code };
      }
      page.failures += 1;
      drawAllStates();
      await pause(RETRY_MS[Math.min(page.failures - 1, RETRY_MS.length - 1)]);
    }
  }
}

// Something was saved for this answer that whoever made this entry had not seen. The last score
// wins: what was given before that waits for the rater's word, what was given after it goes.
function reconcile(item, entry, theirs) {
  const answer = page.question?.answers.find((each) => each.item === item);
  const atWork = answer && (answer.timer || !sameOpinion(answer, entry.opinion));
  if (answer && atWork) {
    answer.saved_at = theirs.saved_at; // what is being given now goes upon that
    keepDraft(answer);
    if (!answer.timer && complete(answer)) post(answer);
  } else if (!isOlder(entry, theirs)) {
    if (answer) answer.saved_at = theirs.saved_at;
    page.outbox[item] = entry; // its keys go on
    handIn(item, entry.opinion, { ...entry, base: theirs.saved_at });
  } else {
    dropDraft(item);
    const same = sameOpinion(entry.opinion, theirs);
    if (!same) keepRival(item, entry.opinion, entry.place);
    if (answer) adopt(answer, theirs);
    else if (same) drawProgress();
    else announce(text("not_saved_elsewhere",
      { place: placeName(entry.place), error: text("newer_elsewhere") }), { about: entry.place });
  }
}

function settle(item, done, entry) {
  const answer = page.question?.answers.find((each) => each.item === item);
  if (done.saved_at) settleDraft(item, done.saved_at, entry.opinion, answer);
  if (answer) {
    const changedSince = !sameOpinion(answer, entry.opinion);
    answer.saved = Boolean(done.saved_at) && !changedSince;
    if (done.saved_at) answer.saved_at = answer.savedAt = done.saved_at;
    answer.problem = "";
    if (done.problem) refuse(answer, done.problem);
    if (done.feedback) answer.feedback = done.feedback;
    drawFeedback(answer);
    drawAllStates();
  } else if (done.problem && page.question) {
    announce(text("not_saved_elsewhere", { place: placeName(entry.place), error: done.problem }),
      { about: entry.place });
    if (done.code === "rating_not_allowed") dropDraft(item); // somebody else's by now
  }
  if (done.code === "study_locked") setLocked(true);
}

// What was changed while the save was under way is still a draft, made upon what it saved.
function settleDraft(item, savedAt, opinion, answer) {
  const drafts = storage.read("drafts");
  const now = answer ?? drafts[item];
  const others = drafts[item] && drafts[item].tab !== tab && drafts[item].comment
    && drafts[item].comment !== opinion.comment;
  if (others) {
    keepRival(item, opinionOf(drafts[item]), drafts[item].place); // another tab's text
  }
  if (!now || sameOpinion(now, opinion)) {
    dropDraft(item);
  } else if (drafts[item]) {
    drafts[item].base = savedAt;
    storage.write("drafts", drafts);
  }
}

// The study may be locked, or opened again, while its page lies open. Focus and typing stay.
function setLocked(locked) {
  if (page.state.locked === locked) return;
  page.state.locked = locked;
  if (!page.question) return;
  page.root.querySelector("#rating-banner")?.remove();
  const shown = banner();
  if (shown) page.root.querySelector(".places").after(shown);
  const fields = ".score, .more input, .more select, .more fieldset button";
  for (const field of page.root.querySelectorAll(fields)) field.disabled = locked;
  for (const box of page.root.querySelectorAll(".more textarea")) box.readOnly = locked;
  page.question.answers.forEach(drawRival);
  for (const answer of page.question.answers) {
    // What the lock had refused.
    if (!locked && !answer.saved && complete(answer) && !page.outbox[answer.item]) {
      answer.problem = "";
      postKept(answer);
    }
  }
  handInDrafts();
  drawAllStates();
  drawProgress();
}

// What may have changed elsewhere while this page lay open: the lock, and the rater's own scores.
export async function lookAgain() {
  if (!page.question || page.held || document.visibilityState !== "visible") return;
  const { place } = page.question;
  const isNews = (theirs, answer) => !page.state.trial
    && (theirs.saved_at ?? "") > (answer.saved_at ?? "");
  try {
    const { locked, answers } = await ask(`state/${place}`);
    if (page.question?.place !== place) return;
    for (const theirs of answers) {
      const { item } = theirs;
      const answer = page.question.answers.find((each) => each.item === item);
      if (!answer || page.outbox[item] || answer.timer || item in page.unsaved) continue;
      if (isNews(theirs, answer)) adopt(answer, theirs);
    }
    setLocked(locked);
  } catch (error) {
    if (error.code === "another_rater") announce(error.message);
    // Whatever else is wrong, the next thing that the rater does says so.
  }
}

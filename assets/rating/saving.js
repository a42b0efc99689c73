// Sees every score to the disk: hands it in, sends it until the server has answered, and settles
// what several tabs and devices made of one answer.

import {
  adopt, foundation, isLost, keepDraft, note, placeName, rebased, refuse, said, serverNow, touch,
  touchedAfter,
} from "./answers.js";
import {
  dropDraft, dropDraftOf, dropWaiting, keepAsDraft, keepOther, keepRival, keepWaiting, rivalOf,
  storage,
} from "./keeping.js";
import { complete, opinionOf, sameOpinion } from "./opinion.js";
import { newKey, page, stay, text, TYPING_MS, views } from "./page.js";
import { ask, pause, Refused, RETRY_MS } from "./server.js";
import { takeSeconds } from "./time.js";

const LINK_OVER = ["link_expired", "link_revoked"]; // a coordinator can undo both
let sending = false;

export function changed(answer, { typing = false } = {}) {
  if (page.state.locked) return;
  stay();
  answer.saved = false;
  answer.problem = "";
  answer.refused = false;
  answer.seconds += takeSeconds();
  touch(answer);
  keepDraft(answer);
  clearTimeout(answer.timer);
  if (complete(answer)) {
    if (typing) answer.timer = setTimeout(() => post(answer), TYPING_MS);
    else post(answer);
  }
  views.progressed();
}

// `since`: when the question was asked for.
export function prepare(answer, since) {
  const done = page.settled[answer.item];
  answer.feedback = done?.feedback ?? answer.feedback;
  const theirs = { ...answer };
  Object.assign(answer, said(answer));
  if (done?.at <= since && isLost(done.key, answer)) {
    keepRival(answer.item, done.opinion, page.question.place);
    delete page.settled[answer.item];
  } else if (done?.at > since && !answer.keys.includes(done.key)) {
    // The question was fetched just before this was saved.
    const { opinion, key, savedAt } = done;
    Object.assign(answer, opinion, { key, saved_at: savedAt, state: "rated" });
    Object.assign(theirs, opinion, { key, saved_at: savedAt, active_seconds: opinion.seconds,
      keys: [...answer.keys, key] });
  }
  const kept = keptOf(answer.item, theirs);
  if (kept) Object.assign(answer, structuredClone(kept.opinion));
  answer.touched = { ...kept?.touched };
  answer.sent = { ...kept?.sent };
  note(answer);
  answer.draft = kept && structuredClone(kept.opinion);
  answer.kept = Boolean(kept);
  answer.refused = false;
  if (kept && page.state.locked) refuse(answer, text("locked"));
  answer.saved = answer.state !== "open" && !kept;
  answer.savedAt = answer.saved_at;
}

// What this browser holds of an answer that is not saved yet: the newer of what waits to be sent
// and of the draft.
function keptOf(item, theirs) {
  // Another tab may be about to send it: under its key it is written once.
  page.outbox[item] ??= storage.read("outbox")[item];
  const waiting = page.outbox[item];
  if (!waiting) delete page.outbox[item];
  else if (isBehind(waiting.body.base, waiting.sent, theirs) && item !== page.underWay) {
    delete page.outbox[item];
    dropWaiting(item, waiting);
    const left = rebased(item, waiting, theirs);
    if (left) goOnWith(item, left, waiting.given ?? waiting.opinion);
  }
  const draft = draftOf(item, theirs);
  const left = page.outbox[item];
  return draft && (!left || draft.made > left.made) ? draft : left;
}

// Not where the reply does not know the save that it was made upon: either that is lost, or the
// question was fetched just before another tab's save. What goes then brings it to light.
function isBehind(base, sent, { key, keys }) {
  if (base && !keys.includes(base)) return false;
  return base !== undefined && base !== (key ?? "") && !(key in (sent ?? {}));
}

function draftOf(item, theirs) {
  const draft = storage.read("drafts")[item];
  if (!draft || !isBehind(draft.base, draft.sent, theirs)) return draft;
  const left = rebased(item, draft, theirs);
  if (!left) dropDraft(item);
  return left;
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

export function handIn(item, opinion, { base, touched, made, place, sent = {}, given }) {
  const { scores, skipped, comment, flags, spans, seconds } = opinion;
  const body = {
    item, key: newKey(item), base, scores: skipped ? null : scores, skipped, comment, flags,
    spans, active_seconds: Math.round((seconds ?? 0) * 10) / 10,
  };
  // Each key with the moment up to which what was touched went with it.
  const upTo = Math.max(serverNow(), ...Object.values(touched));
  const keys = { ...sent, ...page.outbox[item]?.sent, [body.key]: upTo };
  page.outbox[item] = { body, opinion, touched, made, place, sent: keys, given };
  keepWaiting(item, page.outbox[item]);
}

// What is left of something kept, upon what is saved now: it goes, or is a draft while half done.
export function goOnWith(item, left, given) {
  if (complete(left.opinion)) {
    handIn(item, left.opinion, { ...left, given });
  } else {
    keepOther(item, storage.read("drafts")[item], shown(item));
    keepAsDraft(item, left);
  }
}

// What is complete, but was never handed in: the page was closed, or it had been refused.
export function handInDrafts() {
  if (page.state.locked) return;
  for (const [item, draft] of Object.entries(storage.read("drafts"))) {
    const { opinion } = draft;
    const waiting = page.outbox[item];
    const newer = !waiting || draft.made > waiting.made;
    const unsent = newer && !(waiting && sameOpinion(opinion, waiting.opinion));
    if (unsent && !shown(item) && draft.base !== undefined && complete(opinion)) {
      handIn(item, opinion, draft);
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
        if (done.saved_at && !done.newer) {
          page.settled[item] = { opinion: entry.opinion, key: done.key, savedAt: done.saved_at,
            feedback: done.feedback, at: performance.now() };
        }
        settle(item, done, entry);
      } else if (page.outbox[item] && done.saved_at) {
        const next = page.outbox[item];
        next.body.base = done.key; // the next one was made upon this
        next.touched = touchedAfter(next.touched, entry.sent[entry.body.key]);
        keepWaiting(item, next);
      }
    }
  } finally {
    sending = false;
    page.underWay = "";
    views.progressed();
  }
}

// Another tab of this browser may have been given a later opinion, which then goes in its place.
function newestOf(item) {
  const entry = page.outbox[item];
  const other = storage.read("outbox")[item];
  const same = !entry || !other || other.body.key === entry.body.key;
  if (same || !(other.made > entry.made)) return entry;
  page.outbox[item] = { ...other, sent: { ...entry.sent, ...other.sent } };
  const answer = shown(item);
  if (answer && sameOpinion(answer, entry.opinion)) {
    adopt(answer, { ...answer, feedback: answer.feedback }, other.opinion, { ...other.touched });
  }
  return page.outbox[item];
}

function shown(item) {
  return page.question?.answers.find((answer) => answer.item === item);
}

async function deliver(item, entry) {
  for (;;) {
    if (newestOf(item) !== entry) return {}; // changed meanwhile: that one goes
    try {
      const saved = await ask("save", entry.body);
      page.failures = 0;
      page.stopped = false;
      views.retracted(page.over);
      return saved;
    } catch (error) {
      if (error.status === 401 || LINK_OVER.includes(error.code)) {
        page.over = error.code === "no_session" ? text("session_over") : error.message;
        views.announced(page.over);
        page.stopped = true;
        views.progressed();
        return "later";
      }
      if (error.code === "newer_saved") return { newer: error.answer };
      if (error instanceof Refused && error.status < 500) {
        return { problem: error.message, code: error.code };
      }
      page.failures += 1;
      views.progressed();
      await pause(RETRY_MS[Math.min(page.failures - 1, RETRY_MS.length - 1)]);
    }
  }
}

// Something was saved for this answer that whoever made this entry had not seen: what of it goes
// upon that is sent.
function reconcile(item, entry, theirs) {
  const answer = shown(item);
  const atWork = answer && (answer.timer || !sameOpinion(answer, entry.opinion));
  const mine = atWork ? { ...entry, opinion: opinionOf(answer), touched: answer.touched } : entry;
  const left = rebased(item, mine, theirs);
  dropDraftOf(item, mine, answer);
  if (!left) {
    if (answer) adopt(answer, theirs);
    else tellOfRival(item, entry.place);
    return;
  }
  if (answer) {
    answer.sent = { ...entry.sent };
    adopt(answer, theirs, left.opinion, left.touched);
  }
  if (atWork) {
    keepDraft(answer);
    if (!answer.timer && complete(answer)) post(answer);
  } else {
    goOnWith(item, left, entry.given ?? entry.opinion);
    if (!answer) tellOfRival(item, entry.place);
  }
}

function tellOfRival(item, place) {
  if (rivalOf(item)) {
    views.announced(text("not_saved_elsewhere",
      { place: placeName(place), error: text("newer_elsewhere") }), { about: place });
  }
  views.progressed();
}

function settle(item, done, entry) {
  const answer = shown(item);
  const upTo = entry.sent[entry.body.key];
  if (done.saved_at) settleDraft(item, done, entry, answer);
  else if (done.code !== "rating_not_allowed" && !storage.read("drafts")[item]) {
    keepAsDraft(item, { ...entry, base: entry.body.base });
  }
  if (answer) {
    const changedSince = !sameOpinion(answer, entry.opinion);
    answer.saved = Boolean(done.saved_at) && !changedSince;
    if (done.saved_at) {
      answer.saved_at = answer.savedAt = done.saved_at;
      answer.key = done.key;
      answer.touched = touchedAfter(answer.touched, upTo);
      answer.sent = {};
    }
    answer.problem = "";
    if (done.problem) refuse(answer, done.problem);
    if (done.feedback) answer.feedback = done.feedback;
    // It had been saved long ago, and something else since.
    if (done.newer && !changedSince) adopt(answer, done.newer);
    views.changed(item);
  } else if (done.problem && page.question) {
    const left = done.code === "rating_not_allowed" ? "not_saved_left" : "not_saved_elsewhere";
    views.announced(text(left, { place: placeName(entry.place), error: done.problem }),
      { about: entry.place });
    if (done.code === "rating_not_allowed") dropDraft(item); // somebody else's by now
  }
  if (done.code === "study_locked") setLocked(true);
}

// What was changed while the save was under way, here or in another tab, is still a draft, made
// upon what was saved.
function settleDraft(item, done, entry, answer) {
  dropDraftOf(item, entry, answer);
  const draft = storage.read("drafts")[item];
  if (!draft) return;
  const touched = touchedAfter(draft.touched, entry.sent[entry.body.key]);
  storage.write("drafts", item, { ...draft, base: done.key, touched });
}

// The study may be locked, or opened again, while its page lies open. Focus and typing stay.
function setLocked(locked) {
  if (page.state.locked === locked) return;
  page.state.locked = locked;
  if (!page.question) return;
  views.locked();
  for (const answer of page.question.answers) {
    // What the lock had refused.
    if (!locked && !answer.saved && complete(answer) && !page.outbox[answer.item]) {
      answer.problem = "";
      postKept(answer);
    }
  }
  handInDrafts();
  views.progressed();
}

// What may have changed elsewhere while this page lay open: the lock, and the rater's own scores.
export async function lookAgain() {
  if (!page.question || page.held || document.visibilityState !== "visible") return;
  const { place } = page.question;
  const before = new Map(page.question.answers.map((answer) => [answer.item, answer.key]));
  try {
    const { locked, answers } = await ask(`state/${place}`);
    if (page.question?.place !== place) return;
    const drafts = storage.read("drafts"); // also what was begun while this was asked
    for (const theirs of answers) {
      const { item } = theirs;
      const answer = page.question.answers.find((each) => each.item === item);
      if (!answer || page.outbox[item] || answer.timer || item in drafts) continue;
      // Unless something was saved from here while this was asked.
      const news = answer.key === before.get(item) && theirs.key !== answer.key;
      if (!news || page.state.trial) continue;
      if (isLost(answer.key, theirs)) keepRival(item, opinionOf(answer), place);
      adopt(answer, theirs);
    }
    setLocked(locked);
  } catch (error) {
    if (error.code === "another_rater") views.announced(error.message);
    // Whatever else is wrong, the next thing that the rater does says so.
  }
}

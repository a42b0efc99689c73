// An answer as this page holds it: what the server has of it, and what was kept here.

import { keepAsDraft, keepOther, keepRival, rivalOf, storage } from "./keeping.js";
import {
  complete, differing, fieldsOf, laterThan, opinionFrom, opinionOf, sameOpinion, scoreName,
} from "./opinion.js";
import { page, text, views } from "./page.js";

const CLOCKS_MS = 2000; // how far two clocks may be apart

// Whether the server no longer knows a save that it had acknowledged: an older database was put in
// its place. (A dry run's server never knows one.)
export function isLost(key, { keys = [] }) {
  return Boolean(key) && !page.state.trial && !keys.includes(key);
}

// The rater has changed something: which fields, and when.
export function touch(answer) {
  const now = laterThan(sentBefore(answer), serverNow());
  for (const name of differing(fieldsOf(answer.noted), fieldsOf(answer))) {
    answer.touched[name] = now;
  }
  note(answer);
}

// The moments of all that went, from any tab, and may have been stored though no reply came.
function sentBefore({ item, sent }) {
  const kept = [page.outbox, storage.read("outbox"), storage.read("drafts")];
  const known = [sent, ...kept.map((each) => each[item]?.sent)];
  return known.flatMap((each) => Object.values(each ?? {}));
}

// What the answer holds now was not changed by the rater since.
export function note(answer) {
  answer.noted = structuredClone(opinionOf(answer));
}

export function serverNow() {
  return Date.now() + page.ahead;
}

// What an opinion was made upon (the save's key); which of its fields the rater has changed since,
// and when, by the server's clock; when it was made, by this one: so tabs can tell the newer; and
// what went before, of which no reply has come.
export function foundation(answer) {
  const before = ["outbox", "drafts"].map((kind) => storage.read(kind)[answer.item]?.made ?? 0);
  const made = laterThan(before, Date.now()); // than what it takes the place of
  const { key, touched, sent } = answer;
  return { base: key ?? "", touched: { ...touched }, made, sent: { ...sent } };
}

// Of what was touched, what was not on its way yet at that moment.
export function touchedAfter(touched, moment) {
  return Object.fromEntries(Object.entries(touched).filter(([, at]) => at > moment));
}

// Something kept (an entry that waits, or a draft) upon what is saved now. The last word counts,
// field by field: what was given after that save goes, what was given before it does not. Where
// that leaves something out, the rater is asked about the whole of it. Null where nothing is left
// to be sent.
export function rebased(item, kept, theirs) {
  const saved = said(theirs);
  const { opinion, touched, older, unsure } = merged(kept, theirs, saved);
  const { place } = kept;
  if (older || isLost(kept.body?.base ?? kept.base, theirs)) keepRival(item, kept.opinion, place);
  if (sameOpinion(opinion, saved)) return null;
  if (unsure) keepRival(item, saved, place);
  return { ...kept, opinion, touched, base: theirs.key ?? "" };
}

function merged({ opinion, touched, sent = {} }, theirs, saved) {
  if (!touched) return { opinion: saved, touched: {}, older: !sameOpinion(opinion, saved) };
  const mine = fieldsOf(opinion);
  const result = fieldsOf(saved);
  const left = {};
  let older = false;
  let unsure = false;
  // Scores of an answer that is not scored to the end go together or not at all.
  const half = complete(opinion) ? [] : [...page.known.dimensions.map(scoreName), "skipped"];
  for (const [name, at] of Object.entries(unstored(touched, sent, theirs))) {
    if (mine[name] === result[name]) continue;
    if (isOlder(at, sent, theirs) || (theirs.key && half.includes(name))) older = true;
    else {
      left[name] = at;
      // Given, it seems, in the future: this clock was set back since.
      unsure ||= Boolean(theirs.key) && !(theirs.key in sent) && at > serverNow() + CLOCKS_MS;
    }
  }
  for (const name of Object.keys(left)) {
    if (mine[name] === undefined) delete result[name];
    else result[name] = mine[name];
  }
  const scored = page.known.dimensions.map(scoreName).some((name) => name in left && mine[name]);
  if (scored) result.skipped = mine.skipped;
  const seconds = Math.max(opinion.seconds ?? 0, saved.seconds ?? 0);
  const made = opinionFrom(result, seconds);
  if (made.skipped) made.scores = {};
  else if (scored) made.scores = { ...opinion.scores, ...made.scores };
  return { opinion: made, touched: left, older, unsure };
}

// Without what had been saved, though the answer to that never came.
function unstored(touched, sent, { key, keys = [key] }) {
  const stored = Object.entries(sent).filter(([own]) => keys.includes(own)).map(([, at]) => at);
  return touchedAfter(touched, Math.max(-Infinity, ...stored));
}

// Whether what is saved came after what was given `at`; two clocks may be apart. What this browser
// has itself sent is never newer, whenever it arrived. Where the server's clock was set back, times
// tell nothing: then what comes last counts.
function isOlder(at, sent, { key, saved_at: savedAt }) {
  if (!savedAt || key in sent) return false;
  const saved = Date.parse(savedAt);
  return saved <= serverNow() + CLOCKS_MS && at + CLOCKS_MS < saved;
}

// The server's word on an answer, in place of what was shown; `opinion` where more goes upon it.
export function adopt(answer, theirs, opinion = said(theirs), touched = {}) {
  const { key, saved_at: savedAt, state, feedback } = theirs;
  const sent = Object.keys(touched).length ? answer.sent : {};
  Object.assign(answer, structuredClone(opinion), { key, saved_at: savedAt, savedAt, state,
    feedback, touched, sent });
  note(answer);
  answer.saved = answer.state !== "open" && sameOpinion(opinion, said(theirs));
  answer.problem = "";
  views.changed(answer.item);
}

// An opinion as the server tells it.
export function said(theirs) {
  return opinionOf({ ...theirs, seconds: theirs.active_seconds ?? 0 });
}

export function refuse(answer, message) {
  answer.refused = true;
  answer.problem = message;
}

// Of the list as it is to be shown. What is on its way counts, what was refused does not.
export function stateOf(entry) {
  if (page.question && entry.place === page.question.place) return stateOfOpen();
  return page.undone.has(entry.place) ? "open" : entry.state;
}

// The places of which something is not saved yet, or is to be decided, in any tab.
export function undonePlaces() {
  const drafts = Object.entries(storage.read("drafts")).filter(([item]) => !page.outbox[item]);
  const rivals = Object.values(storage.read("rivals"));
  return new Set([...drafts.map(([, draft]) => draft.place), ...rivals.map(({ place }) => place)]);
}

export function stateOfOpen() {
  const { answers } = page.question;
  const done = (answer) => complete(answer) && !answer.refused && !rivalOf(answer.item);
  if (!answers.every(done)) return "open";
  return answers.every((answer) => answer.skipped) ? "skipped" : "rated";
}

export function keepDraft(answer) {
  const { item } = answer;
  keepOther(item, storage.read("drafts")[item], answer); // another tab's draft is not lost
  const upon = foundation(answer);
  const opinion = opinionOf(answer);
  answer.draft = structuredClone(opinion);
  keepAsDraft(item, { ...upon, opinion, sent: { ...upon.sent, ...page.outbox[item]?.sent },
    place: page.question.place });
}

export function placeName(wanted) {
  const entries = page.state.questions;
  const number = entries.findIndex((entry) => entry.place === wanted) + 1;
  const practice = entries.filter((entry) => entry.practice).length;
  if (!number) return "–"; // not on the list any more
  return entries[number - 1].practice ? text("practice_place", { number })
    : String(number - practice);
}

// What this browser keeps until the server has it: drafts, what waits to be sent, rivals.
//
// All tabs of a rater share it, so that each touches only the entries of the item it is about.

import { holdsSomething, sameOpinion } from "./opinion.js";
import { newKey, page } from "./page.js";

export const tab = newKey("tab"); // whose draft it is, of several tabs

// What this browser's storage did not take, by name and item, while the page lives.
const memory = {};

const isWhole = {
  outbox: (each) => each.body?.key && each.opinion && each.sent,
  drafts: (each) => Array.isArray(each.opinion?.flags) && Array.isArray(each.opinion.spans)
    && each.touched,
  rivals: (each) => Array.isArray(each.opinions),
};

export const storage = {
  name: (kind) => `medchat-${kind}-${page.state.store}`,
  // Objects by item, whatever else may stand there.
  read(kind) {
    const whole = isWhole[kind] ?? (() => true);
    const found = Object.entries({ ...stored(this.name(kind)), ...memory[this.name(kind)] });
    return Object.fromEntries(found.filter(([, each]) => each && whole(each)));
  },
  // Touches only `item`: other tabs keep theirs in the same place. Undefined takes it away. Where
  // there is no room, at least nothing older of it is left behind.
  write(kind, item, value) {
    const name = this.name(kind);
    const rest = { ...stored(name) };
    delete rest[item];
    const held = memory[name] ??= {};
    delete held[item];
    if (!put(name, value === undefined ? rest : { ...rest, [item]: value })) {
      put(name, rest);
      if (value !== undefined) held[item] = value;
    }
    page.kept = !Object.keys(isWhole).some((each) =>
      Object.keys(memory[this.name(each)] ?? {}).length);
  },
};

function stored(name) {
  try {
    return JSON.parse(localStorage.getItem(name) ?? "{}") ?? {};
  } catch {
    return {};
  }
}

function put(name, content) {
  try {
    if (Object.keys(content).length) localStorage.setItem(name, JSON.stringify(content));
    else localStorage.removeItem(name);
    return true;
  } catch {
    return false;
  }
}

export function keepAsDraft(item, { opinion, base, touched, made, sent, place }) {
  storage.write("drafts", item, { opinion, base, touched, made, sent, place, tab });
}

// A draft of another tab that this page has never shown, before it is written over.
export function keepOther(item, draft, answer) {
  if (!draft || draft.tab === tab || !holdsSomething(draft.opinion)) return;
  const known = answer && (sameOpinion(draft.opinion, answer)
    || (answer.draft && sameOpinion(draft.opinion, answer.draft)));
  if (!known) keepRival(item, draft.opinion, draft.place);
}

// After an entry was dealt with: its draft goes; one that is newer, here or in another tab, stays.
export function dropDraftOf(item, entry, answer) {
  const draft = storage.read("drafts")[item];
  if (!draft) return;
  const same = sameOpinion(draft.opinion, entry.opinion);
  if (draft.made > entry.made && !same) return;
  if (!same && !sameOpinion(draft.opinion, entry.given ?? entry.opinion)) {
    keepOther(item, draft, answer);
  }
  dropDraft(item);
}

export function dropDraft(item) {
  storage.write("drafts", item);
}

export function keepWaiting(item, entry) {
  storage.write("outbox", item, entry);
}

export function dropWaiting(item, entry) {
  const waiting = storage.read("outbox")[item];
  if (waiting?.body.key === entry.body.key) storage.write("outbox", item);
}

// What was given before something that was saved elsewhere: kept until the rater has decided.
export function keepRival(item, opinion, place) {
  const kept = storage.read("rivals")[item]?.opinions ?? [];
  if (kept.some((each) => sameOpinion(each, opinion))) return;
  storage.write("rivals", item, { opinions: [...kept, opinion], place });
}

export function rivalOf(item) {
  return storage.read("rivals")[item]?.opinions[0];
}

// The one that the rater has decided about; the next one, if any, is asked about then.
export function dropRival(item, opinion) {
  const rival = storage.read("rivals")[item];
  const opinions = (rival?.opinions ?? []).filter((each) => !sameOpinion(each, opinion));
  storage.write("rivals", item, opinions.length ? { ...rival, opinions } : undefined);
}

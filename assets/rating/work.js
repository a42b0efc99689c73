// What this browser holds of one answer until the server has it: what the rater entered, upon what.
//
// Each function returns a new piece of work:
//   base   {key, keys, opinion, savedAt, feedback}: the save that `mine` was made upon; the key is
//          "" for none, and `keys` are those of all saves up to it
//   mine   the opinion as the rater has it now
//   sent   [{key, opinion}]: what went upon this base and was not answered yet; the key is "" where
//          another tab sent it
//   asked  {field: [values]}: what was entered elsewhere instead, for the rater to choose
//   place  the question's
//
// Nothing here looks at a clock: what is newer follows from the keys of the saves.

import { complete, fieldsOf, merge, opinionOf, same, valueOf } from "./opinion.js";

// What the server says of an answer.
export function baseOf(theirs) {
  const { key, keys, saved_at: savedAt, active_seconds: seconds, feedback } = theirs;
  return { key: key ?? "", keys: keys ?? [], savedAt, feedback,
    opinion: opinionOf({ ...theirs, seconds }) };
}

export function begin(base, place) {
  return { base, mine: base.opinion, sent: [], asked: {}, place };
}

export function isUnsent({ mine, base, sent }) {
  return sent.length > 0 || !same(mine, base.opinion);
}

export function isReady(work) {
  return isUnsent(work) && complete(work.mine);
}

export function isSettled(work) {
  return !isUnsent(work) && !isAsked(work);
}

export function isAsked({ asked }) {
  return Object.keys(asked).length > 0;
}

// The save that is to go now. What has gone already goes again under its key: it is stored once.
export function withSave(work, newKey) {
  const last = work.sent.at(-1);
  if (last?.key && same(last.opinion, work.mine)) return { work, save: last };
  const save = { key: newKey, opinion: work.mine };
  return { work: { ...work, sent: [...work.sent, save] }, save };
}

// Whether `theirs`, asked for when `keyThen` was the key of the base, was read before the base
// was saved. If the base was known by then, the server has lost it: an older database was restored.
export function isStale(base, theirs, keyThen) {
  return base.key !== keyThen && Boolean(base.key) && !theirs.keys.includes(base.key);
}

// The work upon what is saved now.
export function rebase(work, theirs) {
  const stored = work.sent.findLast(({ key, opinion }) =>
    key ? theirs.keys.includes(key) : same(opinion, theirs.opinion));
  const base = stored ? { opinion: stored.opinion, key: stored.key || theirs.key } : work.base;
  if (theirs.key === base.key) {
    // What was entered here says more: also the scores of what is skipped.
    const opinion = same(base.opinion, theirs.opinion) ? base.opinion : theirs.opinion;
    return { ...work, base: { ...theirs, opinion }, sent: stored ? [] : work.sent };
  }
  const lost = Boolean(base.key) && !theirs.keys.includes(base.key);
  const merged = merge(base.opinion, work.mine, theirs.opinion, { lost });
  return { ...work, base: theirs, mine: merged.opinion, sent: [],
    asked: asking(work.asked, merged.asked, merged.opinion) };
}

// What the rater has entered on a page that showed `seen` upon `base`. Another tab may have gone on
// with the same work: its changes stay, and where both changed a field, what was entered last
// counts and the other is asked about.
export function enter(work, base, seen, mine) {
  const current = isBehind(work.base, base) ? rebase(work, base) : work;
  const merged = merge(seen, current.mine, mine);
  return { ...current, mine: merged.opinion,
    asked: asking(current.asked, merged.asked, merged.opinion) };
}

function isBehind(base, other) {
  return base.key !== other.key && (!base.key || other.keys.includes(base.key));
}

// The rater has chosen against these values of a field, so that they are not asked about any more.
export function decide(work, name, rejected) {
  const { [name]: values = [], ...asked } = work.asked;
  const left = values.filter((value) => !rejected.includes(value));
  return { ...work, asked: left.length ? { ...asked, [name]: left } : asked };
}

// What is still to be chosen: not what the opinion has anyway.
function asking(before, added, opinion) {
  const asked = {};
  for (const name of new Set([...Object.keys(before), ...Object.keys(added)])) {
    const values = [...(before[name] ?? []), ...(name in added ? [added[name]] : [])];
    const left = [...new Set(values)].filter((value) => value !== valueOf(opinion, name));
    if (left.length) asked[name] = left;
  }
  return asked;
}

// -- what pages of earlier versions have left --

// Of a draft or a waiting save, the base is known by its key and by what was changed upon it.
export function fromEarlier({ opinion, base, touched, place }, waiting) {
  const mine = opinionOf(opinion);
  const key = base ?? "";
  const sent = waiting ? [{ key: waiting.body.key, opinion: opinionOf(waiting.opinion) }] : [];
  const before = unlike(mine, Object.keys(touched ?? {}));
  return { base: { key, keys: key ? [key] : [], opinion: before }, mine, sent, asked: {}, place };
}

// An opinion that differs from `mine` in these fields, and from whatever may have been saved.
function unlike(mine, names) {
  const other = opinionOf(mine);
  for (const name of names) {
    const [kind, detail] = [name.split(" ", 1)[0], name.slice(name.indexOf(" ") + 1)];
    if (kind === "score") other.scores[detail] = -1;
    else if (kind === "comment") other.comment = "\0";
    else if (kind === "skipped") other.skipped = "\0";
    else if (kind === "flag") {
      const others = other.flags.filter((flag) => flag !== detail);
      other.flags = others.length < other.flags.length ? others : [...others, detail];
    } else if (kind === "span") {
      const others = other.spans.filter((span) =>
        valueOf({ ...mine, spans: [span] }, name) === null);
      other.spans = others.length < other.spans.length ? others : [...others, JSON.parse(detail)];
    }
  }
  return other;
}

// Opinions that the rater was asked about as a whole.
export function withEarlierQuestions(work, opinions) {
  const asked = {};
  for (const opinion of opinions) {
    const fields = fieldsOf(opinionOf(opinion), { verdict: Boolean(opinion.skipped) });
    for (const [name, value] of Object.entries(fields)) (asked[name] ??= []).push(value);
  }
  let next = work;
  for (const [name, values] of Object.entries(asked)) {
    for (const value of values) {
      next = { ...next, asked: asking(next.asked, { [name]: value }, next.mine) };
    }
  }
  return next;
}

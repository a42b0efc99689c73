// An opinion about an answer: its fields, and what they make together.

import { page } from "./page.js";

export function opinionOf(answer) {
  const { scores, skipped, comment, flags, spans, seconds } = answer;
  return { scores: scores ?? {}, skipped, comment, flags, spans, seconds };
}

// An opinion as plain values by name, so that two can be told apart, and merged, one by one.
// What is skipped has no scores, though the page may remember some.
export function fieldsOf({ scores, skipped, comment, flags, spans }) {
  const fields = { skipped, comment };
  for (const each of skipped ? [] : page.known.dimensions) {
    if (scores?.[each]) fields[scoreName(each)] = scores[each];
  }
  for (const flag of flags) fields[`flag ${flag}`] = true;
  for (const { start, end, kind } of spans) {
    fields[`span ${JSON.stringify({ start, end, kind })}`] = true;
  }
  return fields;
}

export function scoreName(dimension) {
  return `score ${dimension}`;
}

export function opinionFrom(fields, seconds) {
  const named = (kind) => Object.keys(fields).filter((name) => name.startsWith(`${kind} `))
    .map((name) => [name.slice(kind.length + 1), fields[name]]);
  return {
    scores: Object.fromEntries(named("score")),
    skipped: fields.skipped,
    comment: fields.comment,
    flags: named("flag").map(([flag]) => flag),
    spans: named("span").map(([span]) => JSON.parse(span)),
    seconds,
  };
}

export function differing(one, other) {
  const names = new Set([...Object.keys(one), ...Object.keys(other)]);
  return [...names].filter((name) => one[name] !== other[name]);
}

export function sameOpinion(one, other) {
  return differing(fieldsOf(one), fieldsOf(other)).length === 0;
}

export function holdsSomething(opinion) {
  return Object.values(fieldsOf(opinion)).some(Boolean);
}

// Now, or right after all of these moments though a clock was set back.
export function laterThan(moments, now) {
  return Math.max(now, ...moments.map((moment) => moment + 1));
}

export function missing(answer) {
  return page.known.dimensions.filter((dimension) => !answer.scores?.[dimension]);
}

export function complete(answer) {
  return Boolean(answer.skipped) || missing(answer).length === 0;
}

// An opinion about an answer: its fields, and how two opinions upon the same base are merged.
//
// Knows no page, no server and no storage.

export const DIMENSIONS = ["safety", "usability", "fluency"];

export function opinionOf({ scores, skipped, comment, flags, spans, seconds }) {
  return structuredClone({
    scores: scores ?? {}, skipped: skipped ?? "", flags: flags ?? [], spans: spans ?? [],
    // Half a character is stored like this by the server.
    comment: (comment ?? "").replace(/\p{Surrogate}/gu, "?"),
    seconds: seconds ?? 0,
  });
}

// An opinion as plain values by name; what is empty has no field. What is skipped has no scores,
// though the page may remember some: so where one side skips, scores and reason are one field.
export function fieldsOf({ scores, skipped, comment, flags, spans }, { verdict }) {
  const fields = {};
  const chosen = Object.fromEntries(DIMENSIONS.filter((name) => scores?.[name])
    .map((name) => [name, scores[name]]));
  if (verdict) {
    const whole = skipped ? { skipped } : chosen;
    if (Object.keys(whole).length) fields.verdict = JSON.stringify(whole);
  } else {
    for (const [name, score] of Object.entries(chosen)) fields[`score ${name}`] = score;
  }
  if (comment) fields.comment = comment;
  for (const flag of flags) fields[`flag ${flag}`] = true;
  for (const { start, end, kind } of spans) {
    fields[`span ${JSON.stringify({ start, end, kind })}`] = true;
  }
  return fields;
}

// The value of one field; null where it is empty.
export function valueOf(opinion, name) {
  return fieldsOf(opinion, { verdict: name === "verdict" })[name] ?? null;
}

// The opinion with another value of one field; null empties it.
export function withValue(opinion, name, value) {
  const changed = opinionOf(opinion);
  const [kind, detail] = [name.split(" ", 1)[0], name.slice(name.indexOf(" ") + 1)];
  if (kind === "verdict") {
    const { skipped = "", ...scores } = JSON.parse(value ?? "{}");
    Object.assign(changed, { skipped, scores: skipped ? changed.scores : scores });
  } else if (kind === "score") {
    changed.skipped = "";
    delete changed.scores[detail];
    if (value) changed.scores[detail] = value;
  } else if (kind === "comment") {
    changed.comment = value ?? "";
  } else if (kind === "flag") {
    changed.flags = changed.flags.filter((flag) => flag !== detail);
    if (value) changed.flags.push(detail);
  } else {
    const same = ({ start, end, kind: why }) =>
      JSON.stringify({ start, end, kind: why }) === detail;
    changed.spans = changed.spans.filter((span) => !same(span));
    if (value) changed.spans.push(JSON.parse(detail));
  }
  return changed;
}

export function same(one, other) {
  const [first, second] = [one, other].map((opinion) => fieldsOf(opinion, { verdict: true }));
  return differing(first, second).length === 0;
}

function differing(one, other) {
  const names = new Set([...Object.keys(one), ...Object.keys(other)]);
  return [...names].filter((name) => one[name] !== other[name]);
}

export function missing(opinion) {
  return DIMENSIONS.filter((dimension) => !opinion.scores?.[dimension]);
}

export function complete(opinion) {
  return Boolean(opinion.skipped) || missing(opinion).length === 0;
}

// Merges two opinions that were both made upon `base`, field by field. A field that one side
// changed is taken from there; where both changed it, and differently, the result has the value of
// `theirs` and `asked` that of `mine`, for the rater to choose. `lost`: `theirs` does not know the
// base, so that what it has instead is not a change either, and all that differs is asked.
export function merge(base, mine, theirs, { lost = false } = {}) {
  const verdict = [base, mine, theirs].some(({ skipped }) => skipped);
  const [before, own, other] = [base, mine, theirs].map((each) => fieldsOf(each, { verdict }));
  const asked = {};
  let opinion = opinionOf(theirs);
  if (opinion.skipped) opinion.scores = { ...mine.scores }; // they come back if it no longer is
  for (const name of differing(own, other)) {
    const changedHere = own[name] !== before[name];
    if (other[name] !== before[name] && (changedHere || lost)) asked[name] = own[name] ?? null;
    else if (changedHere) opinion = withValue(opinion, name, own[name] ?? null);
  }
  opinion.seconds = Math.max(mine.seconds, theirs.seconds);
  return { opinion, asked };
}

// A server whose rules are those of `storage.ratings.save_in`, for one rater and some answers.

export class Refusal extends Error {
  constructor(status, code, answer) {
    super(code);
    Object.assign(this, { status, code, answer });
  }
}

export class ModelServer {
  log = []; // rows, in their order
  locked = false;

  snapshot() {
    return structuredClone(this.log);
  }

  restore(log) {
    this.log = structuredClone(log);
  }

  rows(item) {
    return this.log.filter((row) => row.item === item);
  }

  answer(item) {
    const rows = this.rows(item);
    const last = rows.at(-1);
    const { scores = null, skipped = "", comment = "", flags = [], spans = [],
      active_seconds: seconds = null, key = null } = last ?? {};
    return structuredClone({ item, keys: rows.map((row) => row.key), key, scores, skipped, comment,
      flags, spans, active_seconds: seconds, saved_at: last ? "2026" : null, feedback: null });
  }

  save(body) {
    const complete = body.skipped ? body.scores === null
      : ["safety", "usability", "fluency"].every((name) => [1, 2, 3].includes(body.scores?.[name]));
    if (!complete) throw new Refusal(422, "score_out_of_range");
    if (this.locked) throw new Refusal(409, "study_locked");
    const known = this.log.find((row) => row.key === body.key);
    if (known) {
      if (said(known) !== said(body)) throw new Refusal(409, "save_key_reused");
    } else {
      if (body.base !== (this.answer(body.item).key ?? "")) {
        throw new Refusal(409, "newer_saved", this.answer(body.item));
      }
      this.log.push(structuredClone(body));
    }
    return { key: body.key, saved_at: "2026", feedback: null, answer: this.answer(body.item) };
  }
}

function said({ item, scores, skipped, comment, flags, spans }) {
  const chosen = scores && [scores.safety, scores.usability, scores.fluency];
  return JSON.stringify([item, chosen, skipped, comment, flags, spans]);
}

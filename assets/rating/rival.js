// An earlier opinion that never reached the server: the rater says what is to become of it.

import { make, root } from "./elements.js";
import { dropRival, rivalOf } from "./keeping.js";
import { sameOpinion } from "./opinion.js";
import { page, text, views } from "./page.js";
import { drawProgress } from "./progress.js";
import { changed } from "./saving.js";
import { inScale } from "./scoring.js";

export function drawRival(answer) {
  const area = root.querySelector(`#rival-${answer.letter}`);
  if (!area) return;
  const rival = rivalOf(answer.item);
  if (rival && sameOpinion(rival, answer)) { // nothing to decide
    dropRival(answer.item, rival);
    drawRival(answer);
    return;
  }
  if (!rival || page.state.locked) { area.replaceChildren(); return; }
  area.replaceChildren(
    make("p", {}, text("rival", { opinion: inWords(rival) })),
    make("button", { type: "button", onclick: () => {
      dropRival(answer.item, rival);
      Object.assign(answer, structuredClone(rival));
      changed(answer);
      views.changed(answer.item);
      const first = `#scale-${answer.letter}-${page.known.dimensions[0]}`;
      inScale(root.querySelector(first)).focus();
    } }, text("rival_use")),
    make("button", { type: "button", class: "quiet", onclick: () => {
      dropRival(answer.item, rival);
      drawRival(answer);
      drawProgress();
    } }, text("rival_drop")));
}

function inWords({ scores, skipped, comment, flags, spans }) {
  const joint = page.language === "zh" ? "、" : ", ";
  const given = page.known.dimensions.filter((dimension) => scores?.[dimension]);
  const parts = skipped ? [text(`skip_${skipped}`)]
    : given.map((dimension) => `${text(dimension)} ${scores[dimension]}`);
  for (const flag of flags) parts.push(text(`flag_${flag}`));
  for (const span of spans) parts.push(`${text("marked")} ${text(`span_${span.kind}`)}`);
  if (comment) parts.push(`${text("comment")} “${comment}”`);
  return parts.join(joint);
}

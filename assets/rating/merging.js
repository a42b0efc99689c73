// What was entered differently in two places: each field with its values, for the rater to choose.

import { askedOf, settle } from "./answers.js";
import { make, root } from "./elements.js";
import { DIMENSIONS, valueOf } from "./opinion.js";
import { page, text } from "./page.js";

export function drawAsked(answer) {
  const area = root.querySelector(`#asked-${answer.letter}`);
  if (!area) return;
  const fields = page.state.locked ? [] : Object.entries(askedOf(answer)).map(([name, others]) =>
    ({ name, offered: [valueOf(answer, name), ...others] }));
  const focused = area.contains(document.activeElement);
  area.replaceChildren(...(fields.length ? [make("p", {}, text("asked"))] : []),
    ...fields.map((field) => drawField(answer, field)),
    ...(fields.length > 1 ? [drawAll(answer, fields)] : []));
  const next = area.querySelector("button") ?? root.querySelector(`#text-${answer.letter}`);
  if (focused) next.focus({ preventScroll: true });
}

// The first value is the one that counts now.
function drawField(answer, { name, offered }) {
  const label = `asked-${answer.letter}-${encodeURIComponent(name)}`;
  const buttons = offered.map((value, number) => make("button", {
    type: "button", class: number ? "choice" : "choice current",
    "aria-pressed": String(!number),
    onclick: () => settle(answer, [{ name, value, offered }]),
  }, valueInWords(name, value)));
  return make("div", { class: "asked-field", role: "group", "aria-labelledby": label },
    make("span", { class: "asked-name", id: label }, fieldInWords(answer, name)),
    make("span", { class: "choices" }, ...buttons));
}

function drawAll(answer, fields) {
  const button = (number, key) => make("button", { type: "button",
    onclick: () => settle(answer, fields.map(({ name, offered }) =>
      ({ name, value: offered[number], offered }))) }, text(key));
  return make("div", { class: "asked-all" }, button(0, "asked_keep"), button(1, "asked_use"));
}

function fieldInWords(answer, name) {
  const [kind, detail] = [name.split(" ", 1)[0], name.slice(name.indexOf(" ") + 1)];
  if (kind === "score") return text(detail);
  if (kind === "verdict") return text("asked_scores");
  if (kind === "comment") return text("comment");
  if (kind === "flag") return `${text("flags")} ${text(`flag_${detail}`)}`;
  const { start, end, kind: why } = JSON.parse(detail);
  const marked = [...answer.text].slice(start, end).join("");
  return `“${marked}” ${text("marked")} ${text(`span_${why}`)}`;
}

function valueInWords(name, value) {
  const [kind] = name.split(" ", 1);
  if (kind === "flag" || kind === "span") return text(value ? "asked_yes" : "asked_no");
  if (value === null) return text("asked_empty");
  if (kind === "comment") return `“${value}”`;
  if (kind === "score") return text(`score_${value}`);
  const { skipped, ...scores } = JSON.parse(value);
  if (skipped) return `${text("skipped_state")} · ${text(`skip_${skipped}`)}`;
  return DIMENSIONS.filter((dimension) => scores[dimension])
    .map((dimension) => `${text(dimension)} ${scores[dimension]}`)
    .join(page.language === "zh" ? "、" : ", ");
}

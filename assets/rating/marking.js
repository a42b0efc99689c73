// An answer's text, and the spans that a rater marks in it, with the pointer or by keys.

import { changed } from "./answers.js";
import { make, root } from "./elements.js";
import { page, text } from "./page.js";
import { hint } from "./progress.js";

const STEPS = new Map([ // no object: that also knows names such as constructor
  ["ArrowLeft", ["backward", "character"]],
  ["ArrowRight", ["forward", "character"]],
  ["ArrowUp", ["backward", "line"]],
  ["ArrowDown", ["forward", "line"]],
]);

export function drawText(answer) {
  const area = make("div", { class: "text", id: `text-${answer.letter}`, tabindex: 0,
    role: "group", "aria-labelledby": `answer-title-${answer.letter}`,
    "aria-description": text("keys_mark"), onkeydown: walk });
  const letters = [...answer.text]; // offsets count characters, not JavaScript's half ones
  const cuts = [...answer.spans].sort((a, b) => a.start - b.start);
  let at = 0;
  for (const span of cuts) {
    if (span.start < at) continue;
    area.append(letters.slice(at, span.start).join(""));
    area.append(make("mark", { class: span.kind, title: text(`span_${span.kind}`) },
      letters.slice(span.start, span.end).join("")));
    at = span.end;
  }
  area.append(letters.slice(at).join(""));
  return area;
}

export function redrawText(answer) {
  const old = root.querySelector(`#text-${answer.letter}`);
  const fresh = drawText(answer);
  if (fresh.innerHTML === old.innerHTML) return; // a cursor in it stays
  const focused = old === document.activeElement;
  const selection = getSelection();
  const selected = selection.rangeCount && selection.getRangeAt(0).intersectsNode(old);
  if (selected) selection.removeAllRanges(); // else it would reach to where the old text began
  old.replaceWith(fresh);
  if (focused) fresh.focus({ preventScroll: true });
}

// Within a text the arrows move a cursor, which is one selected character; with Shift they select.
function walk(event) {
  const step = STEPS.get(event.key);
  const area = event.currentTarget;
  // Who came with the pointer does not mean the text.
  if (!step || event.ctrlKey || event.metaKey || event.altKey || !area.matches(":focus-visible")) {
    return;
  }
  event.preventDefault();
  event.stopPropagation(); // the page's arrows are another thing
  const selection = getSelection();
  const before = selection.rangeCount ? selection.getRangeAt(0).cloneRange() : null;
  move(area, selection, step, event.shiftKey);
  if (before && !(area.contains(selection.anchorNode) && area.contains(selection.focusNode))) {
    selection.removeAllRanges(); // no further than the text goes
    selection.addRange(before);
  }
}

function move(area, selection, step, selects) {
  const [direction, unit] = step;
  if (!area.contains(selection.anchorNode)) {
    selection.collapse(area, 0);
  } else if (selects) {
    selection.modify("extend", direction, unit);
    return;
  } else {
    selection.collapseToStart();
    selection.modify("move", direction, unit);
  }
  selection.modify("extend", "forward", "character");
}

export function markSelection(answer, kind) {
  const area = root.querySelector(`#text-${answer.letter}`);
  const range = selectedIn(area);
  if (!range) return hint(answer, text("nothing_selected"));
  const before = document.createRange();
  before.selectNodeContents(area);
  before.setEnd(range.startContainer, range.startOffset);
  const start = [...before.toString()].length;
  const end = start + [...range.toString()].length;
  const apart = answer.spans.filter((span) => span.end <= start || span.start >= end);
  const limit = page.known.most_spans;
  if (apart.length >= limit) return hint(answer, text("marks_full", { most: limit }));
  answer.spans = [...apart, { start, end, kind }];
  getSelection().removeAllRanges();
  changed(answer);
}

// What is selected of a text: the rest of a selection that reaches beyond it does not count.
function selectedIn(area) {
  const selection = getSelection();
  if (!selection.rangeCount || !selection.getRangeAt(0).intersectsNode(area)) return null;
  const range = selection.getRangeAt(0).cloneRange();
  const whole = document.createRange();
  whole.selectNodeContents(area);
  if (!area.contains(range.startContainer)) range.setStart(whole.startContainer, 0);
  if (!area.contains(range.endContainer)) range.setEnd(whole.endContainer, whole.endOffset);
  return range.toString() ? range : null;
}

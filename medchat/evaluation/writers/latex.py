"""Table 4 of a report as LaTeX, for a paper as it is; the same report gives the same text."""

import re

from medchat.evaluation.formatting import best_models, decimals, interval, mean_of, title
from medchat.evaluation.types import ModelFigures, PublishedFigures, Report
from medchat.evaluation.wording.headings import MEANS, MEANS_WITH_INTERVAL, MODEL, PUBLISHED
from medchat.evaluation.wording.phrases import Count
from medchat.text import on_one_line

_SPECIAL = {
    "\\": r"\textbackslash{}",
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    "<": r"\textless{}",
    ">": r"\textgreater{}",
    **{letter: f"\\{letter}" for letter in "{}$&#_%"},
}
_LIGATURE = re.compile(r"([-`'?!,])(?=[-`',])")


def as_latex(report: Report) -> str:
    """Table 4 for a paper with the package booktabs; the best mean of each column is bold."""
    dimensions = report.scale.dimensions
    head = " & ".join([MODEL.plain, "$n$", *(_escaped(title(name)) for name in dimensions)])
    best = {name: best_models(report, name) for name in dimensions}
    lines = [
        r"% Needs \usepackage{booktabs}; Chinese names also xeCJK or ctex, and XeLaTeX.",
        r"% pdfLaTeX shows | and quotes as written with \usepackage[T1]{fontenc}.",
        r"\begin{table}",
        r"  \centering\small\setlength{\tabcolsep}{4pt}",
        rf"  \caption{{{_escaped(_caption(report))}}}",
        rf"  \begin{{tabular}}{{lr{'c' * len(dimensions)}}}",
        r"    \toprule",
        rf"    {head} \\",
        r"    \midrule",
        *(rf"    {_row(model, best)} \\" for model in report.models),
    ]
    if report.reference:
        width = 2 + len(dimensions)
        heading = rf"\multicolumn{{{width}}}{{l}}{{\emph{{{PUBLISHED.plain}}}}}"
        lines += [r"    \midrule", rf"    {heading} \\"]
        lines += [rf"    {_published_row(row)} \\" for row in report.reference]
    lines += [r"    \bottomrule", r"  \end{tabular}"]
    sourced = [f"{row.model}: {row.source}" for row in report.reference if row.source]
    if sources := "; ".join(map(_escaped, sourced)):
        note = f"{PUBLISHED.plain}: {sources}."
        lines.append(rf"  \par\smallskip\parbox{{\linewidth}}{{\footnotesize {note}}}")
    return "\n".join([*lines, r"\end{table}"]) + "\n"


def _caption(report: Report) -> str:
    heading = MEANS_WITH_INTERVAL if report.settings.bootstrap else MEANS
    raters, questions = Count(report.data.n_raters), Count(report.data.n_questions)
    return f"{heading.plain} ({raters:rater}, {questions:question}). {report.scale.note}"


def _row(model: ModelFigures, best: dict[str, set[str]]) -> str:
    cells = [_escaped(model.model), str(model.n_ratings)]
    for name, figures in model.figures.items():
        mean = mean_of(figures)
        bold = rf"\textbf{{{mean}}}" if model.model in best[name] else mean
        cells.append(f"{bold} {interval(figures)}".rstrip())
    return " & ".join(cells)


def _published_row(row: PublishedFigures) -> str:
    means = (decimals(mean, 2, "--") for mean in row.means.values())
    return " & ".join([_escaped(row.model), "", *means])


def _escaped(text: str) -> str:
    """Shown as it is written: no command, no ligature. Behind a row's end, a text that begins with
    `[` or `*` would be read as an option of that end."""
    escaped = "".join(_SPECIAL.get(letter, letter) for letter in on_one_line(text).strip())
    unjoined = _LIGATURE.sub(r"\1{}", escaped)
    return "{}" + unjoined if unjoined.startswith(("[", "*")) else unjoined

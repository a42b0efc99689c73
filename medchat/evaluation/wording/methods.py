"""The methods paragraph that a paper has of a study, in Chinese and English.

It holds the report's own figures and nothing else; what the data do not tell is said to be missing.
What is said, and when, is decided here; the words lie in ``phrases.toml``.
"""

from collections.abc import Iterator

from medchat.errors import Language
from medchat.evaluation.formatting import decimals, p_value, percent
from medchat.evaluation.statistics.comparisons import PairTest
from medchat.evaluation.types import DataSummary, DimensionAgreement, DimensionTests, Report
from medchat.evaluation.wording.phrases import Phrases
from medchat.study.conduct import Conduct
from medchat.text import on_one_line

ALPHA = 0.05
MAX_NAMED_PAIRS = 6
"""Pairs of models, of each dimension, that the paragraph names."""


def methods_paragraph(report: Report, language: Language) -> str:
    """The paragraph, in Chinese or English."""
    say = Phrases(language)
    return on_one_line(say.join("space", [part for part in _sentences(report, say) if part]))


def _sentences(report: Report, say: Phrases) -> Iterator[str]:
    yield _subjects(report, say)
    yield from _conduct(report, say)
    yield from _intervals(report, say)
    for name, figures in report.agreement.items():
        yield agreement_sentence(name, figures, say)
    yield _consistency(report, say)
    yield _comparison(report, say)
    for name, tests in report.tests.items():
        yield _test(name, tests, len(report.models), say)
    yield _overlap(report, say)
    yield say("version", version=report.version)


# -- who rated what, and how --


def _subjects(report: Report, say: Phrases) -> str:
    *names, last = map(say.dimension, report.scale.dimensions)
    dimensions = last
    if names:
        first = say.join("enumeration_comma", names)
        dimensions = say("dimensions", first=first, last=last, count=len(names) + 1)
    data = report.data
    return say(
        "rated",
        raters=data.n_raters,
        specialties=specialties(data, say),
        responses=data.n_responses,
        models=len(report.models),
        questions=data.n_questions,
        dimensions=dimensions,
        low=report.scale.scores[0],
        high=report.scale.scores[-1],
        ratings=data.n_ratings,
        per_answer=raters_per_answer(data, say),
    )


def specialties(data: DataSummary, say: Phrases) -> str:
    """In brackets, how many raters have which."""
    parts = [
        say("specialty", name=name, count=count) for name, count in data.specialties.items() if name
    ]
    if not parts:
        return say("specialties_unknown")
    if unknown := data.specialties.get(""):
        parts.append(say("specialty_unknown", count=unknown))
    return say("specialties", list=say.join("comma", parts))


def raters_per_answer(data: DataSummary, say: Phrases) -> str:
    size = data.raters_per_answer
    if size.min == size.max:
        return say("raters_per_answer", low=size.min)
    mean = decimals(size.mean, 2)
    return say("raters_per_answer_range", low=size.min, high=size.max, mean=mean)


def _conduct(report: Report, say: Phrases) -> Iterator[str]:
    """What is known of how the study was held."""
    conduct = report.conduct or Conduct()
    yield blinding(conduct, say)
    if conduct.independent:
        yield say("independent") + say("full_stop")
    yield order(conduct, say)
    if conduct.practice_items:
        yield say("practice", items=conduct.practice_items)
    if conduct.repeats:
        yield say("repeats", questions=conduct.repeats)
    yield _disclosure(conduct, say)
    if ratings := report.data.n_adjudicating:
        yield say("adjudicated" if report.conduct else "adjudicated_somehow", ratings=ratings)


def blinding(conduct: Conduct, say: Phrases) -> str:
    if conduct.blind is None:
        return say("blinding_unknown")
    return say("blind" if conduct.blind else "not_blind")


def order(conduct: Conduct, say: Phrases) -> str:
    """Empty where nobody said in which order questions and answers stood."""
    if not conduct.balanced:
        return ""
    seed = "" if conduct.order_seed is None else say("order_seed", seed=conduct.order_seed)
    return say(
        "order", seed=seed, layout=say("one_by_one" if conduct.one_by_one else "all_at_once")
    )


def _disclosure(conduct: Conduct, say: Phrases) -> str:
    """What was done to answers that seemed to tell their model; empty where nothing was."""
    masked, excluded = conduct.answers_masked or 0, conduct.answers_excluded or 0
    kept = conduct.answers_kept or 0
    if not masked + excluded + kept:
        return ""
    kept_too = say("disclosure_kept", kept=kept) if kept else ""
    return say("disclosure", masked=masked, excluded=excluded, kept=kept_too)


# -- figures --


def _intervals(report: Report, say: Phrases) -> Iterator[str]:
    settings = report.settings
    ends = [figures.ci_low for model in report.models for figures in model.figures.values()]
    missing = ends.count(None)
    key = "means_with_some_intervals" if missing else "means_with_intervals"
    whole = settings.resampled == "questions"
    how = {"rounds": settings.bootstrap, "seed": settings.seed}
    if missing == len(ends):
        yield say("means")
    else:
        resampled = say("questions" if whole else "questions_and_raters")
        counts = {"missing": missing, "all": len(ends)} if missing else {}
        yield say(key, resampled=resampled, **how, **counts)
    if all(figures.ci_low is None for figures in report.agreement.values()):
        return
    if missing < len(ends) and whole:
        yield say("alpha_intervals_same")
    else:
        yield say("alpha_intervals", **how)


def agreement_sentence(dimension: str, figures: DimensionAgreement, say: Phrases) -> str:
    name = say.dimension(dimension)
    if figures.krippendorff_alpha is None and figures.gwet_ac2 is None:
        return say("agreement_unknown", dimension=name)
    alpha = say("no_figure")
    if figures.krippendorff_alpha is not None:
        value = decimals(figures.krippendorff_alpha, 3)
        alpha = say("alpha_without_interval", alpha=value)
        if figures.ci_low is not None:
            low, high = decimals(figures.ci_low, 3), decimals(figures.ci_high, 3)
            alpha = say("alpha", alpha=value, low=low, high=high)
    ac2 = say.figure(figures.gwet_ac2)
    return say("agreement", dimension=name, alpha=alpha, ac2=ac2, units=figures.n_units)


def _consistency(report: Report, say: Phrases) -> str:
    """How raters scored answers that came a second time; empty where none did."""
    dimensions = report.consistency.dimensions if report.consistency else {}
    parts = [
        say(
            "consistency_part",
            dimension=say.dimension(name),
            percent=percent(repeats.percent_agreement),
            kappa=decimals(repeats.weighted_kappa, 3, say("no_figure")),
            n=repeats.n,
        )
        for name, repeats in dimensions.items()
        if repeats.percent_agreement is not None
    ]
    return say("consistency", parts=say.join("semicolon", parts)) if parts else ""


def _overlap(report: Report, say: Phrases) -> str:
    if not report.overlap:
        return ""
    rhos = [rho for row in report.overlap.correlation.values() for rho in row.rho.values()]
    correlated = any(rho is not None for rho in rhos)
    return say(
        "overlap",
        answers=sum(row.n for row in report.overlap.models),
        correlated=say("overlap_correlated") if correlated else "",
    )


# -- tests --


def _comparison(report: Report, say: Phrases) -> str:
    """What models were compared by, as far as they were."""
    if len(report.models) < 2:
        return ""
    tests = []
    if any(tests.friedman.p is not None for tests in report.tests.values()):
        tests.append(say("by_friedman"))
    if any(pair.p is not None for of in report.tests.values() for pair in of.pairs):
        tests.append(say("by_wilcoxon_pairs" if len(report.models) > 2 else "by_wilcoxon"))
    if not tests:
        return say("untested")
    averaged = say("averaged") if report.data.raters_per_answer.max > 1 else ""
    return say("compared", averaged=averaged, tests=say.join("and_test", tests))


def _test(dimension: str, tests: DimensionTests, models: int, say: Phrases) -> str:
    friedman, parts = tests.friedman, []
    if None not in (friedman.statistic, friedman.df, friedman.p):
        w = say.figure(friedman.kendalls_w, "kendalls_w")
        statistic = decimals(friedman.statistic, 2)
        parts.append(say("friedman", df=friedman.df, statistic=statistic, p=_p(friedman.p), w=w))
    elif models > 2:
        parts.append(say("no_friedman"))
    pairs = [pair for pair in tests.pairs if pair.p is not None]
    if pairs:
        parts.append(_pair(pairs[0], say) if models == 2 else _pairs(pairs, say))
    if not parts:
        return ""
    left_out = tests.n_left_out
    return say(
        "test",
        dimension=say.dimension(dimension),
        questions=tests.n_complete_questions,
        left_out=say("test_left_out", questions=left_out) if left_out else "",
        parts=say.join("semicolon", parts),
    )


def _pair(pair: PairTest, say: Phrases) -> str:
    difference, effect = decimals(pair.mean_difference, 2), decimals(pair.effect_size, 2)
    return say("pair", a=pair.a, b=pair.b, difference=difference, p=_p(pair.p), effect=effect)


def _pairs(pairs: list[PairTest], say: Phrases) -> str:
    clear = [pair for pair in pairs if pair.p_holm is not None and pair.p_holm < ALPHA]
    listed = [
        say("pair_and_p", a=pair.a, b=pair.b, p=_p(pair.p_holm)) for pair in clear[:MAX_NAMED_PAIRS]
    ]
    if len(clear) > MAX_NAMED_PAIRS:
        listed.append(say("more_pairs", count=len(clear) - MAX_NAMED_PAIRS))
    return say("pairs", pairs=say.join("enumeration_comma", listed) or say("no_pairs"))


def _p(p: float | None) -> str:
    text = p_value(p)
    return f"p {text}" if text.startswith("<") else f"p = {text}"

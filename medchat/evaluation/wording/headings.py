"""What tables, their columns and the pictures of a report are called, once for every writer."""

from typing import Literal, NamedTuple

from medchat.evaluation.formatting import title
from medchat.scale import name_zh

Style = Literal["plain", "zh", "en", "page_zh", "page_en"]
"""Terminal, Markdown and LaTeX; Word in two languages; the page, where columns may be wider."""


class Heading(NamedTuple):
    """``plain`` has ASCII for Greek letters; the page says the same as Word unless it says more."""

    plain: str
    zh: str
    en: str
    page_zh: str = ""
    page_en: str = ""

    def text(self, style: Style) -> str:
        texts = {"plain": self.plain, "zh": self.zh, "en": self.en}
        texts |= {"page_zh": self.page_zh or self.zh, "page_en": self.page_en or self.en}
        return texts[style]


def same(text: str) -> Heading:
    """What is called the same everywhere."""
    return Heading(text, text, text)


def dimension(name: str) -> Heading:
    return Heading(title(name), name_zh(title(name)), title(name))


# -- columns --

MODEL = Heading("Model", "模型", "Model")
RATINGS = Heading("Ratings", "评分数", "Ratings", "n", "n")
QUESTIONS = Heading("Questions", "题数", "Questions")
SOURCE = Heading("Source", "来源", "Source")
DIMENSION = Heading("Dimension", "维度", "Dimension")
UNITS = Heading(
    "Answers", "回答数", "Answers", "有两人以上评分的回答", "Answers with two ratings or more"
)
ALPHA = Heading(
    "alpha", "α（有序）", "α (ordinal)", "Krippendorff α（有序）", "Krippendorff’s α (ordinal)"
)
ALPHA_INTERVAL = Heading(
    "95 % interval", "95% 区间", "95 % interval", "α 的 95% 区间", "95 % interval of α"
)
AC1 = Heading("AC1", "AC1", "AC1", "Gwet AC1", "Gwet’s AC1")
AC2 = Heading("AC2", "AC2", "AC2", "Gwet AC2（有序）", "Gwet’s AC2 (ordinal)")
PERCENT = Heading("Agreement (%)", "一致率（%）", "Agreement (%)", page_en="Per cent agreement")
UNITS_ALL_RATERS = Heading(
    "Answers of all raters", "全部评分者都评过的回答", "Answers of all raters"
)
ICC_SINGLE, ICC_MEAN = same("ICC(2,1)"), same("ICC(2,k)")
RATER_A = Heading("Rater A", "评分者 A", "Rater A")
RATER_B = Heading("Rater B", "评分者 B", "Rater B")
KAPPA = Heading("Quadratic weighted kappa", "二次加权 κ", "Quadratic weighted κ")
ANSWERS = Heading("Answers", "回答数", "Answers", "已评回答")
REPEATED_RATINGS = Heading("Repeated ratings", "重复评分数", "Repeated ratings")
COMPLETE = Heading("Questions", "题数", "Questions", "完整题数", "Complete questions")
LEFT_OUT = Heading("Left out", "未计入", "Left out")
CHI2 = Heading("chi2", "χ²", "χ²")
DF, A, B = (
    same("df"),
    Heading("A", "A", "A", "模型 A", "Model A"),
    Heading("B", "B", "B", "模型 B", "Model B"),
)
KENDALLS_W = Heading("Kendall's W", "Kendall W", "Kendall’s W", page_en="Kendall W")
DIFFERENCE = Heading("A - B", "A - B", "A - B", "A − B", "A − B")
P = same("p")
P_HOLM = Heading("p (Holm)", "p (Holm)", "p (Holm)", "p（Holm）")
P_TIED = Heading("p, equal ranks", "p（同秩）", "p, equal ranks")
P_HOLM_TIED = Heading("p (Holm), equal ranks", "p（Holm，同秩）", "p (Holm), equal ranks")
EFFECT = Heading(
    "Rank-biserial",
    "秩二列相关",
    "Rank-biserial",
    "秩二列相关（效应量）",
    "Rank-biserial correlation",
)
BY = Heading("By", "按", "By")
GROUP = Heading("Group", "组", "Group")
OVERLAP = {"bleu": "BLEU", "rouge_1": "ROUGE-1", "rouge_2": "ROUGE-2", "rouge_l": "ROUGE-L"}

# -- tables, and other parts --

REPORT = Heading("Report", "评分研究报告", "Report of a rating study")
MEANS = Heading("Mean scores", "表 4：平均分", "Table 4: mean scores")
MEANS_WITH_INTERVAL = MEANS._replace(plain="Mean scores [95 % interval]")
PUBLISHED = Heading("As published", "文献报告值", "As published")
SHARES = Heading("Shares of each score", "各分数占比（%）", "Shares of each score (%)")
METHODS = Heading("Methods", "方法", "Methods")
AGREEMENT = Heading("Agreement", "评分者一致性", "Agreement between raters")
RATER_PAIRS = Heading(
    "Agreement of each two raters", "评分者两两之间的一致性", "Agreement of each two raters"
)
CONSISTENCY = Heading(
    "Consistency of raters",
    "评分者自身的一致性（重复题）",
    "Consistency of raters (repeats)",
    page_en="Consistency of each rater (repeats)",
)
TESTS = Heading("Friedman's test", "模型之间的检验", "Tests between models")
PAIRS = Heading("Pairs of models (Wilcoxon)", "两两比较（Wilcoxon）", "Pairs of models (Wilcoxon)")
OVERLAPS = Heading(
    "Overlap with references",
    "与参考答案的重合度",
    "Overlap with references",
    "与参考答案的重合度（BLEU、ROUGE）",
    "Overlap with references (BLEU, ROUGE)",
)
CORRELATIONS = Heading(
    "Spearman's rho with the mean score",
    "与平均评分的秩相关（Spearman ρ）",
    "Rank correlation with the mean score (Spearman)",
)
SENSITIVITY = Heading("Sensitivity", "敏感性分析", "Sensitivity")
NOTES = Heading("Notes", "说明", "Notes")
FIGURES = {
    "shares": Heading(
        "Shares of each score",
        "各分数占比（图）",
        "Picture: shares of each score",
        "各分数占比",
        "Shares of each score",
    ),
    "means": Heading(
        "Means with 95 % intervals",
        "平均分与 95% 区间（图）",
        "Picture: means with 95 % intervals",
        "平均分与 95% 区间",
        "Means with 95 % intervals",
    ),
    "raters": Heading(
        "Weighted kappa between raters",
        "评分者两两之间的加权 κ（图）",
        "Picture: weighted κ between raters",
        "评分者两两之间的加权 κ",
        "Weighted κ between raters",
    ),
    "progress": Heading("Progress", "评分进度（图）", "Picture: progress", "评分进度", "Progress"),
}
CUT = Heading(
    "The first {rows} of {all} rows.",
    "共 {all} 行，此处列出前 {rows} 行；全部见 report.json 和 Excel 文件。",
    "The first {rows} of {all} rows; report.json and the Excel file have all.",
)
"""Below a table of which only the first rows are there."""

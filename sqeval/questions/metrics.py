"""The register of question metrics: one entry feeds `sqeval questions explain`, the docs, the report and validation."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

Direction = Literal["up", "down", "none"]
Level = Literal["question", "image", "corpus"]


@dataclass(frozen=True, slots=True)
class QuestionMetric:
    """What a number means, where it comes from, and how it has to react."""

    id: str
    group: str
    tier: int
    """Lowest tier at which it is computed: 0 text, 1 captions and labels, 2 an image-text model, 3 answerers."""
    level: Level
    low: float
    high: float | None
    """Range; None: unbounded."""
    direction: Direction
    formula: str
    citation: str
    needs: str = "questions"
    pitfalls: str = ""
    expected: Mapping[str, int] = field(default_factory=dict)
    """Sign of the change under a corruption at full dose; corruptions that are not named must change nothing that
    anybody relies on."""


GROUPS = {
    "wf": "W: well-formedness",
    "dv": "D: diversity at fixed size",
    "gr": "G: relevance and grounding",
    "an": "A: answerability and need of the image",
    "rf": "R: reference overlap",
    "uq": "headline",
}

_ALL = (
    QuestionMetric(
        "wf.valid", "wf", 0, "question", 0, 1, "up",
        "share with none of: empty, no letters, a leaked role marker, mojibake, cut off at the token limit, more than"
        " 64 tokens, any 3-gram three times", "ours",
    ),
    QuestionMetric(
        "wf.asks", "wf", 0, "question", 0, 1, "up",
        "share that asks or demands something: interrogative, imperative or multiple choice", "ours",
        pitfalls="A bare phrase (LLaVA's region prompts) is no question, whatever it was trained to be.",
    ),
    QuestionMetric(
        "wf.fluent", "wf", 0, "question", 0, 1, "up",
        "share whose SLOR reaches the 5th percentile of held-out human questions; imperatives are not judged",
        "calibration ours; SLOR: Kann et al. 2018", pitfalls="Blind to the image, and no measure of answerability.",
        expected={"word_shuffle": -1, "drop_function": -1, "stutter": -1, "trivia": -1},
    ),
    QuestionMetric(
        "wf.slor", "wf", 0, "question", float("-inf"), None, "up",
        "(ln p_KN3(q) - ln p_1(q)) / (tokens + 1), interpolated Kneser-Ney trigram on reference questions",
        "Kann et al. 2018, arXiv 1809.08731",
        expected={"word_shuffle": -1, "swap_pair": -1, "drop_function": -1, "stutter": -1, "trivia": -1},
    ),
    QuestionMetric(
        "wf.complete", "wf", 0, "question", 0, 1, "up",
        "share with a content word and an end that can be one", "ours; rho .37 with human answerability (n = 900)",
        expected={"truncate": -1, "word_shuffle": -1},
    ),
    QuestionMetric(
        "wf.rep", "wf", 0, "question", 0, 1, "down", "1 - distinct 4-grams / 4-grams within the question", "ours",
    ),
    QuestionMetric("wf.len", "wf", 0, "question", 0, None, "none", "tokens of the question (median)", "ours"),
    QuestionMetric(
        "dv.distinct_k", "dv", 0, "image", 1, None, "up",
        "classes among an image's questions; the same class if the cosine of content words reaches .80", "ours",
        expected={"duplicate": -1, "template": -1, "generic": -1},
    ),
    QuestionMetric(
        "dv.dup", "dv", 0, "corpus", 0, 1, "down", "share of questions that repeat an earlier one about their image",
        "ours", expected={"duplicate": 1},
    ),
    QuestionMetric(
        "dv.rd_1", "dv", 0, "corpus", 0, 1, "up", "expected distinct share among 250 drawn 1-grams", "Hurlbert 1971",
        expected={"generic": -1, "duplicate": -1, "template": -1},
    ),
    QuestionMetric(
        "dv.rd_2", "dv", 0, "corpus", 0, 1, "up",
        "RD_2@200 = (1/200) sum_g [1 - C(N - N_g, 200) / C(N, 200)] over the distinct 2-grams g", "Hurlbert 1971",
        pitfalls="Word salad raises it: only questions that pass the well-formedness gates count.",
        expected={"generic": -1, "duplicate": -1, "template": -1},
    ),
    QuestionMetric(
        "dv.self_bleu", "dv", 0, "corpus", 0, 1, "down", "mean BLEU-4 of a question against 49 others, 200 draws",
        "Zhu et al. 2018, at a fixed size", expected={"generic": 1, "duplicate": 1, "template": 1},
    ),
    QuestionMetric(
        "dv.vendi", "dv", 0, "corpus", 1, 50, "up",
        "exp of the entropy of the eigenvalues of K/50, K the TF-IDF cosines of 50 drawn questions, 20 draws",
        "Friedman & Dieng 2022, at a fixed size", expected={"generic": -1, "duplicate": -1, "template": -1},
    ),
    QuestionMetric(
        "dv.self_cider", "dv", 0, "image", 0, 1, "up", "-log_n(sqrt(l_1) / sum sqrt(l_i)), l the eigenvalues of the"
        " 1-4-gram TF-IDF cosines of an image's n questions", "Wang & Chan 2019", expected={"duplicate": -1},
    ),
    QuestionMetric(
        "dv.compression", "dv", 0, "corpus", 1, None, "down", "bytes over gzipped bytes of 20 kB of questions",
        "Shaib et al. 2024", expected={"generic": 1, "duplicate": 1},
    ),
    QuestionMetric(
        "dv.type_neff", "dv", 0, "corpus", 1, None, "up",
        "exp of the Miller-Madow entropy of rule-based question types", "Miller 1955",
        expected={"generic": -1, "template": -1},
    ),
    QuestionMetric(
        "dv.prefix_neff", "dv", 0, "corpus", 1, None, "up", "the same over VQA's 65 opening phrases", "Miller 1955",
        expected={"generic": -1, "template": -1},
    ),
    QuestionMetric(
        "dv.open_neff", "dv", 0, "corpus", 1, None, "up", "the same over the first three tokens", "Miller 1955",
        expected={"generic": -1, "template": -1},
    ),
    QuestionMetric(
        "dv.topics", "dv", 0, "corpus", 0, 1, "up",
        "effective number of k-means topics of the pool of runs and references, over 50; mean of four seeds", "ours",
        needs="200 questions in the pool",
    ),
    QuestionMetric(
        "dv.generic", "dv", 0, "corpus", 0, 1, "down",
        "share of questions asked about at least 1 % (and 3) of the images",
        "after Krishna et al. 2019", expected={"generic": 1},
    ),
    QuestionMetric(
        "dv.novel", "dv", 0, "corpus", 0, 1, "none", "share of questions that no training question repeats",
        "inventiveness: Jain et al. 2017", needs="--training-questions",
    ),
    QuestionMetric(
        "dv.object_coverage", "dv", 1, "image", 0, 1, "up",
        "share of an image's annotated objects that some question names",
        "ours", needs="object labels", expected={"shuffle_images": -1, "generic": -1, "trivia": -1},
    ),
    QuestionMetric(
        "gr.rauc", "gr", 1, "question", 0, 1, "up",
        "share of the other images that the question fits less well than its own, ties half; chance is .5", "ours",
        needs="captions or labels of 30 images", pitfalls="Blind to word order; with captions a question about what no"
        " caption mentions stays at .5.",
        expected={"shuffle_images": -1, "hard_shuffle": -1, "generic": -1, "trivia": -1, "object_swap": -1},
    ),
    QuestionMetric(
        "gr.relevant", "gr", 1, "question", 0, 1, "up",
        "share with rAUC at or above the threshold that 5 % of questions on shuffled images reach", "ours",
        needs="captions or labels of 30 images", expected={"shuffle_images": -1, "generic": -1, "trivia": -1},
    ),
    QuestionMetric(
        "gr.margin", "gr", 1, "question", float("-inf"), None, "up",
        "similarity to the own image less the mean over the others", "ours", needs="captions or labels of 30 images",
    ),
    QuestionMetric(
        "gr.premise_fpr", "gr", 1, "question", 0, 1, "down",
        "presupposed objects that are not in the image / presupposed objects",
        "CHAIR (Rohrbach et al. 2018) for what a question takes for granted", needs="object labels",
        pitfalls="Covers the objects that are annotated; attributes and relations go unchecked.",
        expected={"shuffle_images": 1, "object_swap": 1},
    ),
    QuestionMetric(
        "gr.nonvisual", "gr", 1, "question", 0, 1, "down",
        "share that fits no image more than another (|rAUC - .5| < .02)",
        "after Ray et al. 2016", needs="captions or labels of 30 images", expected={"generic": 1, "trivia": 1},
    ),
    QuestionMetric(
        "gr.preface_overlap", "gr", 0, "question", 0, 1, "none",
        "share of the question's content words that its own preface caption holds", "ours", needs="a preface",
    ),
    QuestionMetric(
        "an.answerable", "an", 3, "question", 0, 1, "up", "share of the panel's answers with the image that are no"
        " abstentions", "ours", needs="answers (sqeval questions answer)", expected={"shuffle_images": -1},
    ),
    QuestionMetric(
        "an.consistent", "an", 3, "question", 0, 1, "up", "A_img: share of pairs of answers with the image that agree",
        "ours", needs="two answers a question and answerer",
    ),
    QuestionMetric(
        "an.visual", "an", 3, "question", -1, 1, "up",
        "VD = (A_img + A_blind - 2 A_cross) / 2, an unbiased half squared MMD with the match kernel: 0 on average if"
        " the image changes nothing", "Gretton et al. 2012", needs="answers with the image and without",
        pitfalls="For yes/no questions it cannot exceed what guessing leaves.",
        expected={"blind_answerable": -1, "trivia": -1},
    ),
    QuestionMetric(
        "an.gig", "an", 3, "question", -1, 1, "up",
        "Gini information gain: mean A within images less mean A between images", "ours",
        needs="answers with the image and with other images", expected={"blind_answerable": -1, "trivia": -1},
    ),
    QuestionMetric(
        "an.roundtrip", "an", 3, "question", 0, 1, "up", "share of the panel's answers that match the asker's own",
        "Alberti et al. 2019", needs="answers by the asker and by a panel",
    ),
    QuestionMetric(
        "an.kda", "an", 3, "question", 0, 1, "up",
        "share of answerers that give the panel's answer with the image and another one without",
        "after Moon et al. 2022, KDA", needs="answers with the image and without",
        expected={"blind_answerable": -1, "trivia": -1},
    ),
    QuestionMetric(
        "an.difficulty", "an", 3, "question", 0, 1, "none",
        "share of answers with the image that are not the panel's most frequent one", "ours",
        needs="two answers a question", pitfalls="A hard question and one without an answer look alike.",
    ),
    QuestionMetric(
        "rf.bleu_4", "rf", 0, "question", 0, 1, "none", "BLEU-4 of a question against all references of its image",
        "Papineni et al. 2002", needs="--refs",
        pitfalls="Correlates with answerability at -.13: likeness is no quality.",
    ),
    QuestionMetric(
        "rf.rouge_l", "rf", 0, "question", 0, 1, "none", "ROUGE-L with the closest reference (precision-like)",
        "Lin 2004", needs="--refs",
    ),
    QuestionMetric(
        "rf.cider", "rf", 0, "question", 0, 10, "none", "CIDEr-D against all references of its image",
        "Vedantam et al. 2015", needs="--refs of two images or more",
    ),
    QuestionMetric(
        "rf.recall", "rf", 0, "image", 0, 1, "none",
        "mean over references of ROUGE-L with the closest of the questions",
        "oracle: Jain et al. 2017", needs="--refs", pitfalls="Grows with the number of questions.",
    ),
    QuestionMetric(
        "uq.usable", "uq", 0, "question", 0, 1, "up", "share that passes every gate of the tier", "ours",
    ),
    QuestionMetric(
        "uq.at_k", "uq", 0, "image", 0, None, "up",
        "UQ@k = mean over images of sum over classes of 1 - C(n - u, k) / C(n, k), u usable members of a class", "ours",
    ),
    QuestionMetric(
        "uq.patient", "uq", 0, "image", 0, 1, "up",
        "value of the questions read in order with patience .8, over the best possible", "NoveltyBench 2025",
    ),
)  # fmt: skip

METRICS: Mapping[str, QuestionMetric] = {metric.id: metric for metric in _ALL}

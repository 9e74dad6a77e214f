"""Kinds of questions: a rule-based type with its level, and VQA's 65 opening phrases."""

from __future__ import annotations

import re
from functools import lru_cache

from sqeval.questions.normalise import Act, Normal

_RULES: tuple[tuple[str, str, str], ...] = (
    ("region_grounding", "format",
     r"bounding box|coordinate|region this sentence|short description for this region|provide the .*box"),
    ("multiple_choice", "format",
     r"(?:^|\n)\s*\(?[A-D][\.\):]\s+\S.*\n\s*\(?[B-D][\.\):]|answer with the option"),
    ("describe", "generic",
     r"^(?:please\s+)?(?:describe|analy[sz]e|explain|elaborate|summari[sz]e|write|give|provide|offer|narrate|"
     r"characterize)\b(?!.*\bwhy\b)|^(?:can|could|would) you (?:please )?(?:describe|elaborate|explain|analy[sz]e|"
     r"point out)|^what(?: is|'s) (?:happening|going on|shown|depicted|this (?:photo|picture|image) about|the main "
     r"focus|in th(?:e|is) (?:image|picture|photo|scene)\b)|^what do you (?:see|think is)|what are the key elements|"
     r"what('s| is) the (?:scene|main)"),
    ("hypothetical_predict", "reasoning",
     r"\b(?:might|could|would|may|likely|possibl[ey]|potential(?:ly)?|suggest|infer(?:red|ence)?|predict|"
     r"impl(?:y|ies)|assum(?:e|ption)s?|next(?! to)|purpose|connection|what if|speculate|probably|expect)\b|"
     r"happened prior"),
    ("why_purpose", "reasoning",
     r"^why\b|\bwhat (?:is|are|was) the (?:reason|purpose|cause|significance|benefit|advantage|challenge|implication)"
     r"s?\b|\bwhat .*\bfor\?$|\bin what way|\bhow (?:does|do|can|should) .*(?:affect|contribute|impact|help|ensure|"
     r"benefit|influence|improve|maintain|create|manage|prevent|be)\b|\bshould\b|\bbenefits?\b|\bchallenges?\b|"
     r"\bprecautions?\b|\bimportance\b|\bfactors?\b|\bstrateg"),
    ("count", "perception", r"\bhow many\b|\bnumber of\b|\bcount\b"),
    ("text_ocr", "perception",
     r"\bwritten\b|\bsay\b|\bsays\b|\bwhat (?:number|letter|word|brand|time|year|date|license)\b|\btext\b|\btitle\b|"
     r"\bread\b|\bspell|\blogo\b|\bname on\b|\bauthor\b"),
    ("color", "perception", r"\bcolou?rs?\b"),
    ("existence", "perception", r"^(?:is|are|was|were) there\b|^(?:do|does|can) you see\b|^(?:is|are) any\b"),
    ("location", "perception",
     r"^where\b|\bwhich side\b|\bposition(?:ed)?\b|\blocated\b|\b(?:left|right|behind|in front of|next to|above|below)"
     r" (?:of )?.*\?$"),
    ("action", "perception",
     r"\bwhat (?:is|are|was|were) .*\b(?:doing|holding|wearing|riding|eating|playing|looking at|carrying|watching|"
     r"standing|sitting)\b"),
    ("identity_kind", "perception",
     r"\bwhat (?:kind|type|sort|animal|sport|room|game|breed|species|style|shape|material|pattern|object|food|fruit|"
     r"vegetable|vehicle)\b|^what (?:is|are)\b|^what'?s\b|^who\b|^whose\b|^which\b|^what\b"),
    ("verify_yesno", "perception",
     r"^(?:is|are|was|were|do|does|did|has|have|had|can|could|will|would|should|isn't|aren't|am)\b"),
    ("how_other", "perception", r"^how\b"),
    ("when_time", "perception", r"^when\b"),
)  # fmt: skip
_COMPILED = tuple((kind, level, re.compile(pattern, re.IGNORECASE)) for kind, level, pattern in _RULES)
TYPES = (*(kind for kind, _, _ in _RULES), "statement", "other")

NO_PREFIX = "none of the above"
PREFIXES = tuple(
    """how many|is the|what|what color is the|what is the|is this|is this a|what is|are the|what kind of|is there a|
    what type of|is it|what are the|where is the|is there|does the|what color are the|are these|are there|which|is|
    what is the man|is the man|are|how|does this|what is on the|what does the|how many people are|what is in the|
    what is this|do|what are|are they|what time|what sport is|are there any|is he|what color is|why|where are the|
    what color|who is|what animal is|is the woman|is this an|do you|how many people are in|what room is|has|
    is this person|what is the woman|can you|why is the|is the person|what is the color of the|what is the person|
    could|was|is that a|what number is|what is the name|what brand""".replace("\n", "")
    .replace("|    ", "|")
    .split("|")
)
"""Question types of the VQA dataset; the 65th is `NO_PREFIX`."""
_BY_LENGTH = sorted(PREFIXES, key=len, reverse=True)


@lru_cache(maxsize=65_536)
def classify(text: str) -> tuple[str, str]:
    """(type, level) of a question; the first rule that matches."""
    text = text.strip()
    for kind, level, pattern in _COMPILED:
        if pattern.search(text):
            return kind, level
    return ("other" if text.endswith("?") else "statement"), "other"


def kind_of(question: Normal) -> tuple[str, str]:
    """(type, level) of a normalised question, whose options are known."""
    return ("multiple_choice", "format") if question.act is Act.CHOICE else classify(question.bare)


@lru_cache(maxsize=65_536)
def vqa_prefix(text: str) -> str:
    """The longest of VQA's phrases that the question begins with, at a word's end."""
    words = " ".join(text.lower().replace("?", " ").split()) + " "
    return next((prefix for prefix in _BY_LENGTH if words.startswith(prefix + " ")), NO_PREFIX)

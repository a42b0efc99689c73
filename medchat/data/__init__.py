"""The knowledge base and the training text made from it; knows nothing of models."""

from medchat.data.knowledge import Entry, load_knowledge
from medchat.data.wordings import Pair, Templates, load_templates, question_answer_pairs

__all__ = [
    "Entry",
    "Pair",
    "Templates",
    "load_knowledge",
    "load_templates",
    "question_answer_pairs",
]

"""The knowledge base and the training text made from it; knows nothing of models."""

from medchat.knowledge.base import Entry, load_knowledge
from medchat.knowledge.dataset import Pair, Templates, load_templates, question_answer_pairs

__all__ = [
    "Entry",
    "Pair",
    "Templates",
    "load_knowledge",
    "load_templates",
    "question_answer_pairs",
]

"""Tuning and pre-training of models. Knows nothing of pages or databases."""

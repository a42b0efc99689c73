"""Figures computed from the answers' texts: overlap with references, facts."""

"""The study tab: one step per module."""

"""The chat tab: side-by-side answers."""

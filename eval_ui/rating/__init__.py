"""The rating page and its HTTP routes."""

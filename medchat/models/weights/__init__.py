"""Weight files: what lies in them, read safely into tensors."""

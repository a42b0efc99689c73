"""What a rating study needs besides its scores: disclosure, workload, how it was conducted."""

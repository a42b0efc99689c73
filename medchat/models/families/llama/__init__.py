"""LLaMA of 2023, and what was tuned on it: HuaTuo, Alpaca, Chinese-Alpaca."""

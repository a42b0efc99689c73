"""The sizes of ChatGLM-6B, for what a config.json leaves out. Needs no torch."""

SIZES = {"num_layers": 28, "hidden_size": 4096, "num_attention_heads": 32}

"""Any causal language model that transformers knows and whose tokenizer brings a chat template."""

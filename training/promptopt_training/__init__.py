"""Makes adapters for promptopt: data, base, LoRA, evaluation."""

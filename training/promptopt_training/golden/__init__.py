"""The golden rules: a knowledge base and the composer that turns it into structured prompts."""

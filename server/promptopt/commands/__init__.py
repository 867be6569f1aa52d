"""The commands beside `promptopt optimize`, each its parser and what it does."""

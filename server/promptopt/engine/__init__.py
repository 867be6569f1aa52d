"""Runs the network. Heavy imports happen only inside the loader of the engine that needs them."""

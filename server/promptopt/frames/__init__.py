"""The frame of a selection: what it means, without the leaders, quotes and escapes around it, and how a rewrite goes back into it."""

from promptopt.frames.frame import Frame, frame_of, widened

__all__ = ["Frame", "frame_of", "widened"]

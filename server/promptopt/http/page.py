"""The page at `/`: one file that fetches nothing from elsewhere, and the headers under which no other code runs in it."""

import hashlib
import re
from base64 import b64encode
from collections.abc import Mapping
from importlib.resources import files


def page() -> tuple[str, Mapping[str, str]]:
    """The page and its headers."""
    text = (files("promptopt.http") / "page.html").read_text(encoding="utf-8")
    policy = {
        "default-src": "'none'",
        "script-src": _hashed(text, "script"),
        "style-src": _hashed(text, "style"),
        "img-src": "data:",
        "connect-src": "'self'",
        "base-uri": "'none'",
        "form-action": "'none'",
        "frame-ancestors": "'none'",
    }
    return text, {
        "Content-Security-Policy": "; ".join(f"{name} {value}" for name, value in policy.items()),
        "X-Content-Type-Options": "nosniff",
        "Referrer-Policy": "no-referrer",
        "Cache-Control": "no-cache",
    }


def _hashed(text: str, tag: str) -> str:
    """The hashes of all elements of this kind, as a policy names what it allows."""
    found = re.findall(f"<{tag}>(.*?)</{tag}>", text, re.DOTALL)
    return " ".join(f"'sha256-{b64encode(hashlib.sha256(content.encode()).digest()).decode()}'" for content in found)

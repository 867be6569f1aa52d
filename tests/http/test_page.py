"""The page at `/`: what it is served with, and what stands in it."""

import base64
import hashlib
import re
import tomllib
from html.parser import HTMLParser
from pathlib import Path

import pytest
from serving import serving

from promptopt.http.page import page

ROOT = Path(__file__).parents[2]
TEXT, HEADERS = page()


class Elements(HTMLParser):
    """All start tags with their attributes."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[tuple[str, dict[str, str | None]]] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.append((tag, dict(attrs)))


def elements(*tags: str) -> list[tuple[str, dict[str, str | None]]]:
    parser = Elements()
    parser.feed(TEXT)
    return [(tag, attributes) for tag, attributes in parser.found if not tags or tag in tags]


def sha256(tag: str) -> str:
    (content,) = re.findall(rf"<{tag}>(.*?)</{tag}>", TEXT, re.DOTALL)
    return "sha256-" + base64.b64encode(hashlib.sha256(content.encode()).digest()).decode()


async def test_it_is_served_under_a_policy_that_lets_nothing_else_run() -> None:
    async with serving() as client:
        answer = await client.get("/")
    assert (answer.status_code, answer.text) == (200, TEXT)
    assert answer.headers["content-type"] == "text/html; charset=utf-8"
    assert answer.headers["content-security-policy"] == (
        f"default-src 'none'; script-src '{sha256('script')}'; style-src '{sha256('style')}'; img-src data:; connect-src 'self'; "
        "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    )
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert answer.headers["referrer-policy"] == "no-referrer"
    assert answer.headers["cache-control"] == "no-cache"


async def test_the_page_is_open_where_the_api_wants_a_token() -> None:
    async with serving(token="secret") as client:
        shown, refused = await client.get("/"), await client.post("/optimize/stream", json={"prompt": "a"})
    assert (shown.status_code, refused.status_code) == (200, 401)


async def test_the_page_is_for_this_host_only_and_not_in_the_description() -> None:
    async with serving() as client:
        strange = await client.get("/", headers={"Host": "evil.example"})
        described = (await client.get("/openapi.json")).json()["paths"]
    assert strange.status_code == 421
    assert "/" not in described


async def test_what_the_page_posts_is_let_in() -> None:
    async with serving() as client:
        answer = await client.post("/optimize/stream", json={"prompt": "a"}, headers={"Origin": "http://127.0.0.1:8000"})
    assert answer.status_code == 200


def test_it_fetches_nothing() -> None:
    assert not re.search(r"https?:|//[a-z]|@import|url\(", TEXT)
    assert [(tag, found["src"]) for tag, found in elements() if "src" in found] == []
    assert [found["href"] for _, found in elements() if "href" in found] == ["data:,"]
    assert re.findall(r"fetch\((.*?),", TEXT) == ['"optimize/stream"']


def test_nothing_in_it_needs_what_the_policy_forbids() -> None:
    """Neither handlers and styles in attributes nor text that is run."""
    assert not [name for _, found in elements() for name in found if name.startswith("on") or name == "style"]
    assert not re.search(r"\beval\b|new Function|innerHTML|outerHTML|insertAdjacentHTML|document\.write", TEXT)
    assert len(elements("script")) == len(elements("style")) == 1


def test_every_field_has_its_label_and_every_button_its_kind() -> None:
    labelled = {found["for"] for _, found in elements("label")}
    fields = [found["id"] for _, found in elements("textarea", "input")]
    assert fields == ["prompt", "token"]
    assert labelled == set(fields)
    assert [(found["id"], found["type"]) for _, found in elements("button")] == [
        ("start", "submit"),
        ("stop", "button"),
        ("copy", "button"),
    ]


def test_keys_reach_everything_and_changes_are_told() -> None:
    everything = {found["id"]: found for _, found in elements() if "id" in found}
    assert everything["rewrite"]["tabindex"] == "0"
    assert everything["status"]["role"] == "status"
    assert not [found for found in everything.values() if found.get("tabindex") == "-1"]
    assert {key for key in ("Escape", "Enter") if f'event.key === "{key}"' in TEXT} == {"Escape", "Enter"}


def test_the_script_uses_only_ids_that_there_are() -> None:
    listed = re.search(r"\[(\"form\".+?)\]", TEXT)
    assert listed
    assert set(re.findall(r'"(\w+)"', listed.group(1))) <= {found["id"] for _, found in elements() if "id" in found}


@pytest.mark.parametrize("pattern", ["http/*.html"])
def test_the_file_is_packaged(pattern: str) -> None:
    packaged = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["tool"]["setuptools"]["package-data"]["promptopt"]
    assert pattern in packaged
    assert [path.name for path in (ROOT / "server/promptopt").glob(pattern)] == ["page.html"]

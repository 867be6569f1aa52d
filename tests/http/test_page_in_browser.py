"""The page at `/` in Chromium, with the keyboard alone, on a server that is a process of its own."""

import re
import shutil
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import Any

import httpx2
import pytest
from fakes import fake_rewrite
from serve_process import FAKE, started

api = pytest.importorskip("playwright.sync_api", reason='playwright is not installed (pip install -e ".[browser]")')
CHROMIUM = shutil.which("chromium")
pytestmark = [
    pytest.mark.browser,
    pytest.mark.skipif(CHROMIUM is None, reason="Chromium is not installed (Debian: apt-get install chromium)"),
]

PROMPT = "create function"
GROWING = "0.1"
"Seconds for each piece of a rewrite that is seen to grow."
LONG = "1"
"Seconds for each piece of a rewrite that is stopped, or left, before its end."
PATIENCE_MS = 30_000
DONE = re.compile(r"Done in \d+\.\d s\. Confidence 0\.\d\d\.")
RECORD = """() => {
  const rewrite = document.getElementById("rewrite");
  window.shown = [];
  new MutationObserver(() => window.shown.push(rewrite.textContent)).observe(rewrite, { childList: true });
}"""


class Visit:
    """A page that is open, what it asked for, and what the console has."""

    def __init__(self, page: Any, address: str) -> None:
        self.page, self.keys, self.address = page, page.keyboard, address
        self.requests: list[tuple[str, str]] = []
        self.console: list[str] = []
        page.on("request", lambda request: self.requests.append((request.method, request.url)))
        page.on("console", lambda message: self.console.append(message.text))
        page.on("pageerror", lambda error: self.console.append(str(error)))
        page.set_default_timeout(PATIENCE_MS)
        page.goto(address)
        api.expect(page.locator("#prompt")).to_be_focused(timeout=PATIENCE_MS)

    def has(self, name: str, text: str | re.Pattern[str]) -> None:
        """Waits until the element has exactly this text, white space aside."""
        api.expect(self.page.locator(f"#{name}")).to_have_text(text, timeout=PATIENCE_MS)

    def text(self, name: str) -> str:
        return str(self.page.locator(f"#{name}").text_content())

    def focused(self) -> str:
        return str(self.page.evaluate("document.activeElement.id"))

    def tab_to(self, name: str) -> None:
        """Presses Tab until the element has the focus, as often as there are elements at most."""
        for _ in range(7):
            if self.focused() == name:
                return
            self.keys.press("Tab")
        raise AssertionError(f"Tab does not reach {name}")

    def paste(self, text: str) -> None:
        self.page.evaluate("text => navigator.clipboard.writeText(text)", text)
        self.keys.press("Control+V")

    def asked(self) -> int:
        """How many rewrites were asked for; fails for a request to anywhere else."""
        assert self.requests[0] == ("GET", f"{self.address}/")
        others = [request for request in self.requests[1:] if request != ("GET", "data:,")]
        assert set(others) <= {("POST", f"{self.address}/optimize/stream")}
        return len(others)


Open = Callable[..., Visit]


@pytest.fixture(scope="module")
def chromium() -> Iterator[Any]:
    with api.sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox", "--disable-gpu"])
        yield browser
        browser.close()


@pytest.fixture
def visit(chromium: Any) -> Iterator[Open]:
    """Opens the page of a server with these variables in its environment."""
    with ExitStack() as kept:

        def opened(*permissions: str, **environment: str) -> Visit:
            _, address = kept.enter_context(started(FAKE, **environment))
            context = chromium.new_context(permissions=permissions)
            kept.callback(context.close)
            return Visit(context.new_page(), address)

        yield opened


def stopped(address: str) -> bool:
    """Whether the server has noticed that one stream was left."""
    gone = 'promptopt_requests_total{path="/optimize/stream",status="499"} 1.0'
    return gone in httpx2.get(f"{address}/metrics", timeout=60).text.splitlines()


def test_a_prompt_is_typed_sent_seen_to_grow_compared_and_copied(visit: Open) -> None:
    seen = visit("clipboard-read", "clipboard-write", PROMPTOPT_FAKE_DELAY=GROWING)
    assert seen.focused() == "prompt"
    seen.page.evaluate(RECORD)
    seen.keys.type(PROMPT)
    seen.keys.press("Tab")
    assert seen.focused() == "start"
    seen.keys.press("Enter")
    seen.has("status", DONE)
    shown = [text for text in seen.page.evaluate("window.shown") if text]
    whole = fake_rewrite(PROMPT)
    assert shown[-1] == seen.text("rewrite") == whole
    assert len(set(shown)) >= 5
    assert [text for text in shown if not whole.startswith(text)] == []
    assert shown == sorted(shown, key=len)
    assert seen.page.locator("#rewrite mark").all_text_contents() == [PROMPT]
    seen.tab_to("copy")
    seen.keys.press("Enter")
    seen.has("status", "Copied.")
    assert seen.page.evaluate("navigator.clipboard.readText()") == whole
    assert (seen.asked(), seen.console) == (1, [])


def test_tab_goes_through_what_can_be_used_and_back(visit: Open) -> None:
    seen = visit()
    order = [seen.focused()]
    for _ in range(2):
        seen.keys.press("Tab")
        order.append(seen.focused())
    assert order == ["prompt", "start", "rewrite"]
    seen.keys.press("Shift+Tab")
    assert seen.focused() == "start"
    seen.keys.press("Shift+Tab")
    seen.keys.type(PROMPT)
    seen.keys.press("Control+Enter")
    seen.has("status", DONE)
    order = [seen.focused()]
    for _ in range(3):
        seen.keys.press("Tab")
        order.append(seen.focused())
    assert order == ["prompt", "start", "rewrite", "copy"]


def test_who_reads_while_it_is_written_keeps_the_focus(visit: Open) -> None:
    seen = visit(PROMPTOPT_FAKE_DELAY=GROWING)
    seen.keys.type(PROMPT)
    seen.keys.press("Control+Enter")
    seen.has("status", "Rewriting…")
    seen.tab_to("rewrite")
    seen.has("status", DONE)
    assert seen.focused() == "rewrite"


def test_what_is_pressed_meanwhile_asks_no_second_time(visit: Open) -> None:
    seen = visit(PROMPTOPT_FAKE_DELAY=GROWING)
    seen.keys.type(PROMPT)
    for _ in range(3):
        seen.keys.press("Control+Enter")
    seen.tab_to("stop")
    seen.keys.press("Control+Enter")
    seen.has("status", DONE)
    assert (seen.text("rewrite"), seen.asked()) == (fake_rewrite(PROMPT), 1)
    assert seen.page.locator("#prompt").input_value() == PROMPT


@pytest.mark.parametrize("way", ["Escape", "the button"])
def test_a_rewrite_is_stopped_at_the_server_too_and_another_begun(visit: Open, way: str) -> None:
    seen = visit(PROMPTOPT_FAKE_DELAY=LONG)
    seen.keys.type(PROMPT)
    seen.keys.press("Control+Enter")
    seen.has("rewrite", re.compile("^Act"))
    if way == "the button":
        seen.tab_to("stop")
    seen.keys.press("Enter" if way == "the button" else "Escape")
    seen.has("status", "Stopped.")
    assert (seen.text("rewrite"), seen.focused()) == ("", "prompt")
    while not stopped(seen.address):
        pass
    seen.keys.press("Control+Enter")
    seen.has("rewrite", re.compile("^Act"))
    assert (seen.text("status"), seen.asked(), seen.console) == ("Rewriting…", 2, [])


def test_lines_of_a_prompt_and_text_like_a_tag_stay_what_they_are(visit: Open) -> None:
    seen = visit()
    seen.keys.type("say <b>ünïcode</b> 🙂 & more")
    seen.keys.press("Enter")
    seen.keys.type("on two lines")
    seen.keys.press("Control+Enter")
    seen.has("status", DONE)
    own = "say <b>ünïcode</b> 🙂 & more\non two lines"
    assert seen.text("rewrite") == fake_rewrite(own)
    assert seen.page.locator("#rewrite mark").all_text_contents() == [own]
    assert seen.page.locator("#rewrite b").count() == 0


@pytest.mark.parametrize(
    ("pasted", "said"),
    [
        ("", "The prompt is empty. Write or select what you want to ask, then try again."),
        (
            "word\n" * 20_001,
            "The prompt has 100,005 characters; 100,000 are allowed. Select the request itself, without the material it is about.",
        ),
    ],
    ids=["empty", "long"],
)
def test_a_refusal_is_told_and_the_next_prompt_is_rewritten(visit: Open, pasted: str, said: str) -> None:
    seen = visit("clipboard-read", "clipboard-write")
    if pasted:
        seen.paste(pasted)
    seen.keys.press("Control+Enter")
    seen.has("status", said)
    assert (seen.text("rewrite"), seen.focused()) == ("", "prompt")
    assert [re.findall(r"status of (\d+)", line) for line in seen.console] == [["422"]]
    seen.keys.press("Control+A")
    seen.keys.type(PROMPT)
    seen.keys.press("Control+Enter")
    seen.has("status", DONE)
    assert (seen.text("rewrite"), seen.asked()) == (fake_rewrite(PROMPT), 2)


@pytest.mark.parametrize(
    ("wrong", "said", "requests"),
    [
        ("guess", "The bearer token is missing or wrong. Send the header: Authorization: Bearer TOKEN", 3),
        ("gueß€", "The token has characters that a header cannot carry. Type it again.", 2),
    ],
)
def test_a_token_is_asked_for_where_one_is_wanted(visit: Open, wrong: str, said: str, requests: int) -> None:
    seen = visit(PROMPTOPT_TOKEN="secret")
    seen.keys.type(PROMPT)
    seen.keys.press("Control+Enter")
    seen.has("status", "The bearer token is missing or wrong. Send the header: Authorization: Bearer TOKEN")
    assert seen.focused() == "token"
    seen.keys.type(wrong)
    seen.keys.press("Enter")
    seen.has("status", said)
    seen.tab_to("token")
    seen.keys.press("Control+A")
    seen.keys.type("secret")
    seen.keys.press("Enter")
    seen.has("status", DONE)
    assert (seen.text("rewrite"), seen.asked()) == (fake_rewrite(PROMPT), requests)


def test_without_leave_to_copy_the_rewrite_is_selected(visit: Open) -> None:
    seen = visit()
    seen.page.evaluate("() => { navigator.clipboard.writeText = () => Promise.reject(new DOMException('no', 'NotAllowedError')); }")
    seen.keys.type(PROMPT)
    seen.keys.press("Control+Enter")
    seen.has("status", DONE)
    seen.tab_to("copy")
    seen.keys.press("Space")
    seen.has("status", re.compile(r"The rewrite is selected: press Ctrl\+C"))
    assert seen.page.evaluate("getSelection().toString()") == fake_rewrite(PROMPT)


def test_a_server_that_is_gone_is_told(visit: Open) -> None:
    seen = visit()
    seen.page.context.set_offline(True)
    seen.keys.type(PROMPT)
    seen.keys.press("Control+Enter")
    seen.has("status", "The server does not answer. Check that it runs, and try again.")
    seen.page.context.set_offline(False)
    seen.keys.press("Control+Enter")
    seen.has("status", DONE)
    assert seen.text("rewrite") == fake_rewrite(PROMPT)

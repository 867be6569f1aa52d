"""The tool, as an agent's client sees it."""

import os
import sys
from pathlib import Path

import pytest
from fakes import FakeEngine, fake_optimizer, fake_rewrite, manifest, mini_codec
from mcp import Client, StdioServerParameters
from mcp_types import TextContent

from promptopt import __version__
from promptopt.codec import END
from promptopt.engine.loader import Model
from promptopt.mcp import create_server
from promptopt.optimizer import Optimizer
from promptopt.settings import Settings

ROOT = Path(__file__).parents[2]


async def test_the_tool_is_described() -> None:
    async with Client(create_server(fake_optimizer())) as client:
        (tool,) = (await client.list_tools()).tools
    assert (tool.name, tool.input_schema["required"]) == ("optimize_prompt", ["prompt"])
    assert set(tool.output_schema["properties"]) == {"optimized_prompt", "confidence", "tokens", "seconds"}  # type: ignore[index]
    assert tool.annotations is not None
    assert (tool.annotations.read_only_hint, tool.annotations.open_world_hint) == (True, False)


@pytest.mark.parametrize("prompt", ["create function", "{a} `b`\t\\\r\n", "日本語 😀"])
async def test_a_prompt_is_rewritten(prompt: str) -> None:
    async with Client(create_server(fake_optimizer())) as client:
        answer = await client.call_tool("optimize_prompt", {"prompt": prompt})
    assert not answer.is_error
    assert answer.structured_content is not None
    assert answer.structured_content["optimized_prompt"] == fake_rewrite(prompt)
    assert answer.structured_content["tokens"] == 13


async def test_a_failure_says_what_and_what_next() -> None:
    codec = mini_codec()
    failing = Optimizer(Settings(), lambda _: Model(manifest(), codec, FakeEngine(codec, ids=[*codec.plain("Act."), END])))
    async with Client(create_server(failing)) as client:
        answers = [await client.call_tool("optimize_prompt", {"prompt": prompt}) for prompt in (" ", "a")]
    texts = [content.text for answer in answers for content in answer.content if isinstance(content, TextContent)]
    assert [answer.is_error for answer in answers] == [True, True]
    said = "The prompt consists of white space only. Write or select what you want to ask, then try again."
    assert texts[0] == f"Error executing tool optimize_prompt: {said}"
    assert len(texts) == 2


@pytest.mark.model
async def test_the_command_speaks_it_on_standard_output() -> None:
    environment = {**os.environ, "PYTHONPATH": str(ROOT / "server")}
    command = StdioServerParameters(command=sys.executable, args=["-m", "promptopt", "mcp"], env=environment)
    async with Client(command) as client:
        assert client.server_info.version == __version__
        answer = await client.call_tool("optimize_prompt", {"prompt": "create function"})
    assert answer.structured_content is not None
    assert "\n\nTask: create function\n\n" in answer.structured_content["optimized_prompt"]

"""The tool and the prompt, as an agent's client sees them."""

import os
import sys
from pathlib import Path

import pytest
from fakes import FakeEngine, fake_optimizer, fake_rewrite, manifest, mini_codec
from mcp import Client, MCPError, StdioServerParameters
from mcp_types import INTERNAL_ERROR, INVALID_PARAMS, TextContent

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


async def test_the_prompt_is_described() -> None:
    async with Client(create_server(fake_optimizer())) as client:
        (prompt,) = (await client.list_prompts()).prompts
    assert (prompt.name, prompt.title) == ("optimized", "Optimized prompt")
    assert [(argument.name, argument.required) for argument in prompt.arguments or []] == [("prompt", True)]


@pytest.mark.parametrize("text", ["create function", "{a} `b`\t\\\r\n", "日本語 😀", "[1, 2]", '"quoted"', "null"])
async def test_the_prompt_is_one_message_of_the_user_s_with_the_rewrite(text: str) -> None:
    async with Client(create_server(fake_optimizer())) as client:
        (message,) = (await client.get_prompt("optimized", {"prompt": text})).messages
    assert message.role == "user"
    assert isinstance(message.content, TextContent)
    assert message.content.text == fake_rewrite(text)


async def test_a_prompt_that_fails_says_what_and_what_next() -> None:
    codec = mini_codec()
    failing = Optimizer(Settings(), lambda _: Model(manifest(), codec, FakeEngine(codec, ids=[*codec.plain("Act."), END])))
    async with Client(create_server(failing)) as client:
        with pytest.raises(MCPError) as blank:
            await client.get_prompt("optimized", {"prompt": " "})
        with pytest.raises(MCPError) as failed:
            await client.get_prompt("optimized", {"prompt": "a"})
    said = "The prompt consists of white space only. Write or select what you want to ask, then try again."
    assert (blank.value.code, blank.value.message) == (INVALID_PARAMS, said)
    assert failed.value.code == INTERNAL_ERROR
    assert failed.value.message.startswith("The network wrote")


@pytest.mark.model
async def test_the_command_speaks_it_on_standard_output() -> None:
    environment = {**os.environ, "PYTHONPATH": str(ROOT / "server")}
    command = StdioServerParameters(command=sys.executable, args=["-m", "promptopt", "mcp"], env=environment)
    async with Client(command) as client:
        assert client.server_info.version == __version__
        answer = await client.call_tool("optimize_prompt", {"prompt": "create function"})
    assert answer.structured_content is not None
    assert "\n\nTask: create function\n\n" in answer.structured_content["optimized_prompt"]

"""`promptopt mcp`: the optimizer as a tool of agents and a prompt of their users, by the Model Context Protocol over stdio.

Needs the extra `mcp`.
"""

from typing import Annotated

from mcp.server import MCPServer
from mcp.server.mcpserver.exceptions import ToolError
from mcp.shared.exceptions import MCPError
from mcp_types import INTERNAL_ERROR, INVALID_PARAMS, ToolAnnotations
from pydantic import BaseModel, Field

from promptopt import __version__
from promptopt.errors import InvalidInput, PromptoptError
from promptopt.optimizer import Optimizer

_Prompt = Annotated[str, Field(description="The prompt as its writer wrote it; it comes back word for word inside the result.")]


class Optimized(BaseModel):
    """A rewrite. confidence: from 0 to 1.  tokens: pieces that the network wrote.  seconds: that it took."""

    optimized_prompt: str
    confidence: float
    tokens: int
    seconds: float


def create_server(optimizer: Optimizer) -> MCPServer:
    """A server with the tool `optimize_prompt` and the prompt `optimized`; the network is loaded at the first call."""
    server = MCPServer("promptopt", version=__version__, log_level="WARNING")

    @server.tool(annotations=ToolAnnotations(read_only_hint=True, open_world_hint=False))
    async def optimize_prompt(prompt: _Prompt) -> Optimized:
        """Turns a vague prompt into a structured one: who should answer, context, the task word for word, constraints, steps, goal."""
        try:
            rewrite = await optimizer.aoptimize(prompt)
        except PromptoptError as error:
            raise ToolError(str(error)) from error
        return Optimized(**rewrite.as_json())

    @server.prompt(title="Optimized prompt")
    async def optimized(prompt: _Prompt) -> str:
        """Asks what you write, as a structured prompt: the rewrite becomes your message, and the model answers it."""
        try:
            return (await optimizer.aoptimize(prompt)).text
        except PromptoptError as error:
            raise MCPError(INVALID_PARAMS if isinstance(error, InvalidInput) else INTERNAL_ERROR, str(error)) from error

    return server

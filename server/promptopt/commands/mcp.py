"""`promptopt mcp`: the optimizer as a tool of agents."""

import argparse

from promptopt.commands.extras import needing
from promptopt.commands.options import add_command, add_model_options, model_settings

EPILOG = """\
an agent starts it, for instance by this entry in its configuration:
  {"mcpServers": {"promptopt": {"command": "promptopt", "args": ["mcp"]}}}
"""


def add(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Adds the command."""
    own = add_command(
        commands,
        "mcp",
        "be a tool of agents (Model Context Protocol on standard input and output)",
        "Speaks the Model Context Protocol on standard input and output; its tool is optimize_prompt, its prompt is optimized.",
        EPILOG,
    )
    add_model_options(own)
    own.set_defaults(run=mcp)


def mcp(options: argparse.Namespace) -> int:
    """`promptopt mcp`: returns when the agent has gone."""
    with needing("mcp"):
        from promptopt.mcp import create_server
    from promptopt.optimizer import Optimizer

    create_server(Optimizer(model_settings(options))).run("stdio")
    return 0

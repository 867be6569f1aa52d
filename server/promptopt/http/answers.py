"""What goes over the wire: requests, results and errors, with the examples that the OpenAPI description shows."""

from collections.abc import Mapping
from typing import Annotated, Any

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field
from starlette.responses import JSONResponse

from promptopt.errors import Busy, InvalidInput, PromptoptError, RewriteFailed
from promptopt.optimizer import LONGEST_PROMPT, MOST_VARIANTS

MOST_PROMPTS = 128
RETRY_SECONDS = "2"
EXAMPLE = "create function"
_STYLE = "The name of a built-in adapter; the one that the server was started with when left out."


def _whole(text: str) -> str:
    """`text`; raises ValueError when it has half of a surrogate pair, which no answer could carry."""
    try:
        text.encode()
    except UnicodeEncodeError as error:
        raise ValueError(f"character {error.start} is half of a surrogate pair") from error
    return text


Text = Annotated[str, AfterValidator(_whole)]
PromptText = Annotated[
    Text,
    Field(
        description="What is to be rewritten, as its writer wrote it.",
        examples=[EXAMPLE],
        json_schema_extra={"minLength": 1, "maxLength": LONGEST_PROMPT, "pattern": r"[^\s\u001c-\u001f\u0085]"},
    ),
]
"A prompt. The limits stand in the schema only: the optimizer checks them, and says what to do."


def _integral(number: Any) -> Any:
    """1.0 as 1: to JSON Schema both are integers."""
    return int(number) if isinstance(number, float) and number.is_integer() else number


class Prompt(BaseModel):
    """One prompt."""

    model_config = ConfigDict(extra="forbid", strict=True)

    prompt: PromptText
    style: str | None = Field(None, description=_STYLE, examples=["golden"])


class Request(BaseModel):
    """One prompt, and how many rewrites of it are wanted."""

    model_config = ConfigDict(extra="forbid", strict=True)

    prompt: PromptText
    style: str | None = Field(None, description=_STYLE, examples=["golden"])
    variants: Annotated[int, BeforeValidator(_integral)] = Field(
        1, ge=1, le=MOST_VARIANTS, description="How many different rewrites, at most.", examples=[1]
    )


class BatchRequest(BaseModel):
    """Several prompts."""

    model_config = ConfigDict(extra="forbid", strict=True)

    prompts: list[Text] = Field(
        min_length=1,
        max_length=MOST_PROMPTS,
        description="One that cannot be rewritten fails in its place.",
        examples=[[EXAMPLE, "plan a workshop on testing"]],
    )
    style: str | None = Field(None, description=_STYLE, examples=["golden"])


class Result(BaseModel):
    """A rewrite. confidence: from 0 to 1.  tokens: pieces that the network wrote.  seconds: that it took."""

    optimized_prompt: str = Field(description="The rewrite, with the prompt in it word for word.")
    confidence: float = Field(ge=0, le=1, examples=[0.87])
    tokens: int = Field(examples=[58])
    seconds: float = Field(examples=[0.21])


class Answer(Result):
    """The surest rewrite, and the others that were asked for, the surest first."""

    variants: list[Result] = []


class Problem(BaseModel):
    """What is wrong and why, and the next step."""

    code: str = Field(description="For programs; stable.", examples=["busy"])
    message: str = Field(examples=["256 prompts are waiting already; 256 may."])
    hint: str = Field(examples=["Send yours again in a few seconds."])


class Failure(BaseModel):
    """The body of every answer that is no success, and the place of a prompt in a batch that could not be rewritten."""

    error: Problem


class BatchAnswer(BaseModel):
    """For each prompt its rewrite or why there is none, in the order of the request."""

    results: list[Result | Failure]


class Health(BaseModel):
    """live: the process answers.  ready: the network is loaded.  waiting: prompts in the queue.  problem: why it is not loaded."""

    live: bool = True
    ready: bool
    version: str
    adapter: str
    waiting: int
    problem: Problem | None = None


def problem(error: PromptoptError) -> dict[str, str]:
    """A failure as the JSON of `Problem`."""
    return {"code": error.code, "message": error.message, "hint": error.hint}


def status(error: PromptoptError) -> int:
    """422 when another prompt would do, 429 when a later time would, else 503."""
    if isinstance(error, (InvalidInput, RewriteFailed)):
        return 422
    return 429 if isinstance(error, Busy) else 503


def failure(error: PromptoptError, code: int | None = None, headers: Mapping[str, str] | None = None) -> JSONResponse:
    """The answer to a request that failed."""
    code = code or status(error)
    again = {"Retry-After": RETRY_SECONDS} if code in (429, 503) else {}
    return JSONResponse({"error": problem(error)}, code, {**again, **(headers or {})})


def failures(*codes: int) -> dict[int | str, dict[str, Any]]:
    """What the OpenAPI description says of these statuses."""
    meanings = {
        400: "The body is not readable text.",
        401: "The bearer token is missing or wrong.",
        403: "The request comes from a page of another site.",
        413: "The body is too large.",
        421: "The request was meant for another host.",
        422: "The request or the prompt cannot be worked on, or the network wrote nothing acceptable.",
        429: "Too many prompts are waiting.",
        503: "The network is not loaded, or the server is stopping.",
    }
    return {code: {"model": Failure, "description": meanings[code]} for code in codes}

"""Every failure a user can see: what happened, why, and the next step."""


class PromptoptError(Exception):
    """Base of all user-visible failures.

    `code` is stable and machine-readable; `exit_status` is what the command line returns; `hint` is the next step.
    """

    code = "error"
    exit_status = 1

    def __init__(self, message: str, hint: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint

    def __str__(self) -> str:
        return f"{self.message} {self.hint}".strip()


class InvalidInput(PromptoptError):
    """The prompt or the file given cannot be worked on."""

    code = "invalid_input"
    exit_status = 2


class TooLarge(InvalidInput):
    """A request has more in it than is taken at a time; in parts it would be."""

    code = "too_large"


class BundleError(PromptoptError):
    """A base or an adapter on disk is missing, damaged or not supported."""

    code = "bundle"
    exit_status = 3


class DamagedModel(BundleError):
    """A compiled model is not what was written, or of another format; it can be made again."""


class HubError(BundleError):
    """Something on the Hub cannot be had: it is not there, not allowed, not whole, or the network is down."""

    code = "hub"


class RewriteFailed(PromptoptError):
    """The network's output is not an acceptable rewrite; the prompt is left as it was."""

    code = "rewrite_failed"
    exit_status = 4


class Cancelled(PromptoptError):
    """The work was stopped at the user's request."""

    code = "cancelled"
    exit_status = 130


class Busy(PromptoptError):
    """More is asked for than may wait; later there is room again."""

    code = "busy"


class Unavailable(PromptoptError):
    """The work cannot be done now: by a server, or for want of memory."""

    code = "unavailable"


class Refused(PromptoptError):
    """A request that is not let in: from another site, to another host, without the token, or to no such place."""

    code = "refused"

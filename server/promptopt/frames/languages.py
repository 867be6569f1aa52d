"""Which syntax a document has, by its language identifier or its file name."""

import re
from pathlib import PurePosixPath

from promptopt.frames import javascript, jsx, markup, python, shell, toml, yaml
from promptopt.frames.escapes import as_it_is, decode_common, escaper, verbatim
from promptopt.frames.tokens import Notation, Opener, Syntax, Token, block_comment, line_comment, quoted, skipped

_ESCAPE = re.compile(r"\\(?:x[0-9A-Fa-f]{2}|u[0-9A-Fa-f]{4}|U[0-9A-Fa-f]{8}|[0-7]{1,3}|\r\n|.)", re.DOTALL)
_UNKNOWN = "whose escapes promptopt does not know"


def decode_c(escape: str) -> str:
    """The value of an escape of C, Go or Java. Raises ValueError for any other, and for one that is a byte of a character perhaps."""
    if escape[1] not in "01234567x":
        return decode_common(escape)
    number = int(escape[2:], 16) if escape[1] == "x" else int(escape[1:], 8)
    if number > 0x7F:
        raise ValueError(escape)
    return chr(number)


def decode_mysql(escape: str) -> str:
    """The value of what is special in a string of MySQL: any character may have a backslash ahead of it, of wildcards it is a part."""
    if escape == "''" or escape in ("\\%", "\\_"):
        return escape[-2:] if escape[0] == "\\" else "'"
    return {"0": "\0", "b": "\b", "n": "\n", "r": "\r", "t": "\t", "Z": "\x1a"}.get(escape[1], escape[1])


def cpp_raw_string(document: str, match: re.Match[str]) -> Token | None:
    """The raw string of C++ that begins at `match`, whose opener says what closes it."""
    delimiter = match.group().partition('"')[2].removesuffix("(")
    return quoted(match.group(), f'){delimiter}"', _RAW).close(document, match)


# octal: C has no end for \x, and Java no \x
_C_STRING = Notation("string", _ESCAPE, decode_c, escaper('\\"', control="\\{:03o}"))
_OTHER = Notation("string", _ESCAPE, as_it_is, as_it_is, multiline=True, refused=_UNKNOWN)
_RAW = Notation("raw string", None, as_it_is, verbatim, multiline=True)
_SQL = Notation("SQL string", re.compile("''"), lambda text: "'", lambda text: verbatim(text).replace("'", "''"), multiline=True)

_MYSQL = Notation(
    "MySQL string",
    re.compile(r"''|\\.", re.DOTALL),
    decode_mysql,
    lambda text: verbatim(text).replace("\\", "\\\\").replace("'", "''"),
    multiline=True,
)

_SLASHES = [line_comment(r"//[/!]*"), block_comment(r"/\*+!?", "*/", starred=True)]
_NESTED = [line_comment(r"//[/!]*"), block_comment(r"/\*+!?", "*/", starred=True, nested="/*")]
_HASH = line_comment(r"#+")
_CHARACTER = skipped(r"'(?:\\[^\r\n]{1,9}?|[^'\\\r\n])'")
_STRING = quoted('"', '"', _C_STRING)
_STRANGE = quoted('"', '"', _OTHER)
_BACKTICKS = skipped(r"`[^`]*`")
_MARKUP = block_comment("<!--", "-->")

_C = Syntax(
    "C", [line_comment(r"//[/!]*"), _SLASHES[1], _CHARACTER, Opener(r'\b(?:u8|[uUL])?R"[^()\\\s"]{0,16}\(', cpp_raw_string), _STRING]
)
_RUST = Syntax("Rust", [*_NESTED, _CHARACTER, quoted(r'\bb?r#+"', '"#', _OTHER), _STRANGE])
_OTHER_QUOTES = [quoted("'", "'", _OTHER), _STRANGE]
_CSS = Syntax("CSS", [block_comment(r"/\*+", "*/", starred=True), *_OTHER_QUOTES])

SYNTAXES = {
    "python": python.SYNTAX,
    "javascript": javascript.SYNTAX,
    "jsx": jsx.SYNTAX,
    "json": javascript.JSON,
    "yaml": yaml.SYNTAX,
    "toml": toml.SYNTAX,
    "shell": shell.SYNTAX,
    "c": _C,
    "java": Syntax("Java", [*_SLASHES, quoted('"""', '"""', _OTHER), _CHARACTER, _STRING]),
    "go": Syntax("Go", [*_SLASHES, _CHARACTER, quoted("`", "`", _RAW), _STRING]),
    "rust": _RUST,
    "slashes": Syntax("", [*_SLASHES, quoted('"""', '"""', _OTHER), _CHARACTER, quoted('[@$]+"', '"', _OTHER), _STRANGE]),
    "nested": Syntax("", [*_NESTED, quoted('"""', '"""', _OTHER), _CHARACTER, _STRANGE]),
    "css": _CSS,
    "php": Syntax("PHP", [*_SLASHES, line_comment(r"#(?!\[)"), *_OTHER_QUOTES]),
    "hash": Syntax("", [skipped(r"\\."), _HASH, *_OTHER_QUOTES]),
    "hash lines": Syntax("", [line_comment(r"(?<!\S)#+")]),
    "powershell": Syntax("PowerShell", [block_comment("<#", "#>"), _HASH, *_OTHER_QUOTES]),
    "sql": Syntax("SQL", [line_comment("--"), block_comment(r"/\*", "*/", starred=True), quoted("'", "'", _SQL), _STRANGE]),
    "mysql": Syntax(
        "MySQL", [line_comment("--"), _HASH, block_comment(r"/\*", "*/", starred=True), _BACKTICKS, quoted("'", "'", _MYSQL), _STRANGE]
    ),
    "lua": Syntax("Lua", [block_comment(r"--\[\[", "]]"), line_comment("--+"), quoted("'", "'", _OTHER), _STRANGE]),
    "haskell": Syntax(
        "Haskell", [block_comment(r"\{-", "-}", nested="{-"), line_comment(r"--+(?![!#$%&*+./<=>?@\\^|~:])"), _CHARACTER, _STRANGE]
    ),
    "ml": Syntax("OCaml", [block_comment(r"\(\*+", "*)", nested="(*"), _CHARACTER, _STRANGE]),
    "dashes": Syntax("", [line_comment("--+"), _STRANGE]),
    "lisp": Syntax("Lisp", [skipped(r"\\."), line_comment(";+"), _STRANGE]),
    "percent": Syntax("", [skipped(r"\\."), line_comment("%+")]),
    "semicolon": Syntax("", [line_comment("(?<!\\S)[;#]+")]),
    "basic": Syntax("BASIC", [line_comment("'+"), line_comment(r"(?i:\bREM\b)"), quoted('"', '"', _OTHER)]),
    "batch": Syntax("batch", [line_comment(r"(?i:^[ \t]*@?REM\b)"), line_comment(r"^[ \t]*::")]),
    "vim": Syntax("Vim script", [line_comment(r'^[ \t]*"')]),
    "markup": Syntax("", [_MARKUP]),
    "html": Syntax("", [_MARKUP, *markup.elements(_CSS)]),
    "astro": Syntax("", [markup.FRONT_MATTER, _MARKUP, *markup.elements(_CSS)]),
}

_IDENTIFIERS = {
    "python": "python",
    "javascript": "typescript ts vue-script json5",
    "jsx": "javascript javascriptreact typescriptreact js jsx tsx mjs cjs",
    "json": "json jsonc jsonl",
    "yaml": "yaml yml dockercompose github-actions-workflow",
    "toml": "toml",
    "shell": "shellscript sh bash zsh ksh shell console shell-session",
    "c": "c cpp c++ objective-c objective-cpp objc cuda-cpp cuda h hpp cc cxx",
    "java": "java",
    "go": "go",
    "rust": "rust rs",
    "slashes": "csharp cs dart groovy solidity glsl hlsl less scss sass proto protobuf zig jsonnet verilog systemverilog typst",
    "nested": "kotlin kt swift scala d",
    "css": "css",
    "php": "php",
    "hash": "ruby rb perl pl r elixir ex exs julia jl nim crystal coffeescript tcl fish awk nix graphql hcl terraform tf puppet",
    "hash lines": "makefile make dockerfile cmake gitconfig properties dotenv gitignore git-rebase conf requirements",
    "powershell": "powershell ps1",
    "sql": "sql plsql",
    "mysql": "mysql",
    "lua": "lua",
    "haskell": "haskell hs purescript",
    "ml": "ocaml ml fsharp sml coq",
    "dashes": "ada vhdl elm applescript",
    "lisp": "lisp commonlisp clojure clj scheme racket emacs-lisp elisp el fennel",
    "percent": "tex latex bibtex plaintex erlang erl prolog matlab octave postscript",
    "semicolon": "ini asm nasm editorconfig systemd",
    "basic": "vb vba basic visualbasic vbs",
    "batch": "bat batch cmd",
    "vim": "vim",
    "markup": "xml xhtml svg xsl",
    "html": "html vue svelte htm handlebars",
    "astro": "astro",
}
_BY_IDENTIFIER = {identifier: SYNTAXES[name] for name, identifiers in _IDENTIFIERS.items() for identifier in identifiers.split()}
_EXTENSIONS = {"py": "python", "pyi": "python", "mts": "ts", "cts": "ts", "kts": "kt", "md": "markdown", "markdown": "markdown"}
_NAMES = {"makefile": "makefile", "dockerfile": "dockerfile", ".bashrc": "sh", ".zshrc": "sh", ".profile": "sh"}
MARKDOWN = frozenset({"markdown", "quarto", "rmd", "mdx"})
PLAIN = frozenset({"plaintext", "text", "txt", "gitcommit", "git-commit", "restructuredtext", "rst", "asciidoc", "org", "mail"})
UNKNOWN = Syntax("", [line_comment(r"^[ \t]*(?:#+|//+|--+|;+|%+)(?=[ \t\r\n]|\Z)")])


def language_of(identifier: str, name: str) -> str:
    """The identifier of the language: that of the client if it is known here, else by the file's name, else the client's.

    A fence of Markdown has what its author calls the language, its extension perhaps, for the client's identifier and no name.
    """
    identifier, path = identifier.lower(), PurePosixPath(name.lower())
    extension = path.suffix.removeprefix(".")
    if extension in ("json", "jsonc"):
        return extension  # editors that call it JavaScript would have escapes that JSON lacks
    if identifier in _BY_IDENTIFIER or identifier in MARKDOWN or (identifier in PLAIN and identifier not in ("plaintext", "text")):
        return identifier
    by_name = _EXTENSIONS.get(extension) or (extension if extension in _BY_IDENTIFIER else _NAMES.get(path.name))
    return by_name or _EXTENSIONS.get(identifier, identifier)


def syntax_of(language: str) -> Syntax | None:
    """The syntax of a language; None for prose."""
    if language in MARKDOWN or language in PLAIN:
        return None
    return _BY_IDENTIFIER.get(language, UNKNOWN)

"""The command line: `scribseg COMMAND ...`. One file per group of commands.

Standard output gets the answer, as text or, with --json, as exactly one JSON document; progress
and complaints go to standard error. Nothing heavy is imported before a command needs it.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import sys
import traceback
from collections.abc import Sequence
from typing import NoReturn

from napari_scribseg import __version__
from napari_scribseg.cli import (
    annotating,
    app,
    checking,
    demo,
    estimating,
    evaluating,
    experiments,
    exporting,
    finding,
    importing,
    maps,
    predicting,
    serving,
    tables,
    training,
)
from napari_scribseg.cli.answer import Answer, printable
from napari_scribseg.cli.progress import Display
from napari_scribseg.cli.signals import ended_by_signals
from napari_scribseg.core.errors import InvalidInput, ScribsegError
from napari_scribseg.runs.children import watch_lifeline
from napari_scribseg.runs.worker import sentence_of

INTERRUPTED = 130
"""Exit code after Ctrl-C."""

_EXIT_CODES = """\
exit codes:
  0    done
  1    unexpected error, or some of the items failed
  2    an input, option or folder can't be used as given
  3    the method can't do this task
  4    the run failed, or is not in the state that was asked for
  130  interrupted (Ctrl-C)

`scribseg COMMAND --help` explains a command. After --, names may begin with a dash.
"""


class _Parser(argparse.ArgumentParser):
    """A parser whose complaints are errors like all others, so that --json covers them, too."""

    def error(self, message: str) -> NoReturn:
        raise InvalidInput(f"{message[:1].upper()}{message[1:]}. See `{self.prog} --help`.")


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command and give its exit code.

    Args:
        argv: words of the command line without the program's name; `sys.argv` when None.
    """
    words = list(sys.argv[1:] if argv is None else argv)
    # Options end at "--"; a complaint about the options has to know of these two already.
    options = words[: words.index("--")] if "--" in words else words
    as_json, debug = "--json" in options, "--debug" in options
    try:
        quiet = contextlib.redirect_stdout(sys.stderr) if as_json else contextlib.nullcontext()
        with quiet, ended_by_signals():
            answer = _answer(words)
    except ScribsegError as error:
        answer = _failure(str(error), error.exit_code)
    except KeyboardInterrupt:
        answer = _failure("Interrupted.", INTERRUPTED)
    except Exception as error:  # noqa: BLE001  the last line of defence
        hint = "" if debug else " Run it again with --debug to see where."
        answer = _failure(f"{sentence_of(error)}{hint}", 1)
        if debug:
            traceback.print_exc()
    _print(answer, as_json=as_json)
    return answer.exit_code


def build_parser() -> argparse.ArgumentParser:
    """The parser of all commands."""
    parser = _Parser(
        prog="scribseg",
        description="Learn segmentation of medical volumes from scribbles.",
        epilog=_EXIT_CODES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    parser.add_argument("--version", action="version", version=f"scribseg {__version__}")
    common = argparse.ArgumentParser(add_help=False)
    common.add_argument("--json", action="store_true", help="print one JSON document")
    common.add_argument("--debug", action="store_true", help="show where an error came from")
    # What every child of ours is given: it ends when its input closes, see `runs.children`.
    common.add_argument("--lifeline", action="store_true", help=argparse.SUPPRESS)
    commands = parser.add_subparsers(
        title="commands", metavar="COMMAND", dest="command", required=True
    )
    groups = (
        *(
            demo,
            app,
            finding,
            importing,
            checking,
            annotating,
            training,
            estimating,
            maps,
            predicting,
            evaluating,
            exporting,
        ),
        *(experiments, tables),
    )
    for group in groups:
        group.add_commands(commands, common)
    return parser


def _answer(words: Sequence[str]) -> Answer:
    if words[:1] == [serving.COMMAND]:  # of no use to people, so no parser lists it
        serving.serve(build_parser().parse_args)
    arguments = build_parser().parse_args(words)
    if arguments.lifeline and not getattr(arguments, "stops_in_order", _never)(arguments):
        watch_lifeline()
    with Display() as display:
        return arguments.run(arguments, display)


def _never(_: argparse.Namespace) -> bool:
    return False


def _failure(message: str, exit_code: int) -> Answer:
    return Answer({"error": message, "exit_code": exit_code}, "", (message,), exit_code)


def _print(answer: Answer, *, as_json: bool) -> None:
    with contextlib.suppress(OSError):  # nobody reads it any more
        for problem in answer.problems:
            print(f"scribseg: {printable(problem)}", file=sys.stderr)  # noqa: T201
    text = answer.json() if as_json else printable(answer.text)
    try:
        if text:
            print(text, flush=True)  # noqa: T201
    except BrokenPipeError:  # `scribseg check ... | head`
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    except UnicodeEncodeError:
        print(text.encode("ascii", "backslashreplace").decode(), flush=True)  # noqa: T201

"""serve: the warm child of a window. It answers requests that come through its input.

Not for people, so no help lists it. Requests and answers are `runs.messages`; what goes wrong is
the answer, not the end. It ends when its input closes. Images and networks stay loaded. A mask of a
slice never waits for one of the volume, nor both for a prediction: each kind has a thread.
"""

from __future__ import annotations

import argparse
import os
import queue
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO, Final, NoReturn

import numpy as np

from napari_scribseg.cli.progress import Display
from napari_scribseg.core.errors import ScribsegError
from napari_scribseg.core.types import Array
from napari_scribseg.core.volume import Grid, Volume
from napari_scribseg.runs.children import GRACE_SECONDS, let_this_thread_yield
from napari_scribseg.runs.messages import Message, receive, send
from napari_scribseg.runs.worker import sentence_of

if TYPE_CHECKING:
    from napari_scribseg.training.automatic import Mask

COMMAND: Final = "serve"
_LANES: Final = ("slice", "volume", "predict")
"""What can be asked for: a mask of a slice, one of the volume, a command `predict`."""

Parse = Callable[[list[str]], argparse.Namespace]


def serve(parse: Parse) -> NoReturn:
    """Answer until the input closes; `parse` reads the words of a command."""
    answers = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)  # whatever prints must not end up among the answers
    server = Server(answers, parse)
    requests = sys.stdin.buffer
    while (request := receive(requests)) is not None:
        server.take(request)
    server.end()
    os._exit(0)  # a thread that computes must not keep the process


class Server:
    """Answers requests, each kind in a thread of its own.

    Args:
        answers: where they are written to.
        parse: reads the words of a command.
    """

    def __init__(self, answers: BinaryIO, parse: Parse) -> None:
        from napari_scribseg.training.automatic import Automatic

        self._answers, self._parse = answers, parse
        self._writing = threading.Lock()
        self._automatic = Automatic()
        self._shared: dict[str, Array] = {}
        self._newest: dict[str, int] = {}
        self._idle = {lane: threading.Event() for lane in _LANES}
        self._waiting: dict[str, queue.SimpleQueue[Message]] = {}
        for lane in _LANES:
            self._waiting[lane] = queue.SimpleQueue()
            self._idle[lane].set()
            threading.Thread(target=self._work, args=(lane,), daemon=True).start()

    def take(self, request: Message) -> None:
        """Answer a request soon."""
        arrays = dict(request.arrays)
        for name in request.fields["new"]:
            self._shared[name] = arrays.pop(f"shared:{name}")
        arrays |= {name: self._shared[name] for name in request.fields["shared"]}
        lane = str(request.fields["kind"])
        if lane not in _LANES:
            self._answer(request, Message({"error": f"Nobody knows what {lane} is."}))
            return
        self._newest[lane] = int(request.fields["number"])
        self._waiting[lane].put(Message(request.fields, arrays))

    def end(self) -> None:
        """Let a prediction that is being written be finished, but not for long."""
        self._idle["predict"].wait(GRACE_SECONDS)

    def _work(self, lane: str) -> None:
        if lane != "slice":
            let_this_thread_yield()
        make = {"slice": self._slice, "volume": self._volume, "predict": self._predict}[lane]
        while True:
            request = self._waiting[lane].get()
            self._idle[lane].clear()
            began = time.thread_time()
            try:
                answer = make(request)
            except Exception as error:  # noqa: BLE001  whoever asked must learn of all of them
                kind = type(error).__name__ if isinstance(error, ScribsegError) else ""
                answer = Message({"error": sentence_of(error), "type": kind})
            spent = {"processor_s": time.thread_time() - began}
            self._answer(request, Message({**answer.fields, **spent}, answer.arrays))
            self._idle[lane].set()

    def _answer(self, request: Message, answer: Message) -> None:
        numbered = {**answer.fields, "number": request.fields["number"]}
        with self._writing:
            try:
                send(self._answers, Message(numbered, answer.arrays))
            except OSError:
                os._exit(0)  # the window is gone

    def _slice(self, request: Message) -> Message:
        fields = request.fields
        mask = self._automatic.of_slice(
            _image(request),
            int(fields["z"]),
            request.arrays["drawn"],
            int(fields["first"]),
            str(fields["source"]),
        )
        return _masked(mask)

    def _volume(self, request: Message) -> Message:
        fields = request.fields
        number = int(fields["number"])
        mask = self._automatic.of_volume(
            _image(request),
            request.arrays["drawn"],
            key=fields["shared"]["image"],
            run=Path(fields["run"]) if fields.get("run") else None,
            case=fields.get("case", ""),
            device=fields.get("device", "auto"),
            cancelled=lambda: self._newest["volume"] != number,
        )
        return _masked(mask)

    def _predict(self, request: Message) -> Message:
        from napari_scribseg.cli.predicting import run_predict

        words = [str(word) for word in request.fields["words"]]
        with Display() as display:
            done = run_predict(self._parse(words), display, self._automatic.models.get)
        return Message({"code": done.exit_code, "document": done.json()})


def _image(request: Message) -> Volume:
    array = request.arrays["image"]
    affine = np.asarray(request.fields["affine"], np.float64)
    shape = (array.shape[0], array.shape[1], array.shape[2])
    prefix = "sequence:"
    further = {
        name.removeprefix(prefix): found
        for name, found in request.arrays.items()
        if name.startswith(prefix)
    }
    grid = Grid(shape, affine, bool(request.fields["oriented"]))
    sequence = str(request.fields.get("sequence", ""))
    return Volume(array, grid, sequence=sequence, further=further)


def _masked(mask: Mask | None) -> Message:
    if mask is None:
        return Message({"source": ""})
    fields = {"source": mask.source, "scores": mask.scores, "step": mask.step}
    sureness = np.rint(mask.sureness * 255).astype(np.uint8)
    said = {} if mask.said is None else {"said": mask.said}
    return Message(fields, {"labels": mask.labels, "sureness": sureness, **said})

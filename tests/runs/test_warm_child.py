"""The warm child: starts once, keeps what it is given, survives complaints, dies with us."""

from __future__ import annotations

import io
import os
import subprocess
import sys
import time

import numpy as np
import psutil
import pytest
from phantoms import two_ball_case

from napari_scribseg.core.errors import InvalidInput, RunError
from napari_scribseg.runs.messages import Message, receive, send
from napari_scribseg.runs.warm_child import WarmChild

CASE = two_ball_case((4, 48, 48))
PLACE = {"affine": CASE.grid.affine.tolist(), "oriented": True}
SHARED = {"image": ("one", CASE.image.array)}


def ask(child: WarmChild, **more) -> Message:
    return child.ask("volume", {**PLACE, **more}, {"drawn": CASE.scribbles}, shared=SHARED)


@pytest.fixture
def child():
    made = WarmChild()
    yield made
    made.end()


def test_messages_come_back_as_they_were():
    arrays = {"a": np.arange(6, dtype=">i4").reshape(2, 3), "b": np.zeros((0, 2), np.uint8)}
    stream = io.BytesIO()
    send(stream, Message({"text": "ü", "n": None}, arrays))
    whole = stream.getvalue()
    back = receive(io.BytesIO(whole))
    assert back.fields == {"text": "ü", "n": None}
    np.testing.assert_array_equal(back.arrays["a"], arrays["a"])
    assert back.arrays["b"].shape == (0, 2)
    assert receive(io.BytesIO(whole[:-1])) is None, "cut in the middle"
    with pytest.raises(ValueError, match="no message"):
        receive(io.BytesIO(b"hello, is anybody there?"))


def test_one_process_answers_again_and_again(child, tmp_path):
    first = ask(child)
    assert first.fields["source"] == "walk"
    assert (first.arrays["labels"] == CASE.reference)[CASE.reference == 1].mean() > 0.8
    with pytest.raises(InvalidInput, match="affine"):
        ask(child, affine=[1.0])
    slab = {"z": 2, "first": 1, "source": "walk"}
    again = child.ask("slice", {**PLACE, **slab}, {"drawn": CASE.scribbles[1:4]}, shared=SHARED)
    assert again.arrays["labels"].shape == (48, 48)
    assert child.starts == 1
    words = ["predict", str(tmp_path / "run"), "image.nii.gz", "--out", str(tmp_path / "out")]
    with pytest.raises(InvalidInput, match="is not a run"):
        child.ask("predict", {"words": words})
    child._connection._child.kill()
    assert child._connection._over.wait(20)
    assert ask(child).fields["source"] == "walk"
    assert child.starts == 2
    child.end()
    with pytest.raises(RunError, match="closing"):
        ask(child)


def test_it_dies_with_its_parent():
    code = (
        "import os, sys\n"
        "from napari_scribseg.runs.warm_child import WarmChild\n"
        "child = WarmChild()\n"
        "try:\n    child.ask('nothing')\nexcept Exception:\n    pass\n"
        "print(child._connection._child.pid, flush=True)\n"
        "sys.stdin.read()\n"
    )
    parent = subprocess.Popen(
        [sys.executable, "-c", code],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        env=dict(os.environ),
    )
    pid = int(parent.stdout.readline())
    assert psutil.pid_exists(pid)
    parent.kill()
    parent.wait()
    end = time.monotonic() + 20
    while psutil.pid_exists(pid) and time.monotonic() < end:
        time.sleep(0.1)
    assert not psutil.pid_exists(pid)
    parent.stdout.close()
    parent.stdin.close()

"""--strict: who computes together has the same installation, also before anything is finished."""

from __future__ import annotations

import json
import threading

from experiments import stubs

from napari_scribseg.cli import main
from napari_scribseg.experiment import place
from napari_scribseg.experiment import trial as trial_process
from napari_scribseg.experiment.strict import Agreement

FIRST = "good-fold1-seed0-100"
A, B = {"torch": "2.6.0", "devices": "cpu float32"}, {"torch": "2.7.1", "devices": "cpu float32"}


def test_of_many_that_start_together_all_that_go_on_are_alike(planned):
    out, experiment = planned
    agreements = [Agreement(out, experiment) for _ in range(8)]
    said: dict[int, str] = {}
    start = threading.Barrier(8)

    def begin(number: int) -> None:
        start.wait()
        said[number] = agreements[number].objection(A if number % 2 else B)

    threads = [threading.Thread(target=begin, args=(n,)) for n in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    go_on = {number % 2 for number, text in said.items() if not text}
    assert len(go_on) == 1
    assert all("another torch (2." in text for n, text in said.items() if n % 2 not in go_on)
    for agreement in agreements:
        agreement.release()


def test_who_comes_after_the_first_ones_have_left_may_have_something_else(planned):
    out, experiment = planned
    first, second = Agreement(out, experiment), Agreement(out, experiment)
    assert first.objection(A) == ""
    assert second.objection(B) == "another torch (2.6.0 and 2.7.1)"
    first.release()
    assert second.objection(B) == "", "nothing was begun"
    second.release()


def test_a_job_of_an_array_compares_itself_with_those_that_train_now(planned, monkeypatch, capsys):
    out, _ = planned
    monkeypatch.setattr(trial_process, "PROGRAMS", stubs(60))
    code: list[int] = []
    first = threading.Thread(
        target=lambda: code.append(main(["experiment", str(out), "--trial", "0", "--strict"]))
    )
    first.start()
    while not (out / "trained.txt").exists():
        first.join(0.05)
    here = place.parts_here()
    monkeypatch.setattr(place, "parts_here", lambda: {**here, "torch": "1.0.0"})
    assert main(["experiment", str(out), "--trial", "1", "--strict"]) == 4
    assert "and 1.0.0), and --strict refuses to mix" in capsys.readouterr().err
    (out / "cells" / FIRST / "run" / "STOP").touch()
    first.join()
    assert code == [130]
    assert not (out / "cells" / "good-fold2-seed0-100").exists()


def test_a_training_that_goes_on_with_another_torch_is_a_mixture_of_its_own(
    planned, monkeypatch, capsys
):
    out, _ = planned
    there = out / "cells" / FIRST
    monkeypatch.setattr(trial_process, "PROGRAMS", stubs(60))
    thread = threading.Thread(target=lambda: main(["experiment", str(out), "--trial", "0"]))
    thread.start()
    while not (out / "trained.txt").exists():
        thread.join(0.05)
    (there / "run" / "STOP").touch()
    thread.join()
    noted = json.loads((there / "timing.json").read_text())
    (there / "timing.json").write_text(json.dumps({**noted, "torch": "1.0.0"}))
    monkeypatch.setattr(trial_process, "PROGRAMS", stubs())
    assert main(["experiment", str(out), "--trial", "0"]) == 0
    assert main(["experiment", str(out), "--tables"]) == 0
    assert "computed by 2 versions of torch (1.0.0, then " in capsys.readouterr().out

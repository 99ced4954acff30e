"""A model that is given away: predicts like its run to the bit, tells nothing of the data."""

from __future__ import annotations

import json
import os
import random
import shutil
import socket
from pathlib import Path

import numpy as np
import pytest
from phantoms import TWO_BALLS, phantom_dataset
from safetensors import safe_open
from safetensors.torch import load_file, save_file
from small_runs import phantom_run

from napari_scribseg.cli import main
from napari_scribseg.core.config import TrainConfig
from napari_scribseg.core.errors import InvalidInput, RunError, ScribsegError
from napari_scribseg.data.dataset import read_dataset
from napari_scribseg.io import read_volume
from napari_scribseg.methods.effdnet.method import EFFDNet
from napari_scribseg.methods.full_25d.method import Full25D
from napari_scribseg.methods.partial_ce.method import PartialCE
from napari_scribseg.runs import model_file
from napari_scribseg.runs.documents import RunCase
from napari_scribseg.runs.folder import RunFolder
from napari_scribseg.runs.model_card import LearntFrom, Score, Trained, card_text
from napari_scribseg.runs.model_file import described, read_model_file
from napari_scribseg.runs.worker import record
from napari_scribseg.training.model_export import card_of, export_model
from napari_scribseg.training.predict import load_model, predict_case
from napari_scribseg.training.train import train

MARKERS = ("DOE^JANE", "DOE", "JANE", "Müller", "MUELLER")


@pytest.fixture(scope="module")
def trained(tmp_path_factory) -> RunFolder:
    """A run whose folder, dataset, patients and own preset have a name in them."""
    there = tmp_path_factory.mktemp("given") / "DOE^JANE" / "Müller"
    phantom_dataset(there / "data", 3)
    cases = read_dataset(there / "data").cases
    renamed = [
        files.model_copy(update={"id": f"MUELLER_{n}", "patient": "DOE^JANE"})
        for n, files in enumerate(cases)
    ]
    schema = read_dataset(there / "data").schema.model_copy(update={"title": "Müller, Hans"})
    run = RunFolder.create(
        there / "run",
        method=PartialCE.spec.name,
        options={},
        training=TrainConfig(patch=(48, 48), batch_size=4, steps=4, precision="float32", threads=1),
        schema=schema,
        cases=tuple(
            RunCase(files=f, role="train" if n < 2 else "validate") for n, f in enumerate(renamed)
        ),
        preset="for DOE^JANE",
        dataset="The data of DOE^JANE",
        dataset_folder=there / "data",
        validate_on="MUELLER",
    )
    list(record(run, train(run)))
    return run


@pytest.fixture(scope="module")
def model(trained, tmp_path_factory):
    return export_model(trained, tmp_path_factory.mktemp("model") / "balls.scribseg")


@pytest.mark.parametrize("method", [PartialCE, EFFDNet, Full25D], ids=lambda m: m.spec.name)
def test_a_model_predicts_like_its_run_to_the_bit(method, tmp_path) -> None:
    run = phantom_run(tmp_path, method, batch_size=2, steps=2)
    list(train(run))
    path = export_model(run, tmp_path / "m.scribseg")
    image = read_volume(run.cases[0].files.image)
    ours, theirs = (predict_case(load_model(source), image) for source in (run, path))
    assert np.array_equal(ours.segmentation, theirs.segmentation)
    assert np.array_equal(ours.probabilities, theirs.probabilities)
    assert np.array_equal(ours.uncertainty, theirs.uncertainty)


def test_nothing_of_the_data_the_people_or_the_machine_is_in_it(trained, model) -> None:
    content = model.read_bytes()
    secrets = [
        *MARKERS,
        *(case.files.id for case in trained.cases),
        *(str(part) for part in trained.path.parts[1:] if len(part) > 4),
        str(trained.record.platform),
        trained.record.created[:10],
        socket.gethostname(),
        str(Path.home()),
    ]
    header = content[: 8 + int.from_bytes(content[:8], "little")]
    for secret in filter(lambda word: len(word) > 4 or word in MARKERS, secrets):
        # Three letters stand among a million random bytes by chance.
        searched = content if len(secret) > 4 else header
        for encoding in ("utf-8", "latin-1", "utf-16-le"):
            assert secret.encode(encoding) not in searched, secret
        assert json.dumps(secret)[1:-1].encode() not in searched, secret
    assert load_model(trained).schema.title == "Müller, Hans", "the run keeps its own"


def test_it_is_a_safetensors_file_whose_header_tells_what_prediction_needs(model) -> None:
    with safe_open(model, "np") as file:
        document = json.loads(file.metadata()["model"])
    assert document["version"] == 1
    assert [c["name"] for c in document["labels"]["classes"]] == ["bright", "dim"]
    assert document["checkpoint"]["method"] == "partial_ce"
    assert document["preprocessing"]["in_plane_pixel_mm"] == document["checkpoint"]["spacing_mm"]
    assert document["preprocessing"]["patch_yx_pixels"] == [48, 48]
    assert document["record"]["preset"] == ""


def test_all_of_the_record_that_is_not_of_the_data_travels(trained, model) -> None:
    """Whatever a run notes of preprocessing one day is carried without being listed here."""
    private = {"python", "platform", "created", "dataset", "dataset_folder", "continues"}
    private |= {"validate_on", "preset", "training"}
    ours, theirs = (r.model_dump() for r in (trained.record, described(model)[0]))
    assert {k: v for k, v in theirs.items() if k not in private} == {
        k: v for k, v in ours.items() if k not in private
    }
    assert theirs["training"] == {**ours["training"], "device": "auto"}


def test_the_card_tells_counts_structures_settings_and_limits(trained, model) -> None:
    card = read_model_file(model).document.card
    assert card == card_of(model) == card_of(trained.path)
    assert card.startswith("# Segmentation of bright, dim\n")
    assert "2 cases of 1 patient (" in card, card
    assert "The weights were chosen by 1 further case." in card
    assert "| 2 | dim |" in card
    assert "4 steps" in card
    assert "not for diagnosis" in card
    assert "flatters" in card


def test_names_of_classes_are_no_markup_in_the_card(trained) -> None:
    from napari_scribseg.runs.model_card import _plain

    assert _plain("<b>|\n# x") == r"\<b\>\| \# x"
    assert _plain("one_cycle") == "one_cycle"
    assert _plain([48, 48]) == "48, 48"


def test_the_command_line_writes_predicts_and_prints_the_card(trained, tmp_path, capsys) -> None:
    path = tmp_path / "balls.scribseg"
    assert main(["export-model", str(trained.path), str(path)]) == 0
    image = str(trained.cases[0].files.image)
    for source, out in ((trained.path, "run"), (path, "model")):
        words = ["predict", str(source), image, "--out", str(tmp_path / out), "--uncertainty"]
        assert main(words) == 0
    names = sorted(p.name for p in (tmp_path / "run").iterdir())
    assert names == sorted(p.name for p in (tmp_path / "model").iterdir())
    for name in names:
        if name.endswith(".nii.gz"):
            ours, theirs = (read_volume(tmp_path / out / name) for out in ("run", "model"))
            assert np.array_equal(ours.array, theirs.array)
    capsys.readouterr()
    assert main(["card", str(path)]) == 0
    assert capsys.readouterr().out.startswith("# Segmentation of bright, dim")
    assert main(["card", str(path), "--out", str(tmp_path / "CARD.md")]) == 0
    assert (tmp_path / "CARD.md").read_text().startswith("# Segmentation")


def test_nothing_is_overwritten_and_the_name_says_what_it_is(trained, model, tmp_path) -> None:
    with pytest.raises(InvalidInput, match="exists already"):
        export_model(trained, model)
    with pytest.raises(InvalidInput, match="end in .scribseg"):
        export_model(trained, tmp_path / "model.pt")
    with pytest.raises(InvalidInput, match="is not a folder"):
        export_model(trained, tmp_path / "nowhere" / "m.scribseg")
    assert main(["export-model", str(trained.path)]) == 2


def test_a_run_without_weights_can_t_be_exported(tmp_path) -> None:
    run = phantom_run(tmp_path, PartialCE)
    with pytest.raises(RunError, match="no checkpoint"):
        export_model(run, tmp_path / "m.scribseg")
    assert not (tmp_path / "m.scribseg").exists()


def test_a_folder_with_a_model_predicts_like_it(model, tmp_path) -> None:
    shutil.copyfile(model, tmp_path / "model.scribseg")
    assert described(tmp_path)[0].method == "partial_ce"
    assert load_model(tmp_path).schema.names == ("background", "bright", "dim")


def test_every_damage_is_refused_in_a_sentence(model, tmp_path) -> None:
    """Cut at 60 places, one byte changed at 100: refused, or (padding) the same model."""
    whole = model.read_bytes()
    path = tmp_path / "m.scribseg"
    rng = random.Random(0)
    header = 8 + int.from_bytes(whole[:8], "little")
    places = [rng.randrange(header) for _ in range(60)] + [
        rng.randrange(len(whole)) for _ in range(40)
    ]
    contents = [whole[: rng.randrange(len(whole))] for _ in range(60)] + [b""]
    for place in places:
        changed = bytearray(whole)
        changed[place] ^= rng.randrange(1, 256)
        contents.append(bytes(changed))
    before = read_model_file(model)
    told: list[str] = []
    for content in contents:
        path.write_bytes(content)
        try:
            found = read_model_file(path)
        except ScribsegError as error:
            told.append(str(error))
        else:
            assert found.document == before.document
    assert len(told) >= len(contents) - 3
    assert all(sentence.endswith(".") and "\n" not in sentence for sentence in told)


@pytest.mark.parametrize(
    "content",
    [b"PK\x03\x04 a zip like .pt", b"\x80\x04\x95 a pickle", b"\x93NUMPY", b"{}", b"\xff" * 64],
)
def test_files_of_other_programs_are_refused_by_content(content, tmp_path) -> None:
    path = tmp_path / "m.scribseg"
    path.write_bytes(content)
    with pytest.raises(InvalidInput, match="not a model of napari-scribseg"):
        load_model(path)


def test_a_checkpoint_alone_is_told_from_a_model(trained) -> None:
    with pytest.raises(InvalidInput, match="is a checkpoint of a run"):
        load_model(trained.weights)


def _written_anew(model, path, change, spoil=None):
    """A model with another document and a right sum."""
    tensors = load_file(model)
    if spoil:
        spoil(tensors)
    save_file(tensors, path)
    document = read_model_file(model).document

    class Changed:
        def model_dump_json(self) -> str:
            told = document.model_dump(mode="json")
            change(told)
            return json.dumps(told)

    save_file(tensors, path, model_file.metadata_of(Changed(), path.read_bytes()))
    return path


@pytest.mark.parametrize(
    ("change", "word"),
    [
        (lambda d: d.update(version=2), "newer napari-scribseg"),
        (lambda d: d.update(more=1), "no setting 'more'"),
        (lambda d: d["checkpoint"].update(spacing_mm=0), "spacing_mm"),
        (lambda d: d["checkpoint"].update(spacing_mm=float("nan")), "damaged"),
        (lambda d: d["checkpoint"].update(n_classes=7), "7 classes apart"),
        (lambda d: d["checkpoint"].update(method="no_such"), "weights of no_such"),
        (lambda d: d["labels"]["classes"].reverse(), "trained for background, bright, dim"),
        (lambda d: d["labels"].update(classes=[]), "damaged"),
        (lambda d: d["record"].update(method="ustm"), "run.json says ustm|record says ustm"),
    ],
)
def test_a_document_that_contradicts_itself_is_refused(model, tmp_path, change, word) -> None:
    path = _written_anew(model, tmp_path / "m.scribseg", change)
    with pytest.raises(ScribsegError, match=word) as told:
        load_model(path)
    assert "pydantic" not in str(told.value)


def test_weights_that_are_not_finite_are_refused(model, tmp_path) -> None:
    def spoil(tensors) -> None:
        name = next(n for n, t in tensors.items() if t.is_floating_point())
        tensors[name].view(-1)[0] = float("nan")

    path = _written_anew(model, tmp_path / "m.scribseg", lambda d: None, spoil)
    with pytest.raises(InvalidInput, match="not finite"):
        load_model(path)


def test_a_pipe_is_refused_and_does_not_hang(tmp_path) -> None:
    if not hasattr(os, "mkfifo"):
        pytest.skip("this system has no pipes with names")
    os.mkfifo(tmp_path / "m.scribseg")
    with pytest.raises(InvalidInput, match="pipe"):
        described(tmp_path / "m.scribseg")
    with pytest.raises(InvalidInput, match="pipe"):
        load_model(tmp_path / "m.scribseg")


@pytest.mark.parametrize(("cases", "told"), [(1, "the 1 case that"), (0, "strokes of the train")])
def test_the_card_says_what_the_score_was_measured_on(cases, told) -> None:
    learnt = LearntFrom(2, 2, cases, 4, references=False)
    score = Score("stroke agreement", 0.5, {"bright": 0.5, "dim": None})
    spec = PartialCE.spec
    options, training = spec.presets["quick"].options.model_dump(), TrainConfig()
    words = (spec.name, spec.title, spec.summary, spec.source, "quick")
    trained = Trained(*words, options, training, 5, 60.0)
    card = card_text("1", TWO_BALLS, 1.0, trained, learnt, score)
    assert f"On {told}" in card
    assert "0 cases" not in card

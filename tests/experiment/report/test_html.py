"""report.html: everything of the result files is in it, escaped, in one file without a network."""

from __future__ import annotations

import re
from html.parser import HTMLParser
from pathlib import Path

import pytest
from experiments import phantom_experiment, stubs
from reports import computed_experiment

from napari_scribseg.core.errors import InvalidInput
from napari_scribseg.core.labels import LabelSchema
from napari_scribseg.core.volume import Volume
from napari_scribseg.experiment.clients import at_work
from napari_scribseg.experiment.experiment import Experiment, trials_of
from napari_scribseg.experiment.report.html import write_report
from napari_scribseg.experiment.results import write_results
from napari_scribseg.experiment.schedule import compute_trials, open_locked
from napari_scribseg.experiment.worst_slices import picked_slices, prediction_path
from napari_scribseg.io import read_labels, write_volume


class Page(HTMLParser):
    """What a page holds: text, addresses and names of places."""

    def __init__(self, path: Path) -> None:
        super().__init__()
        self.text, self.links, self.sources, self.names, self.tags = "", [], [], set(), []
        self.feed(path.read_text(encoding="utf-8"))

    def handle_starttag(self, tag, attrs):
        values = dict(attrs)
        self.tags.append(tag)
        if "href" in values:
            self.links.append(values["href"])
        if "src" in values:
            self.sources.append(values["src"])
        if "id" in values:
            self.names.add(values["id"])

    def handle_data(self, data):
        self.text += data


@pytest.fixture(scope="module")
def done(tmp_path_factory) -> tuple[Path, Experiment]:
    return computed_experiment(
        tmp_path_factory.mktemp("report"),
        *("good", "plain", "bad"),
        patients=8,
        random_seeds=(0, 1),
        title="A <b>bold</b> & 'quoted' title",
    )


@pytest.fixture(scope="module")
def page(done) -> Page:
    return Page(write_report(*done))


def test_it_is_one_file_that_asks_nobody(page):
    assert "script" not in page.tags
    assert page.sources
    assert all(source.startswith("data:image/") for source in page.sources)
    assert not [link for link in page.links if re.match(r"[a-z]+:(?!,)", link)]


def test_every_link_leads_somewhere(page, done):
    out, _ = done
    for link in page.links:
        if link.startswith("#"):
            assert link[1:] in page.names
        elif not link.startswith("data:"):
            assert (out / link).is_file()


def test_text_is_escaped(page, done):
    assert "A <b>bold</b> & 'quoted' title" in page.text
    assert "b" not in page.tags


def test_it_does_not_tell_where_the_data_are(page, done):
    _, experiment = done
    assert str(Path(experiment.recipe.dataset).parent) not in page.text
    assert f'"dataset": "{Path(experiment.recipe.dataset).name}"' in page.text


def test_methods_scores_and_sentences_are_there(page, done):
    out, _ = done
    assert "good has the highest mean Dice" in page.text
    for sentence in re.findall(
        r'"?(Dice \(mean of classes\).*?\.)"?$', (out / "comparisons.csv").read_text(), re.MULTILINE
    ):
        assert sentence in page.text
    assert "10 voxels" in page.text
    assert "bad-fold1-seed0-100 failed: The loss is not finite any more." in page.text


def test_the_worst_and_the_median_slices_are_drawn(page):
    pictures = [source for source in page.sources if source.startswith("data:image/png")]
    assert len(pictures) == 2 * (3 + 1)  # of both methods that have not failed
    assert page.text.count("worst") >= 6


def test_everything_needed_to_repeat_it_is_there(page, done):
    _, experiment = done
    assert experiment.repeat in page.text
    assert f"napari-scribseg {experiment.package_version}" in page.text
    for case in experiment.cases:
        assert case.image_sha256[:12] in page.text
    for name, trial in trials_of(experiment).items():
        assert name in page.text
        assert trial.sha256[:12] in page.text


def test_the_same_files_give_the_same_report(done):
    first = write_report(*done).read_bytes()
    assert write_report(*done).read_bytes() == first


def test_segmentations_that_are_gone_cost_their_pictures_only(tmp_path):
    out, experiment = computed_experiment(tmp_path, "good")
    before = Page(write_report(out, experiment))
    (gone,) = {one.case for one in picked_slices(out, experiment) if one.rank == "median"}
    for trial in trials_of(experiment):
        prediction_path(out, trial, gone).unlink(missing_ok=True)
    after = Page(write_report(out, experiment))
    assert 0 < len(after.sources) < len(before.sources)
    assert f"{gone}.nii.gz" in after.text  # the sentence names the file


def test_an_experiment_without_a_finished_trial_says_so(tmp_path):
    experiment = phantom_experiment(tmp_path, "good")
    other = tmp_path / "other"
    with at_work(other, experiment, "test"):
        list(compute_trials(other, experiment, [], jobs=1))
        write_results(other, experiment)
    page = Page(write_report(other, experiment))
    assert "No trial has ended yet" in page.text
    assert "has not ended" in page.text


def test_learning_curves_are_drawn_when_shares_are_compared(tmp_path):
    out, experiment = computed_experiment(tmp_path, "good", patients=8, shares=(0.5, 1.0))
    assert "plot-effort" in Page(write_report(out, experiment)).names


def test_locked_cases_have_a_report_of_their_own(tmp_path):
    out, experiment = computed_experiment(tmp_path, "good", patients=8, locked=("patient07",))
    plain = write_report(out, experiment)
    with at_work(out, experiment, "test"):
        list(open_locked(out, experiment, jobs=2, programs=stubs()))
        write_results(out, experiment, locked=True)
    path = write_report(out, experiment, locked=True)
    assert path != plain
    page = Page(path)
    assert "Report on the locked cases" in page.text
    assert "locked_scores.csv" in page.links
    assert "locked_scores.csv" not in Page(plain).links


def test_a_missing_table_is_named(tmp_path):
    out, experiment = computed_experiment(tmp_path, "good")
    (out / "summary.csv").unlink()
    with pytest.raises(InvalidInput, match=r"result file summary\.csv"):
        write_report(out, experiment)


def test_class_names_that_look_like_formulas_are_names(tmp_path):
    names = ("=1+1", r"$\frac{$")
    schema = LabelSchema.of(*names)

    def change(data: Path) -> None:
        (data / "labels.json").write_text(schema.model_dump_json())

    out, experiment = computed_experiment(tmp_path, "good", "plain", patients=8, change=change)
    for trial in (out / "cells").iterdir():
        for path in (trial / "scores.csv", trial / "slices.csv"):
            text = path.read_text(encoding="utf-8").replace("bright", "'" + names[0])
            path.write_text(text.replace("dim", names[1]), encoding="utf-8")
    write_results(out, experiment)
    page = Page(write_report(out, experiment))
    assert all(name in page.text for name in names)
    assert "Dice (=1+1): " in page.text
    assert "'=1+1" not in page.text
    assert "'=1+1," in (out / "summary.csv").read_text(encoding="utf-8")


def test_references_that_are_no_use_or_partial_are_told_of(tmp_path):
    def change(data: Path) -> None:
        path = data / "labels" / "patient01.nii.gz"
        volume = read_labels(path)
        array = volume.array.copy()
        array[0, 0, 0] = 7
        write_volume(path, Volume(array, volume.grid))

    experiment = phantom_experiment(tmp_path, "bad", patients=4, change=change)
    out = tmp_path / "out"
    with at_work(out, experiment, "test"):
        list(compute_trials(out, experiment, list(trials_of(experiment)), jobs=2, programs=stubs()))
        write_results(out, experiment)
    page = Page(write_report(out, experiment))
    assert "Cases without a usable reference are in no mean" in page.text
    assert (
        "patient01: The reference of case patient01: 1 value(s) are not in the schema" in page.text
    )
    assert "No usablereference" in page.text
    assert "4 patients for 4 cases, told by the names of the cases" in page.text

"""Networks for other programs, each run by a library that knows nothing of ours."""

from __future__ import annotations

import io
import json
import sys
import zipfile

import numpy as np
import pytest
import torch
from phantoms import two_ball_case, write_nifti
from small_runs import phantom_run

from napari_scribseg.cli import main
from napari_scribseg.cli.exporting import _NETWORKS
from napari_scribseg.core.errors import InvalidInput
from napari_scribseg.io import read_volume
from napari_scribseg.methods.full_25d.method import Full25D
from napari_scribseg.methods.partial_ce.method import PartialCE
from napari_scribseg.methods.registry import method_named
from napari_scribseg.training.model_export import export_model
from napari_scribseg.training.network_export import NETWORK_ENDINGS, export_network
from napari_scribseg.training.predict import load_model, predict_case
from napari_scribseg.training.train import train

pytest.importorskip("onnxruntime")


@pytest.fixture(scope="module", params=[PartialCE, Full25D], ids=lambda m: m.spec.name)
def run(request, tmp_path_factory):
    made = phantom_run(tmp_path_factory.mktemp("run"), request.param, batch_size=2, steps=2)
    list(train(made))
    return made


def images(run):
    """Prepared images of sizes that the network was not traced with."""
    depth = () if load_model(run, "cpu").method.sample == "slice" else (run_depth(run),)
    rng = np.random.default_rng(1)
    for n, y, x in ((1, 48, 35), (2, 40, 64)):
        yield rng.normal(size=(n, 1, *depth, y, x)).astype(np.float32)


def run_depth(run):
    method = load_model(run, "cpu").method
    return type(method).patch_depth(method.options)


def expected(run, image):
    with torch.no_grad():
        return load_model(run, "cpu").method(torch.from_numpy(image)).softmax(1).numpy()


def test_onnx_gives_the_run_s_probabilities(run, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "onnxscript", None)  # the extra doesn't bring it
    import onnx
    import onnxruntime

    path = export_network(run, tmp_path / "net.onnx", "onnx")
    session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    for image in images(run):
        found = session.run(None, {"image": image})[0]
        np.testing.assert_allclose(found, expected(run, image), atol=1e-4)
    model = onnx.load(path)
    assert model.opset_import[0].version == 17
    notes = json.loads({p.key: p.value for p in model.metadata_props}["scribseg.json"])
    assert notes["output"]["channels"] == ["background", "bright", "dim"]
    assert notes["input"]["in_plane_pixel_mm"] == load_model(run, "cpu").spacing_mm
    assert "Model card" in notes["card"] or "# " in notes["card"]


def test_torchscript_gives_the_run_s_probabilities(run, tmp_path):
    path = export_network(run, tmp_path / "net.ts", "torchscript")
    extra = {"scribseg.json": ""}
    loaded = torch.jit.load(str(path), _extra_files=extra)
    for image in images(run):
        found = loaded(torch.from_numpy(image)).numpy()
        np.testing.assert_allclose(found, expected(run, image), atol=1e-4)
    assert json.loads(extra["scribseg.json"])["input"]["axes"][-2:] == ["y", "x"]


def test_a_bundle_segments_in_monai_as_the_run_does(run, tmp_path):
    from monai.bundle import ConfigParser

    model = export_model(run, tmp_path / "m.scribseg")
    path = export_network(model, tmp_path / "balls.zip", "monai-bundle")
    with zipfile.ZipFile(path) as archive:
        assert not archive.testzip()
        archive.extractall(tmp_path / "bundles")
    root = tmp_path / "bundles/balls"
    case = two_ball_case(
        (run_depth(run) * 2, 96, 80), (8.0, *[load_model(run, "cpu").spacing_mm] * 2), 5
    )
    write_nifti(tmp_path / "images/a.nii.gz", case.image.array, case.grid)
    parser = ConfigParser()
    parser.read_config(str(root / "configs/inference.json"))
    parser.read_meta(str(root / "configs/metadata.json"))
    parser["bundle_root"] = str(root)
    parser["dataset_dir"] = str(tmp_path / "images")
    parser["output_dir"] = str(tmp_path / "out")
    parser["device"] = "$torch.device('cpu')"
    item = parser.get_parsed_content("dataset")[0]
    with torch.no_grad():
        pred = parser.get_parsed_content("inferer")(
            item["image"][None], parser.get_parsed_content("network")
        )
    item["pred"] = pred[0]
    parser.get_parsed_content("postprocessing")(item)
    written = next((tmp_path / "out").rglob("*.nii.gz"))
    found = read_volume(written)
    image = read_volume(tmp_path / "images/a.nii.gz")
    ours = predict_case(load_model(run, "cpu"), image).segmentation
    assert found.grid.offset_from(image.grid) < 0.01
    # An untrained network is unsure everywhere, so small differences of libraries decide.
    assert (found.array == ours).mean() > 0.95
    outputs = parser.get("_meta_")["network_data_format"]["outputs"]["pred"]
    assert outputs["channel_def"] == {"0": "background", "1": "bright", "2": "dim"}


@pytest.mark.parametrize("file_format", ["onnx", "torchscript"])
@pytest.mark.parametrize("full_resolution", [False, True])
def test_scribble2d5_is_written_for_slices_of_any_size(full_resolution, file_format, tmp_path):
    """Its network from half resolution cuts odd sizes, which an even size does not show."""
    method = method_named("scribble2d5")
    options = {"base_width": 4, "full_resolution": full_resolution, "lpm": "none"}
    run = phantom_run(tmp_path, method, options=options, start="random", steps=1)
    list(train(run))
    path = tmp_path / f"net{NETWORK_ENDINGS[file_format]}"
    assert export_network(run, path, file_format) == path


def test_a_bundle_shows_the_network_windows_of_the_size_that_predict_shows(tmp_path):
    """Whole slices gave other labels to 8 of 100 voxels of a Scribble2D5 that was trained a little.

    The wanted patch is cut to the slices of the training cases, and so are the windows.
    """
    run = phantom_run(tmp_path, Full25D, steps=1, patch=(64, 16), spacing_mm=1.5)
    list(train(run))
    method = load_model(run, "cpu").method
    assert method.patch == (48, 16)
    path = export_network(run, tmp_path / "net.zip", "monai-bundle")
    with zipfile.ZipFile(path) as archive:
        steps = json.loads(archive.read("net/configs/inference.json"))
        notes = json.loads(archive.read("net/docs/network.json"))
    assert steps["inferer"]["roi_size"] == [16, 48, run_depth(run)]
    assert notes["input"]["patch_yx_pixels"] == [48, 16]


def test_what_can_t_be_written_is_said(tmp_path, monkeypatch):
    run = phantom_run(tmp_path, method_named("unet_crf"), steps=1)
    list(train(run))
    with pytest.raises(InvalidInput, match="ends in a CRF layer"):
        export_network(run, tmp_path / "net.onnx", "onnx")
    with pytest.raises(InvalidInput, match="let it end in .onnx"):
        export_network(run, tmp_path / "net.pt", "onnx")
    monkeypatch.setattr("napari_scribseg.training.network_export.find_spec", lambda name: None)
    with pytest.raises(InvalidInput, match="pip install 'napari-scribseg\\[onnx\\]'"):
        export_network(run, tmp_path / "net.onnx", "onnx")
    assert not (tmp_path / "net.onnx").exists()


def test_another_network_is_not_given_away(tmp_path, monkeypatch):
    run = phantom_run(tmp_path, PartialCE, steps=1)
    list(train(run))
    wrong = torch.jit.script(torch.nn.Softmax(1))
    stream = io.BytesIO()
    torch.jit.save(wrong, stream)
    load = torch.jit.load
    monkeypatch.setattr(torch.jit, "load", lambda file: load(io.BytesIO(stream.getvalue())))
    with pytest.raises(InvalidInput, match="gives other probabilities"):
        export_network(run, tmp_path / "net.ts", "torchscript")
    assert not (tmp_path / "net.ts").exists()


def test_the_command(run, tmp_path, capsys):
    out = tmp_path / "n.ts"
    assert main(["export-model", str(run.path), str(out), "--format", "torchscript", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["format"] == "torchscript"
    assert out.is_file()
    assert tuple(NETWORK_ENDINGS) == _NETWORKS

"""Makes docs/images/methods/*.png: what each method learns from, on a synthetic heart.

    python docs/make_method_figures.py [name ...]

Labels, maps and regions come from the methods' own code. Where a prediction is needed, a network is
trained on the shown case for a few steps with a fixed seed.
"""

from __future__ import annotations

import io
import sys
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.colors import to_rgba
from matplotlib.figure import Figure
from matplotlib.patches import Patch, Rectangle
from PIL import Image

from napari_scribseg.batches.slices import Batch, normalise
from napari_scribseg.core.config import MethodConfig
from napari_scribseg.core.labels import IGNORE, LabelSchema, targets_of
from napari_scribseg.core.samples import sample_folder
from napari_scribseg.core.volume import Volume
from napari_scribseg.data.case import Case
from napari_scribseg.data.dataset import read_dataset
from napari_scribseg.losses.contrastive import block_labels
from napari_scribseg.losses.partial import class_weights, shares_of
from napari_scribseg.methods.base import Method, Shown
from napari_scribseg.methods.dmpls.method import DMPLS, mixed_pseudo_labels
from napari_scribseg.methods.effdnet.method import EFFDNet
from napari_scribseg.methods.em_crf.method import EMCRF
from napari_scribseg.methods.exmod.method import ExMod
from napari_scribseg.methods.partial_ce.method import PartialCE
from napari_scribseg.methods.registry import method_named
from napari_scribseg.methods.scribble2d5 import Scribble2D5Config
from napari_scribseg.methods.unet_crf.method import UNetCRF
from napari_scribseg.methods.ustm.method import USTM
from napari_scribseg.mixing.occlusion import hidden_squares
from napari_scribseg.mixing.paste import paste_regions, scribble_boxes
from napari_scribseg.mixing.puzzle_mix import solve_puzzle
from napari_scribseg.propagate.supervoxels import supervoxels

Array = npt.NDArray[Any]

IMAGES = Path(__file__).parent / "images" / "methods"
STEPS = 60
_SIDE = 96
"""Pixels of the shown region around the strokes."""
_OPACITY = 0.6
_COLORS = 256
"""Of a picture file."""


@dataclass(frozen=True)
class Panel:
    """One picture: a grey slice (y, x) under labels (y, x) or a map (y, x) between 0 and 1."""

    title: str
    grey: Array
    labels: Array | None = None
    heat: Array | None = None
    boxes: tuple[tuple[int, int, int, int], ...] = field(default=())


class Scene:
    """A case, cut to the region of its strokes, and networks that were trained on it."""

    def __init__(self) -> None:
        dataset = read_dataset(sample_folder("cardiac"))
        self.schema: LabelSchema = dataset.schema
        self.case = _cut(dataset.cases[0].load(self.schema))
        assert self.case.scribbles is not None
        targets = targets_of(self.case.scribbles)
        self.drawn = [int(z) for z in np.flatnonzero((targets > 0).any((1, 2)))]
        self.at = len(self.drawn) // 2

    @cached_property
    def batch(self) -> Batch:
        """The drawn slices (B, 1, Y, X), as the network sees them."""
        assert self.case.scribbles is not None
        image = torch.from_numpy(normalise(self.case.image.array))[self.drawn, None]
        target = torch.from_numpy(targets_of(self.case.scribbles).astype(np.int64))[self.drawn]
        return Batch(image, target, progress=0.5)

    @property
    def grey(self) -> Array:
        """The shown slice (y, x)."""
        return self.batch.image[self.at, 0].numpy()

    @property
    def strokes(self) -> Panel:
        """What was drawn on it."""
        return Panel("The strokes", self.grey, self.batch.target[self.at].numpy())

    def maps(self, name: str, options: MethodConfig | None = None) -> dict[str, Array]:
        """What a method prepares, on the drawn slices."""
        kind = method_named(name)
        maps = kind.prepare(self.case, options or kind.spec.presets["quick"].options)
        return {key: value[self.drawn] for key, value in maps.items()}

    def trained(self, kind: type[Method], steps: int = STEPS) -> Method:
        """The method's quick network after some steps on this case."""
        torch.manual_seed(0)
        method = kind(self.schema.n_classes, kind.spec.presets["quick"].options).train()
        maps = {
            k: torch.from_numpy(m.astype(np.int64)) for k, m in self.maps(kind.spec.name).items()
        }
        optimiser = torch.optim.Adam([p for p in method.parameters() if p.requires_grad], 2e-3)
        for step in range(1, steps + 1):
            picks = torch.randperm(len(self.drawn))[:4]
            part = replace(
                self.batch,
                image=self.batch.image[picks],
                target=self.batch.target[picks],
                maps={key: value[picks] for key, value in maps.items()},
            )
            optimiser.zero_grad()
            torch.stack(list(method.losses(part, step).values())).sum().backward()
            optimiser.step()
        return method.eval()

    @cached_property
    def unet(self) -> Method:
        """The small U-Net after some steps on the strokes alone."""
        return self.trained(PartialCE)

    @cached_property
    def probabilities(self) -> torch.Tensor:
        """(B, K, Y, X), what it predicts."""
        with torch.no_grad():
            return self.unet(self.batch.image).softmax(1)

    def with_unet(self, kind: type[Method], *names: str) -> Method:
        """A method whose networks have the weights of `unet`."""
        torch.manual_seed(0)
        method = kind(self.schema.n_classes, kind.spec.presets["quick"].options)
        weights = self.unet.get_submodule("network").state_dict()
        for name in names:
            method.get_submodule(name).load_state_dict(weights)
        return method.eval()


def _cut(case: Case) -> Case:
    """The case within a square around its strokes."""
    assert case.scribbles is not None
    assert case.reference is not None
    rows, columns = np.nonzero((case.reference > 0).any(0))
    shape = case.image.shape[1:]
    cut = tuple(
        slice(max(0, min(int(v.mean()) - _SIDE // 2, n - _SIDE)), None)
        for v, n in zip((rows, columns), shape, strict=True)
    )
    cut = (slice(None), *(slice(s.start, s.start + _SIDE) for s in cut))
    array = np.ascontiguousarray(case.image.array[cut])
    image = Volume(array, replace(case.image.grid, shape=array.shape))
    return Case(case.id, case.patient, image, case.scribbles[cut], case.reference[cut])


def strokes_only(scene: Scene) -> list[Panel]:
    """The drawn pixels and nothing else."""
    n = int((scene.batch.target[scene.at] != IGNORE).sum())
    share = 100 * n / scene.grey.size
    known = scene.batch.target[scene.at].numpy()
    return [
        Panel("A slice", scene.grey),
        Panel(f"Drawn pixels: {share:.0f} % of it", scene.grey, known),
        Panel("All that the loss sees", np.zeros_like(scene.grey), known),
    ]


def wpce(scene: Scene) -> list[Panel]:
    """The drawn pixels and what each weighs."""
    target = scene.batch.target
    weights = class_weights(target, scene.schema.n_classes, 1.0)
    weighed = np.where(target != IGNORE, weights[target.clamp_min(0)], 0)[scene.at]
    return [scene.strokes, _heat("Weight of each drawn pixel", scene.grey, weighed)]


def random_walker(scene: Scene) -> list[Panel]:
    """Strokes, seeds, and what is left out."""
    seeds = scene.maps("random_walker")["seeds"][scene.at]
    left = Panel("Too unsure to learn from", scene.grey, None, (seeds == IGNORE).astype(float))
    return [scene.strokes, Panel("Seeds grown from them", scene.grey, seeds), left]


def em_crf(scene: Scene) -> list[Panel]:
    """Seeds, and the pixels that one E-step relabels."""
    method = scene.trained(EMCRF)
    maps = method.prepare(scene.case, method.options)
    image = torch.from_numpy(normalise(scene.case.image.array))[:, None]
    shown = Shown(image, lambda x: x.movedim(1, 0).float().numpy())
    with torch.no_grad():
        new = method.relabel(scene.case, maps, shown)["targets"]
    z = scene.drawn[scene.at]
    added = np.where(maps["seeds"][z] == IGNORE, new[z], IGNORE)
    return [
        Panel("First: the seeds", scene.grey, maps["seeds"][z]),
        Panel("Filled in by the network", scene.grey, added),
        Panel("Then: seeds and filled in", scene.grey, new[z]),
    ]


def scribble2d5(scene: Scene) -> list[Panel]:
    """Strokes, supervoxels, their labels, and edges."""
    options = Scribble2D5Config()
    maps = scene.maps("scribble2d5", options)
    image = scene.case.image
    segments = supervoxels(image.array, image.spacing, options.supervoxel_mm3, options.compactness)[
        scene.drawn[scene.at]
    ]
    borders = (np.diff(segments, axis=0, append=segments[-1:]) != 0) | (
        np.diff(segments, axis=1, append=segments[:, -1:]) != 0
    )
    return [
        scene.strokes,
        Panel("Supervoxels", scene.grey, None, borders.astype(float)),
        Panel("Those of one class teach", scene.grey, maps["pseudo_labels"][scene.at]),
        _heat("Edges, for the boundary", scene.grey, maps["edges"][scene.at]),
    ]


def mixed(kind: type[Method]) -> Callable[[Scene], list[Panel]]:
    """Two slices put together, as ExMod and CycleMix do it."""

    def panels(scene: Scene) -> list[Panel]:
        method = scene.trained(kind, 15).train()
        assert isinstance(method, ExMod)
        first, second = scene.at, scene.drawn.index(scene.drawn[-1])
        pair = replace(
            scene.batch,
            image=scene.batch.image[[first, second]],
            target=scene.batch.target[[first, second]],
        )
        _, saliency = method._with_saliency(pair)  # noqa: SLF001
        puzzle = solve_puzzle(pair.image, saliency, torch.tensor([1, 0]), share=0.5, side=8)
        centres = torch.full((2, 2), 0.7)
        hidden = hidden_squares(centres, method.options.occlusion, (_SIDE, _SIDE))
        image = puzzle.apply(pair.image).masked_fill(hidden, 0.0)
        shares = method._hide_labels(  # noqa: SLF001
            puzzle.apply(shares_of(pair.target, scene.schema.n_classes)), hidden
        )[0]
        labels = np.where(shares.sum(0) > 0, shares.argmax(0), IGNORE)
        share = puzzle.apply(
            torch.stack([torch.ones(1, _SIDE, _SIDE), torch.zeros(1, _SIDE, _SIDE)])
        )
        greys, salient = pair.image[:, 0].numpy(), saliency.sqrt().numpy()
        return [
            Panel("First slice", greys[0], pair.target[0].numpy()),
            Panel("Second slice", greys[1], pair.target[1].numpy()),
            _heat("What matters in the first", greys[0], salient[0]),
            _heat("What matters in the second", greys[1], salient[1]),
            _heat("First light, second dark", greys[0], share[0, 0].numpy()),
            Panel("Mixed slice, a square hidden", image[0, 0].numpy()),
            Panel("Its labels", image[0, 0].numpy(), labels),
        ]

    return panels


def effdnet(scene: Scene) -> list[Panel]:
    """Pseudo-labels, the blocks of FBSL, and a pasted slice of FADC."""
    method = scene.with_unet(EFFDNet, "student", "teacher")
    assert isinstance(method, EFFDNet)
    pseudo = method._pseudo_labels(scene.batch.image)  # noqa: SLF001
    boxes = scribble_boxes(scene.batch.target, method.options.box)
    donors = [(i + 1) % len(boxes) for i in range(len(boxes))]
    labels = torch.stack([scene.batch.target, pseudo], 1)
    image, pasted = paste_regions(scene.batch.image, labels, boxes, donors)
    sides = (
        block_labels(scene.batch.target, method.options.blocks)[scene.at]
        .numpy()
        .reshape(method.options.blocks, -1)
    )
    whole = np.kron(sides, np.ones((_SIDE // sides.shape[0],) * 2))
    here = boxes[scene.at]
    return [
        scene.strokes,
        Panel("The teacher's pseudo-labels", scene.grey, pseudo[scene.at].numpy()),
        Panel("Blocks with a structure (light)", scene.grey, None, (whole > 0).astype(float)),
        Panel(
            "Pasted from another slice",
            image[scene.at, 0].numpy(),
            pasted[scene.at, 0].numpy(),
            boxes=() if here is None else (here,),
        ),
    ]


def entropy_min(scene: Scene) -> list[Panel]:
    """Strokes, and the entropy of a prediction."""
    doubt = scene.unet.uncertainty(scene.probabilities)[scene.at].numpy()
    return [scene.strokes, Panel("Doubt, to be lessened everywhere", scene.grey, None, doubt)]


def mumford_shah(scene: Scene) -> list[Panel]:
    """Strokes, and how far a prediction is from regions of even grey."""
    p, image = scene.probabilities, scene.batch.image
    means = (p * image).sum((2, 3), keepdim=True) / p.sum((2, 3), keepdim=True)
    uneven = (p * (image - means).square()).sum(1)[scene.at].numpy()
    return [
        scene.strokes,
        Panel("Prediction", scene.grey, p[scene.at].argmax(0).numpy()),
        _heat("Away from its class's mean grey", scene.grey, uneven),
    ]


def ustm(scene: Scene) -> list[Panel]:
    """What a noisy teacher predicts, and the part that is believed."""
    method = scene.with_unet(USTM, "student", "teacher").train()
    assert isinstance(method, USTM)
    torch.manual_seed(0)
    teaching, sure = method._taught(scene.batch.image, 0.3)  # noqa: SLF001
    likeliest = teaching.argmax(1)[scene.at].numpy()
    believed = np.where(sure.reshape(-1, _SIDE, _SIDE)[scene.at].numpy(), likeliest, IGNORE)
    return [
        scene.strokes,
        Panel("The teacher's prediction", scene.grey, likeliest),
        Panel("Where it is sure enough", scene.grey, believed),
    ]


def s2l(scene: Scene) -> list[Panel]:
    """A first average's confidence, and the pseudo-labels above the threshold."""
    sure, likeliest = (v[scene.at].numpy() for v in scene.probabilities.max(1))
    believed = np.where(sure > 0.8, likeliest, IGNORE)
    return [
        scene.strokes,
        Panel("Confidence of the average", scene.grey, None, sure),
        Panel("Learnt from above 0.8", scene.grey, believed),
    ]


def dmpls(scene: Scene) -> list[Panel]:
    """Two predictions and their mixture."""
    method = scene.trained(DMPLS)
    assert isinstance(method, DMPLS)
    method.train()
    with torch.no_grad():
        first, second = method.network.both(scene.batch.image)
    pseudo = mixed_pseudo_labels(first, second, share=0.5)
    return [
        scene.strokes,
        Panel("First decoder", scene.grey, first.argmax(1)[scene.at].numpy()),
        Panel("Second decoder", scene.grey, second.argmax(1)[scene.at].numpy()),
        Panel("Mixed half and half", scene.grey, pseudo[scene.at].numpy()),
    ]


def unet_crf(scene: Scene) -> list[Panel]:
    """Prediction before and after the CRF layer, and the strokes."""
    method = scene.with_unet(UNetCRF, "network")
    with torch.no_grad():
        refined = method(scene.batch.image).argmax(1)[scene.at].numpy()
    before = scene.probabilities[scene.at].argmax(0).numpy()
    return [
        Panel("The network's output", scene.grey, before),
        Panel("After the CRF layer", scene.grey, refined),
        Panel("Strokes, compared with that", scene.grey, scene.batch.target[scene.at].numpy()),
    ]


def full_2d(scene: Scene) -> list[Panel]:
    """A slice and its reference."""
    reference = scene.maps("full_2d")["reference"][scene.at]
    return [Panel("A slice", scene.grey), Panel("Its reference", scene.grey, reference)]


def full_25d(scene: Scene) -> list[Panel]:
    """Neighbouring slices with their references."""
    reference, image = scene.maps("full_25d")["reference"], scene.batch.image
    places = range(max(scene.at - 1, 0), min(scene.at + 2, len(image)))
    return [Panel(f"Slice {i + 1}", image[i, 0].numpy(), reference[i]) for i in places]


FIGURES: dict[str, Callable[[Scene], list[Panel]]] = {
    "partial_ce": strokes_only,
    "partial_ce_dice": strokes_only,
    "wpce": wpce,
    "random_walker": random_walker,
    "em_crf": em_crf,
    "scribble2d5": scribble2d5,
    "exmod": mixed(method_named("exmod")),
    "cyclemix": mixed(method_named("cyclemix")),
    "effdnet": effdnet,
    "entropy_min": entropy_min,
    "mumford_shah": mumford_shah,
    "ustm": ustm,
    "s2l": s2l,
    "dmpls": dmpls,
    "unet_crf": unet_crf,
    "full_2d": full_2d,
    "full_25d": full_25d,
}
"""What each method's figure shows."""


def draw(panels: list[Panel], schema: LabelSchema) -> Figure:
    """The panels in rows of four at most, with the classes' colours below."""
    columns = min(len(panels), 4)
    rows = -(-len(panels) // columns)
    size = (8.0, 8.0 / max(columns, 3) * rows + 0.7)
    figure = Figure(figsize=size, dpi=100, layout="constrained", facecolor="white")
    FigureCanvasAgg(figure)
    axes = figure.subplots(rows, columns, squeeze=False).ravel()
    for ax in axes:
        ax.axis("off")
    colors = {0: schema.scribble_colors[255], **schema.segmentation_colors}
    for ax, panel in zip(axes, panels, strict=False):
        _draw(ax, panel, colors)
    handles = [
        Patch(facecolor=colors[k], edgecolor="black", label=name)
        for k, name in enumerate(schema.names)
    ]
    figure.legend(handles=handles, loc="outside lower center", ncols=len(handles), fontsize=9)
    return figure


def _draw(ax: Axes, panel: Panel, colors: dict[int, str]) -> None:
    ax.set_title(panel.title, fontsize=9.5)
    ax.imshow(panel.grey, cmap="gray")
    if panel.heat is not None:
        ax.imshow(panel.heat, cmap="cividis", vmin=0, vmax=1, alpha=0.75)
    if panel.labels is not None:
        layer = np.zeros((*panel.labels.shape, 4))
        for k, color in colors.items():
            layer[panel.labels == k] = to_rgba(color, _OPACITY)
        ax.imshow(layer, interpolation="nearest")
    for top, bottom, left, right in panel.boxes:
        size = (right - left, bottom - top)
        ax.add_patch(Rectangle((left, top), *size, fill=False, edgecolor="white", linewidth=1.5))


def _heat(title: str, grey: Array, values: Array) -> Panel:
    """A map of any positive scale, its highest hundredth light."""
    positive = values[values > 0]
    top = float(np.percentile(positive, 99)) if positive.size else 1.0
    return Panel(title, grey, None, np.clip(values / top, 0, 1))


def main(names: list[str]) -> None:
    """Draw the figures of these methods, or of all."""
    torch.set_num_threads(1)
    IMAGES.mkdir(parents=True, exist_ok=True)
    scene = Scene()
    for name in names or FIGURES:
        figure = draw(FIGURES[name](scene), scene.schema)
        path = IMAGES / f"{name}.png"
        pixels = io.BytesIO()
        figure.savefig(pixels)
        # A palette halves the file; maximum coverage keeps the classes' colours, rare as they are.
        Image.open(pixels).convert("RGB").quantize(
            _COLORS, Image.Quantize.MAXCOVERAGE, dither=Image.Dither.NONE
        ).save(path)
        sys.stdout.write(f"{path.name}: {path.stat().st_size // 1024} kB\n")


if __name__ == "__main__":
    main(sys.argv[1:])

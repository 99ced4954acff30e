"""Makes docs/images/anatomy.png: random scenes, each with two images and its tissues.

    python docs/make_anatomy_figure.py

Everything follows from the seed below.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from PIL import Image

from napari_scribseg.anatomy.rendering import render
from napari_scribseg.anatomy.scenes import KINDS, random_scene
from napari_scribseg.anatomy.tissues import Tissue

PICTURE = Path(__file__).parent / "images" / "anatomy.png"
SEED = 26
_SCENES = 3
"""Of each kind."""
_COLOURS = np.array(
    [
        *((0, 0, 0), (230, 80, 70), (80, 200, 90), (70, 130, 240), (40, 40, 75), (150, 90, 50)),
        *((190, 60, 160), (235, 235, 200), (95, 95, 95), (240, 190, 60), (60, 200, 200)),
        *((160, 160, 250), (200, 140, 110), (250, 140, 60), (150, 200, 90)),
    ],
    np.uint8,
)
assert len(_COLOURS) == len(Tissue)


def main() -> None:
    """Draw the picture."""
    figure = Figure(figsize=(9.0, 4.2), dpi=110)
    FigureCanvasAgg(figure)
    axes = figure.subplots(len(KINDS), 3 * _SCENES)
    for row, kind in zip(axes, KINDS, strict=True):
        for i in range(_SCENES):
            scene = random_scene((SEED, i), kind=kind, side=128)
            for k in range(2):
                image = render(scene, (SEED, i, k))[0]
                row[3 * i + k].imshow(image, cmap="gray", vmin=-2, vmax=2.5)
            labels = scene.regions[0] if kind == "shapes" else None
            shown = _COLOURS[scene.tissues[0]] if labels is None else labels
            row[3 * i + 2].imshow(shown, cmap="nipy_spectral", interpolation="nearest")
        row[0].set_ylabel(kind, fontsize=8)
    for axis in axes.flat:
        axis.set_xticks([])
        axis.set_yticks([])
    figure.subplots_adjust(0.03, 0.01, 0.99, 0.99, 0.04, 0.04)
    figure.savefig(PICTURE, metadata={"Software": None})
    Image.open(PICTURE).convert("RGB").quantize(128).save(PICTURE, optimize=True)


if __name__ == "__main__":
    main()

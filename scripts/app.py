"""Open napari on the synthetic heart with the dock at its side: what `make app` runs."""

from __future__ import annotations

import napari

PLUGIN = "napari-scribseg"


def main() -> None:
    """Open the window and wait until it is closed."""
    viewer = napari.Viewer(title="napari-scribseg: synthetic heart")
    viewer.open_sample(PLUGIN, "cardiac")
    viewer.window.add_plugin_dock_widget(PLUGIN, "Scribble segmentation")
    napari.run()


if __name__ == "__main__":
    main()

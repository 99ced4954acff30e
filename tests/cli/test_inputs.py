"""What predict is given, and what it is called."""

from __future__ import annotations

from pathlib import Path

from napari_scribseg.cli.inputs import items_of


def test_images_in_folders_of_patients_get_hashes_and_the_screen_tells_whose(
    tmp_path: Path,
) -> None:
    images = [tmp_path / name / "image.nii.gz" for name in ("DOE^JANE", "Schmidt Peter", "p3")]
    for path in images:
        path.parent.mkdir()
        path.touch()
    items = items_of(images, "all", None).items
    assert [item.name for item in items] == ["DOE^JANE/image", "Schmidt Peter/image", ""]
    assert items[2].id == "p3_image"
    assert all(item.id.startswith("case-") for item in items[:2])
    assert items_of(images[:1], "all", None).items[0].name == ""

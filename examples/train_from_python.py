"""The whole job from Python: read a dataset, train, predict, evaluate, tables of pandas.

    python examples/train_from_python.py OUT [STEPS]

The same functions run behind the command line and the window, so the run in OUT/run can be listed,
continued and predicted with from there, too.
"""

from __future__ import annotations

import sys
from pathlib import Path

import napari_scribseg as ss


def main(out: Path, steps: int = 150) -> float:
    """Train on the synthetic hearts, segment those held out, score them; gives the mean Dice."""
    dataset = ss.read_dataset(ss.sample_folder("cardiac"))
    run = ss.prepare_run(dataset, out / "run", method="partial_ce_dice", changes={"steps": steps})
    for event in ss.train_run(run):
        if event.kind in {"started", "warned", "validated", "finished"}:
            print(event)
    model = ss.load_model(run)
    for case in dataset.split("val"):
        found = ss.predict_case(model, ss.read_volume(case.image))
        (out / "predictions").mkdir(exist_ok=True)
        segmentation = ss.Volume(found.segmentation, found.grid)
        ss.write_volume(out / "predictions" / f"{case.id}.nii.gz", segmentation)
    scores = ss.evaluate_folders(out / "predictions", dataset.folder, split="val")
    print(ss.score_table(scores)[["case", "class", "dice", "hd95_mm"]].to_string(index=False))
    print(ss.summary_table(scores)[["class", "dice_mean", "dice_std"]].to_string(index=False))
    print(ss.history_table(run).tail(3).to_string(index=False))
    print(f"Mean Dice {scores.mean_dice:.3f} of {len(scores.cases)} cases")
    return scores.mean_dice


if __name__ == "__main__":
    main(Path(sys.argv[1]), *map(int, sys.argv[2:3]))

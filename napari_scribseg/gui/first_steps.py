"""The first steps: what a newcomer does with the sample, when each step is done, what is kept.

No Qt. The dock tells what has happened; the panel shows the step that is next.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Literal, Protocol

from pydantic import BaseModel, ConfigDict

from napari_scribseg.core.errors import InvalidInput
from napari_scribseg.gui import recent
from napari_scribseg.gui.values import Inputs
from napari_scribseg.io.documents import load_document, save_document

StepName = Literal["open", "draw", "train", "look", "correct"]


@dataclass(frozen=True)
class Step:
    """One step.

    Args:
        name: its word.
        title: what to do, short enough for one line of a narrow dock.
        action: what stands on the button that leads there.
        tip: how it is done, and where.
    """

    name: StepName
    title: str
    action: str
    tip: str


STEPS: Final = (
    Step(
        "open",
        "Open your data, or the sample",
        "Sample",
        "Open … in the Case tab takes your own data; the sample is synthetic hearts with scribbles "
        "and a reference",
    ),
    Step(
        "draw",
        "Draw a stroke on every class",
        "Show",
        "Shows the Scribble tab and takes the brush: choose a class, draw on the canvas",
    ),
    Step(
        "train",
        "Train for one minute",
        "Prepare",
        "Sets the budget to one minute and shows the Train tab: press Train",
    ),
    Step(
        "look",
        "See the result",
        "Show",
        "When the training is over the image is segmented; with a reference the Results tab scores "
        "it",
    ),
    Step(
        "correct",
        "Draw where it is unsure (N)",
        "Next",
        "The key N ranks the slices by doubt; pressed again it goes to the next of them",
    ),
)

_SMALL_PLANE: Final = 160
_MOST_STARTS: Final = 3
"""Who has seen them in so many windows needs them no more; a menu shows them again."""
ALL_DONE: Final = "Done. Now draw here, then Train more."


class FirstSteps(BaseModel):
    """The document first_steps.json: how far somebody has come."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    version: Literal[1] = 1
    done: tuple[StepName, ...] = ()
    hidden: bool = False
    """Whether the user has put them away."""
    starts: int = 0
    """Windows that have shown them."""

    @property
    def current(self) -> Step | None:
        """The first step that is not done; None = all are."""
        return next((step for step in STEPS if step.name not in self.done), None)

    @property
    def number(self) -> int:
        """Which step is the current one, counted from 1; the last one when all are done."""
        current = self.current
        return len(STEPS) if current is None else STEPS.index(current) + 1

    def with_done(self, name: StepName) -> FirstSteps:
        """The same with this step done."""
        if name in self.done:
            return self
        return self.model_copy(update={"done": (*self.done, name)})


class FirstStepsView(Protocol):
    """What the presenter asks of the panel."""

    def show_steps(self, steps: FirstSteps) -> None:
        """Show how far somebody is, or nothing when the steps are hidden."""
        ...


class FirstStepsPresenter:
    """Ticks steps as they happen, and keeps that.

    Args:
        view: the panel.
        steps: how far the user is; see `steps_at_start`.
        keep: stores a changed state.
    """

    def __init__(
        self, view: FirstStepsView, steps: FirstSteps, keep: Callable[[FirstSteps], None]
    ) -> None:
        self.steps = steps
        self._view = view
        self._keep = keep
        if steps.starts and not steps.hidden:
            keep(steps)  # this window counts
        view.show_steps(steps)

    def inputs_changed(self, inputs: Inputs) -> None:
        """Other layers were chosen: a case of any kind that can be drawn on will do."""
        if inputs.image and inputs.scribbles and inputs.problem is None:
            self.happened("open")

    def happened(self, name: StepName) -> None:
        """This was done just now; while the steps are hidden nobody counts.

        What is trained has strokes of every class, also where the case came with them.
        """
        if self.steps.hidden:
            return
        if self.steps.current is None and name == "draw":
            self.hide()  # the last line has said to draw
            return
        steps = self.steps.with_done("draw") if name == "train" else self.steps
        self._become(steps.with_done(name))

    def hide(self) -> None:
        """Put the steps away for good."""
        self._become(self.steps.model_copy(update={"hidden": True}))

    def show(self, inputs: Inputs) -> None:
        """Show them again: where they were left, or from the start when all were done."""
        done = () if self.steps.current is None else self.steps.done
        self._become(FirstSteps(done=done, starts=1))
        self.inputs_changed(inputs)

    def _become(self, steps: FirstSteps) -> None:
        if steps != self.steps:
            self.steps = steps
            self._keep(steps)
            self._view.show_steps(steps)


def one_minute(plane: tuple[int, int]) -> dict[str, Any]:
    """Settings of the engine for a first training, as JSON values.

    Args:
        plane: voxels of a slice along (y, x). In a small one larger patches would only be padding.
    """
    small = {"batch_size": 6, "patch": [128, 128]} if max(plane) <= _SMALL_PLANE else {}
    return {"minutes": 1.0, **small}


def document_path() -> Path:
    """Where it is kept how far somebody has come: beside the recent projects."""
    return recent.document_path().with_name("first_steps.json")


def steps_at_start(project: Path) -> FirstSteps:
    """How far the user was; without a document they are for those who have no project yet.

    Args:
        project: the folder that receives the runs.
    """
    path = document_path()
    is_new = not path.exists() and not recent.load_recent().projects
    if is_new and not (project / "project.json").exists():
        return FirstSteps(starts=1)
    try:
        steps = load_document(path, FirstSteps)
    except InvalidInput:
        return FirstSteps(hidden=True)
    if steps.hidden:
        return steps
    seen = steps.current is None or steps.starts >= _MOST_STARTS
    return steps.model_copy(update={"starts": steps.starts + 1, "hidden": seen})


def keep_steps(steps: FirstSteps) -> None:
    """Store how far somebody has come; what can't be written is not worth a word."""
    path = document_path()
    try:
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        save_document(path, steps)
    except (InvalidInput, OSError):
        return

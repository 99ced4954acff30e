"""A teacher: a network that is the moving average of another one."""

from __future__ import annotations

import torch
from torch import nn


@torch.no_grad()
def follow(teacher: nn.Module, student: nn.Module, decay: float, step: int) -> None:
    """Move the teacher's weights towards the student's; buffers (batch statistics) are copied.

    Args:
        teacher: changed in place.
        student: the same architecture.
        decay: share of the teacher that stays; in the first steps 1 - 1 / step if that is less,
            so that after step 1 the teacher is the student, then the mean of all students so far.
        step: counted from 1.

    Source: Tarvainen & Valpola, "Mean teachers are better role models", NeurIPS 2017.
    """
    kept = min(1.0 - 1.0 / step, decay)
    for mine, theirs in zip(teacher.parameters(), student.parameters(), strict=True):
        mine.lerp_(theirs, 1.0 - kept)
    for mine, theirs in zip(teacher.buffers(), student.buffers(), strict=True):
        mine.copy_(theirs)

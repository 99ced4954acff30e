"""A teacher that follows by hand."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from napari_scribseg.networks.teacher import follow


def _network(value: float) -> nn.BatchNorm1d:
    network = nn.BatchNorm1d(1)
    nn.init.constant_(network.weight, value)
    network.running_mean.fill_(value)
    network.num_batches_tracked.fill_(int(value))
    return network


@pytest.mark.parametrize(
    ("step", "weight"),
    [
        (1, 2.0),  # the student itself
        (2, 0.5 * 10 + 0.5 * 2),
        (4, 0.75 * 10 + 0.25 * 2),
        (1000, 0.9 * 10 + 0.1 * 2),
    ],
)
def test_weights_are_averaged_and_statistics_are_copied(step, weight) -> None:
    teacher, student = _network(10.0), _network(2.0)
    follow(teacher, student, 0.9, step)
    assert float(teacher.weight.detach()) == pytest.approx(weight)
    assert float(teacher.running_mean) == 2.0
    assert int(teacher.num_batches_tracked) == 2
    assert float(student.weight.detach()) == 2.0


def test_a_student_of_another_size_is_refused() -> None:
    with pytest.raises(ValueError, match="shorter|longer"):
        follow(nn.Sequential(nn.Linear(1, 1)), nn.Linear(1, 1, bias=False), 0.9, 1)


def test_no_graph_is_kept() -> None:
    teacher, student = _network(1.0).requires_grad_(requires_grad=False), _network(2.0)
    follow(teacher, student, 0.9, 3)
    assert not teacher.weight.requires_grad
    assert torch.isfinite(teacher.weight).all()

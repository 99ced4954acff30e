"""Every switch of an ablation changes what it names: weights, terms, maps, prediction, E-step.

With one random seed, everything that a switch does not name stays the same to the bit. What the
single terms are is in the file of each method.
"""

from __future__ import annotations

from dataclasses import replace
from functools import cache
from typing import Any, Literal, get_args, get_origin

import numpy as np
import pytest
import torch
from annotated_types import Ge, Gt, Le, Lt, MultipleOf
from phantoms import two_ball_case
from small_runs import phantom_batch
from torch import Tensor

from napari_scribseg.batches.slices import image_slices, resample_in_plane
from napari_scribseg.core.config import MethodConfig
from napari_scribseg.core.labels import IGNORE
from napari_scribseg.methods.base import Method, Shown
from napari_scribseg.methods.effdnet.method import EFFDNet
from napari_scribseg.methods.em_crf import ROWS, EMCRFConfig
from napari_scribseg.methods.em_crf.method import EMCRF
from napari_scribseg.methods.exmod.method import CycleMix, ExMod
from napari_scribseg.methods.registry import all_methods
from napari_scribseg.methods.scribble2d5.method import Scribble2D5

SMALL: dict[type[Method], dict[str, Any]] = {
    ExMod: {"base_width": 4, "occlusion": 8},
    CycleMix: {"base_width": 4, "occlusion": 8},
    EFFDNet: {},
    EMCRF: {"base_width": 4, "crf": "none", "passes": 4, "rnn_bilateral_sigma": 16.0},
    Scribble2D5: {"base_width": 4, "norm": "group"},
}
"""The paper's options, in a network of seconds."""

MIXED = {"mixed_scribbles", "global_consistency"}
PASTED = {"pasted_scribbles", "pasted_pseudo_labels"}

TERMS: list[tuple[type[Method], dict[str, Any], set[str]]] = [
    *(
        (kind, option, changed)
        for kind in (ExMod, CycleMix)
        for option, changed in (
            ({"warm_up": 0.2}, set()),
            ({"warm_up": 0.5}, MIXED | {"local_consistency"}),
            ({"mixing": False}, MIXED),
            ({"occlusion": 0}, MIXED),
            ({"occlusion_label": "background"}, {"mixed_scribbles"}),
            ({"turn_degrees": 20}, MIXED),
            ({"local_weight": 0}, {"local_consistency"}),
            ({"local_weight": 0.2}, {"local_consistency"}),
            ({"global_weight": 0}, {"global_consistency"}),
            ({"global_weight": 0.2}, {"global_consistency"}),
            ({"reduction": "labelled"}, {"scribbles", "mixed_scribbles"}),
        )
    ),
    (EFFDNet, {"fbsl": False}, {"fbsl"}),
    (EFFDNet, {"fadc": False}, PASTED),
    (EFFDNet, {"fadc_from": 0.5}, PASTED),
    (EFFDNet, {"blocks": 4}, {"fbsl"}),
    (EFFDNet, {"temperature": 0.1}, {"fbsl"}),
    (EFFDNet, {"fbsl_weight": 0.6}, {"fbsl"}),
    (EFFDNet, {"pseudo_weight": 0.3}, {"pseudo_labels", "pasted_pseudo_labels", "fbsl"}),
    (EFFDNet, {"box": "foreground"}, PASTED),
    (EFFDNet, {"teacher_decay": 0.5}, set()),
    (EMCRF, {"recursions": 0}, set()),
    (EMCRF, {"crf": "dense"}, set()),
    (EMCRF, {"crf": "rnn"}, {"cross_entropy"}),
    (EMCRF, {"uncertainty": True}, {"cross_entropy"}),
    (EMCRF, {"supervision": "dense"}, set()),
    (EMCRF, {"significance": 0.5, "passes": 9}, set()),
    (EMCRF, {"balance": 0.5}, {"cross_entropy"}),
    (Scribble2D5, {"lpm": "none"}, set()),
    (Scribble2D5, {"abl": False}, {"active_boundary"}),
    (Scribble2D5, {"boundary_weight": 0.6}, {"boundary"}),
    (Scribble2D5, {"active_weight": 0.6}, {"active_boundary"}),
    (Scribble2D5, {"inner_weight": 2.0}, {"active_boundary"}),
    (Scribble2D5, {"outer_weight": 2.0}, {"active_boundary"}),
    (Scribble2D5, {"balance": 0.5}, {"segmentation", "initial"}),
]
"""What an option changes of the terms of one batch, the labels being given."""


def _method(kind: type[Method], **options: Any) -> Method:
    torch.manual_seed(0)
    return kind(3, kind.spec.Config().updated({**SMALL[kind], **options})).train()


@cache
def _batch(kind: type[Method]):
    """At a quarter of the budget, before EM-CRF's first E-step."""
    return replace(phantom_batch(kind, size=32), progress=0.25)


def _terms(kind: type[Method], **options: Any) -> dict[str, float]:
    method = _method(kind, **options)
    torch.manual_seed(1)
    return {n: float(term.detach()) for n, term in method.losses(_batch(kind), 1).items()}


@cache
def _plain_terms(kind: type[Method]) -> dict[str, float]:
    return _terms(kind)


@pytest.mark.parametrize(
    ("kind", "option", "changed"), TERMS, ids=[f"{k.spec.name}-{o}" for k, o, _ in TERMS]
)
def test_a_switch_changes_its_terms_and_no_weight_of_the_others(kind, option, changed) -> None:
    plain, switched = _plain_terms(kind), _terms(kind, **option)
    assert set(switched) <= set(plain)
    assert {n for n in plain if plain[n] != switched.get(n)} == changed
    before, after = (_method(kind, **o).state_dict() for o in ({}, option))
    added = set(after) - set(before)
    assert set(before) <= set(after)
    assert {n.split(".")[0] for n in added} == ({"crf"} if option == {"crf": "rnn"} else set())
    assert all(torch.equal(before[n], after[n]) for n in before)


def test_without_the_static_boundary_the_rest_of_the_network_does_the_same() -> None:
    """Given the same weights; only the branch, what it feeds and what it is fed are gone."""
    full, bare = _method(Scribble2D5), _method(Scribble2D5, sbpm=False)
    whole, kept = full.state_dict(), bare.state_dict()
    assert set(kept) < set(whole)
    gone = {name.split(".")[0] for name in set(whole) - set(kept)}
    assert gone == {"boundary", "backbone", "final"}
    narrower = {n.split(".")[0] for n in kept if kept[n].shape != whole[n].shape}
    assert narrower == {"final"}
    bare.load_state_dict({n: whole[n] if v.shape == whole[n].shape else v for n, v in kept.items()})
    full.eval(), bare.eval()
    with torch.no_grad():
        torch.testing.assert_close(
            bare.segment(_batch(Scribble2D5).image)[1],
            full.segment(_batch(Scribble2D5).image)[1],
            rtol=0,
            atol=0,
        )


def test_grown_labels_reach_the_two_segmentations_only() -> None:
    batch = _batch(Scribble2D5)
    strokes = replace(batch, maps={**batch.maps, "pseudo_labels": batch.target})
    assert not torch.equal(batch.target, batch.maps["pseudo_labels"])
    method = _method(Scribble2D5)
    torch.manual_seed(1)
    terms = method.losses(strokes, 1)
    plain = _plain_terms(Scribble2D5)
    changed = {n for n, term in terms.items() if float(term.detach()) != plain[n]}
    assert changed == {"segmentation", "initial"}


# EM-CRF: the rows of its table


@pytest.fixture(scope="module")
def case():
    return two_ball_case(shape=(2, 32, 32))


def _row(title: str) -> EMCRF:
    torch.manual_seed(0)
    small = {k: v for k, v in SMALL[EMCRF].items() if k != "crf"} | {"significance": 0.01}
    return EMCRF(3, ROWS[title].updated(small)).eval()


def test_all_rows_start_from_the_same_seeds_but_the_upper_bound(case) -> None:
    seeds = EMCRF.prepare(case, EMCRFConfig())["targets"]
    for title, row in ROWS.items():
        expected = case.reference if title == "Fully supervised" else seeds
        np.testing.assert_array_equal(EMCRF.prepare(case, row)["targets"], expected)


def test_rows_predict_alike_unless_the_network_has_a_crf() -> None:
    image = _batch(EMCRF).image
    with torch.no_grad():
        predicted = {title: _row(title)(image) for title in ROWS}
    base, with_crf = predicted["Base"], predicted["Base + CRF-RNN"]
    assert not torch.allclose(base, with_crf)
    for title, logits in predicted.items():
        assert torch.equal(logits, with_crf if "CRF-RNN" in title else base), title


def test_every_row_relabels_in_its_own_way(case) -> None:
    """From one set of weights; those that do not relabel are never asked to."""
    seeds = np.full(case.image.shape, IGNORE, np.int16)
    seeds[:, ::8, ::8] = EMCRF.prepare(case, EMCRFConfig())["seeds"][:, ::8, ::8]
    base, found = _row("Base").train(), {}
    with torch.no_grad():  # until batch norm spreads the logits over the slice
        for _ in range(30):
            base(_batch(EMCRF).image)
    weights = base.state_dict()
    for title in ROWS:
        method = _row(title)
        if not method.relabel_at:
            assert title in {"Base (no recursion)", "Fully supervised"}
            continue
        method.load_state_dict(weights, strict=False)
        torch.manual_seed(2)
        found[title] = _relabelled(method, case, {"seeds": seeds, "targets": seeds})["targets"]
        unknown = (found[title] == IGNORE).any()
        assert unknown == method.options.uncertainty, title
    titles = list(found)
    assert len(titles) == 6
    for i, first in enumerate(titles):
        for second in titles[i + 1 :]:
            assert (found[first] != found[second]).any(), (first, second)


@torch.no_grad()
def _relabelled(method: Method, case, maps) -> dict[str, np.ndarray]:
    image = image_slices(case.image.array, case.image.spacing, case.image.spacing[1])

    def to_grid(pixels: Tensor) -> np.ndarray:
        back = resample_in_plane(pixels.float(), case.image.shape[1:])
        return back.movedim(1, 0).contiguous().numpy()

    return method.relabel(case, maps, Shown(image, to_grid))


# What is prepared, and under which key it is kept


def _another(config: MethodConfig, name: str) -> Any:
    """Some other value of an option; None where there is no telling."""
    value, field = getattr(config, name), type(config).model_fields[name]
    if isinstance(value, bool):
        return not value
    if get_origin(field.annotation) is Literal:
        return next(v for v in get_args(field.annotation) if v != value)
    if not isinstance(value, int | float):
        return None
    least = next(
        (m.gt if isinstance(m, Gt) else m.ge for m in field.metadata if isinstance(m, Gt | Ge)), 0
    )
    most = next(
        (m.lt if isinstance(m, Lt) else m.le for m in field.metadata if isinstance(m, Lt | Le)),
        2 * value + 2,
    )
    if isinstance(value, int):
        step = next((m.multiple_of for m in field.metadata if isinstance(m, MultipleOf)), 1)
        return value + step if value + step <= most else value - step
    return (least + value) / 2 if value > least else (most + value) / 2


@pytest.mark.parametrize("kind", all_methods(), ids=lambda m: m.spec.name)
def test_every_option_that_changes_maps_is_part_of_their_key(kind) -> None:
    """Else the cache would hand out maps of other settings."""
    case = two_ball_case(shape=(2, 24, 24))
    config = kind.spec.Config()
    plain = kind.prepare(case, config)
    assert set(kind.prepared_from) <= set(kind.spec.Config.model_fields)
    for name in kind.spec.Config.model_fields:
        other = _another(config, name)
        if other is None:
            continue
        changed = kind.prepare(case, config.updated({name: other}))
        same = set(changed) == set(plain) and all(
            np.array_equal(changed[n], plain[n]) for n in plain
        )
        assert same or name in kind.prepared_from, name

"""What a pixel of random anatomy is made of: the classes of pre-training."""

from __future__ import annotations

from enum import IntEnum


class Tissue(IntEnum):
    """The classes that a network tells apart while it is pre-trained; no case has them."""

    OTHER = 0
    """Air, fat, skin, and every shape without a name."""
    RIGHT_VENTRICLE = 1
    MYOCARDIUM = 2
    LEFT_VENTRICLE = 3
    LUNG = 4
    LIVER = 5
    VESSEL = 6
    BONE = 7
    MUSCLE = 8
    """Walls of the body and of hollow organs."""
    PERIPHERAL_ZONE = 9
    CENTRAL_GLAND = 10
    BLADDER = 11
    RECTUM = 12
    KIDNEY = 13
    SPLEEN = 14

"""Small segmentations as 3D Slicer writes them."""

from __future__ import annotations

import numpy as np

SLICER = """NRRD0004
type: unsigned char
dimension: {dimension}
space: left-posterior-superior
sizes: {sizes}
space directions: {none}(1.1,0,0) (0,1.3,0) (0,0,8)
kinds: {kinds}domain domain domain
encoding: raw
space origin: (1,2,3)
Segment0_ID:=Segment_1
Segment0_Name:=left ventricle
Segment0_LabelValue:=1
Segment0_Layer:=0
Segment0_Color:=1 0.5 0
Segment1_Name:=scar
Segment1_LabelValue:=1
Segment1_Layer:={second}
Segment1_Color:=0 0 1
"""


def slicer_file(path, *, overlapping: bool):
    """Two structures, the second inside the first (in a frame of its own), or beside it."""
    first = np.zeros((2, 4, 5), np.uint8)
    first[:, 1:3, 1:4] = 1
    second = np.zeros_like(first)
    second[:, 2, 2] = 1
    if overlapping:
        head = SLICER.format(dimension=4, sizes="2 5 4 2", none="none ", kinds="list ", second=1)
        body = np.stack([first, second], axis=-1).tobytes()  # the list runs fastest
    else:
        head = SLICER.format(dimension=3, sizes="5 4 2", none="", kinds="", second=0)
        head = head.replace("Segment1_LabelValue:=1", "Segment1_LabelValue:=2")
        body = (first + second).tobytes()
    path.write_bytes(head.encode() + b"\n" + body)
    return first, second

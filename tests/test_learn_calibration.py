"""The calibration plot shows the bins that the figures tell."""

from __future__ import annotations

import xml.etree.ElementTree as ET

import numpy as np
import pytest

from sal.learn.calibration import calibration
from sal.learn.calibration_svg import calibration_svg

SVG = "{http://www.w3.org/2000/svg}"


def test_a_dot_stands_where_its_bin_is() -> None:
    scores = np.array([0.05, 0.05, 0.95, 0.95, 0.95, 0.95])
    right = np.array([False, True, True, True, True, False])
    told = calibration(scores, right)
    root = ET.fromstring(calibration_svg({"a <set>": told, "other": told}))  # noqa: S314 - ours
    dots = root.findall(f"{SVG}circle")
    assert len(dots) == 4
    ticks = {t.text: t for t in root.findall(f"{SVG}text")}
    x = {tenths: float(ticks[tenths].attrib["x"]) for tenths in ("0.0", "1.0")}
    y = {percent: float(ticks[percent].attrib["y"]) - 4 for percent in ("0", "100")}

    def place(score: float, share: float) -> tuple[float, float]:
        return (
            x["0.0"] + score * (x["1.0"] - x["0.0"]),
            y["0"] + share * (y["100"] - y["0"]),
        )

    for dot, (score, share) in zip(dots, ((0.05, 0.5), (0.95, 0.75)), strict=False):
        at = (float(dot.attrib["cx"]), float(dot.attrib["cy"]))
        assert at == pytest.approx(place(score, share), abs=0.1)
    assert float(dots[1].attrib["r"]) > float(dots[0].attrib["r"])  # four steps and two
    assert "a <set> (ECE 0.283)" in ticks


def test_without_steps_there_is_no_gap() -> None:
    told = calibration(np.array([]), np.array([], bool))
    assert told == {"ece": None, "bins": []}
    assert "<circle" not in calibration_svg({"empty": told})

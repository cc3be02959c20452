"""Which frames of a step are seen, and how a picture is made small."""

from __future__ import annotations

from collections import Counter
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from mario_envs.emulators.picture import gray_area
from mario_envs.lane_random import LaneRandom
from mario_envs.observations.frames import Frames
from numpy.typing import NDArray
from PIL import Image

lengths = st.lists(st.integers(1, 400), min_size=1, max_size=5).map(lambda drawn: np.array(drawn, np.int32))


def streams(lanes: int, seed: int = 0) -> LaneRandom:
    random = LaneRandom(lanes)
    for lane in range(lanes):
        random.seed(lane, seed + lane)
    return random


@given(lengths, st.integers(2, 12), st.integers(0, 2**63))
def test_first_and_last_and_different_ones_between_in_order(
    frames: NDArray[np.int32], count: int, seed: int
) -> None:
    lanes = np.arange(len(frames))
    for row, length in zip(
        Frames(count).keep(frames, lanes, streams(len(frames), seed)), frames.tolist(), strict=True
    ):
        chosen = row.tolist()
        assert len(chosen) == count
        assert chosen == sorted(chosen)
        assert (chosen[0], chosen[-1]) == (0, length - 1)
        if length >= count:
            assert len(set(chosen)) == count
        else:
            assert set(chosen) == set(range(length)), "a short step shows each of its frames"


@given(lengths)
def test_a_single_picture_is_the_last(frames: NDArray[np.int32]) -> None:
    chosen = Frames(1).keep(frames, np.arange(len(frames)), streams(len(frames)))
    assert np.array_equal(chosen, frames[:, None] - 1)


@given(lengths, st.integers(3, 6), st.integers(0, 2**63))
def test_a_lanes_choice_depends_on_its_seed_and_not_on_other_lanes(
    frames: NDArray[np.int32], count: int, seed: int
) -> None:
    observation, lanes = Frames(count), np.arange(len(frames))
    together = observation.keep(frames, lanes, streams(len(frames), seed))
    random = streams(len(frames), seed)
    for lane in lanes[::-1]:
        alone = observation.keep(frames[[lane]], lanes[[lane]], random)
        assert np.array_equal(alone[0], together[lane])


def test_each_choice_of_frames_is_equally_likely() -> None:
    # 2 of the 5 frames between the first and the last: 10 pairs.
    draws = 20_000
    random = streams(draws)
    chosen = Frames(4).keep(np.full(draws, 7, np.int32), np.arange(draws), random)
    counts = Counter(map(tuple, chosen[:, 1:3].tolist()))
    assert len(counts) == 10
    chi_squared = sum((seen - draws / 10) ** 2 / (draws / 10) for seen in counts.values())
    assert chi_squared < 27.9, "less likely than 1 in 1,000 with 9 degrees of freedom"


def test_a_stream_goes_on() -> None:
    observation, random = Frames(4), streams(1)
    frames, lanes = np.array([100], np.int32), np.array([0])
    drawn = {tuple(observation.keep(frames, lanes, random)[0].tolist()) for _ in range(20)}
    assert len(drawn) > 15


def test_the_generator_is_splitmix64() -> None:
    """Its first numbers from seed 1234567, as published with it."""
    published = [6457827717110365317, 3203168211198807973, 9817491932198370423, 4593380528125082431]
    random = streams(1, 1234567)
    limit = 2**32 - 1
    for number in published:
        drawn = random.below(np.array([0]), np.array([limit]))
        assert drawn.tolist() == [((number >> 32) * limit) >> 32]


@given(st.integers(0, 2**63), st.lists(st.integers(1, 2**32 - 1), min_size=1, max_size=4))
def test_numbers_stay_below_their_limit(seed: int, limits: list[int]) -> None:
    drawn = streams(len(limits), seed).below(np.arange(len(limits)), np.array(limits))
    assert (drawn >= 0).all()
    assert (drawn < np.array(limits)).all()


def area_by_repetition(luma: NDArray[np.float64], height: int, width: int) -> NDArray[np.float64]:
    """Reduce by repeating each pixel until the blocks are whole; slow, and exact by construction."""
    rows = np.repeat(luma, height, axis=0).reshape(height, luma.shape[0], luma.shape[1]).mean(axis=1)
    result: NDArray[np.float64] = (
        np.repeat(rows, width, axis=1).reshape(height, width, luma.shape[1]).mean(axis=2)
    )
    return result


@settings(max_examples=40)
@given(st.integers(0, 2**32 - 1), st.integers(1, 240), st.integers(1, 256))
def test_area_averaging_is_exact_to_a_gray_level(seed: int, height: int, width: int) -> None:
    # Blocks of one colour, as in the game, and noise.
    random = np.random.default_rng(seed)
    rgb = random.integers(256, size=(240, 256, 3), dtype=np.uint8)
    rgb[:120] = np.repeat(np.repeat(rgb[:15, :32], 8, axis=0), 8, axis=1)
    expected = area_by_repetition(rgb @ np.array([0.299, 0.587, 0.114]), height, width)
    got = gray_area(rgb, height, width)
    assert got.dtype == np.uint8
    assert got.shape == (height, width)
    # Half a level of rounding, and what single precision adds.
    assert np.abs(got - expected).max() < 0.5 + 1e-3


def test_area_averaging_agrees_with_pillow() -> None:
    rgb = np.random.default_rng(1).integers(256, size=(240, 256, 3), dtype=np.uint8)
    luma = (rgb @ np.array([0.299, 0.587, 0.114])).astype(np.float32)
    reference = Image.fromarray(luma).resize((84, 84), Image.Resampling.BOX)
    # Pillow's box takes whole pixels at its edges, so single pixels differ a little and the whole does not.
    difference = gray_area(rgb, 84, 84).astype(float) - np.asarray(reference)
    assert abs(difference.mean()) < 0.2


@pytest.mark.parametrize("level", [0, 1, 127, 254, 255])
def test_an_even_picture_stays_as_it_is(level: int) -> None:
    assert (gray_area(np.full((240, 256, 3), level, np.uint8), 84, 84) == level).all()


@pytest.mark.parametrize("size", [(0, 84), (241, 84), (84, 257)])
def test_a_picture_is_never_made_larger(size: Any) -> None:
    with pytest.raises(ValueError, match="between 1 and"):
        gray_area(np.zeros((240, 256, 3), np.uint8), *size)

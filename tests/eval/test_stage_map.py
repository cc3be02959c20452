"""A level is stitched from what was seen of it, without what is written over it or walks through it."""

import numpy as np
from mario_eval.report.stage_map import AreaMap

HEIGHT, WIDTH, LENGTH = 24, 64, 400
SKY = (90, 120, 250)


def level():
    """Sky above, ground of another colour in each column below: any column put in a wrong place shows."""
    drawn = np.empty((HEIGHT, LENGTH, 3), np.uint8)
    drawn[:] = SKY
    columns = np.arange(LENGTH)
    drawn[16:] = np.stack([columns % 251, columns // 251 * 100, columns % 13 * 10], -1)
    return drawn


def seen(drawn, left, number):
    """What a screen shows: the level, a walker, and a status line with digits that change."""
    picture = drawn[:, left : left + WIDTH].copy()
    walker = number * 7 % (WIDTH - 4)
    picture[12:18, walker : walker + 4] = (200, 30, 30)
    picture[2:5, 4:30:2] = 255
    return picture


def stitched(lefts):
    area, drawn = AreaMap(), level()
    for number, left in enumerate(lefts):
        for _ in range(31):  # so that every look at a place is far enough from the last
            area.look(seen(drawn, left, number), left)
    return area.stitch(), drawn


def test_status_line_and_walkers_are_left_out():
    found, drawn = stitched(range(0, LENGTH - WIDTH, 6))
    assert found.shape[1] > LENGTH - WIDTH
    # Both ends were looked at too seldom for whoever walks there to be outvoted.
    middle = slice(WIDTH, LENGTH - 2 * WIDTH)
    np.testing.assert_array_equal(found[:, middle], drawn[:, middle])
    # Above the walkers, where the status line was over the left end in every look, there is sky.
    np.testing.assert_array_equal(found[:12], drawn[:12, : found.shape[1]])


def test_a_level_that_never_scrolled_keeps_all_of_its_picture():
    """From one place nobody can tell what is written over a level and what belongs to it."""
    found, drawn = stitched([40] * 12)
    assert (found[2:5, 4:30:2] == 255).all()
    np.testing.assert_array_equal(found[20:], drawn[20:, 40 : 40 + WIDTH])

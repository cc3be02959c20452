"""How episodes begin, what ends them, and what the end is worth."""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise
from typing import Any

import gymnasium
import pytest
from mario_envs.game.stages import STAGES

CLOCK, WORLD, STAGE = 0x07F8, 0x075F, 0x075C
#: Not 0 where pipes lead to other worlds; the disassembly's WarpZoneControl.
WARP_ZONE = 0x06D6


@pytest.fixture(scope="module")
def cleared_1_1(make_player: Callable[..., Any]) -> Any:
    """1-1 walked from end to end, with fewer units on the clock so that counting them takes less time."""
    player = make_player("1-1").reset()
    player.walk(until=lambda info: info["x"] > 3_000)
    player.poke(CLOCK, 0, 5, 9)
    player.walk(until=lambda info: info["clear"])
    return player


def test_the_flag_clears_and_ends_the_episode(cleared_1_1: Any) -> None:
    info = cleared_1_1.info
    assert info["clear"]
    assert not info["dead"]
    assert cleared_1_1.terminated
    assert not cleared_1_1.truncated
    assert info["stage"] == "1-1"
    assert info["distance"] == info["x"] > 3_100


def test_what_the_game_adds_after_the_flag_counts(cleared_1_1: Any) -> None:
    before, after = cleared_1_1.infos[-2:]
    # 50 points a unit of time left, and 100 to 5,000 for the flag.
    time_bonus = 50 * after["time"]
    assert after["time"] > 30
    assert time_bonus + 100 <= after["score"] - before["score"] <= time_bonus + 5_000 + 3_000
    assert after["reward_terms"]["score"] == pytest.approx(0.1 * 0.01 * (after["score"] - before["score"]))
    assert cleared_1_1.total("score") == pytest.approx(0.1 * 0.01 * after["score"])


def test_the_clock_being_counted_into_the_score_is_no_time_penalty(cleared_1_1: Any) -> None:
    assert cleared_1_1.info["reward_terms"]["time"] == 0


def test_progress_of_a_whole_stage_is_its_length(cleared_1_1: Any) -> None:
    walked = cleared_1_1.info["x"] - cleared_1_1.start["x"]
    assert cleared_1_1.total("progress") == pytest.approx(0.1 * walked, abs=0.1 * 20)


def test_every_frame_of_the_episode_is_counted(cleared_1_1: Any) -> None:
    counted = sum(info["frames"] for info in cleared_1_1.infos)
    assert counted == cleared_1_1.info["episode_frames"]
    # The reset ran one frame more, to have a picture.
    assert counted == cleared_1_1.emulator.frames - 1


def test_terms_add_up_to_the_reward_at_every_step(cleared_1_1: Any) -> None:
    for reward, info in zip(cleared_1_1.rewards, cleared_1_1.infos, strict=True):
        assert reward == pytest.approx(sum(info["reward_terms"].values()), abs=1e-12)


def test_the_axe_clears_a_castle(make_player: Callable[..., Any]) -> None:
    player = make_player("1-4").reset()
    player.walk(until=lambda info: info["clear"])
    assert player.terminated
    assert player.info["clear"]
    assert not player.info["dead"]
    assert player.info["stage"] == "1-4"
    assert player.info["reward_terms"]["death"] == 0


@pytest.mark.parametrize("update", ["add", "keep"])
def test_what_was_planned_before_a_death_is_not_pressed_after_it(
    update: str, make_player: Callable[..., Any]
) -> None:
    game = make_player("1-1", task="game", action={"continuous-frames": {"update": update}}).reset()
    game.poke(CLOCK, 0, 0, 1)
    held = game.step([0, 0, 0, 1, 0, 1])
    while not held["dead"]:
        held = game.step([0, 0, 0, 1, 0.05, 1])
    assert held["holds"].tolist() == [0] * 6


def test_the_whole_game_goes_on_after_a_flag_and_has_three_lives(make_player: Callable[..., Any]) -> None:
    game = make_player("1-1", task="game").reset()
    assert game.info["lives"] == 2
    game.walk(until=lambda info: info["x"] > 3_000)
    game.poke(CLOCK, 0, 2, 0)
    game.walk(until=lambda info: info["clear"])
    assert game.info["stage"] == "1-2"
    assert not game.terminated
    assert game.info["time"] == 400  # of the next stage, where Mario can be steered again
    assert game.info["x"] < 256
    game.step(game.RIGHT)
    assert not game.info["clear"]

    score = game.info["score"]
    for lives_left in (1, 0):
        game.poke(CLOCK, 0, 0, 1)
        while not game.step(game.NOTHING)["dead"]:
            assert not game.terminated
        assert game.info["lives"] == lives_left
        assert not game.terminated
        assert game.info["time"] > 300, "the next life has not begun"
        assert game.info["score"] == score
        game.step(game.NOTHING)
        assert not game.info["dead"]
    game.poke(CLOCK, 0, 0, 1)
    while not game.step(game.NOTHING)["dead"]:
        assert not game.terminated
    assert game.terminated
    assert game.info["lives"] == -1
    counted = sum(info["frames"] for info in game.infos)
    assert counted == game.info["episode_frames"] == game.emulator.frames - 1


def test_the_whole_game_goes_on_after_a_castle_and_ends_with_the_last(
    emulator_key: str, make_player: Callable[..., Any]
) -> None:
    game = make_player("1-4", task="game").reset()
    game.walk(until=lambda info: info["clear"])
    assert not game.terminated
    assert game.info["stage"] == "2-1"
    assert game.info["x"] < 256, "the next stage has not begun"
    assert game.info["time"] == 400
    assert game.info["area"] != game.start["area"]
    game.step(game.NOTHING)
    assert not game.info["clear"]
    assert game.info["reward_terms"]["progress"] == 0

    last = make_player("1-4", task="game").reset()
    last.walk(until=lambda info: info["x"] > 2_100)
    # The castle is told that it is the last one.
    last.poke(WORLD, 7)
    last.poke(STAGE, 3)
    last.walk(until=lambda info: info["clear"])
    assert last.terminated
    assert last.info["lives"] == 2


@pytest.mark.parametrize("how", ["enemy", "pit", "clock"])
def test_each_death_ends_a_stage_and_takes_back_the_score(player_1_1: Any, how: str) -> None:
    player = player_1_1.reset()
    player.poke(0x07DD, 0, 0, 0, 1, 2, 0)  # 1,200 points, as if earned in the first step
    player.step(player.NOTHING)
    assert player.info["score"] == 1_200
    if how == "pit":
        player.fall()
    elif how == "clock":
        player.poke(CLOCK, 0, 0, 1)
    while not player.terminated:
        player.step(player.RIGHT if how == "enemy" else player.NOTHING)
        assert len(player.infos) < 60, f"Mario lives: {player.info}"
    assert player.info["dead"]
    assert not player.info["clear"]
    assert not player.truncated
    assert player.info["lives"] == 2
    assert player.info["time"] == 0 if how == "clock" else player.info["time"] > 0
    assert player.total("lost_score") == pytest.approx(-player.total("score")) == pytest.approx(-1.2)
    assert player.info["reward_terms"]["death"] == pytest.approx(-5.0)
    # The fatal step ends where Mario is lost, not when its button's time is over.
    assert player.info["frames"] <= 4


def stand_on_the_fourth_pipe(player: Any) -> None:
    player.walk(until=lambda info: info["x"] > 880)
    player.poke(0x00CE, 0x40)
    for _ in range(10):
        player.poke(0x0057, 0)
        player.poke(0x006D, 3)
        player.poke(0x0086, 920 - 3 * 256)
        player.step(player.NOTHING)
    assert player.info["y"] == 112


def test_a_pipe_into_the_bonus_room_is_no_progress(player_1_1: Any) -> None:
    player = player_1_1.reset()
    stand_on_the_fourth_pipe(player)
    outside = player.info["area"]
    for _ in range(100):
        before = player.info
        after = player.step(player.DOWN)
        # What the game moves is not walked: nothing leaks into the reward of the descent and the jump in x.
        assert after["reward_terms"]["progress"] == 0, (before, after)
        if after["area"] != outside:
            break
    assert player.info["area"] != outside
    assert player.info["x"] < 256
    assert player.info["distance"] >= 920
    assert not player.terminated
    for _ in range(60):
        before = player.info
        player.step(player.RIGHT)
        moved = player.info["reward_terms"]["progress"] / 0.1
        assert abs(moved) <= 4 * player.info["frames"] + 8, (before, player.info)
    assert player.total("progress") / 0.1 < 920 + 256


@pytest.mark.parametrize("end_at_warp", [True, False])
def test_a_warp_ends_the_episode_of_a_stage_if_asked_to(
    end_at_warp: bool, make_player: Callable[..., Any]
) -> None:
    player = make_player("1-1", end_at_warp=end_at_warp, reward={"score": {"clear": 9.0}}).reset()
    stand_on_the_fourth_pipe(player)
    # As in the zone of 1-2, whose pipe in the middle of the screen leads to 3-1.
    player.poke(WARP_ZONE, 4)
    while player.info["stage"] == "1-1":
        player.step(player.DOWN)
        assert len(player.infos) < 200, "the pipe leads nowhere"
    assert player.info["stage"] == "3-1"
    assert player.terminated is end_at_warp
    assert not player.truncated
    assert not player.info["clear"]
    assert not player.info["dead"]
    assert player.total("clear") == player.total("death") == player.info["reward_terms"]["progress"] == 0


def test_ground_that_a_maze_leads_back_over_pays_its_share(make_player: Callable[..., Any]) -> None:
    """4-4 straight ahead: its first turning leads back to the beginning."""
    player = make_player("4-4", reward={"score": {"repeated": 0.5}}).reset()

    def was_sent_back() -> bool:
        x = [player.start["x"], *(info["x"] for info in player.infos)]
        return any(after < before - 256 for before, after in pairwise(x))

    player.walk(until=lambda info: was_sent_back() and info["x"] > 700)
    length = 1024  # four pages
    distance, walked = player.info["distance"], player.total("progress") / 0.1
    assert length < distance < length + 256, "where the turning is, and nothing beyond it"
    once, again = distance - player.start["x"], player.info["x"] - (distance - length)
    # The step in which Mario is sent back pays nothing of its 36 px, and a share of one reaches beyond.
    assert walked == pytest.approx(once + 0.5 * again, abs=2 * 36)


def test_standing_still_truncates(make_player: Callable[..., Any]) -> None:
    player = make_player("1-1", max_still_seconds=2.0).reset()
    while not player.truncated:
        player.step(player.NOTHING)
        assert not player.terminated
    # 2 s are 120.2 frames: the first step of 12 frames that ends after them.
    assert player.info["episode_frames"] == 132
    player.reset()
    player.step(player.NOTHING)
    assert not player.truncated


def test_moving_puts_the_stillness_off(make_player: Callable[..., Any]) -> None:
    player = make_player("1-1", max_still_seconds=1.0).reset()
    for action in [player.NOTHING] * 4 + [player.RIGHT] + [player.NOTHING] * 4:
        player.step(action)
        assert not player.truncated


def test_coming_no_farther_truncates(make_player: Callable[..., Any]) -> None:
    player = make_player("1-1", max_stuck_seconds=2.0).reset()
    for _ in range(8):
        player.step(player.RIGHT)
    farthest, at = player.info["x"], player.info["episode_frames"]
    while not player.truncated:
        assert player.info["episode_frames"] - at < 120.2
        player.poke(0x0086, farthest - 20 - len(player.infos) % 2)  # to and fro
        player.step(player.NOTHING)
        assert not player.terminated
    assert len({info["x"] for info in player.infos[-4:]}) > 1, "Mario should have moved"
    assert player.info["distance"] == farthest
    assert player.info["episode_frames"] - at >= 120.2
    player.reset()
    player.step(player.NOTHING)
    assert not player.truncated


def test_a_step_needs_a_reset_before_and_after(make_player: Callable[..., Any]) -> None:
    player = make_player("1-1", max_still_seconds=0.1)
    with pytest.raises(gymnasium.error.ResetNeeded):
        player.step(player.NOTHING)
    with pytest.raises(gymnasium.error.ResetNeeded, match="reset"):
        player.env.unwrapped.step(player.NOTHING)
    player.reset()
    player.step(player.NOTHING)
    assert player.truncated
    with pytest.raises(gymnasium.error.ResetNeeded, match="reset"):
        player.step(player.NOTHING)


def test_random_stages_follow_the_seed(make_player: Callable[..., Any]) -> None:
    player = make_player("RandomStages", stages=("1-1", "4-2"))
    by_seed = [player.reset(seed).info["stage"] for seed in range(5)]
    assert set(by_seed) == {"1-1", "4-2"}
    again = make_player("RandomStages", stages=["1-1", "4-2"])
    assert [again.reset(seed).info["stage"] for seed in range(5)] == by_seed


def test_noops_follow_the_seed_and_stay_in_their_limit(make_player: Callable[..., Any]) -> None:
    player = make_player("1-1", max_noops=30)
    ran = []
    for seed in (*range(8), *range(8)):
        before = player.emulator.frames
        player.reset(seed)
        ran.append(player.emulator.frames - before - 1)
    assert ran[:8] == ran[8:]
    assert len(set(ran)) > 3
    assert 0 <= min(ran) <= max(ran) <= 30
    assert player.info["episode_frames"] == 0


@pytest.fixture(scope="module")
def starts(make_player: Callable[..., Any]) -> dict[str, Any]:
    """What a reset finds in each of the 32 stages, and the RAM there."""
    found = {}
    for stage in STAGES:
        player = make_player(stage).reset()
        found[stage] = (player.info, player.emulator.ram([0])[0], player.env.step(player.RIGHT)[-1])
        player.env.close()
    return found


@pytest.mark.parametrize("stage", STAGES)
def test_each_stage_starts_in_itself(starts: dict[str, Any], stage: str) -> None:
    info, ram, moved = starts[stage]
    assert info["stage"] == stage
    assert 300 <= info["time"] <= 400
    assert info["lives"] == 2
    assert info["score"] == info["coins"] == info["power_up"] == 0
    assert info["x"] == info["distance"]
    assert ram[0x000E] == 8, "the player cannot be steered"
    assert moved["x"] >= info["x"]
    assert not moved["dead"]
    assert not moved["clear"]


def test_the_stages_are_those_of_the_cartridge(starts: dict[str, Any]) -> None:
    pointers = {stage: int(ram[0x0750]) for stage, (_, ram, _) in starts.items()}
    # In 1-1 it tells already where the first pipe leads; the level itself is 0x25.
    known = {"1-1": 0xC2, "2-1": 0x28, "4-4": 0x61, "8-4": 0x65}
    assert {stage: pointers[stage] for stage in known} == known
    # The game uses some maps twice, with other enemies; the rest are all different.
    areas = {info["area"] for info, _, _ in starts.values()}
    assert len(areas) >= 20

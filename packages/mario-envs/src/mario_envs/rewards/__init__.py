"""Rewards: from two game states to a reward, term by term."""

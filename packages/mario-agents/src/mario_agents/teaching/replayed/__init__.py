"""Demonstrations in a replay: each minibatch has its share of them; README.md here says more."""

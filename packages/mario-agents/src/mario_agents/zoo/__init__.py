"""What there is to choose from: algorithms with hyper-parameters, and trained agents that come along."""

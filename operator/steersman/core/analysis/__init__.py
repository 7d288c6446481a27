"""Analysis: which queries are due, what their answers mean, and whether the rollout may go on."""

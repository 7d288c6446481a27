"""What a rollout will be able to see: how long it takes, how small a regression it finds, and what a bad version costs."""

"""The ML loop on a real cluster: drift, retraining, gates, canary, promotion. `make demo-loop` shows it; an end-to-end test asserts it."""

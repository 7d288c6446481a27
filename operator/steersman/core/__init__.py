"""The pure core: from a snapshot of the world to what should be. No I/O and no clock: time is an argument."""

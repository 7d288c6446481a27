"""The demo: real models, real traffic and a bad version, on a real cluster; run by `make demo`."""

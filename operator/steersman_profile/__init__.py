"""What a model's reference profile is, and how values are counted into its bins.

Shared by `steersman.profile`, which makes profiles, and `steersman_server`, which counts requests into them, so that both
mean the same by a bin. `steersman_profile.format` and `steersman_profile.values` need nothing but Python;
`steersman_profile.counting` needs numpy and pandas. Nothing here imports Steersman or the server.
"""

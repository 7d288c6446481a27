"""Names that the parts of the demo share."""

MODEL_NAME = "digits"
"""The registered model in MLflow."""
ALIAS = "champion"
"""The alias that the ModelDeployment follows."""
BAD_VERSION = "3"
"""The version that raises on a part of its inputs."""

NAMESPACE = "demo"
DEPLOYMENT = "digits"
"""Name of the ModelDeployment and of its HTTPRoute."""
HOST = "digits.demo.test"
"""Host name by which the gateway knows the route."""
INTERVAL = 5.0
"""Seconds between two looks of the analysis."""
VERSION_HEADER = "x-steersman-model-version"
"""Response header in which the runtime says which model version answered."""

COLOURS = {"1": "#8c96a8", "2": "#0072b2", "3": "#d55e00", "4": "#009e73"}
"""By model version; told apart also by people with colour-blindness (Okabe and Ito)."""

"""The monitored MLflow model server: the container behind Steersman's built-in ``mlflow`` runtime.

``python -m steersman_server.fetch`` downloads one model version into a directory and exits; it is the init container.
``python -m steersman_server`` serves that directory over HTTP through MLflow's own scoring server and adds what a
rollout needs from it: Prometheus metrics, a readiness that means "loaded and answered a real request", responses that
tell a crash of the model (5xx) from a bad request (4xx), and a stop that loses no request.

Nothing here imports Steersman (only `steersman_profile`, which both share), and MLflow is imported only where it is used: its import takes seconds, and the server
listens before that.
"""

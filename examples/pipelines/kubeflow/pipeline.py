"""The chain as a Kubeflow pipeline (KFP v2).

python kubeflow/pipeline.py pipeline.yaml    # compiles; upload the file, or start it from Steersman's retraining

The image has the model's folder at /model and its requirements. Steps hand files on as artifacts; a step that fails ends the run, so a
gate that fails never moves the alias.
"""

import sys

from kfp import compiler, dsl

IMAGE = "registry.example.com/tumours/train:1.4.0"
SERVER = "http://mlflow.mlflow.svc:5000"


def shell(script: str, *arguments: object) -> dsl.ContainerSpec:
    """A script that gets its arguments as $0, $1 and so on; what KFP passes is a path or a value, never code."""
    return dsl.ContainerSpec(image=IMAGE, command=["sh", "-euc", script], args=[*arguments])


@dsl.container_component
def fetch(data: dsl.Output[dsl.Dataset]):
    """The data."""
    return shell('mkdir -p "$(dirname "$0")" && python /model/dataset.py "$0"', data.path)


@dsl.container_component
def validate(data: dsl.Input[dsl.Dataset], report: dsl.Output[dsl.Artifact]):
    """The report that the data is fit for training."""
    script = 'mkdir -p "$(dirname "$1")" && python /model/validate_data.py "$0" --report "$1"'
    return shell(script, data.path, report.path)


@dsl.container_component
def train(
    data: dsl.Input[dsl.Dataset], report: dsl.Input[dsl.Artifact], c: float, server: str, version: dsl.OutputPath(str)
):
    """A new version in the registry."""
    script = (
        'mkdir -p "$(dirname "$3")" && export MLFLOW_TRACKING_URI="$4"'
        ' && python /model/train.py "$0" --report "$1" --c "$2" --version-file "$3"'
    )
    return shell(script, data.path, report.path, c, version, server)


@dsl.container_component
def gate(version: str, server: str):
    """The version meets the gates."""
    script = 'steersman gate -f /model/model.yaml --registry-url "$1" --version "$(echo "$0")" --against champion'
    return shell(script, version, server)


@dsl.container_component
def promote(version: str, server: str):
    """The alias names the version; from here on Steersman rolls it out."""
    script = 'MLFLOW_TRACKING_URI="$1" python /model/promote.py tumours --version "$(echo "$0")"'
    return shell(script, version, server)


@dsl.pipeline(name="tumours")
def tumours(
    c: float = 0.5,
    server: str = SERVER,
    retraining_id: str = "",
    deployment: str = "",
    namespace: str = "",
    model: str = "",
    stable_version: str = "",
    trigger: str = "",
    reason: str = "",
):
    """Fetch, validate, train, gate, promote. The parameters behind the server are what Steersman says of a retraining."""
    data = fetch().set_caching_options(False)
    report = validate(data=data.outputs["data"])
    # Never from the cache: training registers a version, and gates look at what the registry says now.
    trained = train(data=data.outputs["data"], report=report.outputs["report"], c=c, server=server)
    trained.set_caching_options(False)
    version = trained.outputs["version"]
    gated = gate(version=version, server=server).set_caching_options(False)
    promote(version=version, server=server).after(gated).set_caching_options(False)


if __name__ == "__main__":
    compiler.Compiler().compile(tumours, sys.argv[1])

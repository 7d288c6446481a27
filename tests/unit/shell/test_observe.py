from __future__ import annotations

from typing import Any

from steersman.shell.config import Config
from unit.core.world import RUNTIME, gateway_spec
from unit.shell.test_reconciler import KEY, Bench


def asked(bench: Bench) -> list[str]:
    """Kinds that are read from the API server from now on."""
    kinds: list[str] = []
    read = bench.cluster.get

    async def get(api_version: str, kind: str, namespace: str | None, name: str) -> Any:
        kinds.append(kind)
        return await read(api_version, kind, namespace, name)

    bench.cluster.get = get  # type: ignore[method-assign]
    return kinds


async def test_a_new_spec_has_its_runtime_looked_for_in_the_namespace_once() -> None:
    bench = Bench()
    kinds = asked(bench)
    await bench.settle()
    assert kinds.count("ServingRuntime") == 1
    seen = await bench.cluster.get("", "ModelDeployment", *KEY)
    seen["metadata"]["generation"] = 2
    bench.store.put(bench.cluster.put(seen))
    kinds.clear()
    await bench.settle()
    assert kinds.count("ServingRuntime") == 1


async def test_a_runtime_made_in_the_namespace_beside_the_spec_is_found_before_the_watch_tells() -> None:
    bench = Bench()
    own = RUNTIME.to_wire()
    own["template"]["spec"]["containers"][0]["image"] = "own"
    bench.cluster.put(
        {
            "apiVersion": "steersman.dev/v1alpha1",
            "kind": "ServingRuntime",
            "metadata": {"name": "mlflow", "namespace": KEY[0]},
            "spec": own,
        }
    )
    await bench.settle()
    images = {
        container["image"]
        for (kind, _, _), manifest in bench.cluster.objects.items()
        if kind == "Deployment"
        for container in manifest["spec"]["template"]["spec"]["containers"]
    }
    assert images == {"own"}


async def test_a_model_given_by_uri_asks_no_registry() -> None:
    model = {"uri": "s3://models/fraud/3", "version": "3"}
    bench = Bench(gateway_spec(analysis={}, model=model), config=Config(default_registry_url=None))
    await bench.settle()
    seen = await bench.cluster.get("", "ModelDeployment", *KEY)
    assert seen["status"]["model"]["version"] == "3"
    assert bench.poller.worth_waiting(KEY) is None
    assert any(kind == "Deployment" and name.startswith("fraud-v3-") for kind, _, name in bench.cluster.objects)

"""Everything that works beside the reconciles, and keeps what it found until a reconcile has taken it."""

from __future__ import annotations

from dataclasses import dataclass

from steersman.shell.adopted import AdoptedRoutes
from steersman.shell.measurements import MeasurementDesk
from steersman.shell.notifier import Notifier
from steersman.shell.pods import PodInspector
from steersman.shell.questions import QuestionDesk
from steersman.shell.queue import Key
from steersman.shell.registries import RegistryPoller
from steersman.shell.retraining import RetrainingDesk
from steersman.shell.slots import RolloutSlots
from steersman.shell.write_back import WriteBackDesk


@dataclass(frozen=True)
class Desks:
    """One of each kind, for all ModelDeployments."""

    poller: RegistryPoller
    measurements: MeasurementDesk
    questions: QuestionDesk
    write_back: WriteBackDesk
    pods: PodInspector
    slots: RolloutSlots
    adopted: AdoptedRoutes
    retraining: RetrainingDesk | None = None
    """None where nothing is ever retrained: in tests."""
    notifier: Notifier | None = None

    def drop(self, key: Key) -> None:
        """A ModelDeployment is gone."""
        self.poller.drop(key)
        self.measurements.drop(key)
        self.questions.drop(key)
        self.write_back.drop(key)
        self.pods.drop(key)
        self.slots.drop(key)
        self.adopted.drop(key)
        if self.retraining is not None:
            self.retraining.drop(key)
        if self.notifier is not None:
            self.notifier.drop(key)

    async def close(self) -> None:
        """Stop working; what is under way is cancelled, or ends by its own time limit."""
        await self.adopted.close()
        await self.poller.close()
        await self.measurements.close()
        await self.questions.close()
        await self.write_back.close()
        if self.notifier is not None:
            await self.notifier.close()
        if self.retraining is not None:
            await self.retraining.close()

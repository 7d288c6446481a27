"""What trains: a Job, a Workflow, or a pipeline of another system that is begun over HTTP."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated, Final

from pydantic import ConfigDict, Field, JsonValue, model_validator

from steersman.api.meta import DNS_SUBDOMAIN, ApiModel
from steersman.api.metric_access import Address, ProviderSettings, SecretKey, SecretRef, Tls
from steersman.api.runtime import FreeForm

Segment = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._~-]*$", max_length=250)]
"""One part of a URL's path."""
Ref = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._/+-]*$", max_length=250)]
"""A branch or tag."""
WebAddress = Annotated[str, Field(pattern=r"^https?://[^\s@{}#]+$", max_length=2048)]
"""A URL without user information and placeholders; it may have a query."""


class JobAction(ApiModel):
    """A Kubernetes Job in the ModelDeployment's namespace."""

    template: FreeForm
    """A JobTemplateSpec (batch/v1). Placeholders of `parameters` may stand in command, args and values of env of its containers. Every container gets
    the parameters as environment variables, STEERSMAN_RETRAINING_ID and so on. The pod must meet the restricted Pod Security Standard, which is
    filled in where it is silent, and gets no service-account token."""
    history_limit: Annotated[int, Field(ge=0, le=10)] = 3
    """So many Jobs that ended are kept, with their pods' logs."""


class WorkflowTemplateRef(ApiModel):
    """An Argo WorkflowTemplate."""

    name: Annotated[str, Field(pattern=DNS_SUBDOMAIN, max_length=253)]
    cluster_scope: bool = False
    """A ClusterWorkflowTemplate."""


_ONE_WORKFLOW: Final = "give exactly one of workflowTemplateRef and spec"


class ArgoWorkflowAction(ApiModel):
    """An Argo Workflow in the ModelDeployment's namespace; the operator's configuration must allow it."""

    model_config = ConfigDict(
        json_schema_extra={
            "x-kubernetes-validations": [
                {"rule": "has(self.workflowTemplateRef) != has(self.spec)", "message": _ONE_WORKFLOW}
            ]
        }
    )

    workflow_template_ref: WorkflowTemplateRef | None = None
    spec: FreeForm | None = None
    """A WorkflowSpec (argoproj.io/v1alpha1). The parameters are its arguments, beside those that it has."""
    history_limit: Annotated[int, Field(ge=0, le=10)] = 3
    """So many Workflows that ended are kept."""

    @model_validator(mode="after")
    def _one(self) -> ArgoWorkflowAction:
        if (self.workflow_template_ref is None) == (self.spec is None):
            raise ValueError(_ONE_WORKFLOW)
        return self


class HttpTarget(ProviderSettings):
    """What the targets over HTTP have in common."""

    tls: Tls | None = None


class AirflowAction(HttpTarget):
    """A DAG run of Apache Airflow; the parameters are its conf."""

    url: Address
    """Base URL of the web server, without /api."""
    dag: Segment
    api: Annotated[str, Field(pattern=r"^v[12]$")] = "v2"
    """v2 of Airflow 3, v1 of Airflow 2."""
    credentials: SecretRef | None = None
    """A Secret with the keys `username` and `password`, or `token`. With v2 a token is fetched for user and password."""


class KubeflowAction(HttpTarget):
    """A run of Kubeflow Pipelines (v2beta1); the parameters are its runtime parameters."""

    url: Address
    """Base URL, without /apis; on a multi-user installation with /pipeline."""
    pipeline_id: Segment
    pipeline_version_id: Segment | None = None
    """Default: the latest version of the pipeline."""
    experiment_id: Segment | None = None
    service_account: Annotated[str | None, Field(pattern=DNS_SUBDOMAIN, max_length=253)] = None
    credentials: SecretRef | None = None
    """A Secret with the key `token`."""


class GitHubAction(HttpTarget):
    """A GitHub Actions workflow with workflow_dispatch; the parameters are its inputs, each of which it must declare."""

    url: Address = "https://api.github.com"
    """Of GitHub Enterprise Server: https://<host>/api/v3."""
    owner: Segment
    repository: Segment
    workflow: Segment
    """File name or id of the workflow, e.g. train.yaml."""
    ref: Ref = "main"
    credentials: SecretRef
    """A Secret with the key `token`."""


class GitLabAction(HttpTarget):
    """A GitLab pipeline by trigger token; the parameters are its variables."""

    url: Address = "https://gitlab.com"
    project: Annotated[str, Field(pattern=r"^[A-Za-z0-9_.][A-Za-z0-9_./-]*$", max_length=250)]
    """Its id or its path, e.g. risk/fraud."""
    ref: Ref = "main"
    credentials: SecretRef
    """A Secret with the keys `trigger-token` and, to follow pipelines of a project that is not public, `token` with the scope read_api (to cancel: api)."""


class JenkinsAction(HttpTarget):
    """A parameterized Jenkins job."""

    url: Address
    job: Annotated[str, Field(pattern=r"^[A-Za-z0-9_. -]+(/[A-Za-z0-9_. -]+)*$", max_length=250)]
    """With its folders: team/fraud/train."""
    credentials: SecretRef
    """A Secret with the keys `username` and `password`, which is the user's API token."""


class CircleCIAction(HttpTarget):
    """A CircleCI pipeline; the parameters are its pipeline parameters, each of which its configuration must declare."""

    url: Address = "https://circleci.com"
    project: Annotated[str, Field(pattern=r"^[A-Za-z0-9-]+/[A-Za-z0-9._-]+/[A-Za-z0-9._-]+$", max_length=250)]
    """Project slug, e.g. gh/example/fraud."""
    branch: Ref = "main"
    definition_id: Segment | None = None
    """Which pipeline definition of the project; needed where GitHub is connected by CircleCI's GitHub App."""
    credentials: SecretRef
    """A Secret with the key `token`: a personal API token."""


class WebhookAction(HttpTarget):
    """A POST to a service of your own, signed as Standard Webhooks have it."""

    url: WebAddress
    secret: SecretKey
    """The signing secret: `whsec_` and base64, or any text."""
    status_url: Annotated[str | None, Field(pattern=r"^https?://[^\s@#]+$", max_length=2048)] = None
    """Asked until its JSON answer has a `state` of succeeded or failed; {{retrainingId}} in it stands for the retraining's id. Without it the retraining
    has succeeded when the POST was answered with 2xx."""
    credentials: SecretRef | None = None
    """A Secret with the keys `username` and `password`, or `token`, for both URLs. The two must have the same origin then."""


class Target(StrEnum):
    """What an action's field says of where it runs."""

    JOB = "job"
    ARGO_WORKFLOW = "argoWorkflow"
    AIRFLOW = "airflow"
    KUBEFLOW = "kubeflow"
    GITHUB = "github"
    GITLAB = "gitlab"
    JENKINS = "jenkins"
    CIRCLECI = "circleci"
    WEBHOOK = "webhook"


OBJECTS: Final = frozenset({Target.JOB, Target.ARGO_WORKFLOW})
"""Those that are Kubernetes objects."""
_ONE_TARGET: Final = f"give exactly one of {', '.join(Target)}"
_RULES: list[JsonValue] = [
    {
        "rule": f"[{', '.join(f'has(self.{target})' for target in Target)}].exists_one(given, given)",
        "message": _ONE_TARGET,
    }
]


class RetrainingAction(ApiModel):
    """Exactly one target."""

    model_config = ConfigDict(json_schema_extra={"x-kubernetes-validations": _RULES})

    job: JobAction | None = None
    argo_workflow: ArgoWorkflowAction | None = None
    airflow: AirflowAction | None = None
    kubeflow: KubeflowAction | None = None
    github: GitHubAction | None = None
    gitlab: GitLabAction | None = None
    jenkins: JenkinsAction | None = None
    circleci: CircleCIAction | None = None
    webhook: WebhookAction | None = None

    @model_validator(mode="after")
    def _one(self) -> RetrainingAction:
        if sum(getattr(self, name) is not None for name in type(self).model_fields) != 1:
            raise ValueError(_ONE_TARGET)
        return self

    @property
    def target(self) -> Target:
        """Which one it is."""
        return next(
            Target(field.alias or name)
            for name, field in type(self).model_fields.items()
            if getattr(self, name) is not None
        )

    @property
    def settings(self) -> ApiModel:
        """The target's settings."""
        found: ApiModel = next(
            getattr(self, name) for name in type(self).model_fields if getattr(self, name) is not None
        )
        return found

# The operator's image. The base needs Python >= 3.11 with its venv module, and nothing else.
ARG BASE_IMAGE=python:3.13-slim-bookworm

FROM ${BASE_IMAGE} AS build
ENV PIP_DISABLE_PIP_VERSION_CHECK=1 \
    PIP_NO_COMPILE=1
RUN python3 -m venv /opt/steersman
# The dependencies alone first: they change more rarely than the code.
COPY requirements/operator.lock /build/requirements/operator.lock
RUN /opt/steersman/bin/pip install --require-hashes --only-binary :all: --requirement /build/requirements/operator.lock
COPY pyproject.toml README.md LICENSE /build/
COPY operator/steersman /build/operator/steersman
COPY operator/steersman_profile /build/operator/steersman_profile
# Bytecode is made here, as the root file system is read-only later; it is valid whatever the files' dates become.
RUN /opt/steersman/bin/pip install --no-deps /build \
    && /opt/steersman/bin/python -m compileall -q --invalidation-mode unchecked-hash /opt/steersman/lib \
    && /opt/steersman/bin/pip uninstall --quiet --yes setuptools pip

FROM ${BASE_IMAGE}
ARG VERSION=dev
ARG REVISION=
LABEL org.opencontainers.image.title="Steersman" \
      org.opencontainers.image.description="Rolls machine-learning models out by weights and back by evidence" \
      org.opencontainers.image.licenses="Apache-2.0" \
      org.opencontainers.image.version="${VERSION}" \
      org.opencontainers.image.revision="${REVISION}"
COPY --from=build /opt/steersman /opt/steersman
ENV PATH=/opt/steersman/bin:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin \
    PYTHONDONTWRITEBYTECODE=1 \
    PYTHONSAFEPATH=1 \
    PYTHONUNBUFFERED=1
USER 65532:65532
# 8080: /healthz, 9090: /metrics and /readyz
EXPOSE 8080 9090
ENTRYPOINT ["python", "-m", "steersman.shell"]

# The image of the exporter: docker build --tag aws-job-exporter .

# The image to build on: Python with venv. Its minor version must be that of BASE.
ARG BUILDER=docker.io/library/python:3.13-slim-trixie
# The image to run on: python3 and libstdc++, and preferably nothing else. This one has no shell, no compiler and no pip.
ARG BASE=gcr.io/distroless/python3-debian13:nonroot


FROM ${BUILDER} AS builder
WORKDIR /build
COPY requirements.txt requirements-build.txt ./
# The secret is a pip.conf, for those whose packages come from a private index.
RUN --mount=type=secret,id=pip,target=/etc/pip.conf \
    python3 -m venv /venv \
    && /venv/bin/pip install --no-cache-dir --require-hashes --only-binary :all: -r requirements-build.txt \
    && /venv/bin/pip install --no-cache-dir --require-hashes --only-binary :all: --no-compile \
        --target /opt/aws-job-exporter -r requirements.txt
COPY pyproject.toml README.md LICENSE ./
COPY exporter exporter
COPY image image
# `catalog` leaves out botocore's models of services that are not in the catalog; `all` keeps them for kinds of your own.
ARG MODELS=catalog
# The root file system may be read-only and source files may get any date, so bytecode is compiled here and never checked against the source.
RUN /venv/bin/pip install --no-cache-dir --no-index --no-build-isolation --no-deps --no-compile \
        --target /opt/aws-job-exporter . \
    && rm -r /opt/aws-job-exporter/bin \
    && PYTHONPATH=/opt/aws-job-exporter /venv/bin/python image/prune.py "${MODELS}" \
    && find /opt/aws-job-exporter -name __pycache__ -prune -exec rm -r {} + \
    && find /opt/aws-job-exporter -type f \( -name "*.c" -o -name "*.h" -o -name "*.p[xy][xdi]" \) -delete \
    && /venv/bin/python -m compileall -q --invalidation-mode unchecked-hash /opt/aws-job-exporter


FROM ${BASE}
ENV PYTHONPATH=/opt/aws-job-exporter \
    PYTHONSAFEPATH=1 \
    PYTHONDONTWRITEBYTECODE=1 \
    PYTHONUNBUFFERED=1 \
    HOME=/home/nonroot
COPY --from=builder /opt/aws-job-exporter /opt/aws-job-exporter
WORKDIR /
USER 65532:65532
# Fail here, not in the cluster, if this Python is not the builder's.
RUN ["python3", "-c", "import exporter.app"]
EXPOSE 10058
# No HEALTHCHECK: OCI images have none, and Kubernetes probes /-/healthy and /-/ready itself.
ENTRYPOINT ["python3", "-m", "exporter"]

ARG BASE
ARG CREATED
ARG REVISION
ARG SOURCE
ARG VERSION
LABEL org.opencontainers.image.title="aws-job-exporter" \
      org.opencontainers.image.description="Prometheus exporter for the status of asynchronous jobs in AWS" \
      org.opencontainers.image.licenses="Apache-2.0" \
      org.opencontainers.image.base.name="${BASE}" \
      org.opencontainers.image.created="${CREATED}" \
      org.opencontainers.image.revision="${REVISION}" \
      org.opencontainers.image.source="${SOURCE}" \
      org.opencontainers.image.version="${VERSION}"

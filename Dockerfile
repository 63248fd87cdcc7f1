# syntax=docker/dockerfile:1
# For more than one platform: docker buildx build --platform linux/amd64,linux/arm64 .
ARG PYTHON_VERSION=3.13

FROM python:${PYTHON_VERSION}-slim AS build
WORKDIR /source
# For the encoder that is written in C.
# hadolint ignore=DL3008
RUN apt-get update && apt-get install --yes --no-install-recommends gcc libc6-dev
COPY pyproject.toml README.md LICENSE ./
COPY dbrestore dbrestore
# --only-binary: a platform without wheels fails here, at once, rather than in a compiler that is not there.
RUN python -m venv /opt/dbrestore \
    && /opt/dbrestore/bin/pip install --no-cache-dir --only-binary=:all: .

FROM python:${PYTHON_VERSION}-slim
ARG VERSION=unreleased
ARG REVISION=unknown
LABEL org.opencontainers.image.title="dbrestore" \
      org.opencontainers.image.description="Restore an AWS RDS or Aurora PostgreSQL snapshot export into a PostgreSQL database" \
      org.opencontainers.image.licenses="MIT" \
      org.opencontainers.image.version="${VERSION}" \
      org.opencontainers.image.revision="${REVISION}"
# pg_dump and pg_restore, for the schema, which no export has; of the version that Debian has.
# hadolint ignore=DL3008
RUN apt-get update \
    && apt-get install --yes --no-install-recommends postgresql-client \
    && rm -rf /var/lib/apt/lists/*
# A user of its own with a home for ~/.aws and ~/.pgpass; /work is for dbrestore.toml and files that are written.
RUN useradd --uid 10001 --create-home dbrestore \
    && install --directory --owner dbrestore --group dbrestore /work
COPY --from=build /opt/dbrestore /opt/dbrestore
ENV PATH=/opt/dbrestore/bin:$PATH \
    PYTHONUNBUFFERED=1
USER 10001:10001
WORKDIR /work
# The first SIGTERM ends a restore within seconds, with what was being loaded rolled back; docker waits 10.
STOPSIGNAL SIGTERM
ENTRYPOINT ["dbrestore"]
CMD ["--help"]

# Two stages: the first builds the service into an environment of its own, the second holds that and nothing to build with.
FROM python:3.13.5-slim-bookworm@sha256:4c2cf9917bd1cbacc5e9b07320025bdb7cdf2df7b0ceaccb55e9dd7e30987419 AS build
ENV PIP_NO_CACHE_DIR=1 PIP_DISABLE_PIP_VERSION_CHECK=1
WORKDIR /build
RUN python -m venv /opt/strongroom
COPY requirements/runtime.txt requirements/runtime.txt
RUN /opt/strongroom/bin/pip install --require-hashes -r requirements/runtime.txt
COPY pyproject.toml setup.py MANIFEST.in README.md LICENSE ./
COPY vault-policies vault-policies
COPY docs docs
COPY app app
RUN /opt/strongroom/bin/pip install --no-deps --no-build-isolation .

FROM python:3.13.5-slim-bookworm@sha256:4c2cf9917bd1cbacc5e9b07320025bdb7cdf2df7b0ceaccb55e9dd7e30987419
RUN useradd --system --uid 10001 --no-create-home --home-dir /nonexistent strongroom
COPY --from=build /opt/strongroom /opt/strongroom
COPY deploy /opt/strongroom/deploy
COPY vault-policies /opt/strongroom/vault-policies
ENV PATH=/opt/strongroom/bin:$PATH PYTHONDONTWRITEBYTECODE=1 PYTHONUNBUFFERED=1
WORKDIR /opt/strongroom
USER 10001:10001
EXPOSE 8000
HEALTHCHECK --interval=10s --timeout=5s --start-period=20s CMD ["python", "deploy/healthy.py"]
CMD ["strongroom", "serve"]

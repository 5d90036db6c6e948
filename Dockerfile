# The image of `tipstaff`. PYTHON_DIGEST has no default: whoever builds says which base it is, by its content.
#   docker build --build-arg PYTHON_DIGEST=sha256:... --build-arg REVISION="$(git rev-parse HEAD)" --tag tipstaff:0.1.0 .
ARG PYTHON_DIGEST

FROM python:3.13-slim@${PYTHON_DIGEST} AS build
WORKDIR /src
COPY image/build.txt image/requirements.txt image/
# What runs, from its lock alone; the folder that is copied on has no pip.
RUN python -m venv --without-pip /opt/tipstaff \
 && python -m pip --python /opt/tipstaff install --no-cache-dir --disable-pip-version-check --root-user-action ignore \
    --require-hashes --only-binary :all: --requirement image/requirements.txt
# What builds the wheel is locked as well, and stays here.
RUN python -m venv /opt/build \
 && /opt/build/bin/pip install --no-cache-dir --disable-pip-version-check \
    --require-hashes --only-binary :all: --requirement image/build.txt
COPY pyproject.toml README.md LICENSE ./
COPY classifiers classifiers
COPY dashboards dashboards
COPY gateway gateway
RUN /opt/build/bin/pip wheel --no-cache-dir --disable-pip-version-check --no-deps --no-build-isolation \
    --wheel-dir /opt/wheels . \
 && python -m pip --python /opt/tipstaff install --no-cache-dir --disable-pip-version-check --root-user-action ignore \
    --no-index --no-deps --find-links /opt/wheels tipstaff

FROM python:3.13-slim@${PYTHON_DIGEST}
ARG REVISION=unknown
LABEL org.opencontainers.image.title="tipstaff" \
      org.opencontainers.image.description="Moves traffic between versions of a model on evidence about safety" \
      org.opencontainers.image.licenses="Apache-2.0" \
      org.opencontainers.image.version="0.1.0" \
      org.opencontainers.image.revision="${REVISION}"
COPY --from=build /opt/tipstaff /opt/tipstaff
# The root file system may be read-only: what is written goes to /var/lib/tipstaff and /tmp, which are mounted.
ENV PATH=/opt/tipstaff/bin:$PATH \
    PYTHONDONTWRITEBYTECODE=1 \
    PYTHONUNBUFFERED=1 \
    XDG_STATE_HOME=/var/lib/tipstaff/state
WORKDIR /var/lib/tipstaff
USER 10001:10001
EXPOSE 8080 9191
HEALTHCHECK --interval=10s --timeout=5s --start-period=120s --retries=6 \
    CMD ["python", "-c", "from urllib.request import urlopen; urlopen('http://127.0.0.1:8080/livez', timeout=4)"]
ENTRYPOINT ["tipstaff"]
CMD ["serve", "/etc/tipstaff/config.yaml"]

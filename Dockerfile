# The Python on which the whole test suite runs.
ARG PYTHON=3.11-slim-bookworm

FROM python:${PYTHON} AS build
# llm instead of run adds what the reply engine openai needs.
ARG REQUIREMENTS=run
COPY requirements/${REQUIREMENTS}.txt /build/requirements.txt
RUN python -m venv --without-pip /opt/session-service \
 && python -m pip --disable-pip-version-check --python /opt/session-service/bin/python install \
        --no-cache-dir --no-compile --only-binary :all: --require-hashes -r /build/requirements.txt
WORKDIR /opt/session-service/app
COPY app.py children.py config.py cores.py gunicorn.conf.py ./
COPY schemas schemas
COPY session_service session_service
RUN /opt/session-service/bin/python -m compileall -q --invalidation-mode unchecked-hash \
        /opt/session-service

FROM python:${PYTHON}
ARG VERSION=0.1.0
ARG REVISION=
LABEL org.opencontainers.image.title="Session Service" \
      org.opencontainers.image.description="Chat for a local network over REST, kept in MongoDB" \
      org.opencontainers.image.version="${VERSION}" \
      org.opencontainers.image.revision="${REVISION}" \
      org.opencontainers.image.licenses="MIT AND GPL-2.0-only"
RUN python -m pip uninstall --yes --quiet --root-user-action ignore wheel setuptools pip \
 && groupadd --gid 10001 session-service \
 && useradd --uid 10001 --gid 10001 --no-create-home --home-dir /data --shell /usr/sbin/nologin \
        session-service \
 && install --directory --owner 10001 --group 10001 --mode 0700 /data
COPY --from=build /opt/session-service /opt/session-service
# mDNS does not leave a container's own network: switch it on with the host's network alone.
ENV PATH=/opt/session-service/bin:$PATH \
    PYTHONDONTWRITEBYTECODE=1 \
    PYTHONUNBUFFERED=1 \
    HOST=0.0.0.0 \
    PORT=5003 \
    DATA_DIR=/data \
    MDNS_ENABLED=false \
    LOG_FORMAT=json
WORKDIR /opt/session-service/app
USER 10001:10001
VOLUME /data
EXPOSE 5003
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=30s --timeout=5s --start-period=60s --retries=3 \
    CMD ["python", "-m", "session_service.discovery.health_check"]
CMD ["gunicorn", "-c", "gunicorn.conf.py", "app:app"]

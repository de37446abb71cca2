# The service, slim, as a user without rights, and nothing of MLflow's or SHAP's imported.
# docker build -t wellkept .   (every package but the build backend is pinned and hashed by requirements.lock; the
# Python is that of .ci/run)
FROM python:3.11-slim AS build
WORKDIR /build
RUN python -m venv /opt/wellkept
COPY requirements.lock ./
# the lock also holds what tests and lint need: the largest of that is taken out again
RUN /opt/wellkept/bin/pip install --no-cache-dir --require-hashes -r requirements.lock \
    && /opt/wellkept/bin/pip uninstall -y hypothesis mypy pytest pytest-xdist ruff schemathesis
COPY pyproject.toml README.md ./
COPY src ./src
RUN /opt/wellkept/bin/pip install --no-cache-dir --no-deps .

FROM python:3.11-slim
# libgomp: XGBoost's threads
RUN apt-get update && apt-get install -y --no-install-recommends libgomp1 && rm -rf /var/lib/apt/lists/* \
    && useradd --uid 10001 --no-create-home --shell /usr/sbin/nologin wellkept \
    && mkdir -p /data/service && chown -R wellkept /data
COPY --from=build /opt/wellkept /opt/wellkept
ENV PATH=/opt/wellkept/bin:$PATH PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1 OMP_NUM_THREADS=1 \
    MLFLOW_DISABLE_TELEMETRY=true NUMBA_CACHE_DIR=/tmp/numba WELLKEPT_MODELS=/models WELLKEPT_JOURNEYS=/journeys
USER 10001
WORKDIR /data
EXPOSE 8000
HEALTHCHECK --interval=10s --timeout=3s --start-period=120s \
    CMD ["python", "-c", "import urllib.request as u; u.urlopen('http://127.0.0.1:8000/livez', timeout=2)"]
ENTRYPOINT ["wellkept"]
CMD ["serve", "--host", "0.0.0.0", "--port", "8000"]

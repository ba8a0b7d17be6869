# For programs that answer with a model of Keras: fastgru in a slim Python, without a compiler, for a user without rights.
#   docker build -t fastgru .
#   docker run --rm -v "$PWD:/models:ro" fastgru summary /models/model.keras
#   docker run --rm -v "$PWD:/models:ro" -p 127.0.0.1:8000:8000 -e FASTGRU_TOKEN fastgru serve /models/model.keras --host 0.0.0.0
# docs/howto/serving.md says what is served. The image runs every command of fastgru's, so that whether it is well is asked
# where it serves: --health-cmd "python -c 'import urllib.request as r; r.urlopen(\"http://127.0.0.1:8000/v2/health/ready\")'"
# A service of one's own begins with FROM fastgru.
FROM python:3.12-slim-bookworm AS build
RUN apt-get update && apt-get install -y --no-install-recommends gcc libc6-dev && rm -rf /var/lib/apt/lists/*
WORKDIR /src
COPY . .
RUN pip wheel --no-cache-dir --no-deps --wheel-dir /wheels .

FROM python:3.12-slim-bookworm
# what is installed has no tests in it, and is compiled to bytes once, not at each start
RUN --mount=type=bind,from=build,source=/wheels,target=/wheels \
    pip install --no-cache-dir "$(echo /wheels/*.whl)[serve]" \
    && find /usr/local/lib/python3.12/site-packages -type d -name tests -prune -exec rm -rf {} + \
    && useradd --create-home --uid 1000 fastgru
USER fastgru
WORKDIR /home/fastgru
ENV PYTHONUNBUFFERED=1
EXPOSE 8000
ENTRYPOINT ["fastgru"]
CMD ["info"]

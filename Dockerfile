# netgen with a torch for processors; the README tells how it is built and used.
FROM python:3.13-slim AS build
WORKDIR /source
COPY . .
RUN python -m pip wheel --no-cache-dir --no-deps --wheel-dir /wheels .

FROM python:3.13-slim
RUN --mount=type=bind,from=build,source=/wheels,target=/wheels \
    --mount=type=bind,from=build,source=/source/constraints.txt,target=/constraints.txt \
    python -m pip install --no-cache-dir --constraint /constraints.txt \
        --extra-index-url https://download.pytorch.org/whl/cpu \
        torch numpy pygraphviz easydot /wheels/*.whl \
    && useradd --create-home netgen
USER netgen
WORKDIR /work
ENTRYPOINT ["netgen"]
CMD ["--help"]

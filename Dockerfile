# An image that builds campaigns: docker run --rm -v "$PWD:/project" -e OPENAI_API_KEY imagemake --cores 4
FROM python:3.12-slim

RUN apt-get update \
 && apt-get install --yes --no-install-recommends git \
 && rm -rf /var/lib/apt/lists/*

WORKDIR /src
COPY requirements.lock ./
RUN pip install --no-cache-dir --require-hashes --requirement requirements.lock

COPY . ./
RUN pip install --no-cache-dir --no-deps .

WORKDIR /project
ENV HOME=/tmp
ENTRYPOINT ["snakemake"]

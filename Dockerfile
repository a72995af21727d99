# On a processor:  docker build --tag stargan-fw .
#                  docker run --rm --volume "$PWD:/data" stargan-fw translate model face.jpg --to happy -o out
# On NVIDIA GPUs:  docker build --tag stargan-fw:cuda --build-arg DEVICE=cuda .
#                  docker run --rm --gpus all --shm-size 1g --volume "$PWD:/data" stargan-fw:cuda train --datasets pets=folder:pets --out run
ARG PYTHON=3.12
FROM python:${PYTHON}-slim

# gcc, since torch and the framework compile kernels when they first meet a machine.
RUN apt-get update \
    && apt-get install --yes --no-install-recommends gcc libc6-dev \
    && rm -rf /var/lib/apt/lists/*

# PyTorch comes first and by itself: its gigabytes are downloaded again only if DEVICE changes. The wheels of PyPI have CUDA inside.
ARG DEVICE=cpu
RUN case "$DEVICE" in \
        cpu) pip install --no-cache-dir torch torchvision --index-url https://download.pytorch.org/whl/cpu ;; \
        cuda) pip install --no-cache-dir torch torchvision ;; \
        *) echo "DEVICE is cpu or cuda, not $DEVICE" >&2; exit 2 ;; \
    esac

COPY pyproject.toml README.md LICENSE /source/
COPY core /source/core
COPY plugins /source/plugins
COPY registry /source/registry
ARG EXTRAS=faces,huggingface,onnx,sample
RUN pip install --no-cache-dir "/source[$EXTRAS]" && rm -rf /source

RUN useradd --create-home --uid 1000 user
USER user
WORKDIR /data
ENTRYPOINT ["stargan-fw"]
CMD ["--help"]

# A server of one model:
#   docker build -t zoo . && docker run --rm -p 8000:8000 -e ZOO_TOKEN=… zoo model=cnn.mnist
# A run of your own: docker run … -v "$PWD/runs/…:/model:ro" zoo model=/model/model.safetensors
FROM python:3.11-slim
COPY . /src
# On a machine without a GPU, install PyTorch's CPU build first (see its page, "Start locally"): it saves some 5 GB
RUN pip install --no-cache-dir -c /src/constraints.txt "/src[serve]" && rm -rf /src
ENV HOME=/tmp OMP_NUM_THREADS=1
USER 1000
WORKDIR /tmp
EXPOSE 8000
HEALTHCHECK --start-period=60s CMD ["python", "-c", "import urllib.request; urllib.request.urlopen('http://127.0.0.1:8000/health')"]
ENTRYPOINT ["zoo", "serve", "host=0.0.0.0"]
CMD ["model=cnn.mnist"]

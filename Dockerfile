# A server of the demo, or of a run or model folder that is mounted:
#   docker build -t seq2seq .
#   docker run --rm -p 127.0.0.1:5000:5000 seq2seq
#   docker run --rm -p 127.0.0.1:5000:5000 -v "$PWD/model:/model:ro" seq2seq /model
FROM python:3.11-slim
ENV PIP_NO_CACHE_DIR=1 PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_ROOT_USER_ACTION=ignore PYTHONUNBUFFERED=1
WORKDIR /app
COPY constraints.txt requirements-translate.txt ./
RUN pip install -c constraints.txt --index-url https://download.pytorch.org/whl/cpu torch
RUN pip install -c constraints.txt -r requirements-translate.txt starlette uvicorn onnxruntime
COPY pyproject.toml README.md LICENSE ./
COPY recipes recipes
COPY seq2seq seq2seq
RUN pip install --no-deps .
RUN useradd --create-home translator
USER translator
WORKDIR /home/translator
EXPOSE 5000
HEALTHCHECK --interval=30s --timeout=5s --start-period=30s CMD ["python", "-c", "from urllib.request import urlopen; urlopen('http://127.0.0.1:5000/health', timeout=4)"]
ENTRYPOINT ["seq2seq", "serve", "--host", "0.0.0.0", "--port", "5000"]
CMD ["demo"]

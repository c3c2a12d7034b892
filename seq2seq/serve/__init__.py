"""A server of trained models over HTTP (Starlette and uvicorn)."""

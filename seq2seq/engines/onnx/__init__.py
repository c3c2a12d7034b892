"""ONNX export and ONNX Runtime."""

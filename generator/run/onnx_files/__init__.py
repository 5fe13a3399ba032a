"""Networks from ONNX files: the graph as a module that runs, is recorded, and is compared."""

"""Where runs to compare are read from: run folders, kept records, TensorBoard, Weights & Biases."""

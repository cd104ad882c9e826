"""Fine-tune EfficientNet-Lite on the images of a library, in Keras or PyTorch."""

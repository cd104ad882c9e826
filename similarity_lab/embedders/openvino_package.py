"""OpenVINO without its telemetry: the one module of this package that imports it."""

from similarity_lab.embedders.telemetry import without_telemetry

with without_telemetry():
    import openvino

__all__ = ["openvino"]

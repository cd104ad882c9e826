from .mnist import Demo, run_demo

__all__ = [
    "Demo",
    "run_demo",
]

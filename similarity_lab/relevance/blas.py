"""Linear algebra on one thread, where matrices are small and the cores have other work.

The products that decide on a site take milliseconds. More threads hardly shorten them, but then
busy-wait for the next product and slow down the threads that decode and embed, most of all for
small sites.
"""

from threadpoolctl import threadpool_limits

__all__ = ["one_thread"]

one_thread = threadpool_limits.wrap(limits=1, user_api="blas")
"""Context manager and decorator that limits NumPy and SciPy to one thread."""

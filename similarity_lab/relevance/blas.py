"""Linear algebra on one thread, where matrices are small and the cores have other work.

The products that decide on a site take milliseconds. On several threads they take hardly less, and
these threads then wait for the next product by spinning, in the way of those that decode and
embed, which costs small sites most.
"""

from threadpoolctl import threadpool_limits

one_thread = threadpool_limits.wrap(limits=1, user_api="blas")
"""Context manager and decorator: NumPy and SciPy multiply on one thread meanwhile."""

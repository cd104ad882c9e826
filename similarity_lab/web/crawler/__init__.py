"""One process that crawls many sites: spider, frontiers, middlewares, store, cache, browser."""
